"""What the gate found in a job's input, read from the result's own ``findings.json``."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from gas.annotate.result import FINDINGS, REJECTED
from gas.errors import GasError
from gas.jobs.models import Job
from gas.logs import get_logger
from gas.storage import ObjectMissing
from gas.web.downloads import result_files
from gas.wiring import Services

log = get_logger(__name__)

#: So many rows stand on a job's page; the download has more, and counts the rest.
SHOWN = 100


@dataclass(frozen=True)
class Found:
    """For the page: ``rows`` as in findings.json, ``total`` of all findings."""

    rows: list[dict[str, Any]]
    total: int
    rejected: int
    warnings: list[str]
    has_rejects: bool

    @property
    def is_cut(self) -> bool:
        return self.total > len(self.rows)


def read(svc: Services, job: Job) -> dict[str, Any] | None:
    """``findings.json`` as it is; None where the result has none or is not at hand.

    Raises TransientError where the store does not answer.
    """
    if FINDINGS not in {file["name"] for file in result_files(job)}:
        return None
    try:
        pieces = svc.storage.read(f"{job.result_prefix}/{FINDINGS}")
        values: dict[str, Any] = json.loads(b"".join(pieces))
    except ObjectMissing:
        return None
    return values


def found_of(svc: Services, job: Job) -> Found | None:
    """For the job's page, which is shown without them where they cannot be read."""
    try:
        values = read(svc, job)
    except (GasError, ValueError):
        log.warning("findings not read", job=str(job.pk), exc_info=True)
        return None
    if values is None:
        return None
    return Found(
        rows=values["findings"][:SHOWN],
        total=sum(values["counts"].values()),
        rejected=values["rejected"],
        warnings=[*values["notes"], *values.get("reference", {}).get("warnings", [])],
        has_rejects=REJECTED in {file["name"] for file in result_files(job)},
    )
