"""A large file over the farm: a clock that stands still, and shards that do as they are told."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from django.db import connection, transaction
from procrastinate.contrib.django.models import ProcrastinateJob

from gas.accounts.models import User
from gas.annotate.shards import InOnePiece
from gas.errors import Cancelled, EngineError, GasError, NeedsOperator, TransientError
from gas.jobs import erase, lifecycle, queue, shards
from gas.jobs.lifecycle import LostClaim
from gas.jobs.models import Job, Shard, Upload
from gas.jobs.states import ShardState, Status
from gas.notify.models import Mail
from gas.wiring import Services
from tests.fakes import FakeClock, FakeRunner, FakeShardRunner, Keep

pytestmark = pytest.mark.django_db
PENDING, RUNNING, DONE = ShardState.PENDING, ShardState.RUNNING, ShardState.DONE
RESULT = b"head <0><1><2>"


@pytest.fixture
def svc(svc: Services) -> Services:
    """Every file is large here."""
    return replace(svc, settings=svc.settings.model_copy(update={"shard_bytes": 1}))


def messages() -> list[ProcrastinateJob]:
    """In the order in which annotators get them."""
    waiting = ProcrastinateJob.objects.filter(status="todo", queue_name="annotate")
    return list(waiting.order_by("-priority", "id"))


def handle(
    svc: Services, message: ProcrastinateJob, worker: str = "w", *, stopping: bool = False
) -> None:
    queue._finish(message.pk)
    row_id = message.args["row_id"]
    if message.task_name == queue.SHARD:
        shards.work(svc, int(row_id), worker=worker, stopping=lambda: stopping)
    else:
        lifecycle.annotate(svc, row_id, worker=worker, stopping=lambda: stopping)


def take_next(svc: Services, count: int = 1) -> None:
    for _ in range(count):
        handle(svc, messages()[0])


def states(job: Job) -> list[str]:
    """Of the parts and the join."""
    return [shard.state for shard in Shard.objects.filter(job=job)]


def part(job: Job, number: int) -> Shard:
    return Shard.objects.get(job=job, attempt=Job.objects.get(pk=job.pk).attempt, number=number)


def result_of(svc: Services, job: Job) -> bytes:
    job.refresh_from_db()
    assert job.status == Status.COMPLETED
    return b"".join(svc.storage.read(job.result_key("annotated.vcf.gz")))


def keys(svc: Services, job: Job) -> list[str]:
    return [stored.key for stored in svc.storage.list(f"users/{job.owner_id}/jobs/")]


def test_the_way_of_a_large_file(
    svc: Services, job: Job, runner: FakeRunner, clock: FakeClock
) -> None:
    take_next(svc)
    job.refresh_from_db()
    assert (job.status, job.attempt, job.lease_until) == (Status.RUNNING, 1, None)
    assert states(job) == [PENDING, PENDING, PENDING, ShardState.WAITING]
    assert [message.task_name for message in messages()] == [queue.SHARD] * 3
    for message in reversed(messages()):  # in any order
        handle(svc, message)
    assert states(job) == [DONE, DONE, DONE, PENDING]
    take_next(svc)
    assert result_of(svc, job) == RESULT
    assert runner.runs == 0
    assert job.progress == 1
    assert keys(svc, job) == [job.result_key("annotated.vcf.gz")], "the shards are gone"
    assert Mail.objects.count() == 1
    assert not messages()
    log = [event.message for event in job.events.all()]
    assert log[2:4] == [
        "Split into 3 parts; each goes to the next annotator that is free.",
        "All parts are annotated: they are being joined.",
    ]
    shards.reap(svc)
    clock.advance(2 * svc.settings.lease_s + 1)
    assert shards.reap(svc)["dropped_shards"] == 4
    assert result_of(svc, job) == RESULT
    assert not Shard.objects.exists()


def test_others_begin_while_the_plan_is_being_made(
    svc: Services, job: Job, shard_runner: FakeShardRunner
) -> None:
    def begin(what: str, _keep: Keep) -> None:
        if what == "plan 2":
            take_next(svc, 2)
            assert states(job) == [DONE, DONE]

    shard_runner.before = begin
    take_next(svc)
    assert states(job) == [DONE, DONE, PENDING, ShardState.WAITING]
    take_next(svc, 2)
    assert result_of(svc, job) == RESULT


def test_a_join_that_nothing_is_left_for_is_ready_with_the_plan(
    svc: Services, job: Job, shard_runner: FakeShardRunner
) -> None:
    shard_runner.parts = 0
    take_next(svc, 2)
    assert result_of(svc, job) == b"head "


@pytest.mark.parametrize(("shard_bytes", "engine"), [(0, "gas"), (10_000, "gas"), (1, "csq")])
def test_what_is_not_split(
    svc: Services,
    user: User,
    make_upload: Callable[..., Upload],
    runner: FakeRunner,
    shard_bytes: int,
    engine: str,
) -> None:
    svc = replace(svc, settings=svc.settings.model_copy(update={"shard_bytes": shard_bytes}))
    job = lifecycle.submit(svc, user, make_upload(user), engine=engine)
    take_next(svc)
    job.refresh_from_db()
    assert (job.status, runner.runs) == (Status.COMPLETED, 1)
    assert not Shard.objects.exists()


def test_an_engine_that_is_not_there_fails_the_job(svc: Services, job: Job) -> None:
    Job.objects.filter(pk=job.pk).update(engine="nowhere:Engine")
    take_next(svc)
    job.refresh_from_db()
    assert (job.status, job.failure_code) == (Status.FAILED, "engine-failed")


def test_a_part_waits_uncounted_for_the_operator(
    svc: Services, job: Job, shard_runner: FakeShardRunner, clock: FakeClock
) -> None:
    def denied(what: str, _keep: Keep) -> None:
        if what == "part 0":
            raise NeedsOperator("There is no bucket gas-7.")

    take_next(svc)
    shard_runner.before = denied
    for _ in range(svc.settings.max_tries + 1):
        clock.advance(lifecycle.PARKED.total_seconds())
        handle(svc, next(m for m in messages() if m.args["row_id"] == str(part(job, 0).pk)))
    assert (part(job, 0).state, part(job, 0).tries) == (PENDING, 0)
    assert not any("gas-7" in event.message for event in job.events.all()), "no owner's business"


@pytest.mark.parametrize("at", ["plan 1", "part 1", "join"])
def test_a_file_that_is_none_for_shards_goes_to_one_annotator(
    svc: Services, job: Job, runner: FakeRunner, shard_runner: FakeShardRunner, clock: FakeClock,
    at: str,
) -> None:  # fmt: skip
    def refuse(what: str, _keep: Keep) -> None:
        if what == at:
            error = GasError("Its records are not in order.")  # as it comes from a child
            error.code = InOnePiece.code
            raise error

    shard_runner.before = refuse
    while runner.runs == 0:
        take_next(svc)
    assert result_of(svc, job).startswith(b"result of")
    assert (job.tries, job.attempt) == (0, 2)
    log = [event.message for event in job.events.all()]
    assert "This file is annotated in one piece: Its records are not in order." in log
    while messages():
        take_next(svc)  # parts that nobody wants any more
    shards.reap(svc)
    clock.advance(2 * svc.settings.lease_s + 1)
    shards.reap(svc)
    assert keys(svc, job) == [job.result_key("annotated.vcf.gz")]


def test_a_killed_part_is_redone_alone(svc: Services, job: Job, clock: FakeClock) -> None:
    take_next(svc, 2)
    killed = shards._claim(svc, part(job, 1).pk, "killed")
    assert killed is not None
    queue._finish(messages()[0].pk)
    svc.storage.put(killed.prefix + "/blocks", [b"half"])
    take_next(svc)
    assert states(job) == [DONE, RUNNING, DONE, ShardState.WAITING]
    clock.advance(svc.settings.lease_s + 1)
    assert shards.reap(svc)["expired_shards"] == 1
    assert shards.reap(svc)["expired_shards"] == 0
    lifecycle.reap(svc)
    job.refresh_from_db()
    assert (job.status, job.attempt, job.tries) == (Status.RUNNING, 1, 0)
    assert not any(key.startswith(killed.prefix) for key in keys(svc, job))
    again = part(job, 1)
    assert (again.state, again.tries) == (PENDING, 1)
    assert shards._claim(svc, again.pk, "early") is None, "after a wait"
    clock.advance(1000)
    take_next(svc, 2)
    assert result_of(svc, job) == RESULT
    assert [shard.token for shard in Shard.objects.filter(job=job)] == [1, 2, 1, 1]
    assert any("Part 2: the annotator that had it stopped" in e.message for e in job.events.all())


def test_a_part_that_comes_late_is_refused(svc: Services, job: Job, clock: FakeClock) -> None:
    take_next(svc)
    late = shards._claim(svc, part(job, 0).pk, "slow")
    assert late is not None
    clock.advance(svc.settings.lease_s + 1)
    shards.reap(svc)
    clock.advance(1000)
    now = shards._claim(svc, late.pk, "quick")
    assert now is not None
    inputs = shards._pair(late.inputs)
    with pytest.raises(LostClaim):
        shards._finish(svc, late, inputs)
    with pytest.raises(LostClaim):
        lifecycle.keeper(svc, job, shards._renewer(svc, late), lambda: False)(0.5)
    shards._failed(svc, late, TransientError("late"))
    assert (part(job, 0).state, part(job, 0).tries) == (RUNNING, 1), "no business of the late one"
    shards._finish(svc, now, inputs)
    assert states(job)[0] == DONE


def test_after_the_last_try_the_job_fails_with_a_sentence(
    svc: Services, job: Job, shard_runner: FakeShardRunner, clock: FakeClock
) -> None:
    def full(what: str, _keep: Keep) -> None:
        if what == "part 2":
            raise TransientError("The disk is full.")

    shard_runner.before = full
    take_next(svc)
    for _ in range(10):
        clock.advance(10_000)
        for message in messages():
            handle(svc, message)
    job.refresh_from_db()
    assert (job.status, job.failure_code) == (Status.FAILED, "gave-up")
    assert "tried part 3 of this file 3 times and gave up. The last time: The disk" in job.failure
    assert Mail.objects.count() == 1
    shards.reap(svc)
    assert keys(svc, job) == []
    shard_runner.before = lambda what, keep: None
    lifecycle.retry(svc, job)
    while messages():
        take_next(svc)
    assert result_of(svc, job) == RESULT


def test_a_part_that_breaks_for_good_fails_the_job(
    svc: Services, job: Job, shard_runner: FakeShardRunner
) -> None:
    def broken(what: str, _keep: Keep) -> None:
        if what == "part 0":
            raise EngineError("The engine answered 1 of 2 records.")

    shard_runner.before = broken
    take_next(svc, 4)
    job.refresh_from_db()
    assert (job.status, job.failure) == (Status.FAILED, "The engine answered 1 of 2 records.")
    assert not messages()
    assert states(job) == [RUNNING, PENDING, PENDING, ShardState.WAITING], "nobody went on"


def test_a_defect_of_ours_is_tried_again(
    svc: Services, job: Job, shard_runner: FakeShardRunner, clock: FakeClock
) -> None:
    seen: list[str] = []

    def once(what: str, _keep: Keep) -> None:
        seen.append(what)
        if what in ("part 1", "join") and seen.count(what) == 1:
            raise ValueError("a defect")

    shard_runner.before = once
    for _ in range(8):
        clock.advance(1000)
        if messages():
            take_next(svc)
    assert result_of(svc, job) == RESULT
    assert seen.count("part 0") == 1
    assert seen.count("part 1") == seen.count("join") == 2


def test_cancel_stops_all_parts(
    svc: Services, job: Job, shard_runner: FakeShardRunner, clock: FakeClock
) -> None:
    lost: list[str] = []

    def cancelled(what: str, keep: Keep) -> None:
        if what == "part 1":
            lifecycle.cancel(svc, job)
            clock.advance(svc.settings.heartbeat_s + 1)
            try:
                keep(0.5)
            except LostClaim:
                lost.append(what)
                raise

    shard_runner.before = cancelled
    take_next(svc, 3)
    assert lost == ["part 1"]
    assert not any("/shards/1/1/" in key for key in keys(svc, job)), "it cleared up behind itself"
    take_next(svc)
    assert states(job)[2] == PENDING, "its message does nothing"
    job.refresh_from_db()
    assert job.status == Status.CANCELLED
    shards.reap(svc)
    assert keys(svc, job) == []
    svc.storage.put(f"{job.attempt_prefix(1)}/shards/2/1/blocks", [b"by one who slept"])
    clock.advance(2 * svc.settings.lease_s + 1)
    shards.reap(svc)
    assert keys(svc, job) == []
    assert not Shard.objects.exists()


def test_erase_takes_shards_along(svc: Services, job: Job, clock: FakeClock) -> None:
    take_next(svc, 2)
    running = shards._claim(svc, part(job, 1).pk, "w")
    assert running is not None
    erase.ask_erase(svc, job)
    with pytest.raises(LostClaim):
        shards._finish(svc, running, shards._pair(running.inputs))
    erase.erase(svc, job.pk)
    assert keys(svc, job) == []
    clock.advance(2 * svc.settings.lease_s + 1)
    erase.erase(svc, job.pk)
    assert not Job.objects.exists()
    assert not Shard.objects.exists()
    while messages():
        take_next(svc)  # nothing to do, and no error


def test_a_planner_that_dies_begins_anew_and_its_parts_are_dropped(
    svc: Services, job: Job, shard_runner: FakeShardRunner, clock: FakeClock
) -> None:
    class Killed(BaseException):
        pass

    def die(what: str, _keep: Keep) -> None:
        if what == "plan 2":
            raise Killed

    shard_runner.before = die
    with pytest.raises(Killed):
        take_next(svc)
    old = Shard.objects.get(number=0)
    running = shards._claim(svc, old.pk, "w")
    assert running is not None
    clock.advance(svc.settings.lease_s + 1)
    lifecycle.reap(svc)
    job.refresh_from_db()
    assert (job.status, job.tries) == (Status.PENDING, 1)
    with pytest.raises(LostClaim):
        shards._finish(svc, running, shards._pair(old.inputs))
    shard_runner.before = lambda what, keep: None
    clock.advance(1000)
    handle(svc, next(m for m in messages() if m.task_name == queue.ANNOTATE))
    Job.objects.filter(pk=job.pk).update(tries=svc.settings.max_tries - 1)
    shards.reap(svc)
    job.refresh_from_db()
    assert job.status == Status.RUNNING, "an old part's lease is no longer the job's business"
    assert shards._claim(svc, Shard.objects.get(attempt=1, number=1).pk, "w") is None
    assert not any(key.startswith(job.attempt_prefix(1) + "/") for key in keys(svc, job))
    while messages():
        take_next(svc)
    assert result_of(svc, job) == RESULT
    clock.advance(2 * svc.settings.lease_s + 1)
    shards.reap(svc)
    clock.advance(2 * svc.settings.lease_s + 1)
    shards.reap(svc)
    assert not Shard.objects.exists()
    assert keys(svc, job) == [job.result_key("annotated.vcf.gz")]


def test_a_worker_that_has_to_go_hands_its_part_back(
    svc: Services, job: Job, shard_runner: FakeShardRunner
) -> None:
    def go(what: str, _keep: Keep) -> None:
        if what == "part 0":
            raise Cancelled

    take_next(svc)
    shard_runner.before = go
    take_next(svc)
    handed = part(job, 0)
    assert (handed.state, handed.tries, handed.token) == (PENDING, 0, 1)
    shard_runner.before = lambda what, keep: None
    while messages():
        take_next(svc)
    assert result_of(svc, job) == RESULT


def test_a_message_twice_has_one_effect(svc: Services, job: Job) -> None:
    take_next(svc)
    first = messages()[0]
    for _ in range(2):
        shards.work(svc, int(first.args["row_id"]), worker="w", stopping=lambda: False)
    assert part(job, 0).token == 1
    assert states(job) == [DONE, PENDING, PENDING, ShardState.WAITING]


def test_lost_messages_of_parts_are_written_again(
    svc: Services, job: Job, clock: FakeClock
) -> None:
    take_next(svc)
    for message in messages():
        queue._finish(message.pk)
    assert shards.reap(svc)["lost_shard_messages"] == 0, "a young one may be just being planned"
    clock.advance(svc.settings.lease_s + 1)
    assert shards.reap(svc)["lost_shard_messages"] == 3
    assert shards.reap(svc)["lost_shard_messages"] == 0
    while messages():
        take_next(svc)
    assert result_of(svc, job) == RESULT


def test_progress_is_that_of_all_parts(
    svc: Services, job: Job, shard_runner: FakeShardRunner, clock: FakeClock
) -> None:
    seen: list[float] = []

    def look(what: str, keep: Keep) -> None:
        clock.advance(svc.settings.heartbeat_s + 1)
        keep(0.5)
        job.refresh_from_db()
        seen.append(round(job.progress, 3))

    shard_runner.before = look
    while messages():
        take_next(svc)
    assert seen == sorted(seen)
    whole, each = shards.PLAN_SHARE, shards.PARTS_SHARE / 3
    parts = [round(whole + each * (number + 0.5), 3) for number in range(3)]
    assert seen[3:] == [*parts, round(whole + 3 * each, 3)]


def test_parts_take_their_own_share_of_the_lane(
    svc: Services, job: Job, make_user: Callable[..., User], make_job: Callable[..., Job]
) -> None:
    take_next(svc)
    starts = [shard.fair_start for shard in Shard.objects.filter(job=job, kind="PART")]
    assert starts == sorted(set(starts))
    assert job.fair_start < starts[0] < starts[-1] == job.fair_finish
    other = make_job(make_user("other@example.org"))
    assert messages()[0].args["row_id"] == str(other.pk), "it does not wait for all parts"


@pytest.mark.django_db(transaction=True)
def test_of_two_that_finish_last_one_makes_the_join(
    svc: Services, job: Job, shard_runner: FakeShardRunner
) -> None:
    shard_runner.parts = 2
    take_next(svc)
    first, second = (shards._claim(svc, part(job, number).pk, "w") for number in (0, 1))
    assert first is not None
    assert second is not None

    def finish_second() -> None:
        shards._finish(svc, second, shards._pair(second.inputs))
        connection.close()

    other = threading.Thread(target=finish_second)
    with transaction.atomic():
        shards._finish(svc, first, shards._pair(first.inputs))
        other.start()
        end = time.monotonic() + 30
        while not _somebody_waits():
            assert time.monotonic() < end
    other.join()
    assert states(job) == [DONE, DONE, PENDING]
    assert len([m for m in messages() if m.args["row_id"] == str(part(job, 2).pk)]) == 1


def _somebody_waits() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return bool(cursor.fetchone()[0])


@pytest.mark.parametrize(
    "seed", [*range(4), *(pytest.param(n, marks=pytest.mark.long) for n in range(4, 100))]
)
def test_whatever_happens_a_job_ends_once_and_leaves_nothing(
    svc: Services, job: Job, shard_runner: FakeShardRunner, clock: FakeClock, seed: int
) -> None:
    rng = random.Random(seed)
    held: list[Shard] = []

    class Killed(BaseException):
        pass

    def trouble(_what: str, _keep: Keep) -> None:
        lot = rng.random()
        if lot < 0.06:
            raise Killed
        if lot < 0.1:
            raise Cancelled
        if lot < 0.13:
            raise TransientError("away")
        if lot < 0.2:
            clock.advance(svc.settings.lease_s + 1)
            shards.reap(svc)
            lifecycle.reap(svc)

    def message_comes() -> None:
        found = messages()
        if found:
            with contextlib.suppress(Killed):
                handle(svc, rng.choice(found))

    def sleeper_claims() -> None:
        waiting = Shard.objects.filter(state=PENDING).order_by("?").first()
        shard = waiting and shards._claim(svc, waiting.pk, "sleeper")
        if shard:
            held.append(shard)

    def sleeper_wakes() -> None:
        if held:
            shards._failed(svc, held.pop(), TransientError("late"))

    def time_passes() -> None:
        clock.advance(rng.choice([1, 10, 40, 4000]))
        lifecycle.reap(svc)
        shards.reap(svc)

    shard_runner.before = trouble
    steps = [message_comes] * 4 + [time_passes, sleeper_claims, sleeper_wakes]
    for _ in range(40):
        rng.choice(steps)()
    if rng.random() < 0.2:
        lifecycle.cancel(svc, job)
    shard_runner.before = lambda what, keep: None
    for _ in range(60):
        if Job.objects.get(pk=job.pk).is_over and not messages() and not Shard.objects.exists():
            break
        clock.advance(4000)
        lifecycle.reap(svc)
        shards.reap(svc)
        message_comes()
    job.refresh_from_db()
    assert job.is_over
    assert Mail.objects.count() == (job.status != Status.CANCELLED)
    if job.status == Status.COMPLETED:
        assert result_of(svc, job) == RESULT
        assert keys(svc, job) == [job.result_key("annotated.vcf.gz")]
    else:
        assert keys(svc, job) == []
    assert not Shard.objects.exists()
    assert not messages()
