"""Fair shares with the real queue: the order in which PostgreSQL gives out what was submitted."""

from __future__ import annotations

import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable

import pytest
from asgiref.sync import async_to_sync
from django.db import connection, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from procrastinate import PsycopgConnector
from procrastinate.contrib.django import app
from procrastinate.contrib.django.django_connector import DjangoConnector
from procrastinate.contrib.django.models import ProcrastinateJob
from procrastinate.contrib.django.utils import connector_params
from procrastinate.manager import JobManager

from gas.accounts.models import User
from gas.errors import TransientError
from gas.jobs import lanes, lifecycle, queue
from gas.jobs.fairness import HIGHEST, HORIZON, LOWEST, REBASE_AT, UNIT
from gas.jobs.models import Job, Upload, VirtualClock
from gas.jobs.runner import Task
from gas.wiring import Services
from tests.fakes import FakeClock, FakeRunner, raising

pytestmark = pytest.mark.django_db
Submit = Callable[..., Job]


@pytest.fixture
def submit(svc: Services) -> Submit:
    """The real way in, for an upload that is complete."""

    def submit(user: User, size_bytes: int = 1000) -> Job:
        now = svc.now()
        upload = Upload.objects.create(
            owner=user, filename="a.vcf", declared_bytes=size_bytes, size_bytes=size_bytes,
            sha256="0" * 64, state=Upload.State.COMPLETE, created_at=now, expires_at=now,
        )  # fmt: skip
        return lifecycle.submit(svc, user, upload)

    return submit


class Workers:
    """What procrastinate's worker asks of the queue, one message after the other."""

    def __init__(self, svc: Services) -> None:
        self._svc = svc
        self._manager = JobManager(DjangoConnector())
        self._id = async_to_sync(self._manager.register_worker)()

    def take(self) -> Job:
        """The next job, worked on to its end."""
        message = async_to_sync(self._manager.fetch_job)(["annotate"], self._id)
        assert message is not None
        assert message.id is not None
        job_id = uuid.UUID(ProcrastinateJob.objects.get(pk=message.id).args["row_id"])
        lifecycle.annotate(self._svc, job_id, worker="w", stopping=lambda: False)
        queue._finish(message.id)
        return Job.objects.get(pk=job_id)

    def owners(self, count: int) -> list[User]:
        return [self.take().owner for _ in range(count)]


@pytest.fixture
def workers(svc: Services, db: None) -> Workers:
    return Workers(svc)


def priority_of(job: Job) -> int:
    return int(ProcrastinateJob.objects.get(queueing_lock=f"annotate:{job.pk}").priority)


@pytest.mark.parametrize("many", [100, pytest.param(5_000, marks=pytest.mark.long)])
def test_anothers_first_job_waits_for_one_of_a_thousands_at_most(
    many: int, make_user: Callable[..., User], submit: Submit, workers: Workers
) -> None:
    busy, other, third = (make_user(f"{name}@example.org") for name in ("busy", "other", "third"))
    for _ in range(many):
        submit(busy)
    submit(other)
    assert workers.owners(2) == [busy, other], "who was first, and then who came after 5,000"
    submit(third)
    submit(other)
    assert workers.owners(3) == [third, busy, other], "then in turn"


@pytest.mark.django_db(transaction=True)
def test_a_worker_process_takes_jobs_by_place(
    svc: Services, runner: FakeRunner, make_user: Callable[..., User], submit: Submit
) -> None:
    busy, other, late = (make_user(f"{name}@example.org") for name in ("busy", "other", "late"))
    order: list[uuid.UUID] = []
    theirs: dict[int, BaseDatabaseWrapper] = {}

    def note(task: Task, _keep: object) -> None:
        order.append(Job.objects.get(input_key=task.input_key).owner_id)
        theirs[threading.get_ident()] = connections["default"]
        if len(order) == 4:
            submit(late)

    runner.steps = [note] * 14
    for _ in range(12):
        submit(busy)
    submit(other)
    with app.replace_connector(PsycopgConnector(kwargs=connector_params())):
        app.run_worker(queues=["annotate"], concurrency=1, wait=False, listen_notify=False)
    for used in theirs.values():  # by the worker's threads
        used.inc_thread_sharing()
        used.close()
    assert order == [busy.pk, other.pk, busy.pk, busy.pk, late.pk, *[busy.pk] * 9]


def test_premium_has_four_times_the_share(
    make_user: Callable[..., User], submit: Submit, workers: Workers
) -> None:
    free, premium = make_user("f@example.org"), make_user("p@example.org", plan="premium")
    for _ in range(30):
        submit(free)
    for _ in range(30):
        submit(premium)
    assert Counter(workers.owners(25)) == {premium: 20, free: 5}


def test_a_large_file_takes_its_share_of_the_lane(
    make_user: Callable[..., User], submit: Submit, workers: Workers
) -> None:
    large, small = (make_user(f"{name}@example.org", plan="premium") for name in ("a", "b"))
    for _ in range(3):
        submit(large, 9_000_000)  # the work of ten
    for _ in range(15):
        submit(small, 1)
    assert Counter(workers.owners(13)) == {large: 2, small: 11}


def test_a_place_is_kept_for_life(
    svc: Services, runner: FakeRunner, clock: FakeClock, user: User, submit: Submit
) -> None:
    submit(user)
    job = submit(user)
    assert priority_of(job) == -job.fair_start < 0

    def message_after(step: Callable[[], object]) -> int:
        for row in ProcrastinateJob.objects.filter(status="todo"):
            queue._finish(row.pk)
        step()
        return priority_of(job)

    def annotate(*, stopping: bool = False) -> None:
        lifecycle.annotate(svc, job.pk, worker="w", stopping=lambda: stopping)

    runner.steps = [raising(TransientError("full"))]
    assert message_after(annotate) == -job.fair_start, "tried again"
    clock.advance(10_000)
    assert message_after(lambda: annotate(stopping=True)) == -job.fair_start, "handed back"
    assert message_after(lambda: lifecycle.reap(svc)) == -job.fair_start, "lost"
    runner.steps = [raising(ValueError("broken"))] * 9
    for _ in range(9):
        annotate()
        clock.advance(100_000)
    assert message_after(lambda: lifecycle.retry(svc, job)) == -job.fair_start, "by the operator"


def test_what_is_cancelled_before_it_began_leaves_no_gap(
    svc: Services, user: User, submit: Submit, workers: Workers
) -> None:
    first = submit(user)
    for _ in range(20):
        lifecycle.cancel(svc, submit(user))
    assert submit(user).fair_start == first.fair_finish
    workers.take()
    running = submit(user)
    Job.objects.filter(pk=running.pk).update(attempt=1, status="CANCELLED")
    assert submit(user).fair_start == running.fair_finish, "it had its share"


def test_ahead_are_those_with_an_earlier_place(
    make_user: Callable[..., User], submit: Submit, workers: Workers
) -> None:
    busy, other = make_user("busy@example.org"), make_user("other@example.org")
    jobs = [submit(busy) for _ in range(5)]
    mine = submit(other)
    assert lifecycle.ahead_of(mine) <= 1
    assert lifecycle.ahead_of(jobs[-1]) == 5
    workers.take()
    assert lifecycle.ahead_of(mine) == 0


# -- the base ------------------------------------------------------------------------------------


def test_priorities_reach_the_columns_limits_and_no_further(user: User, submit: Submit) -> None:
    VirtualClock.objects.create(now=2**40, base=2**40)
    old, now, far = (submit(user) for _ in range(3))
    for job, start in ((old, 0), (now, 2**40), (far, 2**41)):
        queue._finish(ProcrastinateJob.objects.get(queueing_lock=f"annotate:{job.pk}").pk)
        lanes.enqueue(queue.ANNOTATE, job.pk, start)
    assert [priority_of(job) for job in (old, now, far)] == [HIGHEST, 0, LOWEST]
    assert HIGHEST == 2**31 - 1
    lanes.started(2**40 + REBASE_AT)
    assert [priority_of(job) for job in (old, now, far)] == [HIGHEST, REBASE_AT, LOWEST + REBASE_AT]


def test_a_moved_base_keeps_the_order(
    make_user: Callable[..., User], submit: Submit, workers: Workers
) -> None:
    near = REBASE_AT - 3 * UNIT
    VirtualClock.objects.create(now=near, base=0)
    users = [make_user(f"{name}@example.org") for name in "abc"]
    jobs = [submit(user) for _ in range(5) for user in users]
    taken = [workers.take() for _ in range(10)]
    row = VirtualClock.objects.get()
    assert row.base == row.now >= REBASE_AT
    late = submit(make_user("late@example.org"))
    assert late.fair_start == row.now
    assert -HORIZON < priority_of(late) <= 0
    taken += [workers.take() for _ in range(6)]
    taken.remove(late)
    assert taken == jobs


@pytest.mark.django_db(transaction=True)
def test_no_message_is_written_from_an_old_base(user: User, submit: Submit) -> None:
    VirtualClock.objects.create(now=REBASE_AT - 1, base=0)

    def move() -> None:
        lanes.started(REBASE_AT)
        connection.close()

    mover = threading.Thread(target=move)
    with transaction.atomic():
        job = submit(user)  # from the old base, not yet seen by anybody else
        mover.start()
        _wait_until_blocked()
    mover.join()
    assert VirtualClock.objects.get().base == REBASE_AT
    assert priority_of(job) == REBASE_AT - job.fair_start


@pytest.mark.django_db(transaction=True)
def test_two_submits_at_once_get_two_places_and_stop_nobody_else(
    make_user: Callable[..., User], submit: Submit
) -> None:
    user, other = make_user(), make_user("other@example.org")
    second: list[Job] = []

    def submit_too() -> None:
        second.append(submit(user))
        connection.close()

    beside = threading.Thread(target=submit_too)
    with transaction.atomic():
        first = submit(user)
        beside.start()
        _wait_until_blocked()
        assert not second
        others: list[Job] = []

        def submit_other() -> None:
            others.append(submit(other))
            connection.close()

        free = threading.Thread(target=submit_other)
        free.start()
        free.join(30)
        assert others, "another's submit waits for nobody"
    beside.join()
    assert second[0].fair_start == first.fair_finish


def _wait_until_blocked() -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
            )
            if cursor.fetchone()[0]:
                return
    raise AssertionError("nobody waits")
