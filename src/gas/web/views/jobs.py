"""Jobs: the list, one job, its state while it changes, its end by its owner's wish."""

from __future__ import annotations

import hashlib
import uuid
from datetime import timedelta

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import redirect_to_login
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import HttpResponseClientRedirect

from gas.jobs import lifecycle
from gas.jobs.models import Job
from gas.jobs.states import CANCEL, Status
from gas.web.findings import found_of
from gas.web.report import report_of
from gas.web.views import Request, own_job
from gas.wiring import get_services

PER_PAGE = 25
#: The browser asks often while a job is young (most are over within seconds), then less.
YOUNG = timedelta(seconds=30)
POLL_YOUNG_S, POLL_S = 1, 4
POLL_LIST_S = 4


@require_safe
@login_required
def job_list(request: Request) -> HttpResponse:
    jobs = Job.objects.of(request.user).defer("summary", "result_files")
    page = Paginator(jobs, PER_PAGE).get_page(request.GET.get("page"))
    moving = any(not job.is_over for job in page)
    facts = {"page": page, "poll_s": POLL_LIST_S if moving else None}
    name = "jobs/_table.html" if request.htmx else "jobs/list.html"
    return render(request, name, facts)


@require_safe
@login_required
def job_detail(request: Request, job_id: uuid.UUID) -> HttpResponse:
    job = own_job(request, job_id)
    return render(request, "jobs/detail.html", _facts(job))


@require_safe
def job_status(request: HttpRequest, job_id: uuid.UUID) -> HttpResponse:
    """The part of a job's page that changes. ``seen``: what the browser shows already; if that
    is still so, 204 tells it to change nothing."""
    if not request.user.is_authenticated:
        # htmx would put the sign-in page into the job's page.
        to_login = redirect_to_login(reverse("job-detail", args=[job_id]))
        return HttpResponseClientRedirect(to_login.url) if _is_htmx(request) else to_login
    job = own_job(request, job_id)  # type: ignore[arg-type]
    if not _is_htmx(request):
        return redirect("job-detail", job_id)
    facts = _facts(job)
    if request.GET.get("seen") == facts["seen"]:
        return HttpResponse(status=204)
    return render(request, "jobs/_live.html", {**facts, "is_fragment": True})


@require_POST
@login_required
def job_cancel(request: Request, job_id: uuid.UUID) -> HttpResponse:
    job = own_job(request, job_id)
    if not lifecycle.cancel(get_services(), job):
        messages.info(request, "The job was over before it could be cancelled.")
    return redirect("job-detail", job_id)


def _is_htmx(request: HttpRequest) -> bool:
    return bool(getattr(request, "htmx", False))


def _facts(job: Job) -> dict[str, object]:
    ahead = lifecycle.ahead_of(job) if job.status == Status.PENDING else None
    percent = int(job.progress * 100)
    seen = f"{job.status} {job.attempt} {percent} {ahead} {job.tries} {_poll_s(job)}"
    return {
        "job": job,
        "ahead": ahead,
        "percent": percent,
        "is_cancellable": Status(job.status) in CANCEL.sources,
        "poll_s": _poll_s(job),
        "seen": hashlib.sha256(seen.encode()).hexdigest()[:16],
        "report": report_of(job) if job.status == Status.COMPLETED else None,
        "found": found_of(get_services(), job) if job.status == Status.COMPLETED else None,
    }


def _poll_s(job: Job) -> int | None:
    """Seconds until the browser asks again; None: never, the job is over."""
    if job.is_over:
        return None
    age = get_services().now() - job.submitted_at
    return POLL_YOUNG_S if age < YOUNG else POLL_S
