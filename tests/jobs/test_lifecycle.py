"""The way of a job, with a clock that stands still and an engine that does as it is told."""

from __future__ import annotations

import gzip
from collections.abc import Callable

import pytest
from procrastinate.contrib.django.models import ProcrastinateJob

from gas.accounts.models import User
from gas.errors import EngineError, InputError, PackError, TransientError
from gas.jobs import erase, lifecycle, queue, uploads
from gas.jobs.models import Job, Upload
from gas.jobs.runner import Task
from gas.jobs.states import Status
from gas.notify.models import Mail
from gas.storage import ObjectTooLarge
from gas.storage.s3_errors import StorageRefused
from gas.wiring import Services
from tests.conftest import VCF
from tests.fakes import SUMMARY, FakeClock, FakeRunner, raising

pytestmark = pytest.mark.django_db


def annotate(svc: Services, job: Job, worker: str = "w1", *, stopping: bool = False) -> Job:
    lifecycle.annotate(svc, job.pk, worker=worker, stopping=lambda: stopping)
    job.refresh_from_db()
    return job


def waiting(task: str = queue.ANNOTATE) -> list[str]:
    rows = ProcrastinateJob.objects.filter(task_name=task, status="todo").order_by("id")
    return [row.args["row_id"] for row in rows]


def take_messages() -> None:
    """What a worker does to the queue when it has handled all that waits."""
    for row in ProcrastinateJob.objects.filter(status="todo"):
        queue._finish(row.pk)


# -- submit ------------------------------------------------------------------------------------


def test_submit_writes_row_message_and_log(job: Job, clock: FakeClock) -> None:
    assert job.status == Status.PENDING
    assert job.submitted_at == clock()
    assert waiting() == [str(job.pk)]
    assert "Submitted: sample.vcf" in job.events.get().message


def test_submit_is_one_transaction(
    svc: Services, user: User, make_upload: Callable[..., Upload], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_args: object, **_more: object) -> None:
        raise RuntimeError("the queue is gone")

    upload = make_upload(user)
    monkeypatch.setattr(queue, "enqueue", broken)
    with pytest.raises(RuntimeError):
        lifecycle.submit(svc, user, upload)
    assert not Job.objects.exists(), "no row without its message"


def test_submit_twice_makes_one_job(
    svc: Services, user: User, make_upload: Callable[..., Upload]
) -> None:
    upload = make_upload(user)
    first = lifecycle.submit(svc, user, upload, idempotency_key="k")
    assert lifecycle.submit(svc, user, upload, idempotency_key="k") == first
    assert lifecycle.submit(svc, user, upload) == first
    with pytest.raises(lifecycle.Conflict):
        lifecycle.submit(svc, user, make_upload(user), idempotency_key="k")
    assert waiting() == [str(first.pk)]


def test_a_repeated_submit_is_answered_whatever_changed_meanwhile(
    svc: Services, make_user: Callable[..., User], make_upload: Callable[..., Upload]
) -> None:
    user = make_user("p@example.org", plan="premium")
    upload = make_upload(user, content=VCF + b"#" * svc.settings.free_max_upload_bytes)
    first = lifecycle.submit(svc, user, upload, idempotency_key="k")
    user.plan = "free"
    assert lifecycle.submit(svc, user, upload, reference="gone", idempotency_key="k") == first


def test_a_deleted_job_answers_no_repeated_submit(
    svc: Services, user: User, make_upload: Callable[..., Upload]
) -> None:
    upload = make_upload(user)
    erase.ask_erase(svc, lifecycle.submit(svc, user, upload, idempotency_key="k"))
    with pytest.raises(lifecycle.NotSubmittable, match="deleted"):
        lifecycle.submit(svc, user, upload, idempotency_key="k")
    again = lifecycle.submit(svc, user, make_upload(user), idempotency_key="k")
    assert not again.erasing


def test_an_idempotency_key_is_its_owners_alone(
    svc: Services,
    user: User,
    make_user: Callable[..., User],
    make_upload: Callable[..., Upload],
) -> None:
    other = make_user("eve@example.org")
    mine = lifecycle.submit(svc, user, make_upload(user), idempotency_key="k")
    theirs = lifecycle.submit(svc, other, make_upload(other), idempotency_key="k")
    assert mine != theirs


def test_submit_refuses_what_cannot_be(
    svc: Services, user: User, make_upload: Callable[..., Upload]
) -> None:
    with pytest.raises(PackError, match="no-such"):
        lifecycle.submit(svc, user, make_upload(user), reference="no-such")
    with pytest.raises(EngineError, match="os:system"):
        lifecycle.submit(svc, user, make_upload(user), engine="os:system")
    open_upload = uploads.create(svc, user, "x.vcf", 10)
    with pytest.raises(lifecycle.NotSubmittable):
        lifecycle.submit(svc, user, open_upload)
    assert not Job.objects.exists()


def test_the_plan_is_enforced_at_every_step(
    svc: Services, user: User, make_upload: Callable[..., Upload]
) -> None:
    cap = svc.settings.free_max_upload_bytes
    with pytest.raises(lifecycle.TooLargeForPlan, match="153,601 bytes"):
        uploads.create(svc, user, "big.vcf", cap + 1)
    liar = uploads.create(svc, user, "liar.vcf", 10)
    with pytest.raises(ObjectTooLarge):
        uploads.receive(svc, liar, [b"x" * 11])
    user.plan = "premium"
    big = make_upload(user, content=VCF + b"#" * (cap + 1 - len(VCF)))
    user.plan = "free"
    with pytest.raises(lifecycle.TooLargeForPlan):
        lifecycle.submit(svc, user, big)


def test_an_upload_counts_by_what_came(svc: Services, user: User) -> None:
    size = len(VCF)
    upload = uploads.create(svc, user, "short.vcf", size)
    uploads.receive(svc, upload, [VCF[:5]])
    with pytest.raises(lifecycle.NotSubmittable, match=f"5 bytes came, {size} were announced"):
        uploads.complete(svc, upload)
    uploads.receive(svc, upload, [VCF])
    assert uploads.complete(svc, upload).size_bytes == size
    with pytest.raises(lifecycle.NotSubmittable):
        uploads.receive(svc, upload, [b"again"])


@pytest.mark.parametrize(
    ("content", "says", "line"),
    [
        (b"BAM\1" + b"x" * 50, "not a VCF", 1),
        (gzip.compress(gzip.compress(VCF)), "not a VCF", 1),
        (gzip.compress(VCF + b"20\t7\t.\tA\tC\t.\t.\tX=\xff\n"), "not UTF-8", 4),
        (VCF + b"20\t7\0\n", "NUL", 4),
    ],
)
def test_what_the_start_of_an_upload_tells_is_said_at_once(
    svc: Services, user: User, content: bytes, says: str, line: int
) -> None:
    upload = uploads.create(svc, user, "x.vcf", len(content))
    uploads.receive(svc, upload, [content])
    with pytest.raises(InputError, match=says) as refused:
        uploads.complete(svc, upload)
    assert refused.value.line == line
    assert not Upload.objects.exists(), "of no use to anybody"
    assert list(svc.storage.list("")) == []


def test_an_upload_expires(svc: Services, user: User, clock: FakeClock) -> None:
    upload = uploads.create(svc, user, "x.vcf", 10)
    assert uploads.find(svc, user, upload.pk) == upload
    clock.advance(svc.settings.upload_expiry_s + 1)
    assert uploads.find(svc, user, upload.pk) is None


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("a.vcf", "a.vcf"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\x\\a.vcf", "a.vcf"),
        ("a\r\nSet-Cookie: x.vcf", "aSet-Cookie x.vcf"),
        ("=cmd|'/c calc'!A0.vcf", "c calc'!A0.vcf"),
        ("\u202egpj.vcf", "gpj.vcf"),
        ("\x1b[31mred.vcf", "[31mred.vcf"),
        ("", "upload.vcf"),
        ("...", "upload.vcf"),
        ("<script>.vcf", "script.vcf"),
    ],
)
def test_file_names_are_made_harmless(given: str, shown: str) -> None:
    assert uploads.safe_filename(given) == shown


def test_a_long_file_name_keeps_its_ending() -> None:
    name = uploads.safe_filename("x" * 500 + ".vcf.gz")
    assert len(name) == uploads.MAX_NAME
    assert name.endswith(".vcf.gz")


# -- annotate ----------------------------------------------------------------------------------


def test_a_job_completes(svc: Services, job: Job, clock: FakeClock) -> None:
    clock.advance(5)
    annotate(svc, job)
    assert job.status == Status.COMPLETED
    assert (job.attempt, job.tries, job.progress) == (1, 0, 1)
    assert job.started_at == job.finished_at == clock()
    assert job.summary == SUMMARY
    assert list(job.summary) == list(SUMMARY), "in the order that a person is to see"
    assert job.result_prefix == job.attempt_prefix(1)
    (file,) = job.result_files
    assert svc.storage.stat(f"{job.result_prefix}/{file['name']}").sha256 == file["sha256"]
    assert waiting(queue.NOTIFY) == [str(job.mails.get().pk)]


def test_a_message_handled_twice_has_one_effect(
    svc: Services, job: Job, runner: FakeRunner
) -> None:
    annotate(svc, job)
    before = Job.objects.filter(pk=job.pk).values().get()
    annotate(svc, job, "w2")
    assert runner.runs == 1
    assert Job.objects.filter(pk=job.pk).values().get() == before
    assert Mail.objects.count() == 1


def test_a_job_that_runs_is_not_run_again(svc: Services, job: Job, runner: FakeRunner) -> None:
    def meanwhile(_task: Task, _keep: object) -> None:
        annotate(svc, job, "w2")

    runner.steps = [meanwhile]
    annotate(svc, job)
    assert runner.runs == 1
    assert (job.status, job.attempt) == (Status.COMPLETED, 1)


def test_a_message_for_no_job_is_nothing(svc: Services, job: Job) -> None:
    pk = job.pk
    Job.objects.all().delete()
    lifecycle.annotate(svc, pk, worker="w", stopping=lambda: False)


def test_a_permanent_error_fails_with_its_sentence(
    svc: Services, job: Job, runner: FakeRunner
) -> None:
    runner.steps = [raising(InputError("REF is missing.", hint="Add it.", line=7, column=4))]
    annotate(svc, job)
    assert job.status == Status.FAILED
    assert job.failure == "line 7, column 4: REF is missing. Add it."
    assert job.failure_code == "bad-input"
    assert waiting(queue.NOTIFY) == [str(job.mails.get().pk)]
    assert list(svc.storage.list(job.attempt_prefix(1))) == [], "nothing half-written stays"
    assert svc.storage.stat(job.input_key), "the input stays"


def test_a_transient_error_is_tried_again_with_backoff(
    svc: Services, job: Job, runner: FakeRunner, clock: FakeClock
) -> None:
    take_messages()
    runner.steps = [raising(TransientError("The store is away."))]
    annotate(svc, job)
    assert (job.status, job.tries) == (Status.PENDING, 1)
    message = ProcrastinateJob.objects.get(task_name=queue.ANNOTATE, status="todo")
    assert message.scheduled_at == job.not_before
    wait_s = (message.scheduled_at - clock()).total_seconds()
    assert 0.8 <= wait_s / svc.settings.retry_backoff_s <= 1.2
    annotate(svc, job)
    assert (job.status, runner.runs) == (Status.PENDING, 1), "not before its time"
    clock.advance(wait_s)
    annotate(svc, job)
    assert (job.status, job.attempt) == (Status.COMPLETED, 2)


def test_waits_grow_and_then_it_is_given_up(
    svc: Services, job: Job, runner: FakeRunner, clock: FakeClock
) -> None:
    runner.steps = [raising(TransientError("The store is away."))] * svc.settings.max_tries
    waits = []
    while not annotate(svc, job).is_over:
        take_messages()
        assert job.not_before is not None
        waits.append((job.not_before - clock()).total_seconds())
        clock.advance(waits[-1])
    assert len(waits) == svc.settings.max_tries - 1
    assert waits[1] > 2 * waits[0]
    assert job.status == Status.FAILED
    assert job.failure_code == "gave-up"
    assert job.failure.startswith("GAS tried 3 times and gave up. The last time: The store is away")
    assert Mail.objects.count() == 1


def test_what_an_operator_has_to_mend_is_waited_for_uncounted(
    svc: Services,
    job: Job,
    runner: FakeRunner,
    clock: FakeClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    wrong = StorageRefused("The object store denies access to bucket b.", hint="Set its key.")
    runner.steps = [raising(wrong)] * 9
    for attempt in range(1, 10):
        annotate(svc, job)
        assert (job.status, job.tries, job.attempt) == (Status.PENDING, 0, attempt)
        take_messages()
        clock.advance(lifecycle.PARKED.total_seconds())
    alarms = [record.why for record in caplog.records if "ALARM" in record.message]
    assert alarms == [str(wrong)] * 9
    told = "".join(event.message for event in job.events.all())
    assert "Its operator has to mend it" in told
    assert "bucket b" not in told
    annotate(svc, job)
    assert job.status == Status.COMPLETED


def test_a_defect_of_ours_shows_no_traceback(
    svc: Services, job: Job, runner: FakeRunner, clock: FakeClock
) -> None:
    runner.steps = [raising(ZeroDivisionError("secret detail"))] * svc.settings.max_tries
    while not annotate(svc, job).is_over:
        take_messages()
        clock.advance(1000)
    assert lifecycle.INTERNAL_ERROR in job.failure
    told = job.failure + "".join(e.message for e in job.events.all())
    assert "secret detail" not in told
    assert "Traceback" not in told


def test_a_worker_that_stops_hands_back_uncounted(
    svc: Services, job: Job, runner: FakeRunner
) -> None:
    take_messages()
    annotate(svc, job, stopping=True)
    assert (job.status, job.tries, job.attempt) == (Status.PENDING, 0, 1)
    assert waiting() == [str(job.pk)]
    annotate(svc, job, "w2")
    assert (job.status, job.attempt) == (Status.COMPLETED, 2)


def test_the_lease_is_renewed_while_the_engine_runs(
    svc: Services, job: Job, runner: FakeRunner, clock: FakeClock
) -> None:
    seen = []

    def long(_task: Task, keep: Callable[[float], None]) -> None:
        for step in range(10):
            clock.advance(svc.settings.lease_s / 2)
            keep(step / 10)
            job.refresh_from_db()
            seen.append(job.progress)
            assert lifecycle.reap(svc)["expired_leases"] == 0

    runner.steps = [long]
    annotate(svc, job)
    assert job.status == Status.COMPLETED
    assert seen == [step / 10 for step in range(10)]


# -- fencing -----------------------------------------------------------------------------------


def test_a_late_publish_is_refused(
    svc: Services, job: Job, runner: FakeRunner, clock: FakeClock
) -> None:
    """A worker sleeps past its lease; another finishes; the sleeper wakes and publishes."""

    def sleep(_task: Task, _keep: object) -> None:
        clock.advance(svc.settings.lease_s + 1)
        take_messages()
        assert lifecycle.reap(svc)["expired_leases"] == 1
        clock.advance(1000)
        annotate(svc, job, "w2")
        assert (job.status, job.attempt) == (Status.COMPLETED, 2)

    claim = lifecycle._claim(svc, job.pk, "w1")
    assert claim is not None
    outcome = runner.run(lifecycle._task(svc, claim), lambda _progress: None)
    sleep(lifecycle._task(svc, claim), None)
    assert lifecycle._publish(svc, claim, outcome) is False
    job.refresh_from_db()
    assert job.result_prefix == job.attempt_prefix(2)
    assert list(svc.storage.list(job.attempt_prefix(1) + "/")) == []
    assert svc.storage.stat(f"{job.result_prefix}/annotated.vcf.gz")
    assert Mail.objects.count() == 1


def test_a_sleeper_stops_at_its_next_heartbeat(
    svc: Services, job: Job, runner: FakeRunner, clock: FakeClock
) -> None:
    def sleep(_task: Task, _keep: object) -> None:
        clock.advance(svc.settings.lease_s + 1)
        lifecycle.reap(svc)

    runner.steps = [sleep]
    annotate(svc, job)
    assert (job.status, job.tries) == (Status.PENDING, 1)
    assert not job.result_prefix


def test_a_late_failure_is_refused(
    svc: Services, job: Job, runner: FakeRunner, clock: FakeClock
) -> None:
    def sleep_then_fail(_task: Task, _keep: object) -> None:
        clock.advance(svc.settings.lease_s + 1)
        take_messages()
        lifecycle.reap(svc)
        clock.advance(1000)
        annotate(svc, job, "w2")
        raise InputError("too late")

    runner.steps = [sleep_then_fail]
    annotate(svc, job)
    assert (job.status, job.failure) == (Status.COMPLETED, "")


def test_a_renewal_beats_the_reaper(svc: Services, job: Job, clock: FakeClock) -> None:
    """The reaper read the row; before its update the worker renews."""
    claim = lifecycle._claim(svc, job.pk, "w1")
    assert claim is not None
    clock.advance(svc.settings.lease_s + 1)
    stale = Job.objects.get(pk=job.pk)
    lifecycle._keeper(svc, claim, lambda: False)(0.5)
    expired = lifecycle.Q(lease_until__lt=clock())
    assert lifecycle.try_again(svc, stale, "silent", expired) is False
    job.refresh_from_db()
    assert job.status == Status.RUNNING


# -- cancel ------------------------------------------------------------------------------------


def test_cancel_while_waiting(svc: Services, job: Job, runner: FakeRunner) -> None:
    assert lifecycle.cancel(svc, job)
    annotate(svc, job)
    assert (job.status, runner.runs) == (Status.CANCELLED, 0)
    assert not lifecycle.cancel(svc, job), "once is enough"


def test_cancel_while_running(
    svc: Services, job: Job, runner: FakeRunner, clock: FakeClock
) -> None:
    def cancelled(_task: Task, _keep: object) -> None:
        lifecycle.cancel(svc, job)
        clock.advance(svc.settings.heartbeat_s)

    runner.steps = [cancelled]
    annotate(svc, job)
    assert (job.status, job.result_prefix) == (Status.CANCELLED, "")
    assert not Mail.objects.exists()


def test_what_is_over_stays_over(svc: Services, job: Job, runner: FakeRunner) -> None:
    annotate(svc, job)
    assert not lifecycle.cancel(svc, job)
    assert not lifecycle.fail(svc, job, "x", "no")
    job.refresh_from_db()
    assert job.status == Status.COMPLETED


def test_an_operator_has_a_failed_job_tried_again(
    svc: Services, job: Job, runner: FakeRunner
) -> None:
    assert not lifecycle.retry(svc, job), "only failed ones"
    runner.steps = [raising(InputError("The reference was broken."))]
    annotate(svc, job)
    assert job.status == Status.FAILED
    take_messages()
    assert lifecycle.retry(svc, job)
    assert waiting() == [str(job.pk)]
    annotate(svc, job)
    assert (job.status, job.failure, job.attempt) == (Status.COMPLETED, "", 2)
    assert [mail.round for mail in Mail.objects.order_by("id")] == [0, 1]


# -- reap --------------------------------------------------------------------------------------


def test_a_dead_workers_job_goes_to_another(svc: Services, job: Job, clock: FakeClock) -> None:
    take_messages()
    lifecycle._claim(svc, job.pk, "w1")
    clock.advance(svc.settings.lease_s - 1)
    assert lifecycle.reap(svc)["expired_leases"] == 0
    clock.advance(2)
    assert lifecycle.reap(svc)["expired_leases"] == 1
    assert lifecycle.reap(svc)["expired_leases"] == 0
    job.refresh_from_db()
    assert (job.status, job.tries) == (Status.PENDING, 1)
    assert waiting() == [str(job.pk)]
    clock.advance(1000)
    annotate(svc, job, "w2")
    assert (job.status, job.attempt) == (Status.COMPLETED, 2)


def test_a_file_that_kills_every_worker_is_quarantined(
    svc: Services, job: Job, clock: FakeClock
) -> None:
    for _ in range(svc.settings.max_tries):
        take_messages()
        assert lifecycle._claim(svc, job.pk, "w1")
        clock.advance(svc.settings.lease_s + 1)
        lifecycle.reap(svc)
        clock.advance(1000)
    job.refresh_from_db()
    assert (job.status, job.failure_code) == (Status.FAILED, "gave-up")
    assert "stopped without a word" in job.failure
    assert lifecycle._claim(svc, job.pk, "w1") is None


def test_a_lost_message_is_written_again(svc: Services, job: Job, clock: FakeClock) -> None:
    take_messages()
    assert lifecycle.reap(svc)["lost_messages"] == 0, "a young job may be just being submitted"
    clock.advance(svc.settings.lease_s + 1)
    assert lifecycle.reap(svc)["lost_messages"] == 1
    assert lifecycle.reap(svc)["lost_messages"] == 0
    assert waiting() == [str(job.pk)]


def test_a_duplicate_message_does_not_poison_the_transaction(job: Job) -> None:
    assert queue.enqueue(queue.ANNOTATE, job.pk) is False
    assert waiting() == [str(job.pk)], "the same transaction goes on"


def test_ahead_of_counts_who_waits_longer(
    svc: Services, user: User, make_job: Callable[..., Job], clock: FakeClock
) -> None:
    jobs = []
    for _ in range(3):
        jobs.append(make_job(user))
        clock.advance(1)
    assert [lifecycle.ahead_of(job) for job in jobs] == [0, 1, 2]
    annotate(svc, jobs[0])
    assert lifecycle.ahead_of(jobs[2]) == 1


def test_those_in_good_order_do_not_hide_the_lost(
    svc: Services, user: User, make_job: Callable[..., Job]
) -> None:
    jobs = [make_job(user) for _ in range(4)]
    last = max(jobs, key=lambda job: str(job.pk))
    queue._finish(ProcrastinateJob.objects.get(queueing_lock=f"annotate:{last.pk}").pk)
    rows = Job.objects.order_by("pk")
    assert queue.lost(queue.ANNOTATE, rows, limit=1) == [last]
    assert queue.enqueue_lost(queue.ANNOTATE, rows) == 1
    assert queue.lost(queue.ANNOTATE, rows, limit=1) == []
    assert sorted(waiting()) == sorted(str(job.pk) for job in jobs)
