"""Counting what happens, exactly once and from any process.

A count is a row, added in the transaction of what it counts: both hold or neither. Rows are never
changed by whoever counts, so counting makes nobody wait. The reaper folds them into totals.
"""

from __future__ import annotations

from collections import defaultdict

from django.db import connection

from gas.telemetry.families import Family

_ADD = "INSERT INTO telemetry_sample (name, label, bucket, value) VALUES (%s, %s, %s, %s)"
_FOLD = """
WITH gone AS (DELETE FROM telemetry_sample RETURNING name, label, bucket, value)
INSERT INTO telemetry_total AS t (name, label, bucket, count, sum)
SELECT name, label, bucket, count(*), sum(value) FROM gone GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
ON CONFLICT (name, label, bucket)
DO UPDATE SET count = t.count + excluded.count, sum = t.sum + excluded.sum
"""
# One statement, one snapshot: a fold in between is seen whole or not at all.
_ALL = """
SELECT name, label, bucket, sum(count)::bigint, sum(sum) FROM (
    SELECT name, label, bucket, count, sum FROM telemetry_total
    UNION ALL SELECT name, label, bucket, 1, value FROM telemetry_sample
) AS counted GROUP BY 1, 2, 3
"""


def count(family: Family, label: str = "", value: float = 1) -> None:
    """Add ``value`` to a counter, or observe it in a histogram, as part of the caller's
    transaction."""
    with connection.cursor() as cursor:  # on every job's way several times: without the ORM
        cursor.execute(_ADD, [family.name, label, family.bucket_of(value), value])


def fold() -> None:
    """Move what was counted into the totals. Idempotent; two at once share the work."""
    with connection.cursor() as cursor:
        cursor.execute(_FOLD)


#: Of a bucket: how many, and their sum.
Buckets = dict[int, tuple[int, float]]
#: Of a family's name and a label.
Counted = dict[str, dict[str, Buckets]]


def counted() -> Counted:
    """All that was counted so far, folded or not."""
    found: Counted = defaultdict(lambda: defaultdict(dict))
    with connection.cursor() as cursor:
        cursor.execute(_ALL)
        for name, label, bucket, number, total in cursor.fetchall():
            found[name][label][bucket] = (number, total)
    return found
