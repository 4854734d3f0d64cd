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
from gas.web.downloads import NotAtHand, check_at_hand, result_files
from gas.wiring import Services

log = get_logger(__name__)

#: So many rows stand on a job's page, and on each page of all of them.
SHOWN = 100


@dataclass(frozen=True)
class Found:
    """For the pages: ``rows`` as in findings.json, those that it tells in full; ``total`` of all
    findings, of which there may be more."""

    rows: list[dict[str, Any]]
    total: int
    rejected: int
    warnings: list[str]
    has_rejects: bool

    @property
    def first(self) -> list[dict[str, Any]]:
        return self.rows[:SHOWN]


def read(svc: Services, job: Job) -> dict[str, Any] | None:
    """``findings.json`` as it is; None where the job has no result, or that has none.

    Raises NotAtHand, TransientError where the store does not answer.
    """
    check_at_hand(job)
    if FINDINGS not in {file["name"] for file in result_files(job)}:
        return None
    try:
        pieces = svc.storage.read(job.result_key(FINDINGS))
        values: dict[str, Any] = json.loads(b"".join(pieces))
    except ObjectMissing:
        return None
    return values


def found_of(svc: Services, job: Job) -> Found | None:
    """For the pages, which are shown without them where they cannot be read; None where there are
    none."""
    try:
        values = read(svc, job)
    except NotAtHand:
        return None
    except (GasError, ValueError):
        log.warning("findings not read", job=str(job.pk), exc_info=True)
        return None
    if values is None:
        return None
    return Found(
        rows=values["findings"],
        total=sum(values["counts"].values()),
        rejected=values["rejected"],
        warnings=[*values["notes"], *values.get("reference", {}).get("warnings", [])],
        has_rejects=REJECTED in {file["name"] for file in result_files(job)},
    )
