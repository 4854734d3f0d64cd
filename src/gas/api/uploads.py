"""Uploads: announce, PUT the parts, complete."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

from django.http import Http404, HttpRequest, UnreadablePostError
from ninja import Router, Status

from gas.api.auth import user_of
from gas.api.schemas import NewUpload, UploadOut, upload_out
from gas.errors import GasError
from gas.jobs import uploads
from gas.jobs.models import Upload
from gas.storage import CHUNK, ObjectTooLarge
from gas.wiring import get_services

router = Router(tags=["uploads"])


class LengthRequired(GasError):
    """The request does not say how long it is. Send a Content-Length."""

    code = "length-required"


class CutOff(GasError):
    """The connection broke before all bytes came. Send the part again."""

    code = "cut-off"


def _find(request: HttpRequest, upload_id: UUID) -> Upload:
    upload = uploads.find(get_services(), user_of(request), upload_id)
    if upload is None:
        raise Http404
    return upload


@router.post("", response={201: UploadOut}, summary="Announce a file")
def create_upload(request: HttpRequest, new: NewUpload) -> Status[UploadOut]:
    """Answers where to PUT its parts. A file over the plan's cap is refused with 413."""
    upload = uploads.create(get_services(), user_of(request), new.filename, new.size_bytes)
    return Status(201, upload_out(request, upload))


@router.get("/{uuid:upload_id}", response=UploadOut, summary="Look at an upload")
def get_upload(request: HttpRequest, upload_id: UUID) -> UploadOut:
    return upload_out(request, _find(request, upload_id))


@router.put(
    "/{uuid:upload_id}/parts/{int:number}",
    response={204: None},
    url_name="put_part",
    summary="Send the bytes",
)
def put_part(request: HttpRequest, upload_id: UUID, number: int) -> Status[None]:
    """The body is the part's bytes as they are, with a Content-Length. May be repeated."""
    upload = _find(request, upload_id)
    if number != 1:
        raise Http404
    length = request.META.get("CONTENT_LENGTH") or ""
    if not length.isdigit():
        raise LengthRequired
    if int(length) > upload.declared_bytes:
        raise ObjectTooLarge(
            f"{int(length):,} bytes come, {upload.declared_bytes:,} were announced."
        )
    uploads.receive(get_services(), upload, _pieces(request))
    return Status(204, None)


@router.post("/{uuid:upload_id}/complete", response=UploadOut, summary="All parts are sent")
def complete_upload(request: HttpRequest, upload_id: UUID) -> UploadOut:
    upload = uploads.complete(get_services(), _find(request, upload_id))
    return upload_out(request, upload)


def _pieces(request: HttpRequest) -> Iterator[bytes]:
    try:
        while piece := request.read(CHUNK):
            yield piece
    except UnreadablePostError as error:
        raise CutOff from error
