"""The two farms of `gas up` follow the load: look, decide, act.

    look     every second: the queue in the database, the web workers' counters
    decide   gas.farm.policy, by gas.farm.scaler: how many annotators, how many web workers
    act      annotators: start processes; have idle ones leave. Web: tell gunicorn, by TTIN and
             TTOU, one worker at a time

A busy annotator is never told to leave: where none is idle, the next look tries again.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from gas.config import Settings
from gas.farm import gauge, scaler
from gas.farm.parts import ANNOTATOR
from gas.farm.scaler import Scaler
from gas.farm.seen import QueueState, RequestMeter, WebState
from gas.farm.team import Team
from gas.farm.web_conf import workers_file

LOOK_S = 1.0
#: gunicorn takes a signal at once; one that got lost is sent again.
SIGNAL_WAIT_S = 2.0


@dataclass
class Elastic:
    """``look`` says what waits and runs, or None; ``clock`` is any that does not go back."""

    settings: Settings
    team: Team
    look: Callable[[], QueueState | None]
    clock: Callable[[], float] = time.monotonic
    queue: QueueState | None = None
    seen: WebState = field(default_factory=WebState)
    gauges: list[gauge.WebGauge] = field(default_factory=list)
    _look_at: float = 0.0
    _told: tuple[int, float] | None = None

    def __post_init__(self) -> None:
        self.annotators = Scaler(scaler.ANNOTATORS, scaler.annotator_rules(self.settings))
        self.web = Scaler(scaler.WEB, scaler.web_rules(self.settings))
        self._meter = RequestMeter()

    def tick(self, *, act: bool = True) -> bool:
        """Called all the time; whether it was time to look again. Without ``act`` it only looks
        and decides."""
        now = self.clock()
        looked = now >= self._look_at
        if looked:
            self._look_at = now + LOOK_S
            self._decide(now)
        if act:
            self._size_annotators()
            self._size_web(now)
        return looked

    @property
    def busy(self) -> int:
        """Annotators that are to stay and have a job."""
        return sum(part.is_busy for part in self.team.staying(ANNOTATOR))

    def _decide(self, now: float) -> None:
        self.queue = self.look()
        self.gauges = gauge.read(self.settings.run_dir)
        self.seen = self._meter.look(now, self.gauges)
        changes = [self.web.decide(scaler.web_sample(now, self.web.desired, self.seen))]
        if self.queue is not None:
            wanted = self.annotators.desired
            sample = scaler.annotator_sample(now, wanted, self.busy, self.queue)
            changes.append(self.annotators.decide(sample))
        for change in changes:
            if change is not None:
                self.team.say(f"  {change.farm:<12} {change.reason}")

    def _size_annotators(self) -> None:
        here = self.team.staying(ANNOTATOR)
        for _ in range(self.annotators.desired - len(here)):
            self.team.add_worker(ANNOTATOR)
        surplus = len(here) - self.annotators.desired
        # First what does not run anyway, then the youngest.
        here.sort(key=lambda one: (one.process is not None, -one.started_at))
        for part in here:
            if surplus > 0 and part.leave_if_idle():
                surplus -= 1

    def _size_web(self, now: float) -> None:
        part = self.team.web
        if part is None or part.pid is None:
            return  # it will start with as many as are wanted
        try:
            has = int(workers_file(self.settings.run_dir, part.pid).read_text())
        except (FileNotFoundError, ValueError):
            return  # it has just begun
        if has == self.web.desired:
            self._told = None
        elif self._told is None or self._told[0] != has or now - self._told[1] > SIGNAL_WAIT_S:
            self._told = (has, now)
            part.signal(signal.SIGTTIN if has < self.web.desired else signal.SIGTTOU)

    def serving(self, master: int) -> int:
        """How many workers of the web part of process id ``master`` take requests."""
        return sum(one.master == master and not one.draining for one in self.gauges)
