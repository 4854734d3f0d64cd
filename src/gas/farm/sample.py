"""What is seen of the farm at one moment: the queue of annotations and the web workers.

Read by the supervisor, which decides by it (``gas.farm.policy``), and by whoever shows it. The
database's part is the same from any host; the web part's is of this machine.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db.models import Avg, DurationField, ExpressionWrapper, F, Min, Q
from procrastinate.contrib.django.models import ProcrastinateJob

from gas.farm.gauge import WebGauge
from gas.jobs.models import Job
from gas.jobs.queue import ANNOTATE, QUEUE_OF
from gas.jobs.states import Status

#: Arrivals are counted over so long.
ARRIVALS_S = 60.0
#: The mean time of a job is that of so many, the last, if they ended within this time.
LAST_JOBS = 20
LATELY_S = 3600.0
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
    #: Since the oldest job that waits and is due was submitted; 0 where none waits.
    oldest_age_s: float = 0.0
    #: Jobs submitted in a second, over the last ``ARRIVALS_S``.
    arrivals_per_s: float = 0.0
    #: Mean time that a job ran, lately; None where none has ended.
    service_s: float | None = None


def queue_state(now: datetime) -> QueueState:
    """What the database says now. Raises Django's database errors."""
    messages = ProcrastinateJob.objects.filter(queue_name=QUEUE_OF[ANNOTATE])
    due = Q(scheduled_at__isnull=True) | Q(scheduled_at__lte=now)
    since = now - timedelta(seconds=ARRIVALS_S)
    return QueueState(
        backlog=messages.filter(due, status="todo").order_by()[:MOST_COUNTED].count(),
        in_flight=messages.filter(status="doing").count(),
        oldest_age_s=_oldest_age_s(now),
        arrivals_per_s=Job.objects.filter(submitted_at__gt=since).count() / ARRIVALS_S,
        service_s=_service_s(now),
    )


def _oldest_age_s(now: datetime) -> float:
    due = Q(not_before__isnull=True) | Q(not_before__lte=now)
    waiting = Job.objects.filter(due, status=Status.PENDING)
    oldest = waiting.aggregate(at=Min("submitted_at"))["at"]
    return 0.0 if oldest is None else max(0.0, (now - oldest).total_seconds())


def _service_s(now: datetime) -> float | None:
    lately = now - timedelta(seconds=LATELY_S)
    ended = Job.objects.filter(status=Status.COMPLETED, finished_at__gt=lately)
    took = ExpressionWrapper(F("finished_at") - F("started_at"), output_field=DurationField())
    last = ended.order_by("-finished_at").annotate(took=took)[:LAST_JOBS]
    mean = last.aggregate(mean=Avg("took"))["mean"]
    return None if mean is None else float(mean.total_seconds())


@dataclass(frozen=True)
class WebState:
    """The web workers of this machine."""

    #: Those that take requests, and those that only finish what they have.
    workers: int = 0
    draining: int = 0
    open_requests: int = 0
    #: Answered by all of them in a second, over the last ``REQUESTS_S``.
    requests_per_s: float = 0.0


@dataclass
class RequestMeter:
    """Makes a rate of the counters of workers that come and go."""

    _served: dict[int, int] = field(default_factory=dict)
    #: (at_s, requests answered since the look before).
    _steps: deque[tuple[float, int]] = field(default_factory=deque)
    _begun_s: float | None = None

    def look(self, at_s: float, gauges: Iterable[WebGauge]) -> WebState:
        """The state at ``at_s``, of any clock that does not go back."""
        gauges = list(gauges)
        if self._begun_s is None:
            self._begun_s = at_s
        answered = sum(max(0, one.served - self._served.get(one.pid, 0)) for one in gauges)
        self._served = {one.pid: one.served for one in gauges}
        self._steps.append((at_s, answered))
        while self._steps[0][0] <= at_s - REQUESTS_S:
            self._steps.popleft()
        span_s = min(REQUESTS_S, max(at_s - self._begun_s, LEAST_S))
        draining = sum(one.draining for one in gauges)
        return WebState(
            workers=len(gauges) - draining,
            draining=draining,
            open_requests=sum(one.open for one in gauges),
            requests_per_s=sum(count for _, count in self._steps) / span_s,
        )
