"""Reads what the annotators are scaled by out of the database: the same from any host.

For the supervisor, which decides by it (``gas.farm.policy``), and for whoever shows it.
"""

from __future__ import annotations

import contextlib
import time
from datetime import UTC, datetime, timedelta

from django.db import Error, connection, connections, transaction
from django.db.models import Avg, Count, DurationField, ExpressionWrapper, F, Min, Q
from procrastinate.contrib.django.models import ProcrastinateJob

from gas.farm.seen import ARRIVALS_S, MOST_COUNTED, QueueState
from gas.jobs.models import Job, is_due
from gas.jobs.queue import ANNOTATE, QUEUE_OF, SHARD
from gas.jobs.states import Status

#: The mean time of a job is that of so many, the last, if they ended within this time.
LAST_JOBS = 20
LATELY_S = 3600.0
#: A database that did not answer is left alone for so long.
DATABASE_WAIT_S = 5.0
DATABASE_PATIENCE_S = 2


def queue_state(now: datetime) -> QueueState:
    """What the database says now. Raises Django's database errors."""
    messages = ProcrastinateJob.objects.filter(queue_name=QUEUE_OF[ANNOTATE])
    due = Q(scheduled_at__isnull=True) | Q(scheduled_at__lte=now)
    since = now - timedelta(seconds=ARRIVALS_S)
    numbers = {"all": Count("pk"), "parts": Count("pk", filter=Q(task_name=SHARD))}
    waiting = messages.filter(due, status="todo").order_by()[:MOST_COUNTED].aggregate(**numbers)
    running = messages.filter(status="doing").aggregate(**numbers)
    return QueueState(
        backlog=waiting["all"],
        in_flight=running["all"],
        parts_waiting=waiting["parts"],
        parts_running=running["parts"],
        oldest_age_s=_oldest_age_s(now),
        arrivals_per_s=Job.objects.filter(submitted_at__gt=since).count() / ARRIVALS_S,
        service_s=_service_s(now),
    )


def _oldest_age_s(now: datetime) -> float:
    waiting = Job.objects.filter(is_due(now), status=Status.PENDING)
    oldest = waiting.aggregate(at=Min("submitted_at"))["at"]
    return 0.0 if oldest is None else max(0.0, (now - oldest).total_seconds())


def _service_s(now: datetime) -> float | None:
    lately = now - timedelta(seconds=LATELY_S)
    ended = Job.objects.filter(status=Status.COMPLETED, finished_at__gt=lately)
    took = ExpressionWrapper(F("finished_at") - F("started_at"), output_field=DurationField())
    last = ended.order_by("-finished_at").annotate(took=took)[:LAST_JOBS]
    mean = last.aggregate(mean=Avg("took"))["mean"]
    return None if mean is None else float(mean.total_seconds())


class QueueLook:
    """Asks the database, with little patience: the supervisor has other things to do."""

    def __init__(self) -> None:
        self._again_s = 0.0
        options = connection.settings_dict["OPTIONS"]
        options.update(
            connect_timeout=DATABASE_PATIENCE_S, tcp_user_timeout=2000 * DATABASE_PATIENCE_S
        )
        connections.close_all()

    def __call__(self) -> QueueState | None:
        """The queue's state; None where the database does not answer."""
        if time.monotonic() < self._again_s:
            return None
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(f"SET LOCAL statement_timeout = '{DATABASE_PATIENCE_S}s'")
                return queue_state(datetime.now(UTC))
        except Error:
            self._again_s = time.monotonic() + DATABASE_WAIT_S
            with contextlib.suppress(Error):
                connection.close()
            return None
