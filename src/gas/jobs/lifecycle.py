"""The way of a job, from top to bottom.

    submit ─► annotate ─► (completed or failed) ─► notify, keep (gas.jobs.keeping)
                 └─ cancel, hand back, try again

Rules that hold everywhere here:

* The row is the truth. A message carries only an id, and may come twice, late, or for nothing.
* A row and its message are written in one transaction.
* A worker claims by compare-and-set and gets a fencing token (``attempt``). It writes to a place
  of that attempt alone; publishing is one row update that only the holder of the current token
  can make. A worker that lost its claim, even unawares, can spoil nothing.
* The input is never touched.
"""

from __future__ import annotations

import logging
import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, OperationalError, connection, transaction
from django.db.models import F, Q, QuerySet

from gas.accounts.models import User
from gas.accounts.plans import get_plan
from gas.annotate import engines
from gas.errors import Cancelled, GasError, NeedsOperator, TransientError
from gas.jobs import lanes, queue
from gas.jobs.fairness import cost_of
from gas.jobs.models import NEXT_ATTEMPT, Job, JobEvent, Upload, advance, holds, is_due
from gas.jobs.runner import Outcome, Task
from gas.jobs.states import (
    CANCEL,
    CLAIM,
    COMPLETE,
    FAIL,
    GAVE_UP,
    RELEASE,
    RETRY,
    ResultState,
    Status,
)
from gas.logs import alarm_operator
from gas.notify import notify
from gas.notify.models import Mail
from gas.telemetry import counting, families, traces
from gas.wiring import Services

log = logging.getLogger(__name__)

#: A wait between tries grows by this factor, and is spread by up to a fifth either way, so that
#: jobs that failed together do not come back together.
BACKOFF_FACTOR = 4
BACKOFF_SPREAD = 0.2
#: How long a job waits for an operator before it is tried again.
PARKED = timedelta(minutes=1)
INTERNAL_ERROR = "GAS itself made an error while annotating this file."


class TooLargeForPlan(GasError):
    """This file is larger than your plan allows."""

    code = "too-large"


class Conflict(GasError):
    """This was already used for something else."""

    code = "conflict"


class NotSubmittable(GasError):
    """This upload cannot be submitted."""

    code = "not-submittable"


class LostClaim(Exception):
    """The job was cancelled or given to another worker while this one held it."""


# -- submit ------------------------------------------------------------------------------------


def submit(
    svc: Services,
    user: User,
    upload: Upload,
    *,
    reference: str | None = None,
    engine: str | None = None,
    idempotency_key: str | None = None,
) -> Job:
    """Make ``upload`` a job: its row and its first message, in one transaction.

    A repeated call (same upload, or same ``idempotency_key``) returns the job that the first one
    made. Raises TooLargeForPlan, NotSubmittable, Conflict, PackError or EngineError.
    """
    if (found := _submitted_before(user, upload, idempotency_key)) is not None:
        return found
    check_size(svc, user, upload.size_bytes or upload.declared_bytes)
    pack = svc.find_pack(reference or svc.settings.default_reference)
    engine_name = engine or svc.settings.default_engine
    check_engine(svc, engine_name)
    if upload.state != Upload.State.COMPLETE:
        raise NotSubmittable("The upload is not complete.", hint="Send its parts, complete it.")
    try:
        with transaction.atomic():
            size_bytes = upload.size_bytes or 0
            weight = get_plan(user.plan, svc.settings).weight
            place, priority = lanes.place(user.pk, weight, cost_of(size_bytes))
            job = Job.objects.create(
                owner=user,
                upload=upload,
                idempotency_key=idempotency_key,
                filename=upload.filename,
                input_key=upload.key,
                input_bytes=size_bytes,
                input_sha256=upload.sha256,
                reference=pack.name,
                engine=engine_name,
                submitted_at=svc.now(),
                fair_start=place.start,
                fair_finish=place.finish,
            )
            tell(svc, job.pk, 0, f"Submitted: {upload.filename}, {size_bytes:,} bytes.")
            queue.enqueue(queue.ANNOTATE, job.pk, priority=priority)
            counting.count(families.JOB_EVENTS, "submit")
            traces.remember(job.pk)
    except IntegrityError:  # the same request, at the same moment
        if (found := _submitted_before(user, upload, idempotency_key)) is not None:
            return found
        if not Job.objects.filter(upload=upload, erasing=True).exists():
            raise
        raise NotSubmittable("This upload is deleted with its job.") from None
    return job


def check_size(svc: Services, user: User, size_bytes: int) -> None:
    """Raises TooLargeForPlan where the plan of ``user`` does not allow ``size_bytes``."""
    plan = get_plan(user.plan, svc.settings)
    if not plan.allows(size_bytes):
        raise TooLargeForPlan(
            f"This file has {size_bytes:,} bytes; the {plan.title.lower()} plan takes files up to "
            f"{plan.max_upload_bytes:,} bytes.",
            hint="Compress it (bgzip or gzip), split it, or change to the premium plan.",
        )


def check_engine(svc: Services, name: str) -> None:
    """Raises EngineError where ``name`` is none of the engines on offer here."""
    if name not in svc.settings.extra_engines and name not in engines.ENGINES:
        raise engines.unknown(name)
    engines.check_installed(name)


def _submitted_before(user: User, upload: Upload, idempotency_key: str | None) -> Job | None:
    same = Q(upload=upload)
    if idempotency_key:
        same |= Q(idempotency_key=idempotency_key)
    found = Job.objects.of(user).filter(same).first()
    if found is not None and found.upload_id != upload.pk:
        raise Conflict("This Idempotency-Key belongs to another upload.", hint="Use a new key.")
    return found


# -- annotate ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Claim:
    """A worker's hold on a job; ``job.attempt`` is its fencing token."""

    job: Job
    lease: timedelta

    @property
    def attempt(self) -> int:
        return self.job.attempt


def annotate(
    svc: Services, job_id: uuid.UUID, *, worker: str, stopping: Callable[[], bool]
) -> None:
    """Handle one message: claim the job if it waits, run its engine, publish what comes out.

    ``stopping`` says whether this worker has to go: then the job is handed back, uncounted.
    Never raises for what is wrong with a file or an engine: that becomes the job's state.
    """
    claim = _claim(svc, job_id, worker)
    if claim is None:
        return
    with traces.span("annotate", of_job=job_id, attempt=claim.attempt, engine=claim.job.engine):
        _run(svc, claim, stopping)


def _run(svc: Services, claim: Claim, stopping: Callable[[], bool]) -> None:
    job_id = claim.job.pk
    from gas.jobs import shards  # which ends jobs in the ways that are told here

    try:
        task, keep = _task(svc, claim), _keeper(svc, claim, stopping)
        if shards.wanted(svc, claim.job):
            shards.plan(svc, claim, task, keep)
            return
        outcome = svc.runner.run(task, keep)
    except LostClaim:
        log.warning("claim lost", extra={"job": str(job_id), "attempt": claim.attempt})
        discard(svc, claim.job.attempt_prefix(claim.attempt))
    except Cancelled:
        _hand_back(svc, claim)
    except GasError as error:
        _failed(svc, claim, error)
    except Exception:
        log.exception("annotate broke", extra={"job": str(job_id), "attempt": claim.attempt})
        _failed(svc, claim, TransientError(INTERNAL_ERROR))
    else:
        _publish(svc, claim, outcome)


def _claim(svc: Services, job_id: uuid.UUID, worker: str) -> Claim | None:
    """Take the job if it waits and is due; exactly one of those who try gets it."""
    now, lease = svc.now(), timedelta(seconds=svc.settings.lease_s)
    with transaction.atomic():
        mine = advance(
            job_id,
            CLAIM,
            is_due(now),
            attempt=NEXT_ATTEMPT,
            worker=worker,
            lease_until=now + lease,
            started_at=now,
            progress=0,
        )
        if not mine:
            return None
        job = Job.objects.get(pk=job_id)  # ours and locked until the commit: our own token
        tell(svc, job_id, job.attempt, f"Attempt {job.attempt} begins on {worker}.")
        if job.attempt == 1:
            waited = (now - job.submitted_at).total_seconds()
            counting.count(families.JOB_WAIT, value=waited)
    lanes.started(job.fair_start)
    return Claim(job, lease)


def _task(svc: Services, claim: Claim) -> Task:
    job = claim.job
    return Task(
        job=str(job.pk),
        input_key=job.input_key,
        input_sha256=job.input_sha256,
        output_prefix=job.attempt_prefix(claim.attempt),
        pack=svc.find_pack(job.reference),
        engine=job.engine,
        storage=svc.storage,
    )


def _keeper(svc: Services, claim: Claim, stopping: Callable[[], bool]) -> Callable[[float], None]:
    mine = Job.objects.filter(holds(claim.attempt), pk=claim.job.pk, status=Status.RUNNING)

    def renew(progress: float) -> bool:
        return mine.update(lease_until=svc.now() + claim.lease, progress=progress) == 1

    return keeper(svc, claim.job, renew, stopping)


def keeper(
    svc: Services, job: Job, renew: Callable[[float], bool], stopping: Callable[[], bool]
) -> Callable[[float], None]:
    """What a runner calls all along: it renews the lease and says when to stop.

    ``renew``: with the progress; says whether the lease is still ours. The keeper raises LostClaim
    where it is not, Cancelled where the worker has to go.
    """
    due = svc.now()

    def keep(progress: float) -> None:
        nonlocal due
        if stopping():
            raise Cancelled
        now = svc.now()
        if now < due:
            return
        due = now + timedelta(seconds=svc.settings.heartbeat_s)
        try:
            held = renew(progress)
        except OperationalError:
            # The database is away. Work on: if it comes back too late, publishing is refused.
            log.warning("lease not renewed", extra={"job": str(job.pk)}, exc_info=True)
            connection.close()
            return
        if not held:
            raise LostClaim

    return keep


def _publish(svc: Services, claim: Claim, outcome: Outcome) -> bool:
    return publish(svc, claim.job, outcome, claim.job.attempt_prefix(claim.attempt))


def publish(svc: Services, job: Job, outcome: Outcome, prefix: str) -> bool:
    """RUNNING → COMPLETED: point the row at the files below ``prefix``, which are of the job's
    attempt, and ask for the mail, at once."""
    with transaction.atomic():
        due = _archive_due(svc, job)
        won = advance(
            job.pk,
            COMPLETE,
            holds(job.attempt),
            finished_at=svc.now(),
            progress=1,
            lease_until=None,
            result_prefix=prefix,
            result_files=outcome.files,
            summary=outcome.summary,
            failure="",
            failure_code="",
            result_state=ResultState.STORED,
            in_hot=True,
            archive_due_at=due,
        )
        if won:
            records = outcome.summary.get("records", 0)
            tell(svc, job.pk, job.attempt, f"Completed: {records:,} records.")
            took = svc.now() - (job.started_at or svc.now())
            counting.count(families.JOB_RUN, value=took.total_seconds())
            counting.count(families.RECORDS, value=records)
            traces.note(outcome="completed", records=records)
            notify.ask(svc, job.pk, Mail.Kind.JOB_OVER, round=job.reruns)
            if due is not None:
                queue.enqueue(queue.ARCHIVE, job.pk, at=due)
                _warn_before_archive(svc, job, due)
    if not won:
        # Someone else holds the job now. What we wrote is in our own place: nobody points at it.
        log.warning("late publish refused", extra={"job": str(job.pk), "attempt": job.attempt})
        discard(svc, prefix)
    return won


def _archive_due(svc: Services, job: Job) -> datetime | None:
    """When the result leaves for the cold tier, by the owner's plan as it is now; the plan is read
    again at that time."""
    plan = User.objects.values_list("plan", flat=True).get(pk=job.owner_id)
    retention_s = get_plan(plan, svc.settings).retention_s
    return None if retention_s is None else svc.now() + timedelta(seconds=retention_s)


def _warn_before_archive(svc: Services, job: Job, due: datetime) -> None:
    """The mail before an archive, for those who want it: when a third of the time is left."""
    if User.objects.filter(pk=job.owner_id, mail_before_archive=True).exists():
        at = due - (due - svc.now()) / 3
        notify.ask(svc, job.pk, Mail.Kind.ARCHIVE_SOON, at=at)


def discard(svc: Services, prefix: str) -> None:
    """Remove what an attempt that was not published left in the store; a store that is down only
    leaves some rubbish."""
    try:
        for stored in list(svc.storage.list(prefix + "/")):
            svc.storage.delete(stored.key)
    except GasError:
        log.warning("leftovers stay", extra={"prefix": prefix}, exc_info=True)


# -- when it does not go well --------------------------------------------------------------------


def _failed(svc: Services, claim: Claim, error: GasError) -> None:
    if isinstance(error, NeedsOperator):
        _park(svc, claim.job, error)
    elif error.permanent:
        fail(svc, claim.job, error.code, str(error))
    else:
        try_again(svc, claim.job, str(error))
    discard(svc, claim.job.attempt_prefix(claim.attempt))


def _park(svc: Services, job: Job, error: NeedsOperator) -> bool:
    """Back to PENDING, uncounted, until an operator has mended what the alarm tells."""
    return _release(svc, job, alarm(job, error), svc.now() + PARKED, tries=job.tries)


def alarm(job: Job, error: NeedsOperator) -> str:
    """Tell the operator. Returns the line for the job's log, which is its owner's, who need not
    know which bucket it is about."""
    alarm_operator(error, job=str(job.pk))
    return f"{NeedsOperator()} Next try in {PARKED.total_seconds():.0f} s."


def fail(svc: Services, job: Job, code: str, reason: str, *guards: Q) -> bool:
    """To FAILED for good, with a sentence for a person, and the mail that tells it."""
    with transaction.atomic():
        if not advance(
            job.pk,
            FAIL,
            holds(job.attempt),
            *guards,
            finished_at=svc.now(),
            lease_until=None,
            failure_code=code,
            failure=reason,
        ):
            return False
        tell(svc, job.pk, job.attempt, f"Failed: {reason}")
        counting.count(families.JOB_FAILURES, code)
        traces.note(outcome="failed", code=code)
        notify.ask(svc, job.pk, Mail.Kind.JOB_OVER, round=job.reruns)
    return True


def try_again(svc: Services, job: Job, reason: str, *guards: Q) -> bool:
    """Count a failed try: back to PENDING after a wait, or quarantined as FAILED after the last."""
    tries = job.tries + 1
    if tries >= svc.settings.max_tries:
        sentence = (
            f"GAS tried {tries} times and gave up. The last time: {reason} "
            "Your file is kept: submit it again, or ask the operator."
        )
        return fail(svc, job, GAVE_UP, sentence, *guards)
    wait_s = backoff_s(svc, tries)
    at = svc.now() + timedelta(seconds=wait_s)
    return _release(svc, job, f"{reason} Next try in {wait_s:.0f} s.", at, *guards, tries=tries)


def backoff_s(svc: Services, tries: int) -> float:
    """How long to wait after so many failed tries."""
    wait_s: float = svc.settings.retry_backoff_s * BACKOFF_FACTOR ** (tries - 1)
    return wait_s * (1 + BACKOFF_SPREAD * random.uniform(-1, 1))  # noqa: S311 - not a secret


def start_over(svc: Services, job: Job, why: str) -> bool:
    """The file is none for shards: it goes to one annotator as a whole, at once and uncounted."""
    reason = f"This file is annotated in one piece: {why}"
    return _release(svc, job, reason, None, tries=job.tries, in_one_piece=True)


def _hand_back(svc: Services, claim: Claim) -> None:
    """The worker has to stop: another takes the job, at once and uncounted."""
    reason = "This annotator is being stopped: the job goes to another."
    _release(svc, claim.job, reason, None, tries=claim.job.tries)
    discard(svc, claim.job.attempt_prefix(claim.attempt))


def _release(
    svc: Services, job: Job, reason: str, at: datetime | None, *guards: Q, **changes: Any
) -> bool:
    with transaction.atomic():
        if not advance(
            job.pk,
            RELEASE,
            holds(job.attempt),
            *guards,
            worker="",
            lease_until=None,
            not_before=at,
            progress=0,
            **changes,
        ):
            return False
        tell(svc, job.pk, job.attempt, reason)
        _enqueue(job, at)
        traces.note(outcome="released")
    return True


def cancel(svc: Services, job: Job, *, by: str = "its owner") -> bool:
    """Nobody wants it any more. A worker that runs it notices at its next heartbeat."""
    with transaction.atomic():
        done = advance(job.pk, CANCEL, finished_at=svc.now(), lease_until=None)
        if done:
            tell(svc, job.pk, job.attempt, f"Cancelled by {by}.")
    return done


def retry(svc: Services, job: Job) -> bool:
    """An operator has mended what made the job fail: it starts afresh. How it ends this
    time is worth a mail of its own."""
    with transaction.atomic():
        if not advance(
            job.pk,
            RETRY,
            Q(erasing=False),
            tries=0,
            reruns=F("reruns") + 1,
            not_before=None,
            finished_at=None,
            failure="",
            failure_code="",
        ):
            return False
        tell(svc, job.pk, job.attempt, "The operator has it tried again.")
        _enqueue(job)
    return True


# -- reap: what was left behind ------------------------------------------------------------------


def reap(svc: Services) -> dict[str, int]:
    """Find what a crash left behind and set it going again. Idempotent; runs all the time."""
    return {
        "stalled_messages": queue.retry_stalled(svc.settings.lease_s, svc.now()),
        "expired_leases": _expire_leases(svc),
        "lost_messages": _requeue_lost(svc),
    }


def silent(now: datetime) -> QuerySet[Job]:
    """RUNNING jobs whose annotator has not been heard of for a lease."""
    return Job.objects.filter(status=Status.RUNNING, lease_until__lt=now)


def _expire_leases(svc: Services) -> int:
    """Jobs whose worker fell silent: a counted try, as a file may be what kills workers."""
    now = svc.now()
    expired = Q(lease_until__lt=now)
    reason = "The annotator that had this job stopped without a word."
    count = 0
    for job in silent(now):
        # The guard again in the update: a worker that was only slow may have renewed by now.
        if try_again(svc, job, reason, expired):
            discard(svc, job.attempt_prefix(job.attempt))  # nobody can publish it any more
            count += 1
    return count


def _requeue_lost(svc: Services) -> int:
    """PENDING jobs that no message points at (a queue restored from an older backup, say)."""
    grace = svc.now() - timedelta(seconds=svc.settings.lease_s)
    waiting = Job.objects.filter(is_due(grace), status=Status.PENDING, submitted_at__lte=grace)
    return sum(_enqueue(job) for job in queue.lost(queue.ANNOTATE, waiting))


# -- small parts -----------------------------------------------------------------------------------


def tell(svc: Services, job_id: uuid.UUID, attempt: int, message: str) -> None:
    """Add a line to the job's log."""
    JobEvent.objects.create(job_id=job_id, at=svc.now(), attempt=attempt, message=message)


def _enqueue(job: Job, at: datetime | None = None) -> bool:
    """The job's message, with the priority of its place. Part of the caller's transaction."""
    return lanes.enqueue(queue.ANNOTATE, job.pk, job.fair_start, at=at)


def ahead_of(job: Job) -> int:
    """How many of the jobs that wait now have their place before this one (0: it is next)."""
    earlier = Q(fair_start=job.fair_start, submitted_at__lt=job.submitted_at)
    waiting = Job.objects.filter(status=Status.PENDING)
    return waiting.filter(Q(fair_start__lt=job.fair_start) | earlier).count()
