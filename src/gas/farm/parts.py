"""The parts of the service: real processes, as they should be, and how each is started.

A part that is ``leaving`` was told to go and is not started again. Each launch of a worker has a
lock file of its own (``gas.farm.protection.local``): it appears when the worker is about to take
its first job, and shows whether it has one.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from gas import procs
from gas.config import Settings, child_environment
from gas.errors import GasError
from gas.farm.bounds import Bounds
from gas.farm.postgres import LEAST_CONNECTIONS, EmbeddedPostgres
from gas.farm.postgres import stop as stop_postgres
from gas.farm.protection import local
from gas.farm.serve import gunicorn_command
from gas.farm.worker import DRAIN

POSTGRES, WEB, ANNOTATOR = "postgres", "web", "annotator"
#: One worker for each of these queues.
UTILITIES = ("notify", "archive", "restore", "reap")
#: Connections of a worker: three of its queue (``gas.farm.worker``), one of Django's.
OF_A_WORKER = 4
#: For the supervisor, `gas manage`, a backup, and those that PostgreSQL keeps for its superuser.
BESIDE_THE_FARM = 20
LOG_LIMIT_BYTES = 20_000_000
#: An idle worker ends at once when it is told to; one that does not is killed. It has no job.
IDLE_LEAVE_S = 30.0


class CannotStart(GasError):
    """A process cannot be started."""


def connections(settings: Settings) -> int:
    """How many connections PostgreSQL must take, so that a farm at its upper bounds leaves nobody
    without one. A web thread keeps one. All twice: in a reload the old parts finish beside the new.
    """
    workers = Bounds.parse(settings.annotators).maximum + len(UTILITIES)
    threads = Bounds.parse(settings.web_workers).maximum * settings.web_threads
    return max(LEAST_CONNECTIONS, 2 * (OF_A_WORKER * workers + threads) + BESIDE_THE_FARM)


@dataclass(eq=False)
class Part:
    """One process of the service."""

    name: str
    #: POSTGRES, WEB, ANNOTATOR or the name of a utility.
    kind: str
    launch: Callable[[Part], subprocess.Popen[bytes]]
    #: Has it end within this time, or kills it with all that it started.
    grace_s: float
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    failures: int = 0
    restart_at: float | None = None
    leaving: bool = False
    #: Until when it may take its time to leave; None: as long as its job lasts.
    leave_by: float | None = None
    #: The lock file of a worker.
    lock: Path | None = None
    hold: local.Hold | None = None

    def start(self) -> None:
        self.process = self.launch(self)
        self.started_at = time.monotonic()
        self.restart_at = None

    @property
    def pid(self) -> int | None:
        return None if self.process is None else self.process.pid

    @property
    def is_ready(self) -> bool:
        """Whether a worker has got as far as its first look at the queue."""
        return self.process is not None and self.lock is not None and self.lock.exists()

    @property
    def is_busy(self) -> bool:
        return self.process is not None and self.lock is not None and local.is_busy(self.lock)

    def signal(self, number: int) -> None:
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(number)

    def drain(self) -> None:
        """A worker is to finish what it has, however long that takes, and go."""
        self.leaving = True
        self.signal(DRAIN)

    def leave_if_idle(self) -> bool:
        """Have an idle worker go; it takes no job from this moment on. Whether it was idle.

        What does not run is idle. The worker's lock is held until it is gone."""
        if self.process is not None:
            assert self.lock is not None
            self.hold = local.take_idle(self.lock)
            if self.hold is None:
                return False
            self.leave_by = time.monotonic() + IDLE_LEAVE_S
        self.drain()
        return True

    def ended(self) -> None:
        """Clear up after its process."""
        if self.process is not None:
            procs.kill_group(self.process.pid)  # whatever it started goes too
            self.process = None
        if self.hold is not None:
            self.hold.close()
            self.hold = None
        if self.lock is not None:
            self.lock.unlink(missing_ok=True)


@dataclass
class Maker:
    """Makes the parts that the settings ask for. Nothing is started yet."""

    settings: Settings
    _launches: itertools.count[int] = field(default_factory=itertools.count)

    def postgres(self) -> Part:
        server = EmbeddedPostgres(
            self.settings.postgres_dir,
            self.settings.postgres_socket_dir,
            self.settings.secret("postgres_password") or "",
            connections=connections(self.settings),
            log=self.open_log(POSTGRES),
        )
        return Part(POSTGRES, POSTGRES, lambda _: server.start(), grace_s=0)

    def web(self, listener: int, workers: Callable[[], int]) -> Part:
        """``listener``: the handle of the socket that it serves; ``workers``: how many there
        should be when it starts."""

        def launch(_: Part) -> subprocess.Popen[bytes]:
            command = gunicorn_command(self.settings, f"fd://{listener}", workers())
            # gunicorn's master ends its workers on SIGTERM, and they end when it is gone.
            return self.launch(WEB, command, signal.SIGTERM, pass_fds=(listener,))

        return Part(WEB, WEB, launch, grace_s=self.settings.web_grace_s + 5)

    def worker(self, name: str, kind: str) -> Part:
        """A worker of the queue of ``kind``."""
        queue = "annotate" if kind == ANNOTATOR else kind

        def launch(part: Part) -> subprocess.Popen[bytes]:
            lock = f"{name}-{next(self._launches)}"
            part.lock = self.settings.run_dir / f"{lock}.lock"
            command = [sys.executable, "-m", "gas", "worker", queue, "--name", lock]
            # Orphaned workers are killed: what they held is recovered, as after any crash.
            return self.launch(name, command, signal.SIGKILL)

        return Part(name, kind, launch, grace_s=self.settings.stop_grace_s + 15)

    def launch(
        self,
        name: str,
        command: list[str],
        orphan_signal: signal.Signals,
        pass_fds: tuple[int, ...] = (),
    ) -> subprocess.Popen[bytes]:
        """Start a process of its own, which ends by ``orphan_signal`` when this one is gone and
        writes into the log ``name``. Raises CannotStart."""
        with self.open_log(name) as log, _said():
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=child_environment(),
                pass_fds=pass_fds,
                # Ctrl-C in the terminal is for the supervisor, which stops them in order.
                start_new_session=True,
                preexec_fn=functools.partial(procs.die_with_parent, orphan_signal),
            )

    def open_log(self, name: str) -> IO[bytes]:
        return (self.settings.logs_dir / f"{name}.log").open("ab")


@contextlib.contextmanager
def _said() -> Iterator[None]:
    try:
        yield
    except OSError as error:  # no memory, no more processes
        raise CannotStart(f"The machine starts no process: {error.strerror}.") from None


def stop(part: Part, hurried: Callable[[], bool]) -> None:
    """It was told to stop: wait for it as long as it may take, or until ``hurried``, then kill it
    with all that it started."""
    process = part.process
    if process is None:
        return
    if part.kind == POSTGRES:
        stop_postgres(process)
        return
    end = time.monotonic() + part.grace_s
    while process.poll() is None and time.monotonic() < end and not hurried():
        time.sleep(0.02)
    procs.kill_group(process.pid)
    process.wait()


def trim_logs(folder: Path) -> None:
    """Keep what was written last. Whoever writes appends, and may go on with the same file; what
    it writes between the copy and the cut is lost."""
    for path in folder.glob("*.log"):
        if path.stat().st_size > LOG_LIMIT_BYTES:
            shutil.copyfile(path, path.with_suffix(".log.1"))
            os.truncate(path, 0)
