"""What only a look at every row tells: the reaper looks now and then, and writes it down."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Count, QuerySet, Sum

from gas.accounts.models import User
from gas.jobs.models import Job, Upload
from gas.telemetry import counting
from gas.telemetry import families as f
from gas.telemetry.families import Family
from gas.telemetry.models import Reading
from gas.wiring import Services

#: How long a survey holds at least; and it takes at most a hundredth of the database's time.
HOLDS_S = 60.0
SHARE = 100

#: A family, a label and a value.
Read = tuple[Family, str, float]

_RESULT_BYTES = """
SELECT coalesce(sum(size) FILTER (WHERE in_hot), 0), coalesce(sum(size) FILTER (WHERE in_cold), 0)
FROM (
    SELECT in_hot, in_cold, (
        SELECT sum((file ->> 'size_bytes')::bigint) FROM jsonb_array_elements(result_files) AS file
    ) AS size FROM jobs_job WHERE in_hot OR in_cold
) AS results
"""


def refresh(svc: Services) -> bool:
    """The reaper's part: fold what was counted, say that it came round, and survey where the last
    survey no longer holds. Returns whether it did."""
    counting.fold()
    due = _is_due(svc)
    if due:
        begun = time.monotonic()
        found = list(_look())
        found.append((f.SURVEY, "", time.monotonic() - begun))
        _write(found, svc.now())
    now = svc.now()
    Reading.objects.update_or_create(
        name=f.REAPED.name, label="", defaults={"value": now.timestamp(), "at": now}
    )
    return due


def _is_due(svc: Services) -> bool:
    last = Reading.objects.filter(name=f.SURVEY.name).first()
    if last is None:
        return True
    return svc.now() >= last.at + timedelta(seconds=max(HOLDS_S, SHARE * last.value))


def _write(found: Iterable[Read], now: datetime) -> None:
    """Two reapers may do so at once: the later one's values stand. In one order, so that neither
    waits for the other for ever."""
    rows = sorted(found, key=lambda read: (read[0].name, read[1]))
    surveyed = Reading.objects.filter(name__in=[family.name for family in f.SURVEYED])
    with transaction.atomic():
        Reading.objects.bulk_create(
            (Reading(name=of.name, label=label, value=value, at=now) for of, label, value in rows),
            update_conflicts=True,
            unique_fields=["name", "label"],
            update_fields=["value", "at"],
        )
        surveyed.filter(at__lt=now).delete()  # of what there is no more


def _look() -> Iterator[Read]:
    for status, number in _by(Job.objects.all(), "status"):
        yield f.JOBS, status, number
    for state, number in _by(Job.objects.exclude(result_state=""), "result_state"):
        yield f.RESULTS, state, number
    for plan, number in _by(User.objects.all(), "plan"):
        yield f.USERS, plan, number
    yield f.RESULTS_HALTED, "", Job.objects.filter(keep_halted=True).count()
    yield f.RESULTS_FAILING, "", Job.objects.filter(keep_tries__gt=0, keep_halted=False).count()
    yield f.STORED_BYTES, "input", Upload.objects.aggregate(all=Sum("size_bytes"))["all"] or 0
    with connection.cursor() as cursor:
        cursor.execute(_RESULT_BYTES)
        hot, cold = cursor.fetchone()
    yield f.STORED_BYTES, "result", float(hot)
    yield f.STORED_BYTES, "cold", float(cold)


def _by(rows: QuerySet[Any], field: str) -> Iterator[tuple[str, int]]:
    yield from rows.order_by().values_list(field).annotate(Count("pk"))
