"""One mail per job: sent at most once, and never lost without a trace.

The row is claimed before the mail is handed over (PENDING → SENDING, committed). Whoever dies in
between leaves SENDING behind: nobody can say whether the mail went out, so it is not sent again
but marked UNKNOWN for the operator to see. What surely was not sent is tried again with backoff.
"""

from __future__ import annotations

import logging
from datetime import timedelta

from django.db import transaction
from django.template.loader import render_to_string
from django.urls import reverse

from gas.jobs import queue
from gas.jobs.models import Job
from gas.notify.mailer import Letter, NotSent, Refused, Unknown
from gas.notify.models import Mail
from gas.wiring import Services

log = logging.getLogger(__name__)

MAX_TRIES = 8
#: Waits grow: 10 s, 20 s, 40 s ... so that eight tries span about 20 minutes.
FIRST_WAIT_S = 10
STUCK_AFTER = timedelta(minutes=5)


def send(svc: Services, mail_id: int) -> None:
    """Handle one message: send the mail if it waits."""
    claimed = Mail.objects.filter(pk=mail_id, state=Mail.State.PENDING).update(
        state=Mail.State.SENDING, sending_at=svc.now()
    )
    if not claimed:
        return
    mail = Mail.objects.select_related("job__owner").get(pk=mail_id)
    try:
        svc.mailer.send(letter_for(svc, mail))
    except NotSent as error:
        _later(svc, mail, str(error))
    except Refused as error:
        _settle(mail, Mail.State.FAILED, error=str(error))
    except Unknown as error:
        _settle(mail, Mail.State.UNKNOWN, error=str(error))
    else:
        _settle(mail, Mail.State.SENT, sent_at=svc.now())


def letter_for(svc: Services, mail: Mail) -> Letter:
    """What is written to the owner of the job."""
    job = mail.job
    facts = {"job": job, "url": job_url(svc, job), "name": job.owner.name}
    word = "is annotated" if job.result_prefix else "could not be annotated"
    return Letter(
        to=job.owner.email,
        subject=f"{job.filename} {word}",
        body=render_to_string("notify/job_over.txt", facts),
        message_id=mail.message_id,
    )


def job_url(svc: Services, job: Job) -> str:
    return svc.settings.public_url + reverse("job-detail", args=[job.pk])


def _later(svc: Services, mail: Mail, error: str) -> None:
    tries = mail.tries + 1
    if tries >= MAX_TRIES:
        _settle(mail, Mail.State.FAILED, tries=tries, error=error)
        return
    at = svc.now() + timedelta(seconds=FIRST_WAIT_S * 2 ** (tries - 1))
    with transaction.atomic():
        _settle(mail, Mail.State.PENDING, tries=tries, error=error)
        queue.enqueue(queue.NOTIFY, mail.pk, at=at)


def _settle(mail: Mail, state: Mail.State, **changes: object) -> None:
    Mail.objects.filter(pk=mail.pk, state=Mail.State.SENDING).update(state=state, **changes)
    if state in (Mail.State.FAILED, Mail.State.UNKNOWN):
        log.error("mail %s: %s", mail.message_id, state, extra={"error": changes.get("error")})


def reap(svc: Services) -> dict[str, int]:
    """Name what a crash left in the middle; ask again for what no message points at."""
    before = svc.now() - STUCK_AFTER
    stuck = Mail.objects.filter(state=Mail.State.SENDING, sending_at__lt=before)
    unknown = stuck.update(
        state=Mail.State.UNKNOWN, error="The notifier stopped while it sent this mail."
    )
    if unknown:
        log.error("%d mail(s) of unknown fate: see the operator's pages", unknown)
    waiting = Mail.objects.filter(state=Mail.State.PENDING, created_at__lt=before)
    lost = [pk for pk in waiting.values_list("pk", flat=True) if _is_lost(pk)]
    return {"unknown_mail": unknown, "lost_mail": sum(queue.enqueue(queue.NOTIFY, i) for i in lost)}


def _is_lost(mail_id: int) -> bool:
    return not queue.has_message(queue.NOTIFY, mail_id)
