"""One mail per job: sent at most once, and never lost without a trace.

The row is claimed before the mail is handed over (PENDING → SENDING, committed). Whoever dies in
between leaves SENDING behind: nobody can say whether the mail went out, so it is not sent again
but marked UNKNOWN for the operator to see. What surely was not sent is tried again with backoff.
"""

from __future__ import annotations

import logging
import uuid
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from gas.jobs import queue
from gas.jobs.models import is_due
from gas.notify import letters
from gas.notify.mailer import NotSent, Refused, Unknown
from gas.notify.models import Mail
from gas.telemetry import counting, traces
from gas.telemetry.families import MAIL_EVENTS
from gas.wiring import Services

log = logging.getLogger(__name__)

#: Waits grow: 10 s, 20 s, 40 s ... up to an hour, so that the tries span two days: a mail server
#: may be away for a night.
FIRST_WAIT_S = 10
LONGEST_WAIT_S = 3600
MAX_TRIES = 56
STUCK_AFTER = timedelta(minutes=5)


def ask(
    svc: Services,
    job_id: uuid.UUID,
    kind: Mail.Kind,
    *,
    round: int = 0,
    at: datetime | None = None,
) -> None:
    """Ask for a mail, now or not before ``at``: its row and its message, as part of the caller's
    transaction. Raises IntegrityError for a second one about the same event."""
    domain = svc.settings.mail_from.rpartition("@")[2].strip("> ") or "localhost"
    first = kind == Mail.Kind.JOB_OVER and round == 0
    name = f"job-{job_id}" if first else f"{kind}-{round}-{job_id}"
    mail = Mail.objects.create(
        job_id=job_id,
        kind=kind,
        round=round,
        message_id=f"<{name}@{domain}>",
        created_at=svc.now(),
        not_before=at,
    )
    queue.enqueue(queue.NOTIFY, mail.pk, at=at)


def send(svc: Services, mail_id: int) -> None:
    """Handle one message: send the mail if it waits and its time has come."""
    claimed = Mail.objects.filter(is_due(svc.now()), pk=mail_id, state=Mail.State.PENDING).update(
        state=Mail.State.SENDING, sending_at=svc.now()
    )
    if not claimed:
        return
    mail = Mail.objects.select_related("job__owner").get(pk=mail_id)
    with traces.span("mail", of_job=mail.job_id, about=mail.kind):
        _send_claimed(svc, mail)


def _send_claimed(svc: Services, mail: Mail) -> None:
    if not letters.is_so(mail):
        _settle(mail, Mail.State.NEEDLESS)
        return
    try:
        svc.mailer.send(letters.write(svc, mail))
    except NotSent as error:
        _later(svc, mail, str(error))
    except Refused as error:
        _settle(mail, Mail.State.FAILED, error=str(error))
    except Unknown as error:
        _settle(mail, Mail.State.UNKNOWN, error=str(error))
    else:
        _settle(mail, Mail.State.SENT, sent_at=svc.now())


def _later(svc: Services, mail: Mail, error: str) -> None:
    tries = mail.tries + 1
    if tries >= MAX_TRIES:
        _settle(mail, Mail.State.FAILED, tries=tries, error=error)
        return
    at = svc.now() + timedelta(seconds=min(FIRST_WAIT_S * 2 ** (tries - 1), LONGEST_WAIT_S))
    with transaction.atomic():
        _settle(mail, Mail.State.PENDING, tries=tries, error=error)
        queue.enqueue(queue.NOTIFY, mail.pk, at=at)


def _settle(mail: Mail, state: Mail.State, **changes: object) -> None:
    with transaction.atomic():
        mine = Mail.objects.filter(pk=mail.pk, state=Mail.State.SENDING)
        if mine.update(state=state, **changes):
            counting.count(MAIL_EVENTS, state.lower())
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
        counting.count(MAIL_EVENTS, Mail.State.UNKNOWN.lower(), unknown)
        log.error("%d mail(s) of unknown fate: see the operator's pages", unknown)
    due = Q(not_before__isnull=True) | Q(not_before__lt=before)
    waiting = Mail.objects.filter(due, state=Mail.State.PENDING, created_at__lt=before)
    return {"unknown_mail": unknown, "lost_mail": queue.enqueue_lost(queue.NOTIFY, waiting)}
