"""Whether one tenant's mass restore slows another: 10,000 archived results are fetched back while
somebody else submits a job a second. Compared is how long those jobs wait before they start, with
and without the restore. Real processes; the archived results are written straight into the store.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.conftest import VCF
from tests.e2e.service import Service, running

from bench.table import Row
from gas.client import Client

RESULTS = int(os.environ.get("BENCH_RESTORES", "10000"))
SECONDS = 60
ENGINE = "tests.engines:NoopEngine"

_ARCHIVE = """
import sys, uuid
from datetime import UTC, datetime
from gas.accounts.models import User
from gas.jobs.models import Job, Upload
from gas.jobs.states import ResultState, Status
from gas.wiring import get_services
svc, count = get_services(), int({count})
user = User.objects.get(email="many@example.org")
now = datetime.now(UTC)
uploads = [Upload(owner=user, filename="a.vcf", declared_bytes=1, size_bytes=1, sha256="0" * 64,
                  state="COMPLETE", created_at=now, expires_at=now) for _ in range(count)]
Upload.objects.bulk_create(uploads, batch_size=1000)
jobs = []
for upload in uploads:
    job = Job(owner=user, upload=upload, filename="a.vcf", input_key=upload.key, input_bytes=1,
              input_sha256="0" * 64, reference="demo", engine="csq", status=Status.COMPLETED,
              submitted_at=now, finished_at=now, attempt=1, result_state=ResultState.ARCHIVED,
              in_cold=True)
    job.result_prefix = job.attempt_prefix(1)
    key = job.result_key("annotated.vcf.gz")
    stored = svc.cold._frozen.put(key, [b"x" * 1000])
    job.result_files = [{{"name": "annotated.vcf.gz", "size_bytes": 1000, "sha256": stored.sha256}}]
    jobs.append(job)
Job.objects.bulk_create(jobs, batch_size=1000)
"""
_UPGRADE = """
from gas.accounts.change import change_plan
from gas.accounts.models import User
from gas.wiring import get_services
change_plan(get_services(), User.objects.get(email="many@example.org"), "premium", why="bench")
"""
_LEFT = """
from gas.jobs.models import Job
print(Job.objects.exclude(result_state="STORED").filter(owner__email="many@example.org").count())
"""


def rows() -> Iterator[Row]:
    engines = json.dumps([ENGINE])
    with running(GAS_EXTRA_ENGINES=engines, GAS_LEASE_S="30", GAS_COLD_THAW_S="1") as service:
        service.sign_up("many@example.org")
        other = service.sign_up("other@example.org")
        _manage(service, _ARCHIVE.format(count=RESULTS))
        alone = _minute(other)
        _manage(service, _UPGRADE)
        beside = _minute(other)
        left = int(_manage(service, _LEFT).split()[-1])
    waits = [statistics.quantiles(each, n=20)[-1] for each in (alone, beside)]
    what = "the same minute without"
    yield Row(f"job start, p95, beside {RESULTS:,} restores", waits[1] * 1000, "ms", what,
              waits[0] * 1000)  # fmt: skip
    yield Row("restored in that minute", (RESULTS - left) / SECONDS, "results/s")


def _minute(client: Client) -> list[float]:
    """Seconds between submission and start of one job a second, for a minute."""
    made = []
    with tempfile.TemporaryDirectory() as folder:
        tiny = Path(folder) / "tiny.vcf"
        tiny.write_bytes(VCF)
        begun = time.monotonic()
        for number in range(SECONDS):
            time.sleep(max(0.0, begun + number - time.monotonic()))
            made.append(client.submit(client.upload(tiny), engine=ENGINE)["id"])
    jobs = [client.wait(job_id) for job_id in made]
    return [(_at(job, "started_at") - _at(job, "submitted_at")).total_seconds() for job in jobs]


def _at(job: dict[str, Any], name: str) -> datetime:
    return datetime.fromisoformat(job[name])


def _manage(service: Service, code: str) -> str:
    done = subprocess.run(
        service.gas("manage", "shell", "-c", code),
        env={**service.environment, "GAS_DATA_DIR": str(service.data)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise RuntimeError(done.stderr)
    return done.stdout
