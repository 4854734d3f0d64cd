"""A real `gas up` for tests: real processes, real PostgreSQL, on free ports in a private folder."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx

from gas.client import Client
from gas.demo.run import _submit

ROOT = Path(__file__).parents[2]
START_TIMEOUT_S = 60.0


def wait_for(what: Callable[[], Any], timeout_s: float = 30.0, why: str = "") -> Any:
    """Poll until ``what()`` is true; its value."""
    end = time.monotonic() + timeout_s
    while True:
        value = what()
        if value:
            return value
        assert time.monotonic() < end, why or "it does not come"
        time.sleep(0.05)


def alive(pid: int) -> bool:
    """Whether the process runs (a zombie does not)."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def sign_up(url: str, email: str) -> str:
    """A new user, through the pages; that user's API token."""
    with httpx.Client(base_url=url, follow_redirects=True, timeout=30) as browser:
        password = secrets.token_urlsafe(12)
        _submit(browser, "/accounts/signup/", name="Ada", email=email, institution="",
                password1=password, password2=password)  # fmt: skip
        page = _submit(browser, "/profile/", "/profile/tokens/", name="e2e").text
    token = re.search(r"gas_[A-Za-z0-9_-]{43}", page)
    assert token is not None
    return token[0]


class Service:
    """`gas up` as a process of its own. ``lines`` is what it printed."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.data = folder / "data"
        self.lines: list[str] = []
        clean = {k: v for k, v in os.environ.items() if k not in ("DATABASE_URL",)}
        clean = {k: v for k, v in clean.items() if not k.startswith(("GAS_", "DJANGO_"))}
        self.environment = {
            **clean,
            "PYTHONPATH": os.pathsep.join((str(ROOT / "src"), str(ROOT))),
            "PYTHONUNBUFFERED": "1",
            # Quick to notice a death: a test should not wait for half a minute.
            "GAS_LEASE_S": "3",
            "GAS_HEARTBEAT_S": "0.5",
            "GAS_RETRY_BACKOFF_S": "0.2",
            "GAS_STOP_GRACE_S": "2",
            **environment,
        }

    def gas(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "gas", *arguments]

    def start(self) -> Service:
        self.process = subprocess.Popen(
            self.gas("up", "--port", "0", "--data", str(self.data)),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=self.environment,
            start_new_session=True,
        )
        self.lines = []
        threading.Thread(target=self._listen, args=(self.process,), daemon=True).start()
        wait_for(
            lambda: self._found("GAS is up: (\\S+)") or self.process.poll() is not None,
            START_TIMEOUT_S,
            "it does not start",
        )
        assert self.process.poll() is None, "\n".join(self.lines)
        self.url = self._found("GAS is up: (\\S+)")[1]  # type: ignore[index]
        return self

    def _listen(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self.lines.append(line.rstrip())

    def _found(self, pattern: str) -> re.Match[str] | None:
        return re.search(pattern, "\n".join(self.lines))

    def pid_of(self, part: str) -> int:
        """The process id of ``part``, the newest where it was started again."""
        found = re.findall(rf"^  {part} +started +pid (\d+)", "\n".join(self.lines), re.MULTILINE)
        return int(found[-1])

    def descendants(self) -> set[int]:
        """Every process that the service started, and theirs."""
        parents: dict[int, list[int]] = {}
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                fields = stat.read_text().rpartition(")")[2].split()
                parents.setdefault(int(fields[1]), []).append(int(stat.parent.name))
        found, todo = set(), [self.process.pid]
        while todo:
            children = parents.get(todo.pop(), [])
            found.update(children)
            todo += children
        return found

    def stop(self, number: int = signal.SIGINT, timeout_s: float = 45.0) -> int:
        self.process.send_signal(number)
        return self.process.wait(timeout_s)

    def sign_up(self, email: str = "ada@example.org") -> Client:
        """A new user, through the pages; a client with that user's token."""
        self.token = sign_up(self.url, email)
        return Client(self.url, self.token)

    def log(self, client: Client, job_id: str) -> str:
        return client._http.get(f"/api/v1/jobs/{job_id}/log").text

    def mails(self) -> list[Path]:
        return sorted((self.data / "service" / "mail").glob("*.eml"))


@contextlib.contextmanager
def service_folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="gas-e2e-"))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def running(**environment: str) -> Iterator[Service]:
    """A service that is up; nothing of it is left afterwards, whatever the test did."""
    with service_folder() as folder:
        service = Service(folder, **environment)
        try:
            yield service.start()
        finally:
            everyone = service.descendants()
            if service.process.poll() is None:
                service.process.kill()
            service.process.wait()
            for pid in everyone:
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
            wait_for(lambda: not any(alive(pid) for pid in everyone), 30)
