"""One module per subject. A page that belongs to a person asks for sign-in itself."""

from __future__ import annotations

import uuid

from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponse
from django_htmx.http import HttpResponseClientRedirect
from django_htmx.middleware import HtmxDetails

from gas.accounts.models import User
from gas.jobs.models import Job


class Request(HttpRequest):
    """A request of a signed-in user, as views behind ``login_required`` get it."""

    user: User
    htmx: HtmxDetails


def is_htmx(request: HttpRequest) -> bool:
    """Whether htmx asks, which wants a part of a page."""
    return bool(getattr(request, "htmx", False))


def sign_in_first(request: HttpRequest, page: str) -> HttpResponse | None:
    """The way to sign in, and back to ``page``, for who asks for a part of it signed out; else
    None. htmx would put the sign-in page into this one: so the whole page goes there."""
    if request.user.is_authenticated:
        return None
    to_login = redirect_to_login(page)
    return HttpResponseClientRedirect(to_login.url) if is_htmx(request) else to_login


def own_job(request: Request, job_id: uuid.UUID) -> Job:
    """The job of whoever asks. Raises Http404 where it is another's or nowhere: no oracle."""
    job = Job.objects.of(request.user).filter(pk=job_id).first()
    if job is None:
        raise Http404
    job.owner = request.user
    return job
