"""The real order of a worker's steps, held to the model in tests/unit/farm.

First by hand: the guard's own code, a real lock and a real look of the supervisor are stepped
through every interleaving, and the supervisor kills outright what it was told is idle. Then with
the real worker, the real queue and PostgreSQL: what it does, in which order.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import threading
from collections.abc import Awaitable, Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
from procrastinate import App, PsycopgConnector
from procrastinate.contrib.django.utils import connector_params
from procrastinate.jobs import Job
from procrastinate.manager import JobManager
from procrastinate.worker import Worker

from gas.farm.protection import NoProtection, ProtectionFailed
from gas.farm.protection.guard import BACKOFF_S, GuardedQueue
from gas.farm.protection.local import Hold, LocalProtection, take_idle
from tests.e2e.service import wait_for
from tests.unit.farm.test_protection_model import SAFE

# -- every interleaving of a worker and a supervisor ----------------------------------------------


class _Step:
    """A moment at which somebody else may do something first."""

    def __await__(self) -> Generator[None, None, None]:
        yield


@dataclass
class _Queue:
    """Stands for the queue's connection: each question is answered in one step."""

    waiting: int

    async def execute_query_one_async(self, query: str, **_: Any) -> dict[str, Any]:
        await _Step()
        if "EXISTS" in query:
            return {"waits": self.waiting > 0}
        if not self.waiting:
            return {"id": None}
        self.waiting -= 1
        return {
            "id": 1, "priority": 0, "lock": None, "queueing_lock": None, "args": {},
            "task_name": "annotate", "queue_name": "annotate", "attempts": 0, "status": "doing",
            "scheduled_at": None, "abort_requested": False, "worker_id": 1,
        }  # fmt: skip


async def _stepwise(call: Callable[[], None]) -> None:
    await _Step()
    call()


@dataclass
class _Worker:
    guard: GuardedQueue
    protection: LocalProtection
    path: Path
    looks: int
    holds_job: bool = False
    alive: bool = True
    done: int = 0

    async def run(self) -> None:
        """What procrastinate's worker does with concurrency 1 (shown below to be so)."""
        await self.guard.begin()
        for _ in range(self.looks):
            job = await self.guard.fetch_job(["annotate"], 1)
            self.holds_job = job is not None
            if job is not None:
                await _Step()  # works
                await _Step()  # acknowledges
                self.holds_job, self.done = False, self.done + 1
        await self.guard.end()


class ReceivesFirst(GuardedQueue):
    """The unsafe order of the model."""

    async def _receive(self, queues: Iterable[str] | None, worker_id: int) -> Job | None:
        job = await JobManager.fetch_job(self, queues, worker_id)
        if job is not None:
            await self._protect()
        return job


@dataclass
class _Farm:
    """Workers of one machine, and a supervisor that wants one of them less."""

    folder: Path
    workers: int
    jobs: int
    looks: int
    kind: type[GuardedQueue] = GuardedQueue
    kills: int = 0
    busy_kills: int = 0
    refused: int = 0

    def play(self, choose: Callable[[int], int]) -> None:
        """One course of things: ``choose(n)`` says whose step of ``n`` is next."""
        queue = _Queue(self.jobs)
        team = [self._worker(number, queue) for number in range(self.workers)]
        acts: dict[Any, Callable[[], bool]] = {
            worker.run(): lambda worker=worker: worker.alive  # type: ignore[misc]
            for worker in team
        }
        holds: list[Hold] = []
        acts[self._supervise(team, holds)] = lambda: True
        while ready := [act for act, runs in acts.items() if runs()]:
            act = ready[choose(len(ready))]
            try:
                act.send(None)
            except StopIteration:
                del acts[act]
        for act in acts:
            act.close()
        for lock in (*holds, *(worker.protection._hold for worker in team)):
            lock.close()

    def _worker(self, number: int, queue: _Queue) -> _Worker:
        path = self.folder / f"{number}.lock"
        protection = LocalProtection(path)
        guard = self.kind(
            queue,  # type: ignore[arg-type]
            protection,
            clock=lambda: 0.0,
            in_thread=_stepwise,
        )
        return _Worker(guard, protection, path, self.looks)

    async def _supervise(self, team: list[_Worker], holds: list[Hold]) -> None:
        """Looks for an idle one, three times at most; kills it some time later."""
        for _ in range(3):
            await _Step()
            for worker in team:
                if (hold := take_idle(worker.path)) is None:
                    self.refused += 1
                    continue
                holds.append(hold)
                await _Step()  # the order to go is on its way
                worker.alive = False
                self.kills += 1
                self.busy_kills += worker.holds_job
                return


def every_course(play: Callable[[Callable[[int], int]], None]) -> int:
    """Play every course there is; how many there were."""
    path: list[list[int]] = []  # [choice, of so many] at each step
    for count in itertools.count(1):
        step = itertools.count()

        def choose(options: int, step: Iterator[int] = step) -> int:
            at = next(step)
            if at == len(path):
                path.append([0, options])
            return path[at][0]

        play(choose)
        while path and path[-1][0] + 1 == path[-1][1]:
            path.pop()
        if not path:
            return count
        path[-1][0] += 1
    raise AssertionError


def test_no_interleaving_loses_a_busy_worker(tmp_path: Path) -> None:
    farm = _Farm(tmp_path, workers=1, jobs=2, looks=3)
    assert every_course(farm.play) > 1_000
    assert farm.kills > 100
    assert farm.refused > 100
    assert farm.busy_kills == 0


def test_nor_do_many_with_more_workers(tmp_path: Path) -> None:
    rng = random.Random(6)
    farm = _Farm(tmp_path, workers=3, jobs=4, looks=3)
    for _ in range(500):
        farm.play(rng.randrange)
    assert farm.kills > 100
    assert farm.busy_kills == 0


def test_the_unsafe_order_is_found_out(tmp_path: Path) -> None:
    farm = _Farm(tmp_path, workers=1, jobs=2, looks=3, kind=ReceivesFirst)
    every_course(farm.play)
    assert farm.busy_kills > 0


# -- the real worker on the real queue ------------------------------------------------------------


@dataclass
class _Recorder:
    """What happened, in the model's words; refuses the first ``refusals`` protections."""

    steps: list[str] = field(default_factory=list)
    refusals: int = 0
    #: The worker was told of a new job.
    told: threading.Event = field(default_factory=threading.Event)

    def protect(self) -> None:
        if self.refusals:
            self.refusals -= 1
            self.steps.append("refused")
            raise ProtectionFailed
        self.steps.append("protect")

    def release(self) -> None:
        self.steps.append("unprotect")


class _Recorded(GuardedQueue):
    steps: list[str]
    told: threading.Event | None = None

    async def listen_for_jobs(self, *, on_notification: Any, **more: Any) -> None:
        async def tell(**what: Any) -> None:
            await on_notification(**what)
            if self.told is not None:
                self.told.set()

        await super().listen_for_jobs(on_notification=tell, **more)

    async def fetch_job(self, queues: Iterable[str] | None, worker_id: int) -> Job | None:
        job = await super().fetch_job(queues, worker_id)
        if job is not None:
            self.steps.append("receive")
        return job

    async def finish_job(self, *arguments: Any, **more: Any) -> None:
        await super().finish_job(*arguments, **more)
        self.steps.append("acknowledge")


def run_worker(
    jobs: int,
    protection: _Recorder | NoProtection,
    work: Callable[[GuardedQueue], Awaitable[None]],
    *,
    until: Callable[[GuardedQueue, list[str]], bool],
    linger_s: float = 0.0,
    poll_s: float = 0.02,
) -> list[str]:
    """The steps of a real worker, stopped when ``until`` says so."""
    steps = protection.steps if isinstance(protection, _Recorder) else []

    async def run() -> None:
        connector = PsycopgConnector(kwargs=connector_params(), min_size=1, max_size=3)
        app = App(connector=connector)
        app.job_manager = guard = _Recorded(connector, protection, linger_s=linger_s)
        guard.steps, guard.told = steps, getattr(protection, "told", None)

        @app.task(name="work", queue="guarded")
        async def task() -> None:
            steps.append("work")
            await work(guard)

        worker = Worker(
            app, queues=["guarded"], concurrency=1, delete_jobs="successful",
            fetch_job_polling_interval=poll_s, install_signal_handlers=False,
        )  # fmt: skip
        guard.stop = worker.stop
        async with app.open_async():
            for _ in range(jobs):
                await task.defer_async()
            await guard.begin()
            running = asyncio.create_task(worker.run())
            async with asyncio.timeout(20):
                while not running.done() and not until(guard, steps):
                    await asyncio.sleep(0.01)
                worker.stop()
                await running
            await guard.end()

    asyncio.run(run())
    return steps


async def nothing(_guard: GuardedQueue) -> None:
    pass


def held_to_the_model(steps: list[str]) -> int:
    """How many jobs were done; each step is one that the model's safe order allows."""
    protected, holds, done = False, "", 0
    for step in steps:
        if step in ("receive", "work", "acknowledge"):
            assert protected, steps
            assert holds == {"receive": "", "work": "receive", "acknowledge": "work"}[step], steps
            holds = "" if step == "acknowledge" else step
            done += step == "acknowledge"
        elif step != "refused":
            assert not holds, steps
            protected = step == "protect"
    assert not protected
    assert not holds
    return done


@pytest.mark.django_db(transaction=True)
def test_the_real_worker_keeps_the_order() -> None:
    steps = run_worker(
        3, _Recorder(), nothing, until=lambda _, seen: seen[-1:] == ["unprotect"] and len(seen) > 5
    )
    assert held_to_the_model(steps) == 3
    first_job = steps[1 : steps.index("acknowledge") + 1]
    assert (*first_job, "unprotect") == SAFE
    assert steps.count("unprotect") <= 3, "not between jobs: at the start, when idle, at the end"


@pytest.mark.django_db(transaction=True)
def test_a_job_that_breaks_is_protected_to_its_end() -> None:
    async def breaks(_guard: GuardedQueue) -> None:
        raise ValueError("broken")

    steps = run_worker(2, _Recorder(), breaks, until=lambda _, seen: seen.count("acknowledge") == 2)
    assert held_to_the_model(steps) == 2


@pytest.mark.django_db(transaction=True)
def test_who_is_not_protected_takes_nothing_and_tries_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("gas.farm.protection.guard.BACKOFF_S", (0.05, 0.05))
    steps = run_worker(
        1, _Recorder(refusals=3), nothing, until=lambda _, seen: "acknowledge" in seen
    )
    assert steps[:5] == ["unprotect", "refused", "refused", "refused", "protect"]
    assert held_to_the_model(steps) == 1


def test_refusals_are_asked_about_less_and_less() -> None:
    now = 0.0
    recorder = _Recorder(refusals=100)

    async def ask() -> None:
        nonlocal now
        queue = _Always()
        guard = GuardedQueue(queue, recorder, clock=lambda: now)  # type: ignore[arg-type]
        for second in range(300):
            now = second
            assert await guard.fetch_job(["guarded"], 1) is None

    asyncio.run(ask())
    early = sum(BACKOFF_S[:-1])
    later = (300 - early) / BACKOFF_S[-1]
    assert len(recorder.steps) == pytest.approx(len(BACKOFF_S) + later, abs=2)


class _Always:
    """A queue in which something always waits."""

    async def execute_query_one_async(self, query: str, **_: Any) -> dict[str, Any]:
        assert "EXISTS" in query, "an unprotected worker received"
        return {"waits": True}


@pytest.mark.django_db(transaction=True)
def test_it_lingers_before_it_gives_its_protection_up() -> None:
    steps = run_worker(
        2, _Recorder(), nothing, linger_s=60, until=lambda _, seen: seen.count("protect") > 5
    )
    assert held_to_the_model(steps) == 2
    assert steps.count("unprotect") == 2, "at the start and at the end"


@dataclass
class _SlowCloud(_Recorder):
    """A job comes while the first protection after work is being given up."""

    def release(self) -> None:
        super().release()
        if self.steps.count("acknowledge") == 1:
            self.told.clear()
            with psycopg.connect(**connector_params()) as connection:
                wait_for(lambda: _listens(connection), 10, "the worker listens")
                connection.execute(
                    "INSERT INTO procrastinate_jobs (queue_name, task_name) "
                    "VALUES ('guarded', 'work')"
                )
            assert self.told.wait(10), "the worker hears of it, and forgets it again"


def _listens(connection: psycopg.Connection[Any]) -> bool:
    """A worker may have done its first job before it hears of others."""
    connection.commit()  # what others do is seen anew in each transaction
    row = connection.execute(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND query LIKE 'LISTEN%'"
    ).fetchone()
    return bool(row and row[0])


@pytest.mark.django_db(transaction=True)
def test_a_job_that_comes_while_it_releases_does_not_wait() -> None:
    steps = run_worker(
        1, _SlowCloud(), nothing, poll_s=60, until=lambda _, seen: seen.count("acknowledge") == 2
    )
    assert held_to_the_model(steps) == 2


@pytest.mark.django_db(transaction=True)
def test_who_drains_finishes_what_it_has_and_takes_nothing_more() -> None:
    async def told_to_drain(guard: GuardedQueue) -> None:
        guard.drain()
        await asyncio.sleep(0.1)

    steps = run_worker(3, _Recorder(), told_to_drain, until=lambda *_: False)
    assert held_to_the_model(steps) == 1


@pytest.mark.django_db(transaction=True)
def test_who_drains_without_work_ends_at_once() -> None:
    drained: list[bool] = []

    def until(guard: GuardedQueue, _steps: list[str]) -> bool:
        if not drained:
            drained.append(True)
            guard.drain()
        return False

    assert held_to_the_model(run_worker(0, _Recorder(), nothing, until=until)) == 0
