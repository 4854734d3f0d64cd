"""Several hosts on one machine: a network namespace each, joined by a switch; any cable can be cut.

What goes over a cable is seen by its two ends alone. Files are not: every host has a data folder of
its own, and nothing is shared but the database and the object store, over the network.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.e2e.service import ROOT

_CLONE_NEWNET = 0x40000000
_NETWORK = "10.77.0"
_libc = ctypes.CDLL(None, use_errno=True)


def missing() -> str:
    """Why hosts cannot be made here, as a sentence; empty: they can."""
    lacking = [name for name in ("ip", "haproxy") if shutil.which(name) is None]
    if lacking:
        return f"{' and '.join(lacking)} not installed (Debian's iproute2 and haproxy)."
    name = f"gas-try-{secrets.token_hex(3)}"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True)
    if made.returncode != 0:
        return f"This machine gives no network namespaces: {made.stderr.strip()}"
    subprocess.run(["ip", "netns", "del", name], check=True)
    return ""


class Network:
    """A switch and the hosts on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._token = secrets.token_hex(3)
        self._addresses: dict[str, str] = {}
        self._processes: list[subprocess.Popen[bytes]] = []
        self._add_namespace("switch")
        self._in("switch", "link", "add", "switch", "type", "bridge")
        self._in("switch", "link", "set", "switch", "up")

    def add(self, host: str) -> str:
        """A new host with a cable to the switch; its address."""
        address = f"{_NETWORK}.{len(self._addresses) + 1}"
        self._add_namespace(host)
        end = self._cable(host)
        there = self._space(host)
        self._in("switch", "link", "add", end, "type", "veth", "peer", "eth0", "netns", there)
        self._in("switch", "link", "set", end, "master", "switch", "up")
        self._in(host, "address", "add", f"{address}/24", "dev", "eth0")
        self._in(host, "link", "set", "eth0", "up")
        (self.folder / host).mkdir(mode=0o711)
        self._addresses[host] = address
        return address

    def cut(self, host: str) -> None:
        """Nothing reaches the host any more, and nothing from it arrives; nobody is told."""
        self._in("switch", "link", "set", self._cable(host), "nomaster")

    def mend(self, host: str) -> None:
        self._in("switch", "link", "set", self._cable(host), "master", "switch")

    @contextlib.contextmanager
    def inside(self, host: str) -> Iterator[None]:
        """What this thread opens, and the processes that it starts, are on ``host``."""
        with (
            Path("/proc/thread-self/ns/net").open() as here,
            Path(f"/run/netns/{self._space(host)}").open() as there,
        ):
            _enter(there.fileno())
            try:
                yield
            finally:
                _enter(here.fileno())

    def start(
        self, host: str, name: str, command: list[str], **environment: str
    ) -> subprocess.Popen[bytes]:
        """A process on ``host``; what it prints is in the folder's ``<host>/<name>.log``."""
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("GAS_", "DJANGO_"))}
        clean.pop("DATABASE_URL", None)
        with self.inside(host), (self.folder / host / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={**clean, "PYTHONPATH": os.pathsep.join([*_code(), str(ROOT)]), **environment},
            )
        self._processes.append(process)
        return process

    def remove(self) -> None:
        """Everything that was made, with all that runs in it."""
        for process in self._processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        for host in ("switch", *self._addresses):
            subprocess.run(["ip", "netns", "del", self._space(host)], check=False)

    def _add_namespace(self, host: str) -> None:
        subprocess.run(["ip", "netns", "add", self._space(host)], check=True)
        self._in(host, "link", "set", "lo", "up")

    def _space(self, host: str) -> str:
        return f"gas-{self._token}-{host}"

    def _cable(self, host: str) -> str:
        return f"to-{host}"[:15]

    def _in(self, host: str, *command: str) -> None:
        subprocess.run(["ip", "-n", self._space(host), *command], check=True)


def _enter(handle: int) -> None:
    if _libc.setns(handle, _CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def _code() -> list[str]:
    """Where this process has its code from: the hosts run the same."""
    return [path for path in sys.path if path.endswith("/src")]
