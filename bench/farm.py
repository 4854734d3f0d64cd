"""How many jobs the farm gets through when their work is nothing: two annotators, real processes,
real PostgreSQL, an engine that has nothing to say. What remains is the life of a job."""

from __future__ import annotations

import json
import statistics
import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.conftest import VCF
from tests.e2e.service import running

from bench.table import Row

JOBS = 120
ENGINE = "tests.engines:NoopEngine"


def rows() -> Iterator[Row]:
    with running(GAS_EXTRA_ENGINES=json.dumps([ENGINE]), GAS_LEASE_S="30") as service:
        client = service.sign_up()
        with tempfile.TemporaryDirectory() as folder:
            tiny = Path(folder) / "tiny.vcf"
            tiny.write_bytes(VCF)
            made = [client.submit(client.upload(tiny), engine=ENGINE)["id"] for _ in range(JOBS)]
        jobs = [client.wait(job_id) for job_id in made]
    assert all(job["status"] == "COMPLETED" for job in jobs)
    # The last two thirds: the first ran while the others were still being uploaded.
    jobs = sorted(jobs, key=lambda job: job["finished_at"])[JOBS // 3 :]
    seconds = (_time(jobs[-1], "finished_at") - _time(jobs[0], "finished_at")).total_seconds()
    one = statistics.median(
        (_time(job, "finished_at") - _time(job, "started_at")).total_seconds() for job in jobs
    )
    yield Row("no-op jobs, 2 annotators", (len(jobs) - 1) / seconds, "jobs/s",
              "1 / one job's own time", 1 / one)  # fmt: skip


def _time(job: dict[str, Any], name: str) -> datetime:
    return datetime.fromisoformat(job[name])
