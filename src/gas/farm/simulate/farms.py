"""The two farms, as far as scaling sees them: instances that boot, serve and go, and their load.

A farm is told how many instances it should have (``scale_to``). New ones take their boot time;
those to go are taken at once where they are idle. A busy annotator is protected: it goes when its
job is done. Load starts at 0 s and ends when ``stop_load`` is called.
"""

from __future__ import annotations

import math
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from gas.farm.simulate.loop import Loop


@dataclass
class Instance:
    in_service: bool = False
    busy: bool = False
    gone: bool = False


@dataclass
class Farm:
    """``boot_s`` draws the seconds from order to service."""

    loop: Loop
    rng: random.Random
    boot_s: Callable[[random.Random], float]
    minimum: int = 2
    maximum: int = 10
    instances: list[Instance] = field(default_factory=list)
    #: (time, instances in service), at each change.
    series: list[tuple[float, int]] = field(default_factory=list)
    loaded: bool = True
    load_ended_s: float = math.inf
    desired: int = 0

    def __post_init__(self) -> None:
        self.desired = self.minimum
        self.instances = [Instance(in_service=True) for _ in range(self.minimum)]
        self._note()
        self.start()

    def start(self) -> None:
        """Begin the load."""

    def work(self) -> None:
        """Give work to those who have none."""

    def stop_load(self) -> None:
        self.loaded = False
        self.load_ended_s = self.loop.now_s

    @property
    def in_service(self) -> int:
        return sum(instance.in_service for instance in self.instances)

    @property
    def busy(self) -> int:
        return sum(instance.busy for instance in self.instances)

    def scale_to(self, wanted: int) -> None:
        """Order or give back instances; what is busy is never taken."""
        self.desired = min(max(wanted, self.minimum), self.maximum)
        for _ in range(self.desired - len(self.instances)):
            instance = Instance()
            self.instances.append(instance)
            self.loop.after(self.boot_s(self.rng), lambda new=instance: self._arrive(new))  # type: ignore[misc]
        self.shrink()

    def shrink(self) -> None:
        """Let go what is too many: first what still boots, then what is idle."""
        for instance in sorted(self.instances, key=lambda one: one.in_service):
            if len(self.instances) <= self.desired:
                return
            if not instance.busy:
                self._terminate(instance)

    def _terminate(self, instance: Instance) -> None:
        instance.gone, instance.in_service = True, False
        self.instances.remove(instance)
        self._note()

    def _arrive(self, instance: Instance) -> None:
        if not instance.gone:
            instance.in_service = True
            self._note()
            self.work()

    def _note(self) -> None:
        self.series.append((self.loop.now_s, self.in_service))


@dataclass
class WebFarm(Farm):
    """Requests to web instances: a rate that the users make, whatever the farm's size."""

    users: int = 300
    spawned_per_s: float = 30.0
    #: What 300 users did in the project's own comparison of frameworks: 95 requests a second.
    requests_per_s_per_user: float = 95 / 300

    def rate(self, at_s: float) -> float:
        """Requests a second at ``at_s``."""
        if at_s >= self.load_ended_s:
            return 0.0
        return min(self.users, self.spawned_per_s * at_s) * self.requests_per_s_per_user

    def requests(self, from_s: float, to_s: float) -> float:
        """Requests in this time, counted: the mean with the noise of a Poisson process."""
        steps = 60
        width = (to_s - from_s) / steps
        mean = sum(self.rate(from_s + (step + 0.5) * width) for step in range(steps)) * width
        return max(0.0, self.rng.gauss(mean, math.sqrt(mean)))


@dataclass
class AnnotatorFarm(Farm):
    """A queue of jobs; each instance does one at a time."""

    every_s: float = 5.0
    #: Mean time of a job and its spread (lognormal).
    service_s: float = 23.0
    service_cv: float = 0.3
    waiting: deque[float] = field(default_factory=deque)
    submitted: list[float] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    services: deque[float] = field(default_factory=lambda: deque(maxlen=20))

    def start(self) -> None:
        self.loop.every(self.every_s, self._submit)

    @property
    def jobs(self) -> int:
        """Waiting and running."""
        return len(self.waiting) + self.busy

    def arrivals(self, last_s: float) -> int:
        return sum(1 for at in reversed(self.submitted[-200:]) if at > self.loop.now_s - last_s)

    def work(self) -> None:
        for instance in self.instances:
            if not self.waiting:
                return
            if instance.in_service and not instance.busy:
                self._take(instance)

    def _submit(self) -> None:
        if self.loaded:
            self.waiting.append(self.loop.now_s)
            self.submitted.append(self.loop.now_s)
            self.work()

    def _take(self, instance: Instance) -> None:
        instance.busy = True
        self.waits.append(self.loop.now_s - self.waiting.popleft())
        sigma = math.sqrt(math.log(1 + self.service_cv**2))
        took = self.rng.lognormvariate(math.log(self.service_s) - sigma**2 / 2, sigma)
        self.loop.after(took, lambda: self._finish(instance, took))

    def _finish(self, instance: Instance, took: float) -> None:
        instance.busy = False
        self.services.append(took)
        self.shrink()
        self.work()
