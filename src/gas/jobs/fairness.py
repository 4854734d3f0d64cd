"""Fair shares: whose job is next, decided when it is submitted. Pure: values in, values out.

Start-time fair queueing (Goyal, Vin, Cheng: "Start-time Fair Queuing", SIGCOMM 1996). Every tenant
has a lane in virtual time; a job starts in its lane where the tenant's last one finishes, but not
before the clock, and takes ``cost / weight``. The queue gives out the earliest start first, and the
clock is the latest start that was given out. So

* a tenant with 5,000 waiting jobs has filled its own lane, not another's: who comes new starts at
  the clock, before all of them, and waits for one job that runs at most;
* while several wait, each gets its weight's share of the work;
* who is idle saves up nothing, and who was busy alone owes nothing.

    submit   tag(clock, tenant's finish, weight, cost)  ->  start and new finish of the lane
             priority(clock, start)                     ->  priority for the queue
    claim    started(clock, start)                      ->  new clock
    rarely   rebase(clock)                              ->  new clock, shift for what waits

``gas.jobs.lanes`` keeps all this in rows: start and finish in the job's, the clock in one of its
own. A job that is tried again, or handed back, keeps its place.

The queue's priority column is a signed 4-byte integer, higher first. A priority is the distance of
a start from the clock's ``base``, negated; virtual time itself grows without bound. Before the
distance grows out of the column, ``rebase`` moves the base up to now, and what waits is shifted in
the same transaction (``shifted`` says how). A start that is too far ahead is given the lowest
priority, where jobs stand in order of submission.
"""

from __future__ import annotations

from dataclasses import dataclass

LOWEST = -(2**31)
HIGHEST = 2**31 - 1
#: Virtual time that a job of cost 1 takes in a lane of weight 1. Divisible by small weights.
UNIT = 840
#: The base is moved when the clock is so far from it: half of the column is left ahead of it then.
REBASE_AT = 2**30
#: A lane may be filled so far ahead of the clock, and not further: no tenant can push its next job
#: out of reach by jobs that it cancels, and sums stay small.
HORIZON = 2**31 - 1 - REBASE_AT

#: A file of so many bytes takes about as long as all that is done for a job whatever its size.
COST_BYTES = 1_000_000


@dataclass(frozen=True)
class Clock:
    """Virtual time: ``now`` is the latest start given out, ``base`` has priority 0."""

    now: int = 0
    base: int = 0


@dataclass(frozen=True)
class Tag:
    """A job's place in its lane: from ``start`` to ``finish``, where the tenant's next begins."""

    start: int
    finish: int


def cost_of(size_bytes: int) -> float:
    """The expected work for a file of ``size_bytes``, in jobs of a tiny file."""
    return 1 + size_bytes / COST_BYTES


def tag(clock: Clock, finish: int, weight: int, cost: float = 1.0) -> Tag:
    """The place of a tenant's new job.

    ``finish``: of this tenant's last job (0 for the first). ``cost``: its expected work in jobs of
    usual size, above 0. Raises ValueError where ``weight`` or ``cost`` is not positive.
    """
    if weight <= 0 or not cost > 0:
        raise ValueError(f"weight {weight} and cost {cost} must be above 0")
    start = min(max(clock.now, finish), clock.now + HORIZON)
    # At least one: a lane that does not move on would starve the others.
    length = max(1, round(min(cost, float(HORIZON)) * UNIT / weight))
    return Tag(start, start + length)


def priority(clock: Clock, start: int) -> int:
    """The queue's priority for a job that starts at ``start``."""
    return _clamp(clock.base - start)


def started(clock: Clock, start: int) -> Clock:
    """The clock after a job that starts at ``start`` was given to a worker. Never goes back."""
    return Clock(max(clock.now, start), clock.base)


def needs_rebase(clock: Clock) -> bool:
    """Whether ``rebase`` is due. Asked at a claim, it is once in a million jobs and more."""
    return clock.now - clock.base >= REBASE_AT


def rebase(clock: Clock) -> tuple[Clock, int]:
    """The clock with its base at now, and the shift for the priorities of all that wait."""
    return Clock(clock.now, clock.now), clock.now - clock.base


def shifted(before: int, shift: int) -> int:
    """A waiting job's priority after ``rebase``; bounded, so that no old retry overflows."""
    return _clamp(before + shift)


def _clamp(number: int) -> int:
    return min(max(number, LOWEST), HIGHEST)
