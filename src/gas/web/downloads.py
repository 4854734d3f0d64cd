"""What of a job can be downloaded, and under which name. Used by the pages and by the API."""

from __future__ import annotations

import re
from datetime import UTC
from typing import Any

from django.http import Http404, HttpRequest, HttpResponseBase, HttpResponseRedirect

from gas.errors import GasError
from gas.jobs.models import Job
from gas.jobs.states import ResultState, Status
from gas.storage import ObjectMissing
from gas.web.ranges import file_response
from gas.wiring import Services

_VCF_ENDING = re.compile(r"\.vcf(\.b?gz)?$", re.IGNORECASE)
_TYPES = {
    ".gz": "application/gzip",
    ".json": "application/json",
    ".tsv": "text/tab-separated-values; charset=utf-8",
    ".vcf": "text/plain; charset=utf-8",
}


class NotAtHand(GasError):
    """This result is not at hand now."""

    code = "not-at-hand"


def stem(filename: str) -> str:
    """``filename`` without the ending of a VCF file."""
    return _VCF_ENDING.sub("", filename) or "job"


def result_name(job: Job, name: str) -> str:
    """The name under which the result file ``name`` is offered: it starts like the input's."""
    return f"{stem(job.filename)}.{name}"


def content_type(name: str) -> str:
    """By ending; what a browser might run (HTML, SVG, scripts) is never among them."""
    return _TYPES.get(name[name.rfind(".") :].lower(), "application/octet-stream")


def result_files(job: Job) -> list[dict[str, Any]]:
    """The files of a result that is at hand, as ``Job.result_files`` keeps them; else none."""
    return list(job.result_files) if job.at_hand else []


def check_at_hand(job: Job) -> None:
    """Raises NotAtHand where there is a result and it is in the cold, saying what to do."""
    if job.status != Status.COMPLETED or job.at_hand:
        return
    if job.result_state == ResultState.THAWING:
        ready = job.thaw_ready_at
        about = f", ready about {ready.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if ready else ""
        raise NotAtHand(f"This result is being restored from cold storage{about}.")
    raise NotAtHand("This result is in cold storage.", hint="The premium plan gets it back.")


def input_response(request: HttpRequest, svc: Services, job: Job) -> HttpResponseBase:
    """The input as it was uploaded, or where it can be fetched. Raises Http404 where the store has
    it no longer."""
    return _response(request, svc, job.input_key, job.filename, job.input_bytes, job.input_sha256)


def result_response(request: HttpRequest, svc: Services, job: Job, name: str) -> HttpResponseBase:
    """The result file ``name``, or where it can be fetched. Raises Http404 where the job has no
    file of that name, NotAtHand."""
    if name in {file["name"] for file in job.result_files}:
        check_at_hand(job)
    for file in result_files(job):
        if file["name"] == name:
            key = job.result_key(name)
            shown = result_name(job, name)
            return _response(request, svc, key, shown, file["size_bytes"], file["sha256"])
    raise Http404


def _response(
    request: HttpRequest, svc: Services, key: str, filename: str, size: int, sha256: str
) -> HttpResponseBase:
    kind = content_type(filename)
    if request.method == "GET" and "If-None-Match" not in request.headers:
        url = svc.storage.sign_get(key, filename, kind, svc.settings.signed_url_s)
        if url is not None:
            return _elsewhere(url)
    try:
        return file_response(
            request,
            svc.storage,
            key,
            filename=filename,
            content_type=kind,
            size=size,
            sha256=sha256,
        )
    except ObjectMissing as error:
        raise Http404 from error


def _elsewhere(url: str) -> HttpResponseBase:
    """To an address that is good for minutes: whoever comes later asks here again."""
    response = HttpResponseRedirect(url)
    response["Cache-Control"] = "private, no-store"
    return response
