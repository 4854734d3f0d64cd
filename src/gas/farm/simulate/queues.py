"""Where requests queue: mail, commits and the object store at the busiest hour, by simulation.

Each is one server that takes its requests in turn, as fast as the figures of ``capacity`` say, and
its requests come as they please (a Poisson process) at the peak's rate. What the arithmetic of
``capacity.paper`` cannot tell is how long they wait before it is full.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass

from gas.farm.simulate.capacity import Part, paper, value
from gas.farm.simulate.experiments import percentile

JOBS_PER_DAY = (0.3e6, 1e6, 3e6, 10e6, 30e6)
SECONDS = 20.0


@dataclass(frozen=True)
class Wait:
    """How a part bears the busiest hour of so many jobs a day."""

    part: str
    jobs_per_day: float
    #: Of what it can do, asked for: above 1 its queue grows without end.
    utilisation: float
    #: 95th percentile of a request's wait for its turn.
    p95_ms: float


def waits() -> Iterator[Wait]:
    """Each part where requests queue, at each of ``JOBS_PER_DAY``."""
    for part in paper():
        if part.requests:
            for jobs_per_day in JOBS_PER_DAY:
                yield simulate_queue(part, jobs_per_day)


def simulate_queue(
    part: Part, jobs_per_day: float, *, seconds: float = SECONDS, seed: int = 0
) -> Wait:
    """Run ``seconds`` of the busiest hour. Raises ValueError where nothing queues at ``part``."""
    if not part.requests:
        raise ValueError(f"nothing queues at {part.name}")
    rng = random.Random(f"{part.name} {seed}")  # noqa: S311 - no secret
    per_s = jobs_per_day / 86_400 * value("peak") * part.requests
    # What a request takes: all of them take up the limit at the rate at which the part is full.
    took_s = jobs_per_day / part.saturates_at_jobs_per_day / per_s
    at_s = free_s = work_s = 0.0
    waited_s = []
    while (at_s := at_s + rng.expovariate(per_s)) < seconds:
        start_s = max(at_s, free_s)
        waited_s.append(start_s - at_s)
        free_s = start_s + took_s
        work_s += took_s
    p95_s = percentile(waited_s, 0.95) if waited_s else math.nan
    return Wait(part.name, jobs_per_day, work_s / seconds, p95_s * 1e3)
