"""Deleting what is a user's: a job, or the whole account; from every tier, for good.

    ask ─► hidden at once ─► first pass ─► (whoever still had it is gone) ─► second pass ─► row

A worker or archiver that held the job when its owner deleted it may write once more before it
notices. So everything is deleted twice, two leases apart, and the row goes last: a crash in between
only means another pass. The audit log keeps a line with ids alone.
"""

from __future__ import annotations

import logging
import uuid
from datetime import timedelta

from django.contrib.sessions.models import Session
from django.db import transaction

from gas.accounts.models import ApiToken, User
from gas.audit.models import Action, record
from gas.billing import subscribe
from gas.errors import GasError
from gas.jobs import lifecycle, queue, uploads
from gas.jobs.models import Job, Upload
from gas.wiring import Services

log = logging.getLogger(__name__)

RETRY = timedelta(minutes=1)
BATCH = 200


def ask_erase(svc: Services, job: Job) -> bool:
    """The owner deletes ``job``: hidden now, removed soon. Returns False where that was asked
    before."""
    with transaction.atomic():
        lifecycle.cancel(svc, job)
        # Its Idempotency-Key is free again: the same request makes a new job.
        here = Job.objects.filter(pk=job.pk, erasing=False)
        if not here.update(erasing=True, idempotency_key=None):
            return False
        queue.enqueue(queue.ERASE, job.pk)
        record(Action.ERASE, svc.now(), user_id=job.owner_id, job_id=job.pk, step="asked")
    return True


def erase(svc: Services, job_id: uuid.UUID) -> None:
    """Handle one message: one pass over everything of the job."""
    job = Job.objects.filter(pk=job_id, erasing=True).first()
    if job is None:
        return
    try:
        _delete_objects(svc, job)
    except GasError as error:
        log.warning("erasing goes on later", extra={"job": str(job_id), "why": str(error)})
        queue.enqueue(queue.ERASE, job_id, at=svc.now() + RETRY)
        return
    first_pass = job.erase_passed_at or svc.now()
    if job.erase_passed_at is None:
        Job.objects.filter(pk=job_id).update(erase_passed_at=first_pass)
    last_pass = first_pass + _longest_hold(svc)
    if svc.now() < last_pass:
        queue.enqueue(queue.ERASE, job_id, at=last_pass)
    else:
        _delete_row(svc, job)


def _longest_hold(svc: Services) -> timedelta:
    """After this time nobody who held the job before it was hidden writes any more."""
    return timedelta(seconds=2 * svc.settings.lease_s)


def _delete_objects(svc: Services, job: Job) -> None:
    svc.storage.delete(job.input_key)
    for stored in list(svc.storage.list(f"users/{job.owner_id}/jobs/{job.pk}/")):
        svc.storage.delete(stored.key)
    for file in job.result_files:
        svc.cold.delete(job.result_key(file["name"]))


def _delete_row(svc: Services, job: Job) -> None:
    job_id, upload_id = job.pk, job.upload_id
    with transaction.atomic():
        job.delete()
        Upload.objects.filter(pk=upload_id).delete()
        record(Action.ERASE, svc.now(), user_id=job.owner_id, job_id=job_id, step="done")


# -- the whole account -----------------------------------------------------------------------------


def ask_erase_account(svc: Services, user: User) -> None:
    """The user closes their account: signed out everywhere now, everything removed soon."""
    with transaction.atomic():
        User.objects.filter(pk=user.pk).update(erasing=True, is_active=False)
        ApiToken.objects.filter(user=user).delete()
        queue.enqueue(queue.ERASE_ACCOUNT, user.pk)
        record(Action.ERASE, svc.now(), user_id=user.pk, step="account asked")
    for session in Session.objects.filter(expire_date__gt=svc.now()).iterator():
        if session.get_decoded().get("_auth_user_id") == str(user.pk):
            session.delete()


def erase_account(svc: Services, user_id: uuid.UUID) -> None:
    """Handle one message: ask for the next jobs to be erased; when none is left, the user goes."""
    user = User.objects.filter(pk=user_id, erasing=True).first()
    if user is None:
        return
    try:
        subscribe.close(svc, user)
    except GasError as error:
        log.warning("erasing goes on later", extra={"user": str(user_id), "why": str(error)})
        queue.enqueue(queue.ERASE_ACCOUNT, user_id, at=svc.now() + RETRY)
        return
    for job in Job.objects.of(user)[:BATCH]:
        ask_erase(svc, job)
    if Job.objects.filter(owner=user).exists():
        queue.enqueue(queue.ERASE_ACCOUNT, user_id, at=svc.now() + RETRY)
        return
    try:
        for upload in Upload.objects.filter(owner=user):
            uploads.forget_bytes(svc, upload)
        for stored in list(svc.storage.list(f"users/{user_id}/")):
            svc.storage.delete(stored.key)
    except GasError as error:
        log.warning("erasing goes on later", extra={"user": str(user_id), "why": str(error)})
        queue.enqueue(queue.ERASE_ACCOUNT, user_id, at=svc.now() + RETRY)
        return
    with transaction.atomic():
        user.delete()
        record(Action.ERASE, svc.now(), user_id=user_id, step="account done")


def sweep(svc: Services) -> dict[str, int]:
    """Set going again what no message points at."""
    jobs, users = Job.objects.filter(erasing=True), User.objects.filter(erasing=True)
    return {
        "erasing_jobs": queue.enqueue_lost(queue.ERASE, jobs),
        "erasing_accounts": queue.enqueue_lost(queue.ERASE_ACCOUNT, users),
    }
