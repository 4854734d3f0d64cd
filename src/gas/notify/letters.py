"""What the mails say, and whether it is still so when they go out."""

from __future__ import annotations

from django.template.loader import render_to_string
from django.urls import reverse

from gas.jobs.models import Job
from gas.jobs.states import ResultState
from gas.notify.mailer import Letter
from gas.notify.models import Mail
from gas.wiring import Services

_SUBJECTS = {
    Mail.Kind.ARCHIVE_SOON: "{name} moves to cold storage soon",
    Mail.Kind.RESTORED: "Your results are at hand again",
}


def write(svc: Services, mail: Mail) -> Letter:
    """The letter for ``mail``, to the owner of its job."""
    job = mail.job
    facts = {"job": job, "url": job_url(svc, job), "name": job.owner.name}
    return Letter(
        to=job.owner.email,
        subject=_subject(mail),
        body=render_to_string(f"notify/{mail.kind.replace('-', '_')}.txt", facts),
        message_id=mail.message_id,
    )


def is_so(mail: Mail) -> bool:
    """Whether what the mail tells still holds, and is still wanted."""
    job = mail.job
    if job.erasing:
        return False
    if mail.kind == Mail.Kind.ARCHIVE_SOON:
        leaves = job.result_state == ResultState.STORED and job.archive_due_at is not None
        return leaves and job.owner.mail_before_archive
    return True


def job_url(svc: Services, job: Job) -> str:
    return svc.settings.public_url + reverse("job-detail", args=[job.pk])


def _subject(mail: Mail) -> str:
    job = mail.job
    if mail.kind == Mail.Kind.JOB_OVER:
        word = "is annotated" if job.result_prefix else "could not be annotated"
        return f"{job.filename} {word}"
    return _SUBJECTS[Mail.Kind(mail.kind)].format(name=job.filename)
