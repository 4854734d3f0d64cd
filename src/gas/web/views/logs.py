"""A job's log, in the browser and as text."""

from __future__ import annotations

import unicodedata
import uuid
from datetime import UTC

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import render
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_safe

from gas.jobs.models import Job
from gas.web.downloads import stem
from gas.web.views import Request, own_job
from gas.web.views.jobs import POLL_S


@require_safe
@login_required
def job_log(request: Request, job_id: uuid.UUID) -> HttpResponse:
    job = own_job(request, job_id)
    facts = {"job": job, "events": job.events.all(), "poll_s": None if job.is_over else POLL_S}
    return render(request, "jobs/_log.html" if request.htmx else "jobs/log.html", facts)


@require_safe
@login_required
def job_log_text(request: Request, job_id: uuid.UUID) -> HttpResponse:
    job = own_job(request, job_id)
    response = HttpResponse(log_text(job), content_type="text/plain; charset=utf-8")
    name = f"{stem(job.filename)}.log.txt"
    response["Content-Disposition"] = content_disposition_header(True, name) or ""
    return response


def log_text(job: Job) -> str:
    """One line per event: time (UTC), attempt, message, separated by tabs."""
    return "".join(
        f"{event.at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}\t{event.attempt}\t{_inert(event.message)}\n"
        for event in job.events.all()
    )


def _inert(text: str) -> str:
    """One line, without anything that a terminal would obey or that turns text around."""
    return "".join(c if unicodedata.category(c)[0] != "C" else " " for c in text)
