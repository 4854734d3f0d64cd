"""Uploads: announce, PUT the parts to the addresses that are signed for them, complete.

The pages' script uses them as well, by its page's session and CSRF token.
"""

from __future__ import annotations

from uuid import UUID

from django.http import Http404, HttpRequest
from ninja import Router, Status

from gas.api.auth import BearerToken, PageSession, user_of
from gas.api.schemas import (
    NewUpload,
    Part,
    PartNumbers,
    SignedPart,
    UploadOut,
    signed_out,
    upload_out,
)
from gas.jobs import uploads
from gas.jobs.lifecycle import NotSubmittable
from gas.jobs.models import Upload
from gas.wiring import get_services

router = Router(tags=["uploads"], auth=[BearerToken(), PageSession()])

#: Addresses that come with a new upload: enough for most files.
FIRST_PARTS = 8


def _find(request: HttpRequest, upload_id: UUID) -> Upload:
    upload = uploads.find(get_services(), user_of(request), upload_id)
    if upload is None:
        raise Http404
    return upload


@router.post("", response={201: UploadOut}, summary="Announce a file")
def create_upload(request: HttpRequest, new: NewUpload) -> Status[UploadOut]:
    """Answers where to PUT its first parts, so that a file of a few parts needs no more requests
    than these. A file over the plan's cap is refused with 413, one too many with 429."""
    svc = get_services()
    upload = uploads.create(svc, user_of(request), new.filename, new.size_bytes)
    uploads.begin_parts(svc, upload)
    first = range(1, min(FIRST_PARTS, upload.part_count) + 1)
    parts = [signed_out(request, part) for part in uploads.sign(svc, upload, first)]
    return Status(201, upload_out(upload, parts))


@router.get("", response=list[UploadOut], summary="List uploads that wait to be submitted")
def list_uploads(request: HttpRequest) -> list[UploadOut]:
    """The oldest first; no more than may wait at a time."""
    return [upload_out(one) for one in uploads.waiting(get_services(), user_of(request))]


@router.get("/{uuid:upload_id}", response=UploadOut, summary="Look at an upload")
def get_upload(request: HttpRequest, upload_id: UUID) -> UploadOut:
    return upload_out(_find(request, upload_id))


@router.delete("/{uuid:upload_id}", response={204: None}, summary="Give up an upload")
def delete_upload(request: HttpRequest, upload_id: UUID) -> Status[None]:
    """With all that came of it. One that a job was made of goes with the job (409)."""
    if not uploads.remove(get_services(), _find(request, upload_id).pk):
        raise NotSubmittable("A job was made of this upload: delete that.")
    return Status(204, None)


@router.post(
    "/{uuid:upload_id}/parts", response=list[SignedPart], summary="Sign addresses for parts"
)
def sign_parts(request: HttpRequest, upload_id: UUID, wanted: PartNumbers) -> list[SignedPart]:
    """PUT exactly the part's bytes to its address before that expires; anything but a 2xx means
    that the part did not come. A part may be sent again, and its address asked for again."""
    upload = _find(request, upload_id)
    signed = uploads.sign(get_services(), upload, wanted.numbers)
    return [signed_out(request, part) for part in signed]


@router.get("/{uuid:upload_id}/parts", response=list[Part], summary="List the parts that came")
def list_parts(request: HttpRequest, upload_id: UUID) -> list[Part]:
    """To go on where an upload broke off. Empty once it is complete."""
    parts = uploads.came(get_services(), _find(request, upload_id))
    return [Part(number=part.number, size_bytes=part.size_bytes) for part in parts]


@router.post("/{uuid:upload_id}/complete", response=UploadOut, summary="All parts are sent")
def complete_upload(request: HttpRequest, upload_id: UUID) -> UploadOut:
    """May be repeated. 409 names the first part that is missing. A file that its first lines
    already rule out is refused with 422, and is gone."""
    return upload_out(uploads.complete(get_services(), _find(request, upload_id)))
