"""What is seen of the farm at one moment: the queue of annotations and the web workers. Pure.

``gas.farm.sample`` reads the queue, ``gas.farm.gauge`` the web workers' counters.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from gas.farm.gauge import WebGauge

#: Arrivals are counted over so long.
ARRIVALS_S = 60.0
#: Counting stops here: the policy asks for the most instances long before.
MOST_COUNTED = 100_000
#: Requests are counted over so long.
REQUESTS_S = 30.0
#: A rate of less than that would be an accident.
LEAST_S = 5.0


@dataclass(frozen=True)
class QueueState:
    """The annotations that wait and run, on all hosts. Times in seconds."""

    #: Messages that are due and that no annotator has yet (``MOST_COUNTED`` at most).
    backlog: int = 0
    #: Messages that annotators hold.
    in_flight: int = 0
    #: Of the backlog, and of those in flight: parts of large files (``gas.jobs.shards``).
    parts_waiting: int = 0
    parts_running: int = 0
    #: Since the oldest job that waits and is due was submitted; 0 where none waits.
    oldest_age_s: float = 0.0
    #: Jobs submitted in a second, over the last ``ARRIVALS_S``.
    arrivals_per_s: float = 0.0
    #: Mean time that a job ran, lately; None where none has ended.
    service_s: float | None = None


@dataclass(frozen=True)
class WebState:
    """The web workers of this machine."""

    #: Those that take requests, and those that only finish what they have.
    workers: int = 0
    draining: int = 0
    #: At the mean of the last ``REQUESTS_S``.
    open_requests: float = 0.0
    #: Answered by all of them in a second, over the last ``REQUESTS_S``.
    requests_per_s: float = 0.0


@dataclass
class RequestMeter:
    """Makes a rate of the counters of workers that come and go."""

    _served: dict[int, int] = field(default_factory=dict)
    #: (at_s, requests answered since the look before, requests in progress).
    _steps: deque[tuple[float, int, int]] = field(default_factory=deque)
    _begun_s: float | None = None

    def look(self, at_s: float, gauges: Iterable[WebGauge]) -> WebState:
        """The state at ``at_s``, of any clock that does not go back."""
        gauges = list(gauges)
        if self._begun_s is None:
            self._begun_s = at_s
        answered = sum(max(0, one.served - self._served.get(one.pid, 0)) for one in gauges)
        self._served = {one.pid: one.served for one in gauges}
        self._steps.append((at_s, answered, sum(one.open for one in gauges)))
        while self._steps[0][0] <= at_s - REQUESTS_S:
            self._steps.popleft()
        span_s = min(REQUESTS_S, max(at_s - self._begun_s, LEAST_S))
        draining = sum(one.draining for one in gauges)
        return WebState(
            workers=len(gauges) - draining,
            draining=draining,
            open_requests=sum(held for _, _, held in self._steps) / len(self._steps),
            requests_per_s=sum(count for _, count, _ in self._steps) / span_s,
        )
