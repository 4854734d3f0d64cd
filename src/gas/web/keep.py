"""Where a job's result lies, and what that means for whoever looks at its page."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from gas.accounts.plans import Plan
from gas.audit.models import Action, AuditLine
from gas.jobs.models import Job
from gas.jobs.states import ResultState

#: While a result moves, the browser asks so often.
POLL_MOVING_S = 10
#: A browser's timers hold no more than 24 days.
LONGEST_WAIT = timedelta(days=1)


class Case(StrEnum):
    """What jobs/_keep.html tells, each in its own words."""

    KEPT = "kept"  # at hand, and the plan keeps it
    HAND = "hand"  # at hand, until a time that is not set yet
    UNTIL = "until"  # at hand until ``Job.archive_due_at``
    DUE = "due"  # that time has come
    LEAVING = "leaving"  # on its way to cold storage, still at hand
    COLD = "cold"  # there, and the plan does not fetch it
    WANTED = "wanted"  # there, or on its way, and the plan wants it back: the queue has it
    ASKED = "asked"  # asked for; cold storage has not said when
    THAWING = "thawing"  # asked for; ready at about ``Job.thaw_ready_at``
    LATE = "late"  # that time has passed
    HALTED = "halted"  # a person has to look at it


_MOVING = {Case.DUE, Case.LEAVING, Case.WANTED, Case.ASKED, Case.THAWING, Case.LATE}


@dataclass(frozen=True)
class Keep:
    """For the page. ``since``: when the result moved to cold storage, where the log knows."""

    case: Case
    poll_s: int | None
    since: datetime | None = None


def keep_of(job: Job, plan: Plan, now: datetime) -> Keep:
    """Of a completed job; ``plan`` is its owner's."""
    case = _case(job, plan, now)
    since = None
    if job.result_state == ResultState.ARCHIVED:
        since = _archived_at(job)
    return Keep(case, _poll_s(job, case, now), since)


def _case(job: Job, plan: Plan, now: datetime) -> Case:
    if job.keep_halted:
        return Case.HALTED
    keeps = plan.retention_s is None
    if job.result_state == ResultState.STORED:
        return Case.KEPT if keeps else _before_archive(job.archive_due_at, now)
    if job.result_state == ResultState.THAWING:
        return _before_restore(job.thaw_ready_at, now)
    if keeps:
        return Case.WANTED
    return Case.LEAVING if job.result_state == ResultState.ARCHIVING else Case.COLD


def _before_archive(due: datetime | None, now: datetime) -> Case:
    if due is None:
        return Case.HAND
    return Case.UNTIL if due > now else Case.DUE


def _before_restore(ready: datetime | None, now: datetime) -> Case:
    if ready is None:
        return Case.ASKED
    return Case.THAWING if ready > now else Case.LATE


def _poll_s(job: Job, case: Case, now: datetime) -> int | None:
    """Seconds until the browser asks again; None: nothing happens by itself."""
    if case == Case.UNTIL and job.archive_due_at is not None:
        wait = min(job.archive_due_at - now, LONGEST_WAIT)
        return int(wait.total_seconds()) + 1
    return POLL_MOVING_S if case in _MOVING else None


def _archived_at(job: Job) -> datetime | None:
    lines = AuditLine.objects.filter(job_id=job.pk, action=Action.ARCHIVE)
    return lines.values_list("at", flat=True).first()
