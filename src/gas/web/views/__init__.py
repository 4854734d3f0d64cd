"""One module per subject. A page that belongs to a person asks for sign-in itself."""

from __future__ import annotations

import uuid

from django.http import Http404, HttpRequest
from django_htmx.middleware import HtmxDetails

from gas.accounts.models import User
from gas.jobs.models import Job


class Request(HttpRequest):
    """A request of a signed-in user, as views behind ``login_required`` get it."""

    user: User
    htmx: HtmxDetails


def own_job(request: Request, job_id: uuid.UUID) -> Job:
    """The job of whoever asks. Raises Http404 where it is another's or nowhere: no oracle."""
    job = Job.objects.of(request.user).filter(pk=job_id).first()
    if job is None:
        raise Http404
    job.owner = request.user
    return job
