"""Downloads."""

from __future__ import annotations

import uuid

from django.contrib.auth.decorators import login_required
from django.http import HttpResponseBase
from django.views.decorators.http import require_safe

from gas.web import downloads
from gas.web.errors import Text, error_page
from gas.web.views import Request, own_job
from gas.wiring import get_services


@require_safe
@login_required
def job_input(request: Request, job_id: uuid.UUID) -> HttpResponseBase:
    return downloads.input_response(request, get_services(), own_job(request, job_id))


@require_safe
@login_required
def job_file(request: Request, job_id: uuid.UUID, name: str) -> HttpResponseBase:
    job = own_job(request, job_id)
    try:
        return downloads.result_response(request, get_services(), job, name)
    except downloads.NotAtHand as error:
        todo = error.hint or "The job's page tells how it goes on."
        return error_page(request, 409, Text("Not at hand", error.message, todo))
