"""Jobs: submit, watch, cancel, download."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.urls import reverse
from ninja import Header, Query, Router, Status

from gas.api.auth import user_of
from gas.api.schemas import FindingsOut, JobOut, JobPage, NewJob, job_out
from gas.jobs import erase, lifecycle, states, uploads
from gas.jobs.models import Job
from gas.web import downloads, findings
from gas.web.views.logs import log_text
from gas.wiring import get_services

router = Router(tags=["jobs"])


def _find(request: HttpRequest, job_id: UUID) -> Job:
    job = Job.objects.of(user_of(request)).filter(pk=job_id).first()
    if job is None:
        raise Http404
    return job


@router.post("", response={200: JobOut, 201: JobOut}, summary="Annotate an upload")
def submit_job(
    request: HttpRequest,
    new: NewJob,
    idempotency_key: Annotated[str | None, Header(max_length=200)] = None,
) -> Status[JobOut]:
    """201 with the new job. A repeated request (same upload or same `Idempotency-Key`) makes no
    second one: 200 with the job that is there."""
    svc, user = get_services(), user_of(request)
    upload = uploads.find(svc, user, new.upload_id)
    if upload is None:
        raise Http404
    known = Job.objects.filter(owner=user, upload=upload).exists()
    job = lifecycle.submit(
        svc,
        user,
        upload,
        reference=new.reference,
        engine=new.engine,
        idempotency_key=idempotency_key,
    )
    return Status(200 if known else 201, job_out(request, job))


@router.get("", response=JobPage, summary="List your jobs, newest first")
def list_jobs(
    request: HttpRequest,
    status: states.Status | None = None,
    result_state: states.ResultState | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    after: UUID | None = None,
) -> JobPage:
    """`next` is the address of the following page; `after` is the last job of the one before."""
    jobs = Job.objects.of(user_of(request))
    if status is not None:
        jobs = jobs.filter(status=status)
    if result_state is not None:
        jobs = jobs.filter(result_state=result_state)
    if after is not None:
        last = _find(request, after)
        older = Q(submitted_at__lt=last.submitted_at)
        jobs = jobs.filter(older | Q(submitted_at=last.submitted_at, pk__lt=last.pk))
    found = list(jobs[: limit + 1])
    link = None
    if len(found) > limit:
        query = request.GET.copy()
        query["after"] = str(found[limit - 1].pk)
        link = request.build_absolute_uri(f"{reverse('api:list_jobs')}?{query.urlencode()}")
    return JobPage(items=[job_out(request, job) for job in found[:limit]], next=link)


@router.get("/{uuid:job_id}", response=JobOut, summary="Look at a job")
def get_job(request: HttpRequest, job_id: UUID) -> JobOut:
    return job_out(request, _find(request, job_id))


@router.post("/{uuid:job_id}/cancel", response=JobOut, summary="Cancel a job")
def cancel_job(request: HttpRequest, job_id: UUID) -> JobOut:
    """A job that is over stays as it is (409)."""
    job = _find(request, job_id)
    if not lifecycle.cancel(get_services(), job):
        raise lifecycle.Conflict("This job is over already.")
    job.refresh_from_db()
    return job_out(request, job)


@router.delete("/{uuid:job_id}", response={202: None}, summary="Delete a job")
def delete_job(request: HttpRequest, job_id: UUID) -> Status[None]:
    """Gone at once for you; its input, results and archived copies are removed within minutes. A
    running job is cancelled first. There is no way back."""
    erase.ask_erase(get_services(), _find(request, job_id))
    return Status(202, None)


@router.get("/{uuid:job_id}/log", url_name="job_log", summary="The job's log, as text")
def job_log(request: HttpRequest, job_id: UUID) -> HttpResponse:
    text = log_text(_find(request, job_id))
    return HttpResponse(text, content_type="text/plain; charset=utf-8")


@router.get("/{uuid:job_id}/findings", response=FindingsOut, summary="What was found in the input")
def job_findings(request: HttpRequest, job_id: UUID) -> FindingsOut:
    """Of a completed job; 404 for any other, 409 says where its result is if not at hand. At most
    1,000 findings, 20 of one rule: `counts` has the number of each rule's, `unlisted` of those
    left out."""
    values = findings.read(get_services(), _find(request, job_id))
    if values is None:
        raise Http404
    return FindingsOut(**values)


@router.get("/{uuid:job_id}/input", url_name="job_input", summary="What was uploaded")
def job_input(request: HttpRequest, job_id: UUID) -> HttpResponseBase:
    return downloads.input_response(request, get_services(), _find(request, job_id))


@router.get("/{uuid:job_id}/files/{str:name}", url_name="job_file", summary="A result file")
def job_file(request: HttpRequest, job_id: UUID, name: str) -> HttpResponseBase:
    """Honours `Range`; the ETag is the file's SHA-256. Where results lie in S3: 302 to an address
    there, good for minutes. 409 says where the result is if not at hand."""
    return downloads.result_response(request, get_services(), _find(request, job_id), name)
