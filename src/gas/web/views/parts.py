"""Takes parts of uploads by addresses that GAS signed, where the store has none of its own."""

from __future__ import annotations

from collections.abc import Iterator

from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from gas.api.problems import problem_of
from gas.errors import GasError
from gas.storage import CHUNK
from gas.wiring import get_services


class CutOff(GasError):
    """The connection broke before all bytes came. Send the part again."""

    code = "cut-off"


class LengthRequired(GasError):
    """The request does not say how long it is. Send a Content-Length."""

    code = "length-required"


@csrf_exempt  # the address itself is the permission; no cookie counts here
@never_cache
@require_http_methods(["PUT"])
def receive_part(request: HttpRequest) -> HttpResponse:
    """The body goes to disk as it comes, and no further than the size that was signed."""
    try:
        if not (request.META.get("CONTENT_LENGTH") or "").isdigit():
            raise LengthRequired
        get_services().parts.receive(request.get_full_path(), _pieces(request))
    except GasError as error:
        return problem_of(error)
    return HttpResponse(status=204)


def _pieces(request: HttpRequest) -> Iterator[bytes]:
    try:
        while piece := request.read(CHUNK):
            yield piece
    except UnreadablePostError as error:
        raise CutOff from error
