"""Tidying up, every hour: what is of no use to anybody any more.

Nothing here is urgent, unlike what the reaper does. It keeps disk and database from growing for
ever. Each step may be repeated, and a step that fails does not keep the others from their work.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable
from datetime import timedelta

from django.contrib.sessions.models import Session
from django.db import transaction

from gas.errors import GasError
from gas.jobs import queue, scratch
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
        "store_leftovers": svc.storage.sweep,
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
    return sum(_remove(svc, upload_id) for upload_id in ids)


def _remove(svc: Services, upload_id: uuid.UUID) -> bool:
    with transaction.atomic():
        # Locked: no job can be made of it any more, then none was.
        locked = Upload.objects.select_for_update().filter(pk=upload_id).first()
        if locked is None or hasattr(locked, "job"):
            return False
        svc.storage.delete(locked.key)
        locked.delete()
    return True
