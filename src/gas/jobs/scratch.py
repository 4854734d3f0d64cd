"""Scratch folders: one for each run, and gone with it, even where the run was killed.

A run holds a lock on its folder. The kernel drops it with the process, however that ends: a folder
that nobody holds is a leftover.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

_PREFIX = "job-"
#: Between the making of a folder and its lock lies a moment.
NEW_S = 5.0
#: Uploads of the pages that Django puts here while it receives them.
_UPLOADS = "tmp*.upload*"
UPLOAD_S = 86_400.0


@contextlib.contextmanager
def folder(root: Path) -> Iterator[Path]:
    """A folder below ``root`` for one run. Raises OSError."""
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root, prefix=_PREFIX) as name:
        path = Path(name)
        with contextlib.ExitStack() as stack:
            with contextlib.suppress(OSError):  # a file system without locks: never swept
                stack.enter_context(_held(path))
            yield path


def sweep(root: Path) -> int:
    """Remove what runs and web processes that were killed left below ``root``; returns how many."""
    now, count = time.time(), 0
    for path in root.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):  # held, or gone by now
            if path.stat().st_ctime < now - NEW_S:
                with _held(path):
                    shutil.rmtree(path)
                count += 1
    for path in root.glob(_UPLOADS):
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_mtime < now - UPLOAD_S:
                path.unlink()
                count += 1
    return count


@contextlib.contextmanager
def _held(path: Path) -> Iterator[None]:
    """Raises OSError where another holds it."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)
