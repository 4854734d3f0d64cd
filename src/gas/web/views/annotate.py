"""Upload a file and submit it, in one plain form.

With JavaScript the page's script sends the file by parts first, and the form brings the upload's id
instead of the file; without, it brings the file.
"""

from __future__ import annotations

import contextlib
import uuid

from django.contrib.auth.decorators import login_required
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from gas.annotate.engines import offered
from gas.api.problems import for_people
from gas.errors import GasError, InputError, TransientError
from gas.jobs import lifecycle, uploads
from gas.jobs.lifecycle import Conflict, TooLargeForPlan
from gas.jobs.models import Job, Upload
from gas.storage import CHUNK
from gas.storage.parts import UploadGone
from gas.web.forms import AnnotateForm
from gas.web.views import Request
from gas.web.views.subscribe import subscribe_url
from gas.wiring import Services, get_services


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def annotate(request: Request) -> HttpResponse:
    svc = get_services()
    form = _form(request, svc)
    if request.method == "POST" and form.is_valid():
        try:
            job = _sent_before(request, form) or submit_form(svc, request, form)
            return redirect("job-detail", job.pk)
        except Conflict:  # the other half of a double click was quicker
            if (same := _sent_before(request, form)) is None:
                raise
            return redirect("job-detail", same.pk)
        except GasError as error:
            return _page(request, svc, form, error)
    return _page(request, svc, form)


def _sent_before(request: Request, form: AnnotateForm) -> Job | None:
    """The job that this very display of the form has made already."""
    if form.once_key is None:
        return None
    return Job.objects.of(request.user).filter(idempotency_key=form.once_key).first()


def submit_form(svc: Services, request: Request, form: AnnotateForm) -> Job:
    """The way of any client: create, send, complete, submit. Raises GasError."""
    file = form.chosen_file
    upload = _received(svc, request, file) if file else _find(svc, request, form.upload_id)
    upload = uploads.complete(svc, upload)
    return lifecycle.submit(
        svc,
        request.user,
        upload,
        reference=form.chosen("reference"),
        engine=form.chosen("engine"),
        idempotency_key=form.once_key,
    )


def _received(svc: Services, request: Request, file: UploadedFile[bytes]) -> Upload:
    upload = uploads.create(svc, request.user, file.name or "", file.size or 0)
    try:
        uploads.receive(svc, upload, file.chunks(CHUNK))
    except GasError:
        with contextlib.suppress(TransientError):  # then it expires
            uploads.remove(svc, upload.pk)  # who tries again sends another
        raise
    return upload


def _find(svc: Services, request: Request, upload_id: uuid.UUID | None) -> Upload:
    upload = upload_id and uploads.find(svc, request.user, upload_id)
    if not upload:
        raise UploadGone("This upload is over.", hint="Choose the file again.")
    return upload


def _form(request: Request, svc: Services) -> AnnotateForm:
    engines = [*offered(), *svc.settings.extra_engines]
    if request.method == "POST":
        return AnnotateForm(svc, engines, svc.list_packs(), data=request.POST, files=request.FILES)
    return AnnotateForm(svc, engines, svc.list_packs(), initial={"once": uuid.uuid4()})


def _page(
    request: Request, svc: Services, form: AnnotateForm, error: GasError | None = None
) -> HttpResponse:
    too_large = isinstance(error, TooLargeForPlan)
    size = form.chosen_file.size if form.is_bound and form.chosen_file else None
    facts = {
        "form": form,
        "error": error and for_people(error),
        "packs": svc.list_packs(),
        "settings": svc.settings,
        "plans_url": subscribe_url(size or 0) if too_large else "",
    }
    status = _status(error) if error else 400 if form.is_bound else 200
    return render(request, "pages/annotate.html", facts, status=status)


def _status(error: GasError) -> int:
    if isinstance(error, TooLargeForPlan):
        return 413
    if isinstance(error, InputError):
        return 422
    return 400 if error.permanent else 503
