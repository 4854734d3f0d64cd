"""Who decides: the original's alarms, our policy on one machine, AWS, Kubernetes.

Each scaler looks at one farm through a ``Gauge`` and calls ``scale_to``. What they share is the
gauge's unit: load per instance in parts of its target, so 1.0 is just right for either farm.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from gas.farm import policy
from gas.farm.simulate.farms import AnnotatorFarm, Farm, WebFarm

#: Requests a second that a web instance should get. With 95 a second this asks for 7, which is
#: where the original's farm stood at 300 users.
WEB_TARGET = 15.0
#: The HPA does nothing within 10 % of its target, so 6 pods would carry what is meant for 7.
KUBERNETES_WEB_TARGET = 14.0
#: Jobs (waiting and running) for each annotator.
ANNOTATOR_TARGET = 1.0


@dataclass
class Gauge:
    """A farm's total load in instances' worth, as a metric shows it."""

    farm: Farm
    target: float

    def read(self, last_s: float) -> float:
        """Of the last ``last_s`` seconds for requests, of now for jobs."""
        now = self.farm.loop.now_s
        if isinstance(self.farm, WebFarm):
            since = max(0.0, now - last_s)
            span = max(now - since, 1.0)
            return self.farm.requests(since, now) / span / self.target
        assert isinstance(self.farm, AnnotatorFarm)
        return self.farm.jobs / self.target


@dataclass
class Local:
    """One machine: the supervisor runs ``gas.farm.policy`` every few seconds."""

    farm: Farm
    rules: policy.Rules
    period_s: float = 5.0
    memory: policy.Memory = field(default_factory=policy.Memory)

    def start(self) -> None:
        self.farm.loop.every(self.period_s, self._decide, self.farm.rng.uniform(0, self.period_s))

    def _decide(self) -> None:
        decision, self.memory = policy.decide(self.rules, self._sample(), self.memory)
        self.farm.scale_to(decision.desired)

    def _sample(self) -> policy.Sample:
        now, wanted = self.farm.loop.now_s, self.farm.desired
        if isinstance(self.farm, WebFarm):
            window = min(30.0, max(now, 5.0))
            rate = self.farm.requests(max(0.0, now - 30.0), now) / window
            return policy.Sample(now, wanted, requests_per_s=rate)
        assert isinstance(self.farm, AnnotatorFarm)
        done = self.farm.services
        return policy.Sample(
            now,
            wanted,
            busy=self.farm.busy,
            backlog=len(self.farm.waiting),
            in_flight=self.farm.busy,
            arrivals_per_s=self.farm.arrivals(60.0) / 60.0,
            service_s=sum(done) / len(done) if done else None,
        )


@dataclass
class Aws:
    """An auto scaling group: metrics of whole minutes that show ``lag_s`` later, and alarms.

    Out: target tracking, when ``out_of`` minutes in a row are above the target; with ``surge``
    a step policy too, when one minute is above it by a fifth. In: target tracking after 15 minutes
    below 90 %, and a step policy after 5 minutes below 50 %: to the minimum where the last is
    below 20 %, else by 30 %.
    """

    gauge: Gauge
    surge: bool = False
    lag_s: float = 30.0
    out_of: int = 3
    seen: deque[float] = field(default_factory=lambda: deque(maxlen=15))

    def start(self) -> None:
        loop = self.gauge.farm.loop
        loop.every(60.0, self._minute, self.gauge.farm.rng.uniform(0, 60))

    def _minute(self) -> None:
        farm = self.gauge.farm
        total, count = self.gauge.read(60.0), max(farm.in_service, 1)
        farm.loop.after(self.lag_s, lambda: self._alarm(total / count, count))

    def _alarm(self, per_instance: float, count: int) -> None:
        self.seen.append(per_instance)
        farm = self.gauge.farm
        proportional = math.ceil(count * per_instance - 1e-9)
        if self._last(self.out_of, lambda seen: seen > 1) or (self.surge and per_instance > 1.2):
            farm.scale_to(max(farm.desired, proportional))
        elif self._last(5, lambda seen: seen < 0.5):
            less = farm.minimum if per_instance < 0.2 else math.floor(farm.desired * 0.7)
            self._go_in(less)
        elif self._last(15, lambda seen: seen < 0.9):
            self._go_in(min(farm.desired, proportional))

    def _go_in(self, wanted: int) -> None:
        if max(wanted, self.gauge.farm.minimum) < self.gauge.farm.desired:
            self.gauge.farm.scale_to(wanted)
            self.seen.clear()  # measured anew with fewer instances

    def _last(self, number: int, is_so: Callable[[float], bool]) -> bool:
        last = list(self.seen)[-number:]
        return len(last) == number and all(map(is_so, last))


@dataclass
class Kubernetes:
    """KEDA reads the metric every 15 to 30 s (by installation); the HPA acts on it every 15 s.

    The HPA's own rules: within 10 % of the target nothing is done, out by at most 4 pods or
    twofold in one step, in to the most that was asked for within the stabilisation window.
    """

    gauge: Gauge
    stabilise_s: float = 240.0
    value: float = 0.0
    asked: deque[tuple[float, int]] = field(default_factory=deque)

    def start(self) -> None:
        farm = self.gauge.farm
        poll_s = farm.rng.uniform(15, 30)
        farm.loop.every(poll_s, self._poll, farm.rng.uniform(0, poll_s))
        farm.loop.every(15.0, self._sync, farm.rng.uniform(0, 15))

    def _poll(self) -> None:
        self.value = self.gauge.read(30.0)

    def _sync(self) -> None:
        farm = self.gauge.farm
        within = 0.9 <= self.value / farm.desired <= 1.1
        need = farm.desired if within else math.ceil(self.value)
        self.asked.append((farm.loop.now_s, need))
        while self.asked[0][0] < farm.loop.now_s - self.stabilise_s:
            self.asked.popleft()
        held = max(asked for _, asked in self.asked)
        if need > farm.desired:
            farm.scale_to(min(need, max(farm.desired + 4, farm.desired * 2)))
        elif held < farm.desired:
            farm.scale_to(held)
