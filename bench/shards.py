"""One large file on two annotators beside the same file on one: how much sooner it is annotated.

Real processes and real PostgreSQL; counted is from the claim to the result's being there. The one
annotator does it in one piece. BENCH_SHARD_RECORDS: how many records (5 million).
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from tests.e2e.service import running

from bench.engine import FILE, RECORDS, repeat
from bench.table import Bar, Row

WANTED = int(os.environ.get("BENCH_SHARD_RECORDS", "5000000"))


def rows() -> Iterator[Row]:
    times = -(-WANTED // RECORDS)
    with tempfile.TemporaryDirectory() as folder:
        large = repeat(Path(folder), times)
        one = _seconds(large, GAS_ANNOTATORS="1", GAS_SHARD_BYTES="0")
        two = _seconds(large, GAS_ANNOTATORS="2")
    records = times * RECORDS
    yield Row(f"{records:,} records in shards, 2 annotators", records / two, "records/s",
              "in one piece, 1 annotator", records / one, Bar(1.7, of_ratio=True))  # fmt: skip


def _seconds(large: Path, **environment: str) -> float:
    with running(
        GAS_FREE_MAX_UPLOAD_BYTES=str(1 << 40), GAS_LEASE_S="30", **environment
    ) as service:
        client = service.sign_up()
        job = client.wait(client.submit(client.upload(large))["id"])
    if job["status"] != "COMPLETED":
        raise RuntimeError(f"{FILE.name} times many: {job['failure']}")
    took = datetime.fromisoformat(job["finished_at"]) - datetime.fromisoformat(job["started_at"])
    return took.total_seconds()
