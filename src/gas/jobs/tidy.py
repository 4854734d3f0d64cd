"""Tidying up, every hour: what is of no use to anybody any more.

Nothing here is urgent, unlike what the reaper does. It keeps disk and database from growing for
ever. Each step may be repeated, and a step that fails does not keep the others from their work.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta

from django.contrib.sessions.models import Session

from gas.errors import GasError
from gas.jobs import queue, scratch, uploads
from gas.jobs.models import Upload
from gas.wiring import Services

log = logging.getLogger(__name__)

#: An upload is refused once it has expired; a request that began before may still be under way.
GRACE = timedelta(hours=1)
BATCH = 1000
#: How long the operator can look at messages that failed.
FAILED_MESSAGES = timedelta(days=30)


def tidy(svc: Services) -> dict[str, int]:
    """Do all of it; how much each step removed."""
    steps: dict[str, Callable[[], int]] = {
        "expired_uploads": lambda: _expired_uploads(svc),
        "parts": lambda: svc.parts.sweep(_untouched_s(svc)),
        "store_leftovers": lambda: svc.storage.sweep(_untouched_s(svc)),
        "cold_leftovers": svc.cold.sweep,
        "scratch": lambda: scratch.sweep(svc.settings.scratch_dir),
        "sessions": lambda: Session.objects.filter(expire_date__lt=svc.now()).delete()[0],
        "failed_messages": lambda: queue.forget_failed(FAILED_MESSAGES),
    }
    return {name: _do(name, step) for name, step in steps.items()}


def _do(name: str, step: Callable[[], int]) -> int:
    try:
        return step()
    except (GasError, OSError) as error:
        log.warning("tidying goes on later", extra={"step": name, "why": str(error)})
        return 0


def _expired_uploads(svc: Services) -> int:
    """Uploads that no job was made of in time."""
    old = Upload.objects.filter(expires_at__lt=svc.now() - GRACE, job__isnull=True)
    ids = list(old.values_list("pk", flat=True)[:BATCH])
    return sum(uploads.remove(svc, upload_id) for upload_id in ids)


def _untouched_s(svc: Services) -> float:
    """What is older belongs to no upload that is still under way, and to no request."""
    return max(86_400, svc.settings.upload_expiry_s) + GRACE.total_seconds()
