"""A large file over the farm: the way of a job that is done in shards, from top to bottom.

    plan ─► parts, each by any annotator ─► join ─► completed (gas.jobs.lifecycle)
      └─ none for shards: in one piece

* The annotator that claims the job plans it: the input goes through the gate once, and each shard
  is a row and a message as soon as it is cut. Then the annotator takes whatever is next.
* The job stays RUNNING with its attempt, and without a lease of its own: each part and the join has
  one, and a fencing token. So a part whose annotator dies is done again alone.
* Whoever finishes the last part makes the join ready, under a lock on the job's row.
* The job's attempt fences all of it: once the job is cancelled, failed or begun anew, no part of
  the old attempt can be claimed, kept or published. What it left is cleared away twice, two leases
  apart, and its rows go last.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.db import models, transaction
from django.db.models import F, Q, Sum

from gas.annotate import engines
from gas.annotate.shards import InOnePiece
from gas.errors import Cancelled, GasError, NeedsOperator, TransientError
from gas.jobs import lanes, lifecycle, queue
from gas.jobs.lifecycle import Claim, LostClaim
from gas.jobs.models import Job, Shard, advance_shard, holds, is_due
from gas.jobs.runner import Target, Task
from gas.jobs.shard_runner import Pair, Planned
from gas.jobs.states import (
    GAVE_UP,
    SHARD_CLAIM,
    SHARD_DONE,
    SHARD_READY,
    SHARD_RELEASE,
    ShardState,
    Status,
)
from gas.storage import StoredObject
from gas.telemetry import traces
from gas.wiring import Services

log = logging.getLogger(__name__)

#: Shares of the whole work, for the progress that is shown.
PLAN_SHARE, PARTS_SHARE = 0.15, 0.8
BATCH = 100
_PARTS = Q(kind=Shard.Kind.PART)
#: Of an attempt that runs.
_LIVE = Q(job__status=Status.RUNNING, job__attempt=F("attempt"))


def wanted(svc: Services, job: Job) -> bool:
    """Whether ``job`` is to be done in shards. Raises EngineError."""
    limit = svc.settings.shard_bytes
    if not 0 < limit < job.input_bytes or job.in_one_piece:
        return False
    return engines.load(job.engine).parallel


# -- plan ----------------------------------------------------------------------------------------


def plan(svc: Services, claim: Claim, task: Task, keep: Callable[[float], None]) -> None:
    """Split the claimed job. Raises what the run of a job raises."""

    def take(planned: Planned) -> None:
        _add(svc, claim.job, planned)

    try:
        found = svc.shard_runner.plan(
            task, svc.settings.shard_bytes, take, lambda share: keep(share * PLAN_SHARE)
        )
    except GasError as error:
        if error.code != InOnePiece.code:
            raise
        lifecycle.start_over(svc, claim.job, error.message)
    else:
        _planned(svc, claim, found)


def _add(svc: Services, job: Job, planned: Planned) -> None:
    """A part and its message. Its place in the job's lane is where the file was read to: another
    tenant's job does not wait for all parts of this one."""
    length = job.fair_finish - job.fair_start
    with transaction.atomic():
        shard = Shard.objects.create(
            job=job,
            attempt=job.attempt,
            number=planned.number,
            size_bytes=planned.size_bytes,
            inputs=_rows(planned.inputs),
            created_at=svc.now(),
            fair_start=job.fair_start + round(length * planned.read),
        )
        _enqueue(shard)


def _planned(svc: Services, claim: Claim, found: Pair) -> None:
    """From now on the parts have leases and the job has none. Raises LostClaim."""
    job = claim.job
    mine = Job.objects.filter(holds(job.attempt), pk=job.pk, status=Status.RUNNING)
    with transaction.atomic():
        if not mine.update(lease_until=None, worker="", progress=PLAN_SHARE):
            raise LostClaim
        count = _of(job).count()
        Shard.objects.create(
            job=job,
            attempt=job.attempt,
            number=count,
            kind=Shard.Kind.JOIN,
            state=ShardState.WAITING,
            inputs=_rows(found),
            created_at=svc.now(),
            fair_start=job.fair_start,
        )
        parts = "1 part" if count == 1 else f"{count:,} parts"
        text = f"Split into {parts}; each goes to the next annotator that is free."
        lifecycle.tell(svc, job.pk, job.attempt, text)
        _join_if_ready(svc, job)


def _join_if_ready(svc: Services, job: Job) -> None:
    """Called with the job's row locked: exactly one of those who finish sees the last part done."""
    if _of(job).filter(_PARTS).exclude(state=ShardState.DONE).exists():
        return
    join = _of(job).filter(kind=Shard.Kind.JOIN).first()
    if join is not None and advance_shard(join.pk, SHARD_READY):
        lifecycle.tell(svc, job.pk, job.attempt, "All parts are annotated: they are being joined.")
        _enqueue(join)


# -- one part, or the join -----------------------------------------------------------------------


def work(svc: Services, shard_id: int, *, worker: str, stopping: Callable[[], bool]) -> None:
    """Handle one message: claim the part (or the join) if it waits, do it, hand on what comes out.

    Never raises for what is wrong with a file or an engine: that becomes the job's state.
    """
    shard = _claim(svc, shard_id, worker)
    if shard is None:
        return
    with traces.span(shard.kind.lower(), of_job=shard.job_id, shard=shard.number):
        _run(svc, shard, stopping)


def _run(svc: Services, shard: Shard, stopping: Callable[[], bool]) -> None:
    about = {"job": str(shard.job_id), "shard": shard.number, "token": shard.token}
    try:
        _do(svc, shard, lifecycle.keeper(svc, shard.job, _renewer(svc, shard), stopping))
    except LostClaim:
        log.warning("claim lost", extra=about)
        lifecycle.discard(svc, shard.prefix)
    except Cancelled:
        reason = f"{shard.title}: this annotator is being stopped, the work goes to another."
        _release(svc, shard, reason, tries=shard.tries)
        lifecycle.discard(svc, shard.prefix)
    except GasError as error:
        _failed(svc, shard, error)
    except Exception:
        log.exception("shard broke", extra=about)
        _failed(svc, shard, TransientError(lifecycle.INTERNAL_ERROR))


def _claim(svc: Services, shard_id: int, worker: str) -> Shard | None:
    """Take it if it waits, is due, and its job still is at the attempt that it belongs to."""
    now = svc.now()
    with transaction.atomic():
        if not advance_shard(
            shard_id,
            SHARD_CLAIM,
            is_due(now),
            token=F("token") + 1,
            worker=worker,
            lease_until=now + _lease(svc),
            progress=0,
        ):
            return None
        shard = Shard.objects.select_related("job").get(pk=shard_id)
        if not _live_jobs(shard).exists():
            transaction.set_rollback(True)
            return None
    lanes.started(shard.fair_start)
    return shard


def _renewer(svc: Services, shard: Shard) -> Callable[[float], bool]:
    mine = Shard.objects.filter(pk=shard.pk, token=shard.token, state=ShardState.RUNNING)

    def renew(progress: float) -> bool:
        held = mine.update(lease_until=svc.now() + _lease(svc), progress=progress)
        return held == 1 and _show_progress(shard)

    return renew


def _show_progress(shard: Shard) -> bool:
    """Sum up for the job how far its parts are. Returns whether the job still wants them."""
    siblings = _of(shard.job)
    if not siblings.filter(kind=Shard.Kind.JOIN).exists():  # the planner shows its own
        return _live_jobs(shard).exists()
    total = siblings.aggregate(
        done=Sum(F("size_bytes") * F("progress"), output_field=models.FloatField()),
        all=Sum("size_bytes", output_field=models.FloatField()),
    )
    share = (total["done"] or 0.0) / max(1.0, total["all"] or 0.0)
    return _live_jobs(shard).update(progress=PLAN_SHARE + PARTS_SHARE * share) == 1


def _do(svc: Services, shard: Shard, keep: Callable[[float], None]) -> None:
    target = Target(
        job=str(shard.job_id),
        output_prefix=shard.prefix,
        pack=svc.find_pack(shard.job.reference),
        engine=shard.job.engine,
        storage=svc.storage,
    )
    if shard.kind == Shard.Kind.PART:
        _finish(svc, shard, svc.shard_runner.work(target, _pair(shard.inputs), keep))
        return
    parts = _of(shard.job).filter(_PARTS).order_by("number").values_list("outputs", flat=True)
    outcome = svc.shard_runner.join(target, _pair(shard.inputs), map(_pair, parts), keep)
    if lifecycle.publish(svc, shard.job, outcome, shard.prefix):
        _clear(svc, shard.job, shard.attempt)


def _finish(svc: Services, shard: Shard, outputs: Pair) -> None:
    """RUNNING → DONE, and on to the join where it was the last. Raises LostClaim."""
    with transaction.atomic():
        if not _lock_job(shard):
            raise LostClaim
        if not advance_shard(
            shard.pk,
            SHARD_DONE,
            Q(token=shard.token),
            outputs=_rows(outputs),
            progress=1,
            lease_until=None,
        ):
            raise LostClaim
        _join_if_ready(svc, shard.job)


# -- when it does not go well --------------------------------------------------------------------


def _failed(svc: Services, shard: Shard, error: GasError) -> None:
    if error.code == InOnePiece.code:
        lifecycle.start_over(svc, shard.job, error.message)
    elif isinstance(error, NeedsOperator):
        reason = f"{shard.title}: {lifecycle.alarm(shard.job, error)}"
        wait_s = lifecycle.PARKED.total_seconds()
        _release(svc, shard, reason, wait_s=wait_s, tries=shard.tries)
    elif error.permanent:
        lifecycle.fail(svc, shard.job, error.code, str(error))
    else:
        _try_again(svc, shard, str(error))
    lifecycle.discard(svc, shard.prefix)


def _try_again(svc: Services, shard: Shard, why: str, *guards: Q) -> bool:
    """Count a failed try of this one: it waits again, or the job is given up after the last."""
    tries = shard.tries + 1
    if tries < svc.settings.max_tries:
        wait_s = lifecycle.backoff_s(svc, tries)
        reason = f"{shard.title}: {why} Next try of it in {wait_s:.0f} s."
        return _release(svc, shard, reason, *guards, wait_s=wait_s, tries=tries)
    sentence = (
        f"GAS tried {shard.title.lower()} of this file {tries} times and gave up. The last time: "
        f"{why} Your file is kept: submit it again, or ask the operator."
    )
    with transaction.atomic():
        mine = Q(token=shard.token)
        return (
            _lock_job(shard)
            and advance_shard(shard.pk, SHARD_RELEASE, mine, *guards, tries=tries)
            and lifecycle.fail(svc, shard.job, GAVE_UP, sentence)
        )


def _release(
    svc: Services, shard: Shard, reason: str, *guards: Q, wait_s: float = 0, tries: int
) -> bool:
    """Back to PENDING with a message, at once or after a while."""
    at = svc.now() + timedelta(seconds=wait_s) if wait_s else None
    with transaction.atomic():
        if not _lock_job(shard):
            return False
        if not advance_shard(
            shard.pk,
            SHARD_RELEASE,
            Q(token=shard.token),
            *guards,
            tries=tries,
            worker="",
            lease_until=None,
            not_before=at,
            progress=0,
        ):
            return False
        lifecycle.tell(svc, shard.job_id, shard.attempt, reason)
        lanes.enqueue(queue.SHARD, shard.pk, shard.fair_start, at=at)
    return True


# -- reap ----------------------------------------------------------------------------------------


def reap(svc: Services) -> dict[str, int]:
    """Find what a crash left behind and set it going again; clear what is over. Idempotent."""
    return {
        "expired_shards": _expire_leases(svc),
        "lost_shard_messages": _requeue_lost(svc),
        "dropped_shards": _drop(svc),
    }


def silent(now: datetime) -> models.QuerySet[Shard]:
    """Shards whose annotator has not been heard of for a lease."""
    return Shard.objects.filter(_LIVE, state=ShardState.RUNNING, lease_until__lt=now)


def _expire_leases(svc: Services) -> int:
    now = svc.now()
    expired = Q(lease_until__lt=now)
    reason = "the annotator that had it stopped without a word."
    count = 0
    for shard in silent(now).select_related("job"):
        if _try_again(svc, shard, reason, expired):
            lifecycle.discard(svc, shard.prefix)  # nobody can hand it in any more
            count += 1
    return count


def _requeue_lost(svc: Services) -> int:
    grace = svc.now() - _lease(svc)
    waiting = Shard.objects.filter(
        is_due(grace), _LIVE, state=ShardState.PENDING, created_at__lte=grace
    )
    return sum(_enqueue(shard) for shard in queue.lost(queue.SHARD, waiting))


def _drop(svc: Services) -> int:
    """Clear away, twice, what belongs to no attempt that runs; an annotator that slept through its
    lease may still have written after the first time. Returns how many rows went."""
    old = Shard.objects.exclude(_LIVE)
    due = Q(dropped_at__isnull=True) | Q(dropped_at__lt=svc.now() - 2 * _lease(svc))
    pairs = old.filter(due).order_by().values_list("job", "attempt", "dropped_at").distinct()
    count = 0
    for job_id, attempt, dropped_at in list(pairs[:BATCH]):
        rows = Shard.objects.filter(job=job_id, attempt=attempt)
        if not _clear(svc, Job.objects.get(pk=job_id), attempt):
            continue
        if dropped_at is None:
            rows.update(dropped_at=svc.now())
        else:
            count += rows.delete()[0]
    return count


def _clear(svc: Services, job: Job, attempt: int) -> bool:
    """Remove what ``attempt`` left in the store, but not the job's result."""
    result = Job.objects.values_list("result_prefix", flat=True).get(pk=job.pk)
    try:
        for stored in list(svc.storage.list(job.attempt_prefix(attempt) + "/")):
            if not (result and stored.key.startswith(result + "/")):
                svc.storage.delete(stored.key)
    except GasError as error:
        log.warning("shards stay for now", extra={"job": str(job.pk), "why": str(error)})
        return False
    return True


# -- small parts ---------------------------------------------------------------------------------


def _of(job: Job) -> models.QuerySet[Shard]:
    return Shard.objects.filter(job=job, attempt=job.attempt)


def _live_jobs(shard: Shard) -> models.QuerySet[Job]:
    """The shard's job, if it still is at the attempt that the shard belongs to."""
    return Job.objects.filter(
        holds(shard.attempt), pk=shard.job_id, status=Status.RUNNING, erasing=False
    )


def _lock_job(shard: Shard) -> bool:
    """Lock the shard's job until the transaction ends, always before the shard. Returns whether it
    still is at the attempt that the shard belongs to."""
    return _live_jobs(shard).select_for_update(no_key=True).first() is not None


def _lease(svc: Services) -> timedelta:
    return timedelta(seconds=svc.settings.lease_s)


def _enqueue(shard: Shard) -> bool:
    return lanes.enqueue(queue.SHARD, shard.pk, shard.fair_start)


def _rows(pair: Pair) -> list[dict[str, Any]]:
    return [vars(stored) for stored in pair]


def _pair(rows: list[dict[str, Any]]) -> Pair:
    first, second = (StoredObject(**row) for row in rows)
    return first, second
