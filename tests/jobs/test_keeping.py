"""Where a result lies: archive, upgrade, thaw, restore, downgrade; and every plug pulled."""

from __future__ import annotations

import contextlib
import random
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from django.db import DatabaseError, transaction
from procrastinate.contrib.django.models import ProcrastinateJob

from gas.accounts.change import change_plan
from gas.accounts.models import User
from gas.audit.models import Action, AuditLine
from gas.errors import TransientError
from gas.jobs import keeping, lifecycle, queue
from gas.jobs.models import Job
from gas.jobs.states import ResultState
from gas.notify import notify
from gas.notify.models import Mail
from gas.wiring import Services
from tests.fakes import FakeClock, FakeCold, FakeMailer

pytestmark = pytest.mark.django_db
HANDLERS: dict[str, Callable[[Services, uuid.UUID], None]] = {
    queue.ARCHIVE: keeping.archive,
    queue.THAW: keeping.thaw,
    queue.RESTORE: keeping.restore,
    queue.RESTORE_ALL: keeping.restore_all,
}


def work(svc: Services, clock: FakeClock) -> None:
    """What the workers of these queues do until nothing is due."""
    while message := _next_message(clock):
        queue._finish(message.pk)
        HANDLERS[message.task_name](svc, uuid.UUID(message.args["row_id"]))


def _next_message(clock: FakeClock) -> Any:
    todo = ProcrastinateJob.objects.filter(task_name__in=HANDLERS, status="todo").order_by("id")
    due = (m for m in todo if m.scheduled_at is None or m.scheduled_at <= clock())
    return next(due, None)


def settle(svc: Services, clock: FakeClock, hours: float = 3) -> None:
    """Everyone works, the sweep comes by, time passes."""
    end = hours * 3600
    while end > 0:
        keeping.sweep(svc)
        work(svc, clock)
        clock.advance(600)
        end -= 600


def content(svc: Services, job: Job) -> bytes:
    (file,) = job.result_files
    return b"".join(svc.storage.read(job.result_key(file["name"])))


def in_hot(svc: Services, job: Job) -> int:
    return len(list(svc.storage.list(job.result_prefix + "/")))


@pytest.fixture
def done(svc: Services, job: Job) -> Job:
    """A free user's completed job."""
    lifecycle.annotate(svc, job.pk, worker="w", stopping=lambda: False)
    job.refresh_from_db()
    return job


def intact(svc: Services, cold: FakeCold, job: Job) -> None:
    """The result is where its state says, whole, and nowhere else."""
    job.refresh_from_db()
    expected = f"result of {job.result_prefix}".encode()
    key = job.result_key("annotated.vcf.gz")
    if job.at_hand:
        assert content(svc, job) == expected
    if job.result_state in (ResultState.ARCHIVED, ResultState.THAWING):
        assert cold.objects[key] == expected
    assert svc.storage.stat(job.input_key), "the input stays"


# -- archive -------------------------------------------------------------------------------------


def test_a_free_result_goes_after_its_time(
    svc: Services, done: Job, clock: FakeClock, cold: FakeCold
) -> None:
    assert done.result_state == ResultState.STORED
    assert done.archive_due_at is not None
    assert (done.archive_due_at - clock()).total_seconds() == svc.settings.free_retention_s
    clock.advance(svc.settings.free_retention_s - 1)
    work(svc, clock)
    keeping.sweep(svc)
    work(svc, clock)
    done.refresh_from_db()
    assert done.result_state == ResultState.STORED
    clock.advance(1)
    work(svc, clock)
    intact(svc, cold, done)
    assert (done.result_state, done.in_hot, done.in_cold) == (ResultState.ARCHIVED, False, True)
    assert in_hot(svc, done) == 0
    assert AuditLine.objects.get(action=Action.ARCHIVE).job_id == done.pk


def test_a_premium_result_stays(
    svc: Services,
    make_user: Callable[..., User],
    make_job: Callable[..., Job],
    clock: FakeClock,
    cold: FakeCold,
) -> None:
    job = make_job(make_user("p@example.org", plan="premium"))
    lifecycle.annotate(svc, job.pk, worker="w", stopping=lambda: False)
    settle(svc, clock)
    intact(svc, cold, job)
    assert (job.result_state, job.archive_due_at) == (ResultState.STORED, None)
    assert cold.calls == []


def test_the_plan_that_counts_is_the_plan_now(
    svc: Services, done: Job, user: User, clock: FakeClock, cold: FakeCold
) -> None:
    User.objects.filter(pk=user.pk).update(plan="premium")  # whoever did it, and however
    clock.advance(svc.settings.free_retention_s)
    work(svc, clock)
    done.refresh_from_db()
    assert (done.result_state, done.archive_due_at) == (ResultState.STORED, None)
    assert cold.calls == []


def test_a_lost_message_is_no_excuse(
    svc: Services, done: Job, clock: FakeClock, cold: FakeCold
) -> None:
    ProcrastinateJob.objects.all()._raw_delete("default")
    settle(svc, clock)
    intact(svc, cold, done)
    assert done.result_state == ResultState.ARCHIVED


@pytest.mark.parametrize("tries", [1, 5])
def test_a_cold_tier_that_is_away_is_asked_again(
    svc: Services, done: Job, clock: FakeClock, cold: FakeCold, tries: int
) -> None:
    cold.errors = [TransientError("The cold tier is away.")] * tries
    clock.advance(svc.settings.free_retention_s)
    work(svc, clock)
    done.refresh_from_db()
    assert (done.result_state, done.keep_tries) == (ResultState.ARCHIVING, 1)
    assert done.keep_error == "The cold tier is away."
    assert done.at_hand, "it can be downloaded all the while"
    settle(svc, clock)
    intact(svc, cold, done)
    assert (done.result_state, done.keep_error) == (ResultState.ARCHIVED, "")


def test_a_wrong_checksum_stops_and_alarms(
    svc: Services, done: Job, clock: FakeClock, cold: FakeCold, caplog: pytest.LogCaptureFixture
) -> None:
    svc.storage.put(done.result_key("annotated.vcf.gz"), [b"bits rotted"])
    clock.advance(svc.settings.free_retention_s)
    work(svc, clock)
    settle(svc, clock)
    done.refresh_from_db()
    assert (done.result_state, done.keep_halted) == (ResultState.ARCHIVING, True)
    assert "checksum" in done.keep_error
    assert in_hot(svc, done) == 1
    assert len(cold.objects) == 1, "both copies stay"
    assert AuditLine.objects.filter(action=Action.ALARM, job_id=done.pk).count() == 1
    assert "ALARM" in caplog.text
    # A person mends it and says go.
    svc.storage.put(
        done.result_key("annotated.vcf.gz"), [f"result of {done.result_prefix}".encode()]
    )
    keeping.resume(svc, done)
    settle(svc, clock)
    intact(svc, cold, done)
    assert done.result_state == ResultState.ARCHIVED


# -- upgrade, thaw, restore ------------------------------------------------------------------------


@pytest.fixture
def archived(svc: Services, done: Job, clock: FakeClock) -> Job:
    clock.advance(svc.settings.free_retention_s)
    work(svc, clock)
    done.refresh_from_db()
    assert done.result_state == ResultState.ARCHIVED
    return done


def test_an_upgrade_brings_it_back(
    svc: Services,
    archived: Job,
    user: User,
    clock: FakeClock,
    cold: FakeCold,
    mailer: FakeMailer,
) -> None:
    assert change_plan(svc, user, "premium", why="test")
    work(svc, clock)
    archived.refresh_from_db()
    assert (archived.result_state, archived.thaw_tier) == (ResultState.THAWING, "Expedited")
    assert archived.thaw_ready_at is not None
    assert (archived.thaw_ready_at - clock()).total_seconds() == cold.thaw_s
    clock.advance(cold.thaw_s)
    work(svc, clock)
    intact(svc, cold, archived)
    assert (archived.result_state, archived.in_cold) == (ResultState.STORED, False)
    assert archived.archive_due_at is None
    assert cold.objects == {}
    restored = Mail.objects.get(kind=Mail.Kind.RESTORED)
    notify.send(svc, restored.pk)
    assert mailer.sent[-1].subject == "Your results are at hand again"
    actions = list(AuditLine.objects.filter(user_id=user.pk).values_list("action", flat=True))
    assert actions == [Action.RESTORE, Action.THAW, Action.PLAN, Action.ARCHIVE]


def test_an_upgrade_before_the_time_keeps_it(
    svc: Services, done: Job, user: User, clock: FakeClock, cold: FakeCold
) -> None:
    change_plan(svc, user, "premium", why="test")
    settle(svc, clock)
    intact(svc, cold, done)
    assert done.result_state == ResultState.STORED
    assert cold.calls == []


def test_a_mail_for_many_comes_once_with_the_last(
    svc: Services,
    user: User,
    make_job: Callable[..., Job],
    clock: FakeClock,
    cold: FakeCold,
) -> None:
    jobs = [make_job(user) for _ in range(2 * keeping.BATCH + 3)]
    for job in jobs:
        lifecycle.annotate(svc, job.pk, worker="w", stopping=lambda: False)
    settle(svc, clock, hours=1)
    assert Job.objects.filter(result_state=ResultState.ARCHIVED).count() == len(jobs)
    change_plan(svc, user, "premium", why="test")
    settle(svc, clock, hours=1)
    assert Job.objects.filter(result_state=ResultState.STORED).count() == len(jobs)
    assert Mail.objects.filter(kind=Mail.Kind.RESTORED).count() == 1


def test_a_batch_is_bounded(
    svc: Services, user: User, make_job: Callable[..., Job], clock: FakeClock
) -> None:
    for _ in range(keeping.BATCH + 1):
        job = make_job(user)
        lifecycle.annotate(svc, job.pk, worker="w", stopping=lambda: False)
    settle(svc, clock, hours=1)
    change_plan(svc, user, "premium", why="test")
    keeping.restore_all(svc, user.pk)
    assert Job.objects.filter(result_state=ResultState.THAWING).count() == keeping.BATCH


def test_a_slow_thaw_is_waited_for(
    svc: Services, archived: Job, user: User, clock: FakeClock, cold: FakeCold
) -> None:
    cold.thaw_s = 12 * 3600
    change_plan(svc, user, "premium", why="test")
    settle(svc, clock, hours=11)
    archived.refresh_from_db()
    assert archived.result_state == ResultState.THAWING
    settle(svc, clock, hours=2)
    intact(svc, cold, archived)
    assert archived.result_state == ResultState.STORED


def test_a_thaw_that_was_forgotten_is_asked_for_again(
    svc: Services, archived: Job, user: User, clock: FakeClock, cold: FakeCold
) -> None:
    change_plan(svc, user, "premium", why="test")
    work(svc, clock)
    cold.ready_at.clear()
    settle(svc, clock, hours=30)
    intact(svc, cold, archived)
    assert archived.result_state == ResultState.STORED
    assert cold.calls.count("request_thaw") == 2


def test_a_cold_copy_that_is_gone_alarms(
    svc: Services, archived: Job, user: User, clock: FakeClock, cold: FakeCold
) -> None:
    kept = dict(cold.objects)
    cold.objects.clear()
    change_plan(svc, user, "premium", why="test")
    settle(svc, clock)
    archived.refresh_from_db()
    assert (archived.result_state, archived.keep_halted) == (ResultState.THAWING, True)
    cold.objects.update(kept)
    keeping.resume(svc, archived)
    settle(svc, clock)
    intact(svc, cold, archived)
    assert archived.result_state == ResultState.STORED


# -- downgrade -------------------------------------------------------------------------------------


def test_a_downgrade_counts_from_then_on(
    svc: Services,
    make_user: Callable[..., User],
    make_job: Callable[..., Job],
    clock: FakeClock,
    cold: FakeCold,
) -> None:
    user = make_user("p@example.org", plan="premium")
    job = make_job(user)
    lifecycle.annotate(svc, job.pk, worker="w", stopping=lambda: False)
    settle(svc, clock, hours=10)
    change_plan(svc, user, "free", why="test")
    clock.advance(svc.settings.free_retention_s - 1)
    keeping.sweep(svc)
    work(svc, clock)
    job.refresh_from_db()
    assert job.result_state == ResultState.STORED
    clock.advance(1)
    keeping.sweep(svc)
    work(svc, clock)
    intact(svc, cold, job)
    assert job.result_state == ResultState.ARCHIVED


def test_a_downgrade_during_a_thaw_and_an_upgrade_again(
    svc: Services, archived: Job, user: User, clock: FakeClock, cold: FakeCold
) -> None:
    change_plan(svc, user, "premium", why="test")
    work(svc, clock)
    change_plan(svc, user, "free", why="test")
    clock.advance(cold.thaw_s)
    work(svc, clock)
    archived.refresh_from_db()
    assert archived.result_state == ResultState.STORED
    assert archived.archive_due_at is not None
    assert (archived.archive_due_at - clock()).total_seconds() == svc.settings.free_retention_s
    settle(svc, clock, hours=1)
    intact(svc, cold, archived)
    assert archived.result_state == ResultState.ARCHIVED
    change_plan(svc, user, "premium", why="test")
    settle(svc, clock, hours=1)
    intact(svc, cold, archived)
    assert archived.result_state == ResultState.STORED


def test_completed_in_the_moment_of_a_downgrade(
    svc: Services, user: User, make_job: Callable[..., Job], clock: FakeClock, cold: FakeCold
) -> None:
    """The publisher still saw the premium plan: the sweep gives the result its time."""
    change_plan(svc, user, "premium", why="test")
    job = make_job(user)
    lifecycle.annotate(svc, job.pk, worker="w", stopping=lambda: False)
    User.objects.filter(pk=user.pk).update(plan="free")
    settle(svc, clock, hours=1)
    intact(svc, cold, job)
    assert job.result_state == ResultState.ARCHIVED


def test_the_same_plan_is_no_change(svc: Services, user: User) -> None:
    assert not change_plan(svc, user, "free", why="test")
    assert not AuditLine.objects.exists()
    with pytest.raises(KeyError):
        change_plan(svc, user, "gold", why="test")


# -- mail before an archive ------------------------------------------------------------------------


def test_a_warning_comes_to_those_who_want_it(
    svc: Services,
    user: User,
    make_job: Callable[..., Job],
    clock: FakeClock,
    mailer: FakeMailer,
) -> None:
    User.objects.filter(pk=user.pk).update(mail_before_archive=True)
    job = make_job(user)
    lifecycle.annotate(svc, job.pk, worker="w", stopping=lambda: False)
    mail = Mail.objects.get(kind=Mail.Kind.ARCHIVE_SOON)
    notify.send(svc, mail.pk)
    assert mailer.sent == [], "not yet"
    clock.advance(svc.settings.free_retention_s * 2 / 3)
    notify.send(svc, mail.pk)
    assert "moves to cold storage soon" in mailer.sent[0].subject
    assert "12:30 UTC" in mailer.sent[0].body


def test_a_warning_that_is_no_longer_so_is_not_sent(
    svc: Services,
    user: User,
    make_job: Callable[..., Job],
    clock: FakeClock,
    mailer: FakeMailer,
) -> None:
    User.objects.filter(pk=user.pk).update(mail_before_archive=True)
    job = make_job(user)
    lifecycle.annotate(svc, job.pk, worker="w", stopping=lambda: False)
    user.refresh_from_db()
    change_plan(svc, user, "premium", why="test")
    clock.advance(svc.settings.free_retention_s)
    mail = Mail.objects.get(kind=Mail.Kind.ARCHIVE_SOON)
    notify.send(svc, mail.pk)
    mail.refresh_from_db()
    assert mail.state == Mail.State.NEEDLESS
    assert mailer.sent == []


# -- every plug pulled -----------------------------------------------------------------------------


class Killed(BaseException):
    """The process is gone: no handler runs, open transactions are rolled back."""


class Plug:
    """Wraps stores; the process dies at the ``at``-th call, before or after its effect."""

    def __init__(self, at: int, *, after: bool) -> None:
        self.left, self.after = at, after
        self.pulled = False

    def wrap(self, inner: Any) -> Any:
        plug = self

        class Wrapped:
            def __getattr__(self, name: str) -> Any:
                attribute = getattr(inner, name)
                if not callable(attribute):
                    return attribute

                def call(*args: Any, **more: Any) -> Any:
                    plug.left -= 1
                    if plug.left == 0 and not plug.after:
                        plug.pulled = True
                        raise Killed
                    value = attribute(*args, **more)
                    if plug.left == 0:
                        plug.pulled = True
                        raise Killed
                    return value

                return call

        return Wrapped()


def _journeys() -> Iterator[tuple[int, bool]]:
    for at in range(1, 9):
        yield at, False
        yield at, True


@pytest.mark.parametrize(("at", "after"), list(_journeys()))
def test_killed_at_any_call_the_next_try_completes(
    svc: Services,
    done: Job,
    user: User,
    clock: FakeClock,
    cold: FakeCold,
    at: int,
    after: bool,
) -> None:
    """To the cold and back, with one kill on the way; nothing is lost, nothing is left over."""
    plug = Plug(at, after=after)
    dying = replace(svc, storage=plug.wrap(svc.storage), cold=plug.wrap(cold))
    clock.advance(svc.settings.free_retention_s)
    for upgrade in (False, True):
        if upgrade:
            change_plan(svc, user, "premium", why="test")
        for _ in range(6):
            with contextlib.suppress(Killed):
                work(dying, clock)
            intact(svc, cold, done)
            keeping.sweep(svc)
            clock.advance(600)
        settle(svc, clock, hours=1)
        intact(svc, cold, done)
        assert done.result_state == (ResultState.STORED if upgrade else ResultState.ARCHIVED)
    assert cold.objects == {}
    assert in_hot(svc, done) == 1


# -- every order -----------------------------------------------------------------------------------


class Play:
    """Several jobs of one user; messages doubled, late and lost; plans that change; stores that
    fail; workers that sleep between any two calls while others act."""

    def __init__(self, svc: Services, clock: FakeClock, cold: FakeCold, user: User, seed: int):
        self.real, self.clock, self.cold, self.user = svc, clock, cold, user
        self.rng = random.Random(seed)
        self.depth = 0
        self.svc = replace(svc, storage=self._restless(svc.storage), cold=self._restless(cold))

    def _restless(self, inner: Any) -> Any:
        play = self

        class Restless:
            def __getattr__(self, name: str) -> Any:
                attribute = getattr(inner, name)

                def call(*args: Any, **more: Any) -> Any:
                    if not play.in_lock:
                        play.meanwhile()
                    if play.rng.random() < 0.05:
                        raise TransientError("hiccup")
                    return attribute(*args, **more)

                return call if callable(attribute) else attribute

        return Restless()

    @property
    def in_lock(self) -> bool:
        """Whether the caller holds row locks, so that nobody else could get in."""
        return len(transaction.get_connection().savepoint_ids) > self.floor

    def meanwhile(self) -> None:
        if self.depth < 3 and self.rng.random() < 0.5:
            self.depth += 1
            try:
                self.step()
            finally:
                self.depth -= 1

    def step(self) -> None:
        jobs = list(Job.objects.filter(owner=self.user))
        job = self.rng.choice(jobs)
        happening = self.rng.choice(["archive", "archive", "thaw", "restore", "restore_all",
                                     "plan", "sweep", "time", "lose"])  # fmt: skip
        if happening == "plan":
            change_plan(self.svc, self.user, self.rng.choice(["free", "premium"]), why="play")
        elif happening == "sweep":
            keeping.sweep(self.svc)
        elif happening == "time":
            self.clock.advance(self.rng.choice([1, 200, 2000]))
        elif happening == "lose":
            ProcrastinateJob.objects.filter(task_name__in=HANDLERS)._raw_delete("default")
        elif happening == "restore_all":
            keeping.restore_all(self.svc, self.user.pk)
        else:
            getattr(keeping, happening)(self.svc, job.pk)

    def run(self, steps: int) -> None:
        self.floor = len(transaction.get_connection().savepoint_ids)
        for _ in range(steps):
            self.step()
            for job in Job.objects.filter(owner=self.user):
                assert not job.keep_halted, job.keep_error
                intact(self.real, self.cold, job)
        self.user.refresh_from_db()
        settle(self.real, self.clock, hours=6)
        away = ResultState.STORED if self.user.plan == "premium" else ResultState.ARCHIVED
        for job in Job.objects.filter(owner=self.user):
            intact(self.real, self.cold, job)
            assert job.result_state == away
            assert in_hot(self.real, job) == int(self.user.plan == "premium")
            assert (job.result_key("annotated.vcf.gz") in self.cold.objects) == (
                self.user.plan == "free"
            )


def _play(
    seed: int,
    svc: Services,
    clock: FakeClock,
    cold: FakeCold,
    user: User,
    make_job: Callable[..., Job],
) -> None:
    for _ in range(3):
        job = make_job(user)
        lifecycle.annotate(svc, job.pk, worker="w", stopping=lambda: False)
    Play(svc, clock, cold, user, seed).run(steps=30)


@pytest.mark.parametrize("seed", range(6))
def test_every_play_ends_right(
    svc: Services,
    clock: FakeClock,
    cold: FakeCold,
    user: User,
    make_job: Callable[..., Job],
    seed: int,
) -> None:
    _play(seed, svc, clock, cold, user, make_job)


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(100, 400))
def test_hundreds_of_plays_end_right(
    svc: Services,
    clock: FakeClock,
    cold: FakeCold,
    user: User,
    make_job: Callable[..., Job],
    seed: int,
) -> None:
    _play(seed, svc, clock, cold, user, make_job)


def test_the_audit_log_cannot_be_changed(svc: Services, archived: Job) -> None:
    line = AuditLine.objects.get()
    line.action = Action.ERASE
    for change in (line.save, line.delete, AuditLine.objects.all().delete):
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            change()
