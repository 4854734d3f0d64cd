"""Jobs: the list, one job, its state while it changes, its end by its owner's wish."""

from __future__ import annotations

import hashlib
import uuid
from datetime import datetime, timedelta
from functools import lru_cache

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Page, Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.safestring import SafeString
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from gas.accounts.plans import get_plan
from gas.jobs import erase, lifecycle
from gas.jobs.models import Job
from gas.jobs.states import CANCEL, ResultState, Status
from gas.web.findings import found_of
from gas.web.forms import JobFilter
from gas.web.keep import Keep, keep_of
from gas.web.report import report_of
from gas.web.views import Request, is_htmx, own_job, sign_in_first
from gas.wiring import get_services

PER_PAGE = 25
#: The browser asks often while a job is young (most are over within seconds), then less.
YOUNG = timedelta(seconds=30)
POLL_YOUNG_S, POLL_S = 1, 4
POLL_LIST_S = 4
#: What the list shows of a job, and tells by whether it still changes.
_LISTED = (
    *("filename", "input_bytes", "keep_halted", "progress", "reference", "result_state"),
    *("status", "submitted_at"),
)


@require_safe
@login_required
def job_list(request: Request) -> HttpResponse:
    chosen = JobFilter(request.GET).chosen() if request.GET else {}
    jobs = Job.objects.of(request.user).filter(**chosen).only(*_LISTED)
    page = _Pages(jobs, PER_PAGE).get_page(request.GET.get("page"))
    facts = {
        "page": page,
        "poll_s": POLL_LIST_S if any(_changes(job) for job in page) else None,
        "filter": None if request.htmx else _filter(**chosen),
        "is_filtered": bool(chosen),
    }
    name = "jobs/_table.html" if request.htmx else "jobs/list.html"
    return render(request, name, facts)


class _Pages(Paginator):  # type: ignore[type-arg]
    """Most people's jobs fit on the first page: one query tells so and has them."""

    @cached_property
    def _first(self) -> list[Job]:
        return list(self.object_list[: self.per_page + 1])

    @cached_property
    def count(self) -> int:
        has_more = len(self._first) > self.per_page
        return super().count if has_more else len(self._first)

    def page(self, number: int | str) -> Page[Job]:
        number = self.validate_number(number)
        if number == 1:
            return Page(self._first[: self.per_page], 1, self)
        return super().page(number)


@lru_cache(maxsize=128)
def _filter(status: str = "", result_state: str = "") -> SafeString:
    """The form above the list, the same for everybody who chose the same."""
    chosen = {"status": status, "result": result_state}
    facts = {
        "filter": JobFilter(chosen, auto_id="by-%s"),
        "is_filtered": bool(status or result_state),
    }
    return render_to_string("jobs/_filter.html", facts)


def _changes(job: Job) -> bool:
    moving = (ResultState.ARCHIVING, ResultState.THAWING)
    return not job.is_over or (job.result_state in moving and not job.keep_halted)


@require_safe
@login_required
def job_detail(request: Request, job_id: uuid.UUID) -> HttpResponse:
    job = own_job(request, job_id)
    return render(request, "jobs/detail.html", {**_state(job), **_result(job)})


@require_safe
def job_status(request: HttpRequest, job_id: uuid.UUID) -> HttpResponse:
    """The part of a job's page that changes. ``seen``: what the browser shows already; if that
    is still so, 204 tells it to change nothing."""
    if to_login := sign_in_first(request, reverse("job-detail", args=[job_id])):
        return to_login
    job = own_job(request, job_id)  # type: ignore[arg-type]
    if not is_htmx(request):
        return redirect("job-detail", job_id)
    state = _state(job)
    if request.GET.get("seen") == state["seen"]:
        return HttpResponse(status=204)
    return render(request, "jobs/_live.html", {**state, **_result(job), "is_fragment": True})


@require_POST
@login_required
def job_cancel(request: Request, job_id: uuid.UUID) -> HttpResponse:
    job = own_job(request, job_id)
    if not lifecycle.cancel(get_services(), job):
        messages.info(request, "The job was over before it could be cancelled.")
    return redirect("job-detail", job_id)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def job_delete(request: Request, job_id: uuid.UUID) -> HttpResponse:
    """Asks first; what is deleted is gone for good."""
    job = own_job(request, job_id)
    if request.method != "POST":
        return render(request, "jobs/delete.html", {"job": job})
    erase.ask_erase(get_services(), job)
    messages.success(request, f"{job.filename} is deleted.")
    return redirect("job-list")


def _state(job: Job) -> dict[str, object]:
    """What may change while the page is open; cheap, for it is asked for again and again."""
    now = get_services().now()
    ahead = lifecycle.ahead_of(job) if job.status == Status.PENDING else None
    percent = int(job.progress * 100)
    keep = _keep(job, now) if job.status == Status.COMPLETED else None
    poll_s = keep.poll_s if keep else _poll_s(job, now)
    seen = f"{job.status} {job.attempt} {percent} {ahead} {job.tries} {keep is None and poll_s}"
    if keep:
        seen += f" {keep.case} {job.keep_version} {job.archive_due_at} {job.thaw_ready_at}"
    return {
        "job": job,
        "ahead": ahead,
        "percent": percent,
        "is_cancellable": Status(job.status) in CANCEL.sources,
        "keep": keep,
        "now": now,
        "poll_s": poll_s,
        "seen": hashlib.sha256(seen.encode()).hexdigest()[:16],
    }


def _result(job: Job) -> dict[str, object]:
    if job.status != Status.COMPLETED:
        return {}
    return {"report": report_of(job), "found": found_of(get_services(), job)}


def _keep(job: Job, now: datetime) -> Keep:
    return keep_of(job, get_plan(job.owner.plan, get_services().settings), now)


def _poll_s(job: Job, now: datetime) -> int | None:
    """Seconds until the browser asks again; None: never, the job is over."""
    if job.is_over:
        return None
    return POLL_YOUNG_S if now - job.submitted_at < YOUNG else POLL_S
