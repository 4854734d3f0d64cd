"""What a web worker says of itself, so that the supervisor can scale the web part by it.

Each worker writes a small file into the run folder about once a second; whoever asks reads them
all. A file whose process is gone is cleared by the reader.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from gas import procs

EVERY_S = 1.0
_PREFIX = "web-"


@dataclass(frozen=True)
class WebGauge:
    """One web worker: requests answered since it began, requests it is at, and whether it takes
    no new ones any more."""

    pid: int
    #: Process id of the gunicorn that it is of.
    master: int
    served: int
    open: int
    draining: bool


class Counter:
    """Counts a worker's requests, in any of its threads, and writes them down now and then."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / f"{_PREFIX}{os.getpid()}.json"
        self._lock = threading.Lock()
        self._served = self._open = 0
        self._due_s = 0.0
        self._draining = False

    @contextlib.contextmanager
    def request(self) -> Iterator[None]:
        """Around one request."""
        with self._lock:
            self._open += 1
        try:
            yield
        finally:
            with self._lock:
                self._open -= 1
                self._served += 1

    def write(self, *, draining: bool) -> None:
        """Write the numbers, once a second at most; that it drains, at once."""
        now = time.monotonic()
        if now < self._due_s and draining == self._draining:
            return
        self._due_s, self._draining = now + EVERY_S, draining
        with self._lock:
            gauge = WebGauge(os.getpid(), os.getppid(), self._served, self._open, draining)
        # A full disk must not end a worker: the supervisor goes on with what it saw last.
        with contextlib.suppress(OSError):
            procs.replace_file(self._path, json.dumps(asdict(gauge)))


def read(folder: Path) -> list[WebGauge]:
    """What all living web workers said last."""
    found = []
    for path in sorted(folder.glob(f"{_PREFIX}*.json")):
        with contextlib.suppress(OSError, ValueError, TypeError):
            gauge = WebGauge(**json.loads(path.read_text()))
            if procs.is_alive(gauge.pid):
                found.append(gauge)
            else:
                path.unlink()
    return found
