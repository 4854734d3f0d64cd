"""Sending stored objects, whole or in part (RFC 9110, sections 13 and 14).

One range per request is served; of several, or of anything that is no byte range, the whole object
is sent, as the standard allows. The ETag is the object's SHA-256.
"""

from __future__ import annotations

import re

from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.utils.http import content_disposition_header, parse_etags

from gas.storage import Storage

_ONE_RANGE = re.compile(r"bytes=\s*(\d{0,18})-(\d{0,18})\s*", re.ASCII | re.IGNORECASE)


class Unsatisfiable(Exception):
    """The range lies behind the end."""


def parse_range(header: str, size: int) -> tuple[int, int] | None:
    """``header`` (of a Range header) as (start0, end0), 0-based and half-open, cut at ``size``.

    None: to be ignored, the whole object is sent. Raises Unsatisfiable.
    """
    match = _ONE_RANGE.fullmatch(header)
    if match is None or match.groups() == ("", ""):
        return None
    first, last = match.groups()
    if first == "":
        start0, end0 = max(0, size - int(last)), size
        if last.strip("0") == "":
            raise Unsatisfiable
    else:
        start0, end0 = int(first), min(size, int(last) + 1) if last else size
        if last and int(last) < int(first):
            return None
    if start0 >= size:
        raise Unsatisfiable
    return start0, end0


def file_response(
    request: HttpRequest,
    storage: Storage,
    key: str,
    *,
    filename: str,
    content_type: str,
    size: int,
    sha256: str,
) -> HttpResponseBase:
    """The object ``key`` as a download called ``filename``; ``size`` in bytes.

    200, 206 for a range, 304 for who has it already, 416 for a range behind the end. Answers HEAD
    with the headers alone. Raises ObjectMissing before anything is sent.
    """
    etag = f'"{sha256}"'
    response: HttpResponseBase
    if _has_it_already(request, etag):
        response = HttpResponse(status=304)
    else:
        try:
            part = _asked_part(request, etag, size)
        except Unsatisfiable:
            response = HttpResponse(status=416, content_type="text/plain")
            response["Content-Range"] = f"bytes */{size}"
        else:
            response = _body(request, storage, key, part, size, content_type)
            response["Content-Disposition"] = content_disposition_header(True, filename) or ""
    response["ETag"] = etag
    response["Accept-Ranges"] = "bytes"
    response["Cache-Control"] = "private, no-cache"
    return response


def _has_it_already(request: HttpRequest, etag: str) -> bool:
    known = parse_etags(request.headers.get("If-None-Match", ""))
    return "*" in known or etag in {tag.removeprefix("W/") for tag in known}


def _asked_part(request: HttpRequest, etag: str, size: int) -> tuple[int, int] | None:
    header = request.headers.get("Range")
    if header is None or request.method not in ("GET", "HEAD"):
        return None
    # A range of an object that has changed since would not fit what the client holds.
    if request.headers.get("If-Range", etag).strip() != etag:
        return None
    return parse_range(header, size)


def _body(
    request: HttpRequest,
    storage: Storage,
    key: str,
    part: tuple[int, int] | None,
    size: int,
    content_type: str,
) -> HttpResponseBase:
    start0, end0 = part or (0, size)
    response: HttpResponseBase
    if request.method == "HEAD":
        storage.stat(key)
        response = HttpResponse(content_type=content_type)
    else:
        response = StreamingHttpResponse(storage.read(key, start0, end0), content_type=content_type)
    if part is not None:
        response.status_code = 206
        response["Content-Range"] = f"bytes {start0}-{end0 - 1}/{size}"
    response["Content-Length"] = str(end0 - start0)
    return response
