"""Puts together what the supervisor tells of its farm (``gas.farm.status``)."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime

from gas.farm import status
from gas.farm.elastic import Elastic
from gas.farm.parts import ANNOTATOR, POSTGRES, WEB, Part
from gas.farm.reload import Rolling
from gas.farm.scaler import Scaler


def report(elastic: Elastic, rolling: Rolling | None) -> status.Status:
    """The farm as it is now."""
    changes = sorted((*elastic.annotators.changes, *elastic.web.changes), key=lambda one: one.at)
    return status.Status(
        at=datetime.now(UTC),
        pid=os.getpid(),
        annotators=_annotators(elastic),
        web=_web(elastic),
        queue=elastic.queue,
        requests=status.Web(
            open_requests=elastic.seen.open_requests,
            requests_per_s=elastic.seen.requests_per_s,
        ),
        instances=[_instance(part) for part in elastic.team.parts],
        web_workers=[
            status.WebWorker(
                pid=one.pid,
                served=one.served,
                open=one.open,
                state="leaves" if one.draining else "runs",
            )
            for one in elastic.gauges
        ],
        decisions=changes,
        reload=rolling
        and status.Reload(number=rolling.number, state=rolling.state, steps=rolling.steps),
    )


def _size(scaler: Scaler, running: int, busy: int, leaving: int) -> status.Size:
    return status.Size(
        bounds=str(scaler.bounds),
        desired=scaler.desired,
        running=running,
        busy=busy,
        leaving=leaving,
        reason=scaler.reason,
    )


def _annotators(elastic: Elastic) -> status.Size:
    all_of_them = [part for part in elastic.team.parts if part.kind == ANNOTATOR]
    here = [part for part in all_of_them if part.process is not None]
    return _size(
        elastic.annotators,
        running=sum(not part.leaving for part in here),
        busy=sum(part.is_busy for part in here),
        leaving=sum(part.leaving for part in here),
    )


def _web(elastic: Elastic) -> status.Size:
    return _size(
        elastic.web,
        running=elastic.seen.workers,
        busy=sum(one.open > 0 for one in elastic.gauges),
        leaving=elastic.seen.draining,
    )


def _instance(part: Part) -> status.Instance:
    return status.Instance(
        name=part.name,
        kind=part.kind,
        pid=part.pid,
        state=_state(part),
        age_s=0.0 if part.process is None else time.monotonic() - part.started_at,
    )


def _state(part: Part) -> status.State:
    if part.process is None:
        return "waits"
    if part.leaving:
        return "leaves"
    if part.kind in (POSTGRES, WEB):
        return "runs"
    if not part.is_ready:
        return "starts"
    return "busy" if part.is_busy else "idle"
