"""`gas up`: the whole service on one machine, as real processes under one supervisor.

    postgres      only where DATABASE_URL is not set
    web           gunicorn, on a socket that the supervisor holds
    annotator-N   workers of the queue `annotate`
    notify, archive, restore, reap   one worker for each of the small queues

What dies is started again (team.py), web workers and annotators follow the load (elastic.py), and
new code comes in without a gap (reload.py). Every part is told by the kernel when the supervisor is
gone (``gas.procs``), so even `kill -9` leaves no orphan behind.
"""

from __future__ import annotations

import contextlib
import fcntl
import http.client
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from gas.config import Settings, get_settings, override_environment
from gas.errors import GasError
from gas.farm import first_start, parts, schema, status
from gas.farm.elastic import Elastic
from gas.farm.parts import POSTGRES, UTILITIES, Maker, Part
from gas.farm.reload import Rolling
from gas.farm.report import report
from gas.farm.team import Team

POLL_S = 0.2
READY_TIMEOUT_S = 60.0
LOG_CHECK_S = 60.0


class AlreadyRunning(GasError):
    """Another GAS runs on this data folder."""


class DoesNotStart(GasError):
    """A part of the service does not start."""


@dataclass
class Supervisor:
    """Starts the parts, keeps them alive, stops them. ``say`` prints one line for a person."""

    settings: Settings
    say: Callable[[str], None]
    team: Team = field(init=False)
    _elastic: Elastic | None = None
    _rolling: Rolling | None = None
    _stopping: int = 0
    _trim_at: float = 0.0
    _listener: socket.socket | None = None

    def __post_init__(self) -> None:
        self.team = Team(Maker(self.settings), self.say)

    def run(self) -> None:
        """Everything, until a signal says stop. Raises GasError where a part does not start."""
        first_start.prepare_folders(self.settings)
        with self._only_one(), self._signals(), contextlib.ExitStack() as stack:
            stack.callback(self._stop_all)
            first_start.clear_run_folder(self.settings)
            self._start_all()
            while not self._stopping:
                self._tick()
                time.sleep(POLL_S)
            self.say("Stopping ...")
        self.say("Stopped.")

    def _tick(self) -> None:
        """What is done several times a second, as long as the service is up."""
        self._mend()
        assert self._elastic is not None
        rolls = self._rolling is not None and self._rolling.state == "runs"
        # Who comes and goes in a reload is the reload's business.
        looked = self._elastic.tick(act=not rolls)
        if self._rolling is not None and rolls:
            self._rolling.step()
        elif (number := status.take_request(self.settings.run_dir)) is not None:
            self._rolling = Rolling(number, self.team, self._elastic, self._web_part)
        if looked or rolls:
            self._tell()

    def _tell(self) -> None:
        assert self._elastic is not None
        with contextlib.suppress(OSError):  # a full disk must not end the supervisor
            status.write(self.settings.run_dir, report(self._elastic, self._rolling))

    # -- starting ------------------------------------------------------------------------------

    def _start_all(self) -> None:
        first_start.ensure_secrets(self.settings)
        if self.settings.database_url is None:
            self.team.add(self.team.maker.postgres())
        self._listen()
        self._migrate()
        from gas.farm.sample import QueueLook  # Django's models: only now that Django is set up

        self._elastic = Elastic(self.settings, self.team, QueueLook())
        self.team.add(self._web_part())
        for number in range(1, self._elastic.annotators.desired + 1):
            self.team.add(self.team.maker.worker(f"{parts.ANNOTATOR}-{number}", parts.ANNOTATOR))
        for kind in UTILITIES:
            self.team.add(self.team.maker.worker(kind, kind))
        self._wait_ready()
        if not self._stopping:
            self._elastic.tick(act=False)
            self._tell()
            self.say(f"GAS is up: {self.settings.public_url}   (Ctrl-C stops it)")

    def _web_part(self) -> Part:
        assert self._listener is not None
        assert self._elastic is not None
        web = self._elastic.web
        return self.team.maker.web(self._listener.fileno(), lambda: web.desired)

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
        self.settings = self.team.maker.settings = get_settings()

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

    # -- living and stopping -------------------------------------------------------------------

    def _mend(self) -> None:
        now = time.monotonic()
        if now >= self._trim_at:
            self._trim_at = now + LOG_CHECK_S
            with contextlib.suppress(OSError):  # a full disk must not end the supervisor
                parts.trim_logs(self.settings.logs_dir)
        if not self._stopping:
            self.team.mend()

    def _stop_all(self) -> None:
        """Web and workers together, then what they need. A second Ctrl-C stops waiting."""
        if self._rolling is not None:
            self._rolling.close()
        database = [part for part in self.team.parts if part.kind == POSTGRES]
        others = [part for part in self.team.parts if part.kind != POSTGRES]
        for part in others:
            part.signal(signal.SIGTERM)
        for part in others + database:
            parts.stop(part, lambda: self._stopping > 1)
        if self._listener is not None:
            self._listener.close()
        status.remove(self.settings.run_dir)

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
