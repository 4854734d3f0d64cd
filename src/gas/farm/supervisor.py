"""`gas up`: the whole service on one machine, as real processes under one supervisor.

    postgres      only where DATABASE_URL is not set
    web           gunicorn, on a socket that the supervisor holds
    annotator-N   workers of the queue `annotate`
    notify, archive, restore, reap   one worker for each of the small queues

What dies is started again, after a wait that grows. Every part is told by the kernel when the
supervisor is gone (``gas.procs``), so even `kill -9` leaves no orphan behind.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import IO

from gas import procs
from gas.config import Settings, child_environment, get_settings, override_environment
from gas.errors import GasError
from gas.farm import first_start, schema
from gas.farm.postgres import EmbeddedPostgres
from gas.farm.postgres import stop as stop_postgres
from gas.farm.serve import gunicorn_command

POLL_S = 0.2
READY_TIMEOUT_S = 60.0
#: A part that lived so long has recovered: its next end is a first one again.
STABLE_S = 60.0
BACKOFF_S = (0.5, 1.0, 2.0, 5.0, 15.0, 30.0)
LOG_LIMIT_BYTES = 20_000_000
LOG_CHECK_S = 60.0


class AlreadyRunning(GasError):
    """Another GAS runs on this data folder."""


class DoesNotStart(GasError):
    """A part of the service does not start."""


@dataclass
class Part:
    """One process of the service, as it should be."""

    name: str
    launch: Callable[[], subprocess.Popen[bytes]]
    stop: Callable[[subprocess.Popen[bytes]], None]
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    failures: int = 0
    restart_at: float | None = None

    def start(self) -> None:
        self.process = self.launch()
        self.started_at = time.monotonic()
        self.restart_at = None


@dataclass
class Supervisor:
    """Starts the parts, keeps them alive, stops them. ``say`` prints one line for a person."""

    settings: Settings
    say: Callable[[str], None]
    parts: list[Part] = field(default_factory=list)
    _stopping: int = 0
    _trim_at: float = 0.0
    _listener: socket.socket | None = None

    def run(self) -> None:
        """Everything, until a signal says stop. Raises GasError where a part does not start."""
        first_start.prepare_folders(self.settings)
        with self._only_one(), self._signals(), contextlib.ExitStack() as stack:
            stack.callback(self._stop_all)
            self._start_all()
            while not self._stopping:
                self._mend()
                time.sleep(POLL_S)
            self.say("Stopping ...")
        self.say("Stopped.")

    # -- starting ------------------------------------------------------------------------------

    def _start_all(self) -> None:
        first_start.ensure_secrets(self.settings)
        if self.settings.database_url is None:
            self._add(self._postgres_part())
        self._listen()
        self._migrate()
        self._add(self._web_part())
        for number in range(1, self.settings.annotators + 1):
            self._add(self._worker_part(f"annotator-{number}", "annotate"))
        for queue_name in ("notify", "archive", "restore", "reap"):
            self._add(self._worker_part(queue_name, queue_name))
        self._wait_ready()
        if not self._stopping:
            self.say(f"GAS is up: {self.settings.public_url}   (Ctrl-C stops it)")

    def _add(self, part: Part) -> None:
        begun = time.monotonic()
        part.start()
        self.parts.append(part)
        assert part.process is not None
        took = time.monotonic() - begun
        self.say(f"  {part.name:<12} started   pid {part.process.pid:<7} {took:.1f} s")

    def _listen(self) -> None:
        """Hold the web part's socket: its port is known before it runs, and outlives it."""
        family = socket.AF_INET6 if ":" in self.settings.host else socket.AF_INET
        try:
            listener = socket.create_server(
                (self.settings.host, self.settings.port), family=family, backlog=2048
            )
        except OSError as error:
            raise DoesNotStart(
                f"{self.settings.host}:{self.settings.port}: {error.strerror}.",
                hint="Choose another --host or --port (0: any free one).",
            ) from None
        self._listener = listener
        override_environment(GAS_PORT=str(listener.getsockname()[1]))
        self.settings = get_settings()

    def _migrate(self) -> None:
        begun = time.monotonic()
        password = schema.migrate(operator=True)
        self.say(f"  {'database':<12} ready     {'':<11} {time.monotonic() - begun:.1f} s")
        if password is not None:
            self.say(f"  First start. Operator's account: {first_start.OPERATOR}")
            self.say(f"  Its password, shown this once:   {password}")

    def _wait_ready(self) -> None:
        end = time.monotonic() + READY_TIMEOUT_S
        while not self._stopping and not self._web_is_ready():
            self._mend()
            if time.monotonic() > end:
                raise DoesNotStart(
                    "The web part does not get ready.",
                    hint=f"Its log says why: {self.settings.logs_dir / 'web.log'}",
                )
            time.sleep(0.1)

    def _web_is_ready(self) -> bool:
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(  # noqa: S104 - asking, not binding
            self.settings.host, self.settings.host
        )
        client = http.client.HTTPConnection(host, self.settings.port, timeout=5)
        with contextlib.suppress(OSError, http.client.HTTPException):
            client.request("GET", "/readyz", headers={"Host": "localhost"})
            return client.getresponse().status == http.HTTPStatus.OK
        return False

    # -- the parts -----------------------------------------------------------------------------

    def _postgres_part(self) -> Part:
        server = EmbeddedPostgres(
            self.settings.postgres_dir,
            self.settings.postgres_socket_dir,
            self.settings.secret("postgres_password") or "",
            log=self._log("postgres"),
        )
        return Part("postgres", server.start, stop_postgres)

    def _web_part(self) -> Part:
        assert self._listener is not None
        handle = self._listener.fileno()
        command = gunicorn_command(self.settings, f"fd://{handle}")
        # gunicorn's master ends its workers on SIGTERM, and they end when it is gone.
        launch = self._launcher("web", command, signal.SIGTERM, pass_fds=(handle,))
        return Part("web", launch, functools.partial(self._stop, grace_s=20))

    def _worker_part(self, name: str, queue_name: str) -> Part:
        command = [sys.executable, "-m", "gas", "worker", queue_name]
        # Orphaned workers are killed: what they held is recovered, as after any crash.
        launch = self._launcher(name, command, signal.SIGKILL)
        stop = functools.partial(self._stop, grace_s=self.settings.stop_grace_s + 15)
        return Part(name, launch, stop)

    def _launcher(
        self,
        name: str,
        command: list[str],
        orphan_signal: signal.Signals,
        pass_fds: tuple[int, ...] = (),
    ) -> Callable[[], subprocess.Popen[bytes]]:
        def launch() -> subprocess.Popen[bytes]:
            with self._log(name) as log:
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

        return launch

    def _log(self, name: str) -> IO[bytes]:
        return (self.settings.logs_dir / f"{name}.log").open("ab")

    def _trim_logs(self) -> None:
        """Keep what was written last. Whoever writes appends, and may go on with the same file;
        what it writes between the copy and the cut is lost."""
        for path in self.settings.logs_dir.glob("*.log"):
            if path.stat().st_size > LOG_LIMIT_BYTES:
                shutil.copyfile(path, path.with_suffix(".log.1"))
                os.truncate(path, 0)

    # -- living and stopping -------------------------------------------------------------------

    def _mend(self) -> None:
        """Notice what ended, and start it again when its wait is over."""
        now = time.monotonic()
        if now >= self._trim_at:
            self._trim_at = now + LOG_CHECK_S
            with contextlib.suppress(OSError):  # a full disk must not end the supervisor
                self._trim_logs()
        for part in self.parts:
            if part.process is not None and part.process.poll() is not None:
                self._note_end(part, now)
            if part.restart_at is not None and now >= part.restart_at and not self._stopping:
                self._restart(part)

    def _note_end(self, part: Part, now: float) -> None:
        assert part.process is not None
        part.failures = 1 if now - part.started_at > STABLE_S else part.failures + 1
        wait_s = BACKOFF_S[min(part.failures, len(BACKOFF_S)) - 1]
        procs.kill_group(part.process.pid)  # whatever it started goes too
        self.say(
            f"  {part.name:<12} ended ({_describe(part.process.returncode)}), again in {wait_s:g} s"
        )
        part.process = None
        part.restart_at = now + wait_s

    def _restart(self, part: Part) -> None:
        try:
            part.start()
        except GasError as error:
            part.failures += 1
            wait_s = BACKOFF_S[min(part.failures, len(BACKOFF_S)) - 1]
            part.restart_at = time.monotonic() + wait_s
            self.say(f"  {part.name:<12} {error} Again in {wait_s:g} s.")
        else:
            assert part.process is not None
            self.say(f"  {part.name:<12} started   pid {part.process.pid}")

    def _stop_all(self) -> None:
        """Web and workers together, then what they need. A second Ctrl-C stops waiting."""
        database = [part for part in self.parts if part.name == "postgres"]
        others = [part for part in self.parts if part.name != "postgres"]
        for part in others:
            if part.process is not None:
                with contextlib.suppress(ProcessLookupError):
                    part.process.terminate()
        for part in others + database:
            if part.process is not None:
                part.stop(part.process)
        if self._listener is not None:
            self._listener.close()

    def _stop(self, process: subprocess.Popen[bytes], grace_s: float) -> None:
        """It was asked to stop: wait for it so long, or until a second Ctrl-C, then kill it with
        all that it started."""
        end = time.monotonic() + grace_s
        while process.poll() is None and time.monotonic() < end and self._stopping < 2:
            time.sleep(0.02)
        procs.kill_group(process.pid)
        process.wait()

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        def note(_number: int, _frame: object) -> None:
            self._stopping += 1

        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        before = {number: signal.signal(number, note) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextlib.contextmanager
    def _only_one(self) -> Iterator[None]:
        with (self.settings.service_dir / "lock").open("a+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.seek(0)
                raise AlreadyRunning(
                    f"GAS runs on {self.settings.data_dir} already (pid {lock.read().strip()}).",
                    hint="Stop that one, or choose another data folder (--data).",
                ) from None
            lock.truncate(0)
            lock.write(f"{os.getpid()}\n")
            lock.flush()
            yield


def _describe(code: int | None) -> str:
    if code is not None and code < 0:
        return signal.Signals(-code).name
    return f"exit status {code}"
