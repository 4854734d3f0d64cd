"""How long requests take, over all web processes of a host.

Each process counts in a file of its own that is mapped into its memory (prometheus_client's way for
several processes), and whoever is asked reads them all. A process takes the first file that no
living one holds and goes on with it: counts never fall, and there are no more files than there
were processes at a time.
"""

from __future__ import annotations

import fcntl
import itertools
import shutil
import socket
from functools import lru_cache
from pathlib import Path
from typing import IO

from prometheus_client import CollectorRegistry, Histogram, disable_created_metrics, values
from prometheus_client.multiprocess import MultiProcessCollector

from gas.config import override_environment
from gas.telemetry.families import REQUESTS

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})
_slot: IO[str] | None = None
_folder: Path | None = None


def share(root: Path) -> None:
    """Count from now on in files below ``root``, together with the host's other web processes.

    Raises OSError. A second call has no effect.
    """
    global _slot, _folder
    if _slot is not None:
        return
    folder = _folder_of_this_boot(root)
    _slot, number = _take_slot(folder)
    override_environment(PROMETHEUS_MULTIPROC_DIR=str(folder))
    values.ValueClass = values.MultiProcessValue(lambda: number)
    _folder = folder


def _folder_of_this_boot(root: Path) -> Path:
    """Files that were open when the machine went down may be broken: each boot has its own."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    name = f"{socket.gethostname()}.{boot.read_text().strip() if boot.exists() else '0'}"
    folder = root / name
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for old in root.glob(f"{socket.gethostname()}.*"):
        if old.name != name:
            shutil.rmtree(old, ignore_errors=True)
    return folder


def _take_slot(folder: Path) -> tuple[IO[str], int]:
    """The first number that no living process holds; the kernel frees it with its holder."""
    for number in itertools.count():
        lock = (folder / f"{number}.lock").open("a")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
        else:
            return lock, number
    raise AssertionError("unreachable")


@lru_cache(maxsize=1)
def _histogram() -> tuple[CollectorRegistry, Histogram]:
    disable_created_metrics()  # several processes have no common beginning to tell
    registry = CollectorRegistry()
    histogram = Histogram(
        REQUESTS.name,
        REQUESTS.text,
        ("method", "route", "status"),
        buckets=REQUESTS.bounds,
        registry=registry,
    )
    return registry, histogram


def observe(method: str, route: str | None, status: int, seconds: float) -> None:
    """Note one answered request. ``route`` is a pattern, never an address."""
    known = method if method in _METHODS else "other"
    _histogram()[1].labels(known, "none" if route is None else f"/{route}", str(status)).observe(
        seconds
    )


def registry() -> CollectorRegistry:
    """What this host counted; of this process alone where nothing is shared."""
    if _folder is None:
        return _histogram()[0]
    shared = CollectorRegistry()
    MultiProcessCollector(shared, str(_folder))
    return shared
