"""Several processes that annotate slices of one file, in order, for engines that are ``parallel``.

Each worker is ``python -m gas.annotate.pool``, talks over its standard input and output in pickles,
opens the engine for itself, and does not outlive its parent. A thread per worker moves slices to it
and results back; at most two slices per worker are under way, so memory stays flat.
"""

from __future__ import annotations

import os
import pickle
import queue
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, TimeoutError
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self

from gas.annotate.engines import Context, load
from gas.annotate.header import Keys
from gas.annotate.pack import Pack
from gas.annotate.piece import Annotator, Piece, rare_collections
from gas.annotate.stream import Limits
from gas.annotate.vcf import Slice, VcfFile
from gas.errors import GasError, TransientError
from gas.procs import die_with_parent

_POLL_S = 0.1
_AHEAD = 2


@dataclass(frozen=True)
class Setup:
    """What a worker needs to begin. ``import_path``: where to find engines, as its parent does."""

    input: Path
    pack: Pack
    engine: str
    options: Mapping[str, str]
    keys: Keys
    limits: Limits
    scratch: Path
    import_path: tuple[str, ...]


class Pool:
    """A context manager; on leaving, no worker is left."""

    def __init__(self, setup: Setup, workers: int, check_cancelled: Callable[[], None]) -> None:
        self._check_cancelled = check_cancelled
        self._workers = [_start(setup) for _ in range(workers)]
        self._threads = ThreadPoolExecutor(workers)
        self._idle: queue.SimpleQueue[subprocess.Popen[bytes]] = queue.SimpleQueue()
        for worker in self._workers:
            self._idle.put(worker)

    def map(self, slices: Iterator[Slice]) -> Iterator[Piece]:
        """The results in the order of ``slices``. Raises what a worker raised, or Cancelled."""
        waiting: deque[Future[Piece]] = deque()
        for piece in slices:
            while len(waiting) >= _AHEAD * len(self._workers):
                yield self._wait(waiting.popleft())
            waiting.append(self._threads.submit(self._work, piece))
        while waiting:
            yield self._wait(waiting.popleft())

    def _wait(self, future: Future[Piece]) -> Piece:
        while True:
            self._check_cancelled()
            try:
                return future.result(_POLL_S)
            except TimeoutError:
                if future.done():  # the worker's own
                    raise

    def _work(self, piece: Slice) -> Piece:
        worker = self._idle.get()
        try:
            assert worker.stdin is not None
            assert worker.stdout is not None
            _send(worker.stdin, piece)
            answer = pickle.load(worker.stdout)  # noqa: S301 - our own child wrote it
        except (EOFError, OSError, pickle.UnpicklingError):
            raise TransientError("A process of the annotation ended unexpectedly.") from None
        finally:
            self._idle.put(worker)
        if isinstance(answer, BaseException):
            raise answer
        result: Piece = answer
        return result

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.kill()
        self._threads.shutdown(wait=True, cancel_futures=True)
        for worker in self._workers:
            worker.communicate()


def _start(setup: Setup) -> subprocess.Popen[bytes]:
    worker = subprocess.Popen(
        [sys.executable, "-m", "gas.annotate.pool", str(os.getpid())],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert worker.stdin is not None
    _send(worker.stdin, setup)
    return worker


def _send(pipe: IO[bytes], value: object) -> None:
    pickle.dump(value, pipe, pickle.HIGHEST_PROTOCOL)
    pipe.flush()


# -- in the worker ---------------------------------------------------------------------------------


@contextmanager
def _annotator(setup: Setup) -> Iterator[Annotator]:
    sys.path[:] = setup.import_path
    engine = load(setup.engine, setup.options)
    source = VcfFile(setup.input, setup.limits)
    with engine.open(source, setup.pack, Context(scratch=setup.scratch)) as session:
        yield Annotator(engine, session, setup.keys, setup.pack, setup.limits.alts)


def main(parent: int) -> None:
    """Read a Setup, then slices; answer each with a Piece or the error it met."""
    die_with_parent(parent=parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever an engine prints goes to the log, not between the answers
    setup: Setup = pickle.load(requests)  # noqa: S301 - from our parent
    try:
        with rare_collections(), _annotator(setup) as annotator:
            while True:
                try:
                    piece = pickle.load(requests)  # noqa: S301 - from our parent
                except EOFError:
                    return
                _send(answers, annotator.work(piece))
    except GasError as error:
        _send(answers, error)
        # Answer what is under way as well, until the parent ends us.
        while requests.read(1 << 16):
            pass


if __name__ == "__main__":
    main(int(sys.argv[1]))
