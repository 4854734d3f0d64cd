"""Running an engine in a child process (``gas.annotate.child`` describes what is said to it).

In a child, because nothing that an engine does (holding the GIL for minutes, using all memory,
crashing in C) may stop its worker from saying that it is alive, and because a child can be killed.

Each is forked from a server process that has everything imported and has never run an engine: as
clean as a new process, without the time that one takes to start.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import selectors
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing import forkserver
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any, Protocol

from gas import errors, procs
from gas.annotate import child, summary_files
from gas.annotate.pack import Pack
from gas.config import Settings
from gas.errors import EngineError, GasError, TransientError
from gas.jobs import scratch
from gas.reference import packs
from gas.storage import Storage

#: How often ``keep`` is called while the child is silent.
POLL_S = 0.2
STOP_S = 5.0
_FORKS = multiprocessing.get_context("forkserver")
#: What a run imports at some time or other: the server has it before it forks.
_FORKS.set_forkserver_preload(["gas.annotate.child", "gas.annotate.engines.gas", "numpy"])
RESULT = "annotated.vcf.gz"


@dataclass(frozen=True)
class Target:
    """With what is annotated, for which job (its id, as reports name it), and where the result
    goes."""

    job: str
    output_prefix: str
    pack: Pack
    engine: str
    storage: Storage


@dataclass(frozen=True)
class Task(Target):
    """What is to be annotated, with what, and where the result goes."""

    input_key: str
    input_sha256: str


@dataclass(frozen=True)
class Outcome:
    """What came out: ``files`` as [{"name", "size_bytes", "sha256"}] below the output prefix."""

    files: list[dict[str, Any]]
    summary: dict[str, Any]


class Runner(Protocol):
    def run(self, task: Task, keep: Callable[[float], None]) -> Outcome:
        """Annotate. ``keep`` is called with the progress (0 to 1) several times a second at most,
        and stops everything by raising; nothing then is left but what was already stored.

        Raises GasError, or what ``keep`` raised.
        """
        ...


class ChildRunner:
    """Runs each task in a process of its own, in a folder of its own."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @staticmethod
    def warm_up() -> None:
        """Start the process that engines are forked from, so that no job has to wait for it."""
        forkserver.ensure_running()

    def run(self, task: Task, keep: Callable[[float], None]) -> Outcome:
        with work_folder(self._settings) as folder:
            source, results = folder / "input", folder / "results"
            results.mkdir()
            task.storage.fetch(
                task.input_key, source, sha256=task.input_sha256, tick=lambda: keep(0.0)
            )
            request = {
                **request_for(self._settings, task),
                "input": str(source),
                "output": str(results / RESULT),
                "offers": offers(self._settings),
                "beside": "",
            }
            summary = converse(request, keep)["summary"]
            return store_results(task, results, summary, keep)


@contextlib.contextmanager
def work_folder(settings: Settings) -> Iterator[Path]:
    """A folder for one run. Raises TransientError where the disk refuses, then and within."""
    try:
        with scratch.folder(settings.scratch_dir) as folder:
            yield folder
    except OSError as error:
        raise TransientError(f"The disk refused: {error.strerror}.") from error


def request_for(settings: Settings, target: Target) -> dict[str, Any]:
    """What a child is told of how to work, whatever it is to do."""
    return {
        "pack": str(target.pack.path),
        "cache": str(target.pack.cache or ""),
        "engine": target.engine,
        "workers": settings.annotate_processes,
        "limits": limits_of(settings),
    }


def offers(settings: Settings) -> list[str]:
    """The references on offer, for who chose the wrong one."""
    found = packs.available(packs.roots(settings.references_dir))
    return [f"{pack.name} ({pack.assembly})" for pack in found]


def store_results(
    target: Target, results: Path, summary: dict[str, Any], keep: Callable[[float], None]
) -> Outcome:
    """Put the files of the folder ``results``, and the summary beside them, where they belong."""
    summary_files.write(summary, results, "", target.job)  # MultiQC knows each job by its id
    files = []
    for path in sorted(results.iterdir()):
        stored = target.storage.put_file(
            f"{target.output_prefix}/{path.name}", path, tick=lambda: keep(1.0)
        )
        files.append({"name": path.name, "size_bytes": stored.size_bytes, "sha256": stored.sha256})
    return Outcome(files, summary)


def limits_of(settings: Settings) -> dict[str, int]:
    """The caps on an input, as ``gas.annotate.stream.Limits`` calls them."""
    return {
        "uncompressed_bytes": settings.max_uncompressed_bytes,
        "ratio": settings.max_compression_ratio,
        "line_bytes": settings.max_line_bytes,
        "header_lines": settings.max_header_lines,
        "samples": settings.max_samples,
        "alts": settings.max_alts,
    }


def converse(
    request: dict[str, Any],
    keep: Callable[[float], None],
    on_shard: Callable[[dict[str, Any]], None] = lambda shard: None,
) -> dict[str, Any]:
    """Start the child, listen to it, and return its result. It never outlives this call.

    ``on_shard`` hears of each shard that it has planned. Raises the error that the child told, and
    what ``keep`` and ``on_shard`` raise."""
    answers, theirs = _FORKS.Pipe(duplex=False)
    process = _FORKS.Process(target=child.forked, args=(request, theirs))
    process.start()
    theirs.close()
    try:
        progress = 0.0
        for message in _messages(answers.fileno()):
            if message is not None and "result" in message:
                return dict(message["result"])
            if message is not None and "error" in message:
                raise _error(message["error"])
            if message is not None and "shard" in message:
                on_shard(message["shard"])
            elif message is not None:
                done = message["progress"]
                progress = done["bytes_read"] / max(1, done["bytes_total"])
            keep(progress)
    finally:
        answers.close()
        _stop(process)
    raise EngineError(
        f"The annotation process ended without a result ({_how_it_ended(process.exitcode)}).",
    )


def _messages(handle: int) -> Iterator[dict[str, Any] | None]:
    """What the child says, as it comes; None now and then while it says nothing."""
    buffer = b""
    with selectors.DefaultSelector() as selector:
        selector.register(handle, selectors.EVENT_READ)
        while True:
            if not selector.select(POLL_S):
                yield None
                continue
            piece = os.read(handle, 1 << 16)
            if not piece:
                return
            *lines, buffer = (buffer + piece).split(b"\n")
            for line in lines:
                yield json.loads(line)


def _error(said: dict[str, Any]) -> GasError:
    kind: type[GasError] = GasError if said.get("permanent", True) else TransientError
    error = kind(
        str(said["message"]),
        hint=str(said.get("hint") or ""),
        line=said.get("line"),
        column=said.get("column"),
    )
    error.code = str(said.get("code") or errors.GasError.code)
    return error


def _stop(process: ForkServerProcess) -> None:
    """First politely, so that it removes what it wrote; then for sure, with all that it started."""
    process.join(0.1)  # after its last line it is about to end by itself
    if process.is_alive():
        process.terminate()
        process.join(STOP_S)
    if process.pid is not None and process.is_alive():
        procs.kill_group(process.pid)
    process.join()


def _how_it_ended(code: int | None) -> str:
    if code is None or code >= 0:
        return f"exit status {code}"
    name = signal.Signals(-code).name
    return f"{name}: out of memory?" if -code == signal.SIGKILL else name
