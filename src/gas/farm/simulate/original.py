"""The original's farms: one instance more or less for an alarm, then a cooldown.

Its reports give results, not every figure of its alarms. What is not known was fitted to what is:

    web         2 to 7 in about 20 minutes at 300 users, then 2 hours before it went in
    annotators  first step out after about 3 minutes, 6 instances, back at 2 about 30 minutes later

Known: the step of one, 1-minute metrics, going in by mean latency below 10 ms (web) and by a short
queue (annotators). Fitted: the cooldowns (240 s and 300 s), the queue's thresholds, and the traffic
after the load: one visit in six minutes, 25 ms at the median. An idle farm answers nobody, so that
its latency is not measured at all, and a lone visitor meets cold caches: that is why it stayed out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from gas.farm.simulate.farms import AnnotatorFarm, Farm, WebFarm
from gas.farm.simulate.scalers import WEB_TARGET, Gauge


@dataclass
class Stepper:
    """What both have in common."""

    farm: Farm
    cooldown_s: float = 300.0
    lag_s: float = 30.0
    quiet_until_s: float = -math.inf
    alarm_in: bool = False

    def start(self) -> None:
        self.farm.loop.every(60.0, self._minute, self.farm.rng.uniform(0, 60))

    def _minute(self) -> None:
        out, fewer = self.measure()
        self.farm.loop.after(self.lag_s, lambda: self._act(out, fewer))

    def measure(self) -> tuple[bool, bool | None]:
        """Whether the alarms out and in are on; None: no data, the alarm stays as it was."""
        raise NotImplementedError

    def _act(self, out: bool, fewer: bool | None) -> None:
        self.alarm_in = self.alarm_in if fewer is None else fewer
        now = self.farm.loop.now_s
        step = 1 if out else -1 if self.alarm_in else 0
        wanted = self.farm.desired + step
        if now < self.quiet_until_s or not self.farm.minimum <= wanted <= self.farm.maximum:
            return
        if step:
            self.quiet_until_s = now + self.cooldown_s
            self.farm.scale_to(wanted)


@dataclass
class OriginalWeb(Stepper):
    """Out by requests for each instance, in by mean latency below 10 ms."""

    cooldown_s: float = 240.0
    visits_per_minute: float = 0.17
    visit_s: float = 0.025
    visit_sigma: float = 0.5

    def measure(self) -> tuple[bool, bool | None]:
        load = Gauge(self.farm, WEB_TARGET).read(60.0)
        if load:
            return load > self.farm.in_service, False
        if self.farm.rng.random() > 1 - math.exp(-self.visits_per_minute):
            return False, None
        latency_s = self.farm.rng.lognormvariate(math.log(self.visit_s), self.visit_sigma)
        return False, latency_s < 0.010


@dataclass
class OriginalAnnotators(Stepper):
    """Out by a long queue, in when it was short for ten minutes."""

    cooldown_s: float = 300.0
    long: int = 12
    short: int = 5
    minutes: int = 10
    short_minutes: int = field(default=0)

    def measure(self) -> tuple[bool, bool | None]:
        assert isinstance(self.farm, AnnotatorFarm)
        waiting = len(self.farm.waiting)
        self.short_minutes = self.short_minutes + 1 if waiting < self.short else 0
        return waiting > self.long, self.short_minutes >= self.minutes


def original(farm: Farm) -> Stepper:
    """The original's scaler for this farm."""
    return OriginalWeb(farm) if isinstance(farm, WebFarm) else OriginalAnnotators(farm)
