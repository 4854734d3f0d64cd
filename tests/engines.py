"""Engines for tests and for measuring the farm itself, given as ``module:Class``."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from gas.annotate.engines import Context, InfoField, Record, Source
from gas.annotate.pack import Pack


class NoopEngine:
    """Has nothing to say of any record."""

    name = "noop"
    parallel = True

    def version(self) -> str:
        return "noop 1"

    def info(self) -> InfoField:
        return InfoField("NOOP", "Nothing", ("Consequence",))

    @contextmanager
    def open(self, source: Source, pack: Pack, context: Context) -> Iterator[NoopEngine]:
        yield self

    def annotate(self, records: Sequence[Record]) -> Sequence[bytes]:
        return [b""] * len(records)


class HeldEngine(NoopEngine):
    """Works on the first record for as long as the file ``hold`` lies beside the pack's manifest,
    and leaves its process id in the file ``held-<pid>`` there."""

    name = "held"

    @contextmanager
    def open(self, source: Source, pack: Pack, context: Context) -> Iterator[NoopEngine]:
        (pack.path / f"held-{os.getpid()}").touch()
        while (pack.path / "hold").exists():
            context.check_cancelled()
            time.sleep(0.02)
        yield self


class CrashEngine(NoopEngine):
    """Dies the way C code does."""

    name = "crash"

    def annotate(self, records: Sequence[Record]) -> Sequence[bytes]:
        os.kill(os.getpid(), signal.SIGSEGV)
        return []
