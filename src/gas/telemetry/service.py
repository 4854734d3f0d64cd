"""The metrics of the service, read from the database at each scrape: the same from any host."""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime
from itertools import accumulate

from django.db import connection
from django.db.models import Count, Min
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from gas import __version__
from gas.jobs import lifecycle, shards
from gas.jobs.models import Job
from gas.jobs.queue import ANNOTATE, QUEUE_OF, QUEUES
from gas.jobs.states import ResultState, Status
from gas.notify.models import Mail
from gas.telemetry import families as f
from gas.telemetry.counting import Buckets, Counted, counted
from gas.telemetry.families import Family
from gas.telemetry.models import Reading
from gas.telemetry.survey import Read
from gas.wiring import Services

_QUEUES = """
SELECT queue_name,
    count(*) FILTER (WHERE status = 'todo' AND (scheduled_at IS NULL OR scheduled_at <= %(now)s)),
    count(*) FILTER (WHERE status = 'todo' AND scheduled_at > %(now)s),
    count(*) FILTER (WHERE status = 'doing'),
    count(*) FILTER (WHERE status IN ('failed', 'aborted', 'cancelled'))
FROM procrastinate_jobs GROUP BY queue_name
"""
# A message that has a time is due from then on; one without, from when it was written. Those were
# written in the order of their ids: only the first one's event is looked up.
_OLDEST = """
WITH due AS (
    SELECT queue_name, task_name,
        min(scheduled_at) FILTER (WHERE scheduled_at <= %(now)s) AS since,
        min(id) FILTER (WHERE scheduled_at IS NULL) AS first
    FROM procrastinate_jobs WHERE status = 'todo' GROUP BY queue_name, task_name
), told AS (
    SELECT queue_name, task_name, least(since, (
        SELECT min(at) FROM procrastinate_events WHERE job_id = first AND type = 'deferred'
    )) AS since FROM due
)
SELECT queue_name, min(since), min(since) FILTER (WHERE task_name = %(job)s)
FROM told GROUP BY queue_name
"""
_WORKERS = """
SELECT count(*) FROM procrastinate_workers
WHERE last_heartbeat > now() - make_interval(secs => %(lease_s)s)
"""


class ServiceCollector(Collector):
    """What a registry of prometheus_client's asks for the metrics of the service."""

    def __init__(self, svc: Services) -> None:
        self._svc = svc

    def collect(self) -> Iterator[Metric]:
        """Raises django.db.Error where the database does not answer."""
        yield from _counters(counted())
        yield from _gauges(_reads(self._svc))


def _counters(found: Counted) -> Iterator[Metric]:
    for family in f.COUNTED:
        of: dict[str, Buckets] = {label: {} for label in family.known}
        of |= found.get(family.name, {})
        if family.kind == "histogram":
            yield _histogram(family, of.get("", {}))
        else:
            metric = CounterMetricFamily(family.name, family.text, labels=_labels(family))
            for label, buckets in sorted(of.items()):
                value = sum(total for _, total in buckets.values())
                metric.add_metric([label] if family.label else [], value)
            if not of and not family.label:
                metric.add_metric([], 0)
            yield metric


def _histogram(family: Family, buckets: Buckets) -> Metric:
    bounds = (*family.bounds, f.INFINITY)
    up_to = accumulate(buckets.get(number, (0, 0.0))[0] for number in range(len(bounds)))
    metric = HistogramMetricFamily(family.name, family.text)
    metric.add_metric(
        [],
        [(floatToGoString(bound), number) for bound, number in zip(bounds, up_to, strict=True)],
        sum(total for _, total in buckets.values()),
    )
    return metric


def _gauges(reads: Iterable[Read]) -> Iterator[Metric]:
    values: dict[Family, dict[str, float]] = defaultdict(dict)
    for family, label, value in reads:
        values[family][label] = value
    for family, found in values.items():
        metric = GaugeMetricFamily(family.name, family.text, labels=_labels(family))
        for label, value in found.items():
            metric.add_metric([label] if family.label else [], value)
        yield metric


def _labels(family: Family) -> list[str]:
    return [family.label] if family.label else []


# -- the reads; of one family and label the last one holds -------------------------------------


def _reads(svc: Services) -> Iterator[Read]:
    yield from _queues(svc.now())
    yield from _workers(svc)
    yield from _readings()
    yield from _jobs(svc.now())
    yield from _mails()
    yield from _host(svc)


def _queues(now: datetime) -> Iterator[Read]:
    kinds = (f.MESSAGES_DUE, f.MESSAGES_LATER, f.MESSAGES_DOING, f.MESSAGES_FAILED)
    for queue in QUEUES:
        yield from ((family, queue, 0) for family in (*kinds, f.QUEUE_AGE))
    yield f.JOB_AGE, "", 0
    with connection.cursor() as cursor:
        cursor.execute(_QUEUES, {"now": now})
        for queue, *numbers in cursor.fetchall():
            yield from ((family, queue, n) for family, n in zip(kinds, numbers, strict=True))
        cursor.execute(_OLDEST, {"now": now, "job": ANNOTATE})
        for queue, since, of_jobs in cursor.fetchall():
            yield f.QUEUE_AGE, queue, _seconds(since, now)
            if queue == QUEUE_OF[ANNOTATE]:
                yield f.JOB_AGE, "", _seconds(of_jobs, now)


def _workers(svc: Services) -> Iterator[Read]:
    with connection.cursor() as cursor:
        cursor.execute(_WORKERS, {"lease_s": svc.settings.lease_s})
        yield f.WORKERS, "", cursor.fetchone()[0]


def _readings() -> Iterator[Read]:
    families = {family.name: family for family in f.READINGS}
    yield f.REAPED, "", 0  # a reaper that has never come is silent too
    yield from ((f.JOBS, status.value, 0) for status in Status)
    yield from ((f.RESULTS, state.value, 0) for state in ResultState if state)
    for reading in Reading.objects.filter(name__in=families):
        yield families[reading.name], reading.label, reading.value


def _jobs(now: datetime) -> Iterator[Read]:
    """By their indexes these are found at once, however many jobs there are: no survey needed."""
    for status in (Status.PENDING, Status.RUNNING):
        yield f.JOBS, status.value, Job.objects.filter(status=status).count()
    # A job in shards has no lease; its shards have.
    yield f.LEASES_OVERDUE, "", lifecycle.silent(now).count() + shards.silent(now).count()
    stored = Job.objects.filter(result_state=ResultState.STORED, keep_halted=False, erasing=False)
    due = stored.order_by().aggregate(first=Min("archive_due_at"))["first"]
    yield f.ARCHIVE_LAG, "", _seconds(due, now)


def _mails() -> Iterator[Read]:
    open_or_bad = [Mail.State.PENDING, Mail.State.SENDING, Mail.State.FAILED, Mail.State.UNKNOWN]
    yield from ((f.MAILS, state.value, 0) for state in open_or_bad)
    rows = Mail.objects.filter(state__in=open_or_bad).order_by()
    for state, number in rows.values_list("state").annotate(Count("pk")):
        yield f.MAILS, state, number
    again = Mail.objects.filter(state=Mail.State.PENDING, tries__gt=0)
    yield f.MAILS_RETRYING, "", again.count()


def _host(svc: Services) -> Iterator[Read]:
    with suppress(OSError):  # a disk that does not answer must not hide the rest
        disk = shutil.disk_usage(svc.settings.data_dir)
        yield f.DISK_FREE, "", disk.free
        yield f.DISK_SIZE, "", disk.total
    yield f.BUILD, __version__, 1


def _seconds(since: datetime | None, now: datetime) -> float:
    return max(0.0, (now - since).total_seconds()) if since else 0.0
