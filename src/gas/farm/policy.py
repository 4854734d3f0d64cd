"""How many instances a farm should have. Pure: what was seen goes in, a decision comes out.

Steps of ``decide``
1. ``load``: the work there is, in instances (a real number). It is the largest of
   - occupied   jobs running and waiting; a job counts as a whole instance if it takes ``drain_s``
                or longer, and as its share of ``drain_s`` if it is shorter. A part of a large
                file is a whole one: how long jobs took lately tells nothing of it, and whoever
                sent the file waits for all of its parts;
   - flow       arrivals x service time / utilisation, plus what waits as above;
   - requests   requests a second / requests a second that one instance should get;
   - threads    requests in progress / (threads of an instance x utilisation): a few long downloads
                are few requests a second, and take all threads.
2. ``need``: load rounded up, within the bounds.
3. Quick out: what is needed now is wanted now. Held in: what was needed at any time of the last
   ``hold_s`` seconds is still wanted, so that a farm goes in at most once for each hold and never
   within ``hold_s`` of going out.
4. Never below what is busy, whatever the bounds say.

Data: ``Rules`` (fixed), ``Sample`` (what is seen at one moment), ``Memory`` (past needs that no
later one exceeded: their numbers fall with time), ``Decision`` (a number and its reason).
The supervisor of one machine runs this every second; the simulator's machine every five, its web
farm by requests a second alone (no ``threads_per_instance``). Nothing here knows a clock.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Rules:
    """What a farm is run by. Raises ValueError where they contradict themselves."""

    minimum: int = 2
    maximum: int = 10
    #: How long a need is remembered before the farm goes in.
    hold_s: float = 240.0
    #: In what time the jobs that wait should be done.
    drain_s: float = 60.0
    #: Share of its time that an instance should be busy with jobs as they come.
    utilisation: float = 0.8
    #: Taken where no job has ended yet.
    assumed_service_s: float = 30.0
    #: None where the farm serves no requests.
    requests_per_s_per_instance: float | None = None
    #: Requests that one instance can be at; None where that does not count.
    threads_per_instance: int | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.minimum <= self.maximum:
            raise ValueError(f"minimum {self.minimum} and maximum {self.maximum} do not agree")
        if self.hold_s < 0 or self.drain_s <= 0 or self.assumed_service_s <= 0:
            raise ValueError("hold_s must be 0 or more, drain_s and assumed_service_s above 0")
        if not 0 < self.utilisation <= 1:
            raise ValueError(f"utilisation {self.utilisation} is not above 0 and at most 1")
        if self.requests_per_s_per_instance is not None and self.requests_per_s_per_instance <= 0:
            raise ValueError("requests_per_s_per_instance must be above 0")
        if self.threads_per_instance is not None and self.threads_per_instance <= 0:
            raise ValueError("threads_per_instance must be above 0")


@dataclass(frozen=True)
class Sample:
    """What is seen at one moment. All numbers are 0 or more."""

    #: Of any clock that does not go back.
    at_s: float
    #: Instances wanted so far: in service or starting, without those told to stop.
    instances: int
    #: Instances that hold work which would be lost with them.
    busy: int = 0
    #: Jobs and parts of large files that wait, and that run.
    backlog: int = 0
    in_flight: int = 0
    #: Of these, the parts.
    parts_waiting: int = 0
    parts_running: int = 0
    #: Jobs submitted in a second, lately.
    arrivals_per_s: float = 0.0
    #: Mean time that a job runs, lately; None before the first has ended.
    service_s: float | None = None
    #: Requests to the whole farm in a second, lately.
    requests_per_s: float = 0.0
    #: Requests that the whole farm is at, at the mean, lately.
    open_requests: float = 0.0


@dataclass(frozen=True)
class Memory:
    """Past needs as (at_s, need), oldest first, each higher than all after it."""

    peaks: tuple[tuple[float, int], ...] = ()


@dataclass(frozen=True)
class Decision:
    """How many instances there should be, and why, as a sentence."""

    desired: int
    need: int
    reason: str


def decide(rules: Rules, sample: Sample, memory: Memory) -> tuple[Decision, Memory]:
    """What to do now, and what to remember until the next time.

    ``rules.minimum <= desired <= max(rules.maximum, sample.busy)`` always holds. An empty
    ``memory`` (a supervisor that has just started) holds the instances there are as if they had
    been needed until now.
    """
    need = min(max(math.ceil(load(rules, sample)), rules.minimum), rules.maximum)
    kept = _remember(rules, sample, memory, need)
    at_s, held = kept.peaks[0]
    desired = max(min(held, rules.maximum), need, sample.busy)
    reason = _reason(rules, sample, need, desired, sample.at_s - at_s)
    return Decision(desired, need, reason), kept


def load(rules: Rules, sample: Sample) -> float:
    """The work there is, as a number of instances before rounding and bounds."""
    service_s = _service_s(rules, sample)
    share = min(1.0, service_s / rules.drain_s)
    waiting = _instances(sample.backlog, sample.parts_waiting, share)
    occupied = _instances(sample.in_flight, sample.parts_running, share) + waiting
    flow = sample.arrivals_per_s * service_s / rules.utilisation + waiting
    per_instance = rules.requests_per_s_per_instance
    requests = sample.requests_per_s / per_instance if per_instance else 0.0
    threads = rules.threads_per_instance
    held = sample.open_requests / (threads * rules.utilisation) if threads else 0.0
    return max(occupied, flow, requests, held)


def _instances(messages: int, parts: int, share: float) -> float:
    """``parts`` of the ``messages`` count whole, the others their ``share``."""
    return parts + (messages - parts) * share


def _service_s(rules: Rules, sample: Sample) -> float:
    return rules.assumed_service_s if sample.service_s is None else sample.service_s


def _remember(rules: Rules, sample: Sample, memory: Memory, need: int) -> Memory:
    """Drop what is older than the hold, and what a later need exceeds."""
    peaks = memory.peaks or ((sample.at_s, sample.instances),)
    young = [(at, peak) for at, peak in peaks if at > sample.at_s - rules.hold_s and peak > need]
    return Memory((*young, (sample.at_s, need)))


def _reason(rules: Rules, sample: Sample, need: int, desired: int, ago_s: float) -> str:
    now = sample.instances
    if desired > now:
        step = f"out from {now} to {desired}"
    elif desired < now:
        step = f"in from {now} to {desired}"
    else:
        step = f"{desired} stay"
    if desired > need and desired == sample.busy:
        return f"{step}: {need} would do, but {sample.busy} are busy."
    if desired > need:
        return f"{step}: {need} would do, but {desired} were needed {ago_s:.0f} s ago."
    return f"{step}: {_why(rules, sample)}{_bounded(rules, sample)}."


def _why(rules: Rules, sample: Sample) -> str:
    """What makes up the load, the parts that are zero left out."""
    parts = []
    if sample.backlog or sample.in_flight:
        parts.append(f"{sample.backlog:,} jobs wait and {sample.in_flight:,} run")
    if cut := sample.parts_waiting + sample.parts_running:
        parts.append(f"{cut:,} of them parts of large files")
    if sample.arrivals_per_s:
        parts.append(f"{sample.arrivals_per_s:.2g} a second arrive")
    if parts:
        parts.append(f"each {'job ' if cut else ''}takes {_service_s(rules, sample):.3g} s")
    if rules.requests_per_s_per_instance and sample.requests_per_s:
        parts.append(
            f"{sample.requests_per_s:.3g} requests a second, "
            f"{rules.requests_per_s_per_instance:.3g} for each instance"
        )
    if rules.threads_per_instance and sample.open_requests >= 1:
        parts.append(f"{sample.open_requests:.3g} in progress")
    return ", ".join(parts) or "nothing to do"


def _bounded(rules: Rules, sample: Sample) -> str:
    wanted = math.ceil(load(rules, sample))
    if wanted > rules.maximum:
        return f"; that asks for {wanted}, the most allowed is {rules.maximum}"
    if wanted < rules.minimum:
        return f"; {rules.minimum} is the least allowed"
    return ""
