"""Where a result lies: archive, upgrade, thaw, restore, downgrade. The second half of the story.

    completion ─► archive (free plan, after its retention) ─► cold tier
                                   upgrade ─► restore_all ─► thaw ─► restore ─► at hand

Rules that hold everywhere here:

* The plan that counts is the plan NOW. Whoever decides by it locks the owner's row first, so that
  a change of plan comes before or after, never in between.
* A step writes copies, verifies them by SHA-256, points the row, and deletes what is no longer
  needed last. Killed at any instruction, the next try completes it.
* A deletion happens only while the job's row is locked and its state says that nobody needs the
  copy. So a late worker can never delete what another has just restored.
* ``keep_version`` grows with every transition: a worker that acts on what it read long ago is too
  late, and told so.
* A checksum that does not match stops everything for that job: both copies stay, an alarm line is
  written, and a person decides.
"""

from __future__ import annotations

import logging
import random
import re
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta

from django.db import models, transaction
from django.db.models import Exists, F, OuterRef, Q

from gas.accounts.models import User
from gas.accounts.plans import all_plans, get_plan
from gas.audit.models import Action, record
from gas.errors import GasError, NeedsOperator
from gas.jobs import queue
from gas.jobs.models import Job, JobEvent, move_result
from gas.jobs.states import (
    ARCHIVED,
    BEGIN_ARCHIVE,
    BEGIN_THAW,
    KEEP,
    RESTORED,
    ResultState,
    Status,
)
from gas.logs import alarm_operator
from gas.notify import notify
from gas.notify.models import Mail
from gas.storage import ObjectCorrupt, ObjectMissing
from gas.wiring import Services

log = logging.getLogger(__name__)
_JOB_IN_KEY = re.compile(r"/jobs/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})/")

#: Failed steps are tried again after 10 s, 20 s, 40 s ... at most an hour apart, for ever.
FIRST_WAIT_S = 10.0
LONGEST_WAIT_S = 3600.0
#: How often the cold tier is asked whether a thaw is ready: a tenth of its estimate, within these.
POLL_S = (2.0, 900.0)
OVERDUE = timedelta(hours=24)
#: Results of one user that are set moving in one go; the next batch queues behind other tenants.
BATCH = 50
#: Steps that the sweep sets going again at a time.
SWEEP = 500


# -- archive -------------------------------------------------------------------------------------


def archive(svc: Services, job_id: uuid.UUID) -> None:
    """Handle one message: move the result to the cold tier, if its time has come and the owner's
    plan, as it is now, does not keep it."""
    job = _begin_archive(svc, job_id)
    if job is not None:
        _step(svc, job, queue.ARCHIVE, _archive_steps)


def _begin_archive(svc: Services, job_id: uuid.UUID) -> Job | None:
    """The job, if there is something to do: ARCHIVING, or ARCHIVED with its hot copy left."""
    with transaction.atomic():
        job = _job_with_owner_locked(job_id)
        if job is None or job.keep_halted or job.erasing:
            return None
        if job.result_state == ResultState.STORED:
            if not _is_due(svc, job):
                return None
            if not move_result(job, BEGIN_ARCHIVE, keep_tries=0, keep_error=""):
                return None
            job.refresh_from_db()
    wanted = job.result_state == ResultState.ARCHIVING or (
        job.result_state == ResultState.ARCHIVED and job.in_hot
    )
    return job if wanted else None


def _is_due(svc: Services, job: Job) -> bool:
    """Whether the result has to go. Corrects the row where the plan says something else by now."""
    retention_s = get_plan(job.owner.plan, svc.settings).retention_s
    if retention_s is None:
        Job.objects.filter(pk=job.pk).update(archive_due_at=None)
        return False
    if job.archive_due_at is None:
        return False  # the sweep gives it a time
    if job.archive_due_at > svc.now():
        queue.enqueue(queue.ARCHIVE, job.pk, at=job.archive_due_at)
        return False
    return True


def _archive_steps(svc: Services, job: Job) -> None:
    if job.result_state == ResultState.ARCHIVING:
        Job.objects.filter(pk=job.pk).update(in_cold=True)
        for file in job.result_files:
            cold = svc.cold.archive(svc.storage, job.result_key(file["name"]))
            _must_match(job, file, cold.sha256)
        if not _point_to_cold(svc, job):
            return  # upgraded meanwhile: the result stays at hand, the sweep clears the cold copy
    _drop(svc, job.pk, ResultState.ARCHIVED, "in_hot", svc.storage.delete)


def _point_to_cold(svc: Services, job: Job) -> bool:
    with transaction.atomic():
        if not move_result(job, ARCHIVED, archive_due_at=None):
            return False
        _tell(svc, job, "The result moved to cold storage.")
        record(Action.ARCHIVE, svc.now(), user_id=job.owner_id, job_id=job.pk)
    return True


# -- a change of plan ------------------------------------------------------------------------------


def plan_changed(svc: Services, user: User) -> None:
    """What a change of plan means for results. Part of the transaction that changed it, which
    holds the lock on the user's row."""
    retention_s = get_plan(user.plan, svc.settings).retention_s
    mine = Job.objects.filter(owner=user, status=Status.COMPLETED)
    if retention_s is None:
        mine.update(archive_due_at=None)
        queue.enqueue(queue.RESTORE_ALL, user.pk)
    else:
        # From now on: nobody loses a result at the moment that a subscription ends.
        mine.filter(archive_due_at__isnull=True).exclude(result_state=ResultState.ARCHIVED).update(
            archive_due_at=svc.now() + timedelta(seconds=retention_s)
        )


def restore_all(svc: Services, user_id: uuid.UUID) -> None:
    """Handle one message: set one batch of a user's archived results moving, then queue for the
    next. Bounded, so that thousands of them do not hold up other tenants."""
    with transaction.atomic():
        user = User.objects.select_for_update().filter(pk=user_id).first()
        if user is None or get_plan(user.plan, svc.settings).retention_s is not None:
            return
        away = Job.objects.filter(
            owner=user, result_state__in=[ResultState.ARCHIVING, ResultState.ARCHIVED]
        ).order_by("-submitted_at")
        batch = list(away[:BATCH])
        for job in batch:
            _bring_back(svc, job)
        if len(batch) == BATCH:
            queue.enqueue(queue.RESTORE_ALL, user_id)


def _bring_back(svc: Services, job: Job) -> None:
    if job.result_state == ResultState.ARCHIVING:
        # Its hot copy is whole: it goes last. The archiver finds itself too late.
        if move_result(job, KEEP, archive_due_at=None, keep_tries=0, keep_error=""):
            _tell(svc, job, "The result stays at hand: the plan was upgraded.")
    elif move_result(job, BEGIN_THAW, keep_tries=0, keep_error="", thaw_tier=""):
        _tell(svc, job, "The result is being restored from cold storage.")
        queue.enqueue(queue.THAW, job.pk)


# -- thaw and restore ------------------------------------------------------------------------------


def thaw(svc: Services, job_id: uuid.UUID) -> None:
    """Handle one message: ask the cold tier for every file of the result."""
    job = Job.objects.filter(pk=job_id, result_state=ResultState.THAWING).first()
    if job is not None and not job.keep_halted:
        _step(svc, job, queue.THAW, _thaw_steps)


def _thaw_steps(svc: Services, job: Job) -> None:
    thaws = [svc.cold.request_thaw(job.result_key(f["name"])) for f in job.result_files]
    slowest = max(thaws, key=lambda thaw: thaw.ready_at)
    with transaction.atomic():
        here = Job.objects.filter(
            pk=job.pk, keep_version=job.keep_version, result_state=ResultState.THAWING
        )
        if here.update(
            thaw_tier=slowest.tier, thaw_ready_at=slowest.ready_at, keep_tries=0, keep_error=""
        ):
            record(Action.THAW, svc.now(), user_id=job.owner_id, job_id=job.pk, tier=slowest.tier)
            queue.enqueue(queue.RESTORE, job.pk, at=_next_look(svc, slowest.ready_at))


def thawed(key: str) -> bool:
    """Somebody says that the cold object ``key`` is ready: look at its job now, and not when the
    cold tier is expected to be. Returns whether that look was brought forward; who else waits for
    the same result is served by the same look."""
    found = _JOB_IN_KEY.search(key)
    if found is None:
        return False
    waits = Job.objects.filter(pk=uuid.UUID(found[1]), result_state=ResultState.THAWING)
    return waits.exists() and queue.bring_forward(queue.RESTORE, found[1])


def restore(svc: Services, job_id: uuid.UUID) -> None:
    """Handle one message: copy the result back once the cold tier has it ready."""
    job = Job.objects.filter(pk=job_id).first()
    if job is None or job.keep_halted:
        return
    if job.result_state == ResultState.THAWING:
        _step(svc, job, queue.RESTORE, _restore_steps)


def _restore_steps(svc: Services, job: Job) -> None:
    keys = [job.result_key(file["name"]) for file in job.result_files]
    if not all(svc.cold.is_ready(key) for key in keys):
        _look_again(svc, job)
        return
    # Before the first byte: from here on there may be a hot copy.
    Job.objects.filter(pk=job.pk).update(in_hot=True)
    for file, key in zip(job.result_files, keys, strict=True):
        hot = svc.cold.restore(svc.storage, key)
        _must_match(job, file, hot.sha256)
    if _point_to_hot(svc, job):
        _drop(svc, job.pk, ResultState.STORED, "in_cold", svc.cold.delete)


def _point_to_hot(svc: Services, job: Job) -> bool:
    with transaction.atomic():
        locked = _job_with_owner_locked(job.pk)
        if locked is None:
            return False
        # Downgraded during the thaw: the retention counts from now on.
        retention_s = get_plan(locked.owner.plan, svc.settings).retention_s
        due = None if retention_s is None else svc.now() + timedelta(seconds=retention_s)
        if not move_result(
            job, RESTORED, archive_due_at=due, thaw_ready_at=None, keep_tries=0, keep_error=""
        ):
            return False
        _tell(svc, job, "The result is at hand again.")
        record(Action.RESTORE, svc.now(), user_id=job.owner_id, job_id=job.pk)
        if not _any_away(job):
            notify.ask(svc, job.pk, Mail.Kind.RESTORED, round=job.keep_version)
    return True


def _any_away(job: Job) -> bool:
    """Whether more of this owner's results are away: then the mail waits for the last of them."""
    away = [ResultState.ARCHIVING, ResultState.ARCHIVED, ResultState.THAWING]
    return Job.objects.filter(owner=job.owner_id, result_state__in=away).exists()


def _look_again(svc: Services, job: Job) -> None:
    """Not ready yet. Long after the estimate the thaw is asked for anew: a cold copy that was
    written again meanwhile has forgotten that it was asked for."""
    ready_at = job.thaw_ready_at or svc.now()
    if svc.now() - ready_at > OVERDUE:
        Job.objects.filter(pk=job.pk, keep_version=job.keep_version).update(thaw_tier="")
        queue.enqueue(queue.THAW, job.pk)
    else:
        queue.enqueue(queue.RESTORE, job.pk, at=_next_look(svc, ready_at))


def _next_look(svc: Services, ready_at: datetime) -> datetime:
    """When to ask again: at the estimate, then every tenth of what was estimated."""
    wait_s = (ready_at - svc.now()).total_seconds()
    shortest, longest = POLL_S
    return svc.now() + timedelta(seconds=min(max(wait_s, shortest), longest))


# -- sweep: what was left behind -------------------------------------------------------------------


def sweep(svc: Services) -> dict[str, int]:
    """Set going what no message points at any more, and clear copies that nobody needs."""
    now = svc.now()
    idle = Job.objects.filter(status=Status.COMPLETED, keep_halted=False, erasing=False)
    due = idle.filter(result_state=ResultState.STORED, archive_due_at__lte=now)
    half = idle.filter(
        Q(result_state=ResultState.ARCHIVING) | Q(result_state=ResultState.ARCHIVED, in_hot=True)
    )
    thawing = idle.filter(result_state=ResultState.THAWING)
    spare = idle.filter(result_state=ResultState.STORED, in_cold=True)
    return {
        "untimed": _give_time(svc),
        "due": queue.enqueue_lost(queue.ARCHIVE, due),
        "archiving": queue.enqueue_lost(queue.ARCHIVE, half),
        "thawing": queue.enqueue_lost(queue.THAW, thawing.filter(thaw_tier="")),
        "restoring": queue.enqueue_lost(queue.RESTORE, thawing.exclude(thaw_tier="")),
        "cold_leftovers": _clear_cold(svc, spare),
        "forgotten_upgrades": _remember_upgrades(svc),
    }


def _give_time(svc: Services) -> int:
    """Free users' results that nobody gave a time: completed in the moment of a downgrade."""
    given = 0
    for plan in all_plans(svc.settings):
        if plan.retention_s is not None:
            given += Job.objects.filter(
                owner__plan=plan.name, result_state=ResultState.STORED, archive_due_at__isnull=True
            ).update(archive_due_at=svc.now() + timedelta(seconds=plan.retention_s))
    return given


def _remember_upgrades(svc: Services) -> int:
    """Users whose plan keeps results, with results in the cold that nobody fetches."""
    keeping = [plan.name for plan in all_plans(svc.settings) if plan.retention_s is None]
    away = Job.objects.filter(
        owner=OuterRef("pk"),
        result_state__in=[ResultState.ARCHIVING, ResultState.ARCHIVED],
        keep_halted=False,
        erasing=False,
    )
    users = User.objects.filter(Exists(away), plan__in=keeping)
    return queue.enqueue_lost(queue.RESTORE_ALL, users)


def _clear_cold(svc: Services, jobs: models.QuerySet[Job]) -> int:
    cleared = 0
    for job in jobs[:SWEEP]:
        try:
            _drop(svc, job.pk, ResultState.STORED, "in_cold", svc.cold.delete)
            cleared += 1
        except GasError as error:
            log.warning("a cold copy stays for now", extra={"job": str(job.pk), "why": str(error)})
    return cleared


# -- small parts -----------------------------------------------------------------------------------


def _drop(
    svc: Services,
    job_id: uuid.UUID,
    state: ResultState,
    copy: str,
    delete: Callable[[str], None],
) -> None:
    """Delete the copy that the field ``copy`` tells of, while the row is locked and ``state`` says
    that the other one is the result."""
    with transaction.atomic():
        job = Job.objects.select_for_update().filter(pk=job_id).first()
        if job is None or job.result_state != state or not getattr(job, copy):
            return
        for file in job.result_files:
            delete(job.result_key(file["name"]))
        Job.objects.filter(pk=job_id).update(**{copy: False}, keep_tries=0, keep_error="")


def _step(svc: Services, job: Job, task: str, steps: Callable[[Services, Job], None]) -> None:
    """Do ``steps``; where they fail, note why and come back later, or stop for a person."""
    try:
        steps(svc, job)
    except (ObjectCorrupt, ObjectMissing) as error:
        _halt(svc, job, str(error))
    except GasError as error:
        if isinstance(error, NeedsOperator):
            alarm_operator(error, job=str(job.pk))
        wait_s = min(FIRST_WAIT_S * 2**job.keep_tries, LONGEST_WAIT_S)
        wait_s *= 1 + random.uniform(-0.2, 0.2)  # noqa: S311 - not a secret
        with transaction.atomic():
            _unmoved(job).update(keep_tries=F("keep_tries") + 1, keep_error=str(error))
            queue.enqueue(task, job.pk, at=svc.now() + timedelta(seconds=wait_s))


def _halt(svc: Services, job: Job, why: str) -> None:
    with transaction.atomic():
        # Only if the job still stands where we thought: else another worker has finished this step
        # and deleted what it no longer needed, and we looked too late.
        if not _unmoved(job).update(keep_halted=True, keep_error=why):
            return
        record(Action.ALARM, svc.now(), user_id=job.owner_id, job_id=job.pk, why=why)
    log.error("ALARM: a result's copies do not agree", extra={"job": str(job.pk), "why": why})


def _unmoved(job: Job) -> models.QuerySet[Job]:
    """The row, if its result has not moved since ``job`` was read."""
    return Job.objects.filter(pk=job.pk, keep_version=job.keep_version, erasing=False)


def resume(svc: Services, job: Job) -> None:
    """An operator looked at a halted job: go on from where it stands."""
    Job.objects.filter(pk=job.pk).update(keep_halted=False, keep_tries=0, keep_error="")
    sweep(svc)


def _must_match(job: Job, file: dict[str, object], sha256: str) -> None:
    if file["sha256"] != sha256:
        raise ObjectCorrupt(
            f"{file['name']} of job {job.pk} has the checksum {sha256}, not {file['sha256']}."
        )


def _job_with_owner_locked(job_id: uuid.UUID) -> Job | None:
    """The job, its owner's row locked first: the order in which a change of plan takes locks."""
    owner_id = Job.objects.filter(pk=job_id).values_list("owner_id", flat=True).first()
    if owner_id is None:
        return None
    owner = User.objects.select_for_update().get(pk=owner_id)
    job = Job.objects.select_for_update().filter(pk=job_id).first()
    if job is not None:
        job.owner = owner
    return job


def _tell(svc: Services, job: Job, message: str) -> None:
    JobEvent.objects.create(job=job, at=svc.now(), attempt=job.attempt, message=message)
