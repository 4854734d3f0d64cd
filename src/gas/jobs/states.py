"""The states of a job and every way between them, declared once.

    PENDING ──claim──► RUNNING ──complete──► COMPLETED
       ▲  │               │ │
       │  │               │ └────fail──────► FAILED
       │  └──fail,cancel──┼──────cancel────► CANCELLED
       └──────release─────┘

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


@dataclass(frozen=True)
class Transition:
    """From any of ``sources`` to ``target``."""

    sources: frozenset[Status]
    target: Status


def _way(*sources: Status, to: Status) -> Transition:
    return Transition(frozenset(sources), to)


CLAIM = _way(Status.PENDING, to=Status.RUNNING)
COMPLETE = _way(Status.RUNNING, to=Status.COMPLETED)
RELEASE = _way(Status.RUNNING, to=Status.PENDING)
FAIL = _way(Status.PENDING, Status.RUNNING, to=Status.FAILED)
CANCEL = _way(Status.PENDING, Status.RUNNING, to=Status.CANCELLED)

TRANSITIONS = {
    "claim": CLAIM,
    "complete": COMPLETE,
    "release": RELEASE,
    "fail": FAIL,
    "cancel": CANCEL,
}
