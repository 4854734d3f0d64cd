"""Protection from the supervisor of the same machine: a lock on a file, one for each worker.

The worker holds its lock while it is protected. The supervisor takes it before it tells the worker
to go, and keeps it until the worker is gone: to look whether a worker is idle and to make sure that
it stays so is one step. The kernel gives the lock of a dead process back.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from gas.farm.protection import ProtectionFailed


class Hold:
    """A lock on ``path``, which others see at once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        # Not inherited: an engine's process must not keep it.
        self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def take(self) -> bool:
        """Whether it is ours now; never waits."""
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def mark(self, busy: bool) -> None:
        """Let others see that the lock is held without trying it. Only a hint."""
        os.ftruncate(self._handle, int(busy))

    def give_back(self) -> None:
        fcntl.flock(self._handle, fcntl.LOCK_UN)

    def close(self) -> None:
        os.close(self._handle)


class LocalProtection:
    """A worker's side. ``path`` is its own lock file."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._hold = Hold(path)

    def protect(self) -> None:
        if not self._hold.take():
            raise ProtectionFailed("This worker is being taken out of the farm.")
        self._hold.mark(busy=True)

    def release(self) -> None:
        self._hold.mark(busy=False)
        self._hold.give_back()


def is_busy(path: Path) -> bool:
    """Whether the living worker of this lock is protected: for counting. To try the lock would for
    a moment keep the worker from it."""
    try:
        return path.stat().st_size > 0
    except FileNotFoundError:
        return False


def take_idle(path: Path) -> Hold | None:
    """The supervisor's side: the lock of a worker that is idle, and stays so until the lock is
    closed; None where it is busy."""
    hold = Hold(path)
    if hold.take():
        return hold
    hold.close()
    return None
