"""The states of a job and of its result, and every way between them, declared once.

    PENDING ──claim──► RUNNING ──complete──► COMPLETED
       ▲  │               │ │
       │  │               │ └────fail──────► FAILED
       │  └──fail,cancel──┼──────cancel────► CANCELLED
       └──────release─────┘

An operator may send a FAILED job back to PENDING (retry).
A shard of a RUNNING job (gas.jobs.shards); the join of them all is WAITING until they are DONE:

    WAITING ──ready──► PENDING ──claim──► RUNNING ──done──► DONE
                          ▲                  │
                          └─────release──────┘

A completed job's result:

    STORED ──begin_archive──► ARCHIVING ──archived──► ARCHIVED ──begin_thaw──► THAWING
       ▲                          │                                               │
       └───────keep (upgrade)─────┘◄─────────────────restored────────────────────┘

A transition is one conditional UPDATE (compare-and-set): it happens for exactly one of those who
try, and whoever comes late is told so by a count of zero.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.db import models


class Status(models.TextChoices):
    PENDING = "PENDING", "Waiting"  # -- claim --> RUNNING
    RUNNING = "RUNNING", "Running"  # -- complete, fail, cancel, or release --> PENDING
    COMPLETED = "COMPLETED", "Completed"
    FAILED = "FAILED", "Failed"
    CANCELLED = "CANCELLED", "Cancelled"

    @property
    def is_over(self) -> bool:
        return self in OVER


OVER = frozenset({Status.COMPLETED, Status.FAILED, Status.CANCELLED})


class ShardState(models.TextChoices):
    WAITING = "WAITING", "Waiting for the parts"  # the join's -- ready --> PENDING
    PENDING = "PENDING", "Waiting"  # -- claim --> RUNNING
    RUNNING = "RUNNING", "Running"  # -- done, or release --> PENDING
    DONE = "DONE", "Done"


class ResultState(models.TextChoices):
    NONE = "", "None"  # not completed
    STORED = "STORED", "At hand"  # -- begin_archive --> ARCHIVING
    ARCHIVING = "ARCHIVING", "Moving to cold storage"  # -- archived, or keep --> STORED
    ARCHIVED = "ARCHIVED", "In cold storage"  # -- begin_thaw --> THAWING
    THAWING = "THAWING", "Being restored"  # -- restored --> STORED

    @property
    def at_hand(self) -> bool:
        """Whether the result can be downloaded: the hot copy goes last."""
        return self in (ResultState.STORED, ResultState.ARCHIVING)


@dataclass(frozen=True)
class Transition:
    """From any of ``sources`` to ``target``."""

    sources: frozenset[str]
    target: str


def _way(*sources: str, to: str) -> Transition:
    return Transition(frozenset(sources), to)


CLAIM = _way(Status.PENDING, to=Status.RUNNING)
COMPLETE = _way(Status.RUNNING, to=Status.COMPLETED)
RELEASE = _way(Status.RUNNING, to=Status.PENDING)
FAIL = _way(Status.PENDING, Status.RUNNING, to=Status.FAILED)
RETRY = _way(Status.FAILED, to=Status.PENDING)
CANCEL = _way(Status.PENDING, Status.RUNNING, to=Status.CANCELLED)

TRANSITIONS = {
    "claim": CLAIM,
    "complete": COMPLETE,
    "release": RELEASE,
    "fail": FAIL,
    "cancel": CANCEL,
    "retry": RETRY,
}

SHARD_READY = _way(ShardState.WAITING, to=ShardState.PENDING)
SHARD_CLAIM = _way(ShardState.PENDING, to=ShardState.RUNNING)
SHARD_DONE = _way(ShardState.RUNNING, to=ShardState.DONE)
SHARD_RELEASE = _way(ShardState.RUNNING, to=ShardState.PENDING)

SHARD_TRANSITIONS = {
    "ready": SHARD_READY,
    "claim": SHARD_CLAIM,
    "done": SHARD_DONE,
    "release": SHARD_RELEASE,
}

BEGIN_ARCHIVE = _way(ResultState.STORED, to=ResultState.ARCHIVING)
ARCHIVED = _way(ResultState.ARCHIVING, to=ResultState.ARCHIVED)
KEEP = _way(ResultState.ARCHIVING, to=ResultState.STORED)
BEGIN_THAW = _way(ResultState.ARCHIVED, to=ResultState.THAWING)
RESTORED = _way(ResultState.THAWING, to=ResultState.STORED)

RESULT_TRANSITIONS = {
    "begin_archive": BEGIN_ARCHIVE,
    "archived": ARCHIVED,
    "keep": KEEP,
    "begin_thaw": BEGIN_THAW,
    "restored": RESTORED,
}

#: What each way is called, in metrics. A shard's ways that equal a job's have the same names.
NAMES = {
    way: name
    for ways in (TRANSITIONS, SHARD_TRANSITIONS, RESULT_TRANSITIONS)
    for name, way in ways.items()
}

#: Why a job failed that no try of many brought to its end: the file may be well, GAS is not.
GAVE_UP = "gave-up"
