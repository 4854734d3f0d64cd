"""One farm's size: the policy, what it remembers, and what it decided and why."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from gas.config import Settings
from gas.farm.bounds import Bounds
from gas.farm.policy import Decision, Memory, Rules, Sample, decide
from gas.farm.seen import QueueState, WebState

ANNOTATORS, WEB = "annotators", "web"
KEPT = 20


@dataclass(frozen=True)
class Change:
    """A decision that changed the size of a farm."""

    at: datetime
    farm: str
    before: int
    after: int
    reason: str


@dataclass
class Scaler:
    """``desired`` is what the farm should have; it begins with the least that the rules allow."""

    farm: str
    rules: Rules
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    desired: int = 0
    reason: str = "Not looked yet."
    changes: deque[Change] = field(default_factory=lambda: deque(maxlen=KEPT))
    _memory: Memory = field(default_factory=Memory)

    def __post_init__(self) -> None:
        self.desired = self.rules.minimum

    def decide(self, sample: Sample) -> Change | None:
        """Take a decision by what is seen; the change, if it is one."""
        decision, self._memory = decide(self.rules, sample, self._memory)
        self.reason = decision.reason
        if decision.desired == self.desired:
            return None
        change = self._change(decision)
        self.changes.append(change)
        self.desired = decision.desired
        return change

    @property
    def bounds(self) -> Bounds:
        return Bounds(self.rules.minimum, self.rules.maximum)

    def _change(self, decision: Decision) -> Change:
        return Change(self.clock(), self.farm, self.desired, decision.desired, decision.reason)


def annotator_rules(settings: Settings) -> Rules:
    bounds = Bounds.parse(settings.annotators)
    return Rules(bounds.minimum, bounds.maximum, hold_s=settings.scale_hold_s)


def web_rules(settings: Settings) -> Rules:
    bounds = Bounds.parse(settings.web_workers)
    return Rules(
        bounds.minimum,
        bounds.maximum,
        hold_s=settings.scale_hold_s,
        requests_per_s_per_instance=settings.web_target,
        threads_per_instance=settings.web_threads,
    )


def annotator_sample(at_s: float, wanted: int, busy: int, queue: QueueState) -> Sample:
    """``at_s``: of a clock that does not go back. ``busy``: annotators here that have a job."""
    return Sample(
        at_s,
        wanted,
        busy=busy,
        backlog=queue.backlog,
        in_flight=queue.in_flight,
        parts_waiting=queue.parts_waiting,
        parts_running=queue.parts_running,
        arrivals_per_s=queue.arrivals_per_s,
        service_s=queue.service_s,
    )


def web_sample(at_s: float, wanted: int, web: WebState) -> Sample:
    return Sample(at_s, wanted, requests_per_s=web.requests_per_s, open_requests=web.open_requests)
