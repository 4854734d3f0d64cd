"""`gas reload`: the service goes over to newly installed code while people work with it.

    database   the new code's migrations
    web        a second gunicorn starts on the same socket; when all its workers serve, the first
               one takes no new connections, finishes its requests (within GAS_WEB_GRACE_S) and
               goes
    workers    one after the other: a new one starts; when it is ready, the old one takes no new
               job, finishes what it has, however long that takes, and goes

Not gunicorn's own reload (SIGHUP): its workers are forks of a master that keeps what it has once
imported, so part of the old code would live on in the new workers; and it falls back to the number
of workers that it was started with. The supervisor itself stays what it is until the next start.
"""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from typing import Literal

from gas.errors import GasError
from gas.farm.elastic import Elastic
from gas.farm.parts import ANNOTATOR, UTILITIES, Part
from gas.farm.team import Team

READY_TIMEOUT_S = 120.0


class ReloadFailed(GasError):
    """The new code does not start."""


@dataclass
class Rolling:
    """One reload, step by step: ``step`` is called all the time until ``state`` is not `runs`."""

    number: str
    team: Team
    elastic: Elastic
    make_web: Callable[[], Part]
    state: Literal["runs", "done", "failed"] = "runs"
    steps: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._way = self._roll()

    def step(self) -> None:
        """Go on as far as there is nothing to wait for."""
        try:
            next(self._way)
        except StopIteration:
            self.state = "done"
            self._tell("Reloaded.")
        except GasError as error:
            self.state = "failed"
            self._tell(str(error))

    def close(self) -> None:
        """The supervisor stops."""
        self._way.close()

    def _tell(self, line: str) -> None:
        self.steps.append(line)
        self.team.say(f"  {'reload':<12} {line}")

    def _roll(self) -> Generator[None]:
        yield from self._migrate()
        yield from self._roll_web()
        for kind in (ANNOTATOR, *UTILITIES):
            for old in self.team.staying(kind):
                yield from self._roll_worker(kind, old)

    def _migrate(self) -> Iterator[None]:
        command = [sys.executable, "-m", "gas", "migrate"]
        process = self.team.maker.launch("migrate", command, signal.SIGKILL)
        try:
            while process.poll() is None:
                yield
        finally:
            process.kill()  # where the supervisor stops meanwhile
            process.wait()
        if process.returncode != 0:
            raise ReloadFailed(
                "The new code's migrations fail; all goes on as before.",
                hint=f"Their log says why: {self.team.maker.settings.logs_dir / 'migrate.log'}",
            )
        self._tell("The database is up to date.")

    def _roll_web(self) -> Iterator[None]:
        old, wanted = self.team.web, self.elastic.web.desired
        new = self.team.add(self.make_web())

        def serves() -> bool:
            return new.pid is not None and self.elastic.serving(new.pid) >= wanted

        yield from self._until(serves, new, "web")
        if old is not None:
            old.leaving = True
            old.leave_by = time.monotonic() + old.grace_s
            old.signal(signal.SIGTERM)
        while old in self.team.parts:
            yield
        self._tell(f"web: {wanted} new workers serve.")

    def _roll_worker(self, kind: str, old: Part) -> Iterator[None]:
        new = self.team.add_worker(kind)
        yield from self._until(lambda: new.is_ready, new, new.name)
        busy = old.is_busy
        old.drain()
        self._tell(
            f"{new.name} works; {old.name if old.name != new.name else 'the old one'} "
            f"{'finishes its job' if busy else 'goes'}."
        )

    def _until(self, ready: Callable[[], bool], new: Part, name: str) -> Iterator[None]:
        """Wait for a new part. Raises ReloadFailed where it ends or takes too long; the old one
        has noticed nothing then."""
        end = time.monotonic() + READY_TIMEOUT_S
        while not ready():
            if new.failures or time.monotonic() > end:
                new.leaving = True
                new.leave_by = time.monotonic() + new.grace_s
                new.signal(signal.SIGTERM)
                raise ReloadFailed(
                    f"The new {name} does not start; what was not replaced yet goes on as before.",
                    hint=f"Its log says why: {self.team.maker.settings.logs_dir / name}.log",
                )
            yield
