"""All that was found in a job's input, page by page."""

from __future__ import annotations

import uuid

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from gas.web.findings import SHOWN, found_of
from gas.web.views import Request, own_job
from gas.wiring import get_services


@require_safe
@login_required
def job_findings(request: Request, job_id: uuid.UUID) -> HttpResponse:
    """Where there is nothing to list, to the job's page: it says why, and where the result lies."""
    job = own_job(request, job_id)
    found = found_of(get_services(), job)
    if found is None or not found.rows:
        return redirect("job-detail", job_id)
    page = Paginator(found.rows, SHOWN).get_page(request.GET.get("page"))
    return render(request, "jobs/findings.html", {"job": job, "found": found, "page": page})
