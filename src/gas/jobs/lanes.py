"""Fair shares in rows: whose job is next (the rule itself is ``gas.jobs.fairness``).

A job has its place in its own row. A tenant's lane ends where the last of that tenant's jobs does,
those that were cancelled before anybody began left out; so nothing is kept for a tenant that could
come to disagree. The clock is a row that submits only read.

Two locks of the transaction, both of PostgreSQL's advisory kind:

* the tenant's lane, so that two jobs that are submitted at once do not get the same place. Nobody
  else waits for it;
* the base of the priorities, shared by all who write a message and held alone by who moves it: a
  priority that was reckoned from the old base is never written after the others were shifted.
"""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from django.db import connection, transaction

from gas.jobs import fairness, queue
from gas.jobs.models import VirtualClock

#: Classes of advisory locks; nothing else of GAS uses the two-number kind.
_BASE_LOCK, _LANE_LOCK = 1, 2
#: The index job_lane answers it with one row, whatever the owner has submitted.
_LANE_END = """
SELECT COALESCE((SELECT max(fair_finish) FROM jobs_job WHERE owner_id = %s
                    AND NOT (attempt = 0 AND status = 'CANCELLED')), 0),
       COALESCE((SELECT now FROM jobs_virtualclock), 0),
       COALESCE((SELECT base FROM jobs_virtualclock), 0)
"""
_SHIFT = """
UPDATE procrastinate_jobs SET priority = LEAST(GREATEST(priority::bigint + %s, %s), %s)
 WHERE queue_name = %s AND status IN ('todo', 'doing')
"""


def place(owner_id: uuid.UUID, weight: int, cost: float) -> tuple[fairness.Tag, int]:
    """The place of the owner's next job, and the priority of a message for it.

    Its lane is locked until the caller's transaction ends, which writes the job's row and the
    message."""
    _run(
        "SELECT pg_advisory_xact_lock_shared(%s, 0), pg_advisory_xact_lock(%s, hashtext(%s))",
        _BASE_LOCK, _LANE_LOCK, str(owner_id),
    )  # fmt: skip
    # A statement of its own, for its view is to be younger than the locks.
    finish, now, base = _run(_LANE_END, owner_id)
    clock = fairness.Clock(now, base)
    tag = fairness.tag(clock, finish, weight, cost)
    return tag, fairness.priority(clock, tag.start)


def enqueue(task: str, row_id: object, start: int, *, at: datetime | None = None) -> bool:
    """Write a message for the annotators, for what has its place at ``start``; see
    ``queue.enqueue``. Part of the caller's transaction, if there is one."""
    with transaction.atomic(savepoint=False):
        _run("SELECT pg_advisory_xact_lock_shared(%s, 0)", _BASE_LOCK)
        return queue.enqueue(task, row_id, at=at, priority=fairness.priority(_clock(), start))


def started(start: int) -> None:
    """An annotator has begun what has its place at ``start``: the clock goes on. Called after the
    claim is committed, so that nobody waits for it; where a crash prevents it, the next claim makes
    up for it."""
    clock = _clock()
    after = fairness.started(clock, start)
    if after == clock:
        return
    if fairness.needs_rebase(after):
        _rebase(start)
    elif not VirtualClock.objects.filter(now__lt=start).update(now=start):
        # There is no row yet, or another was quicker.
        VirtualClock.objects.bulk_create([VirtualClock(now=start)], ignore_conflicts=True)


def _rebase(start: int) -> None:
    with transaction.atomic():
        _run("SELECT pg_advisory_xact_lock(%s, 0)", _BASE_LOCK)
        VirtualClock.objects.bulk_create([VirtualClock()], ignore_conflicts=True)
        row = VirtualClock.objects.select_for_update().get()
        clock, shift = fairness.started(fairness.Clock(row.now, row.base), start), 0
        if fairness.needs_rebase(clock):  # nobody else did meanwhile
            clock, shift = fairness.rebase(clock)
        VirtualClock.objects.update(now=clock.now, base=clock.base)
        if shift:
            where = queue.QUEUE_OF[queue.ANNOTATE]
            _run(_SHIFT, shift, fairness.LOWEST, fairness.HIGHEST, where)


def _clock() -> fairness.Clock:
    row = VirtualClock.objects.first()
    return fairness.Clock() if row is None else fairness.Clock(row.now, row.base)


def _run(sql: str, *values: Any) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return cursor.fetchone() if cursor.description else None
