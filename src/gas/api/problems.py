"""Errors as ``application/problem+json`` (RFC 9457), with a sentence that helps."""

from __future__ import annotations

import json
import logging
from http import HTTPStatus
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError

from gas.errors import GasError, NeedsOperator
from gas.logs import alarm_operator

log = logging.getLogger(__name__)

STATUS_OF = {
    "too-large": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "conflict": HTTPStatus.CONFLICT,
    "not-submittable": HTTPStatus.CONFLICT,
    "object-missing": HTTPStatus.CONFLICT,
    "length-required": HTTPStatus.LENGTH_REQUIRED,
    "cut-off": HTTPStatus.BAD_REQUEST,
    "parts-missing": HTTPStatus.CONFLICT,
    "not-at-hand": HTTPStatus.CONFLICT,
    "upload-gone": HTTPStatus.GONE,
    "no-such-part": HTTPStatus.NOT_FOUND,
    "too-many-uploads": HTTPStatus.TOO_MANY_REQUESTS,
    "address-refused": HTTPStatus.FORBIDDEN,
}
RETRY_AFTER_S = "10"


def problem(status: int, detail: str, *, code: str, **more: Any) -> HttpResponse:
    """One answer; ``more`` are further members, left out where they are empty."""
    body = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": int(status),
        "detail": detail,
        "code": code,
        **{key: value for key, value in more.items() if value not in (None, "")},
    }
    answer = HttpResponse(json.dumps(body), status=status, content_type="application/problem+json")
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        answer["Retry-After"] = RETRY_AFTER_S
    return answer


def status_of(error: GasError) -> int:
    """The HTTP status that fits ``error``."""
    if not error.permanent:
        return HTTPStatus.SERVICE_UNAVAILABLE
    return STATUS_OF.get(error.code, HTTPStatus.UNPROCESSABLE_ENTITY)


def for_people(error: GasError) -> GasError:
    """``error`` as whoever asked may read it: what an operator has to mend may name hosts, buckets
    and keys, so that goes to the log."""
    if not isinstance(error, NeedsOperator):
        return error
    alarm_operator(error)
    return NeedsOperator()


def problem_of(error: GasError) -> HttpResponse:
    """The answer that tells ``error``."""
    error = for_people(error)
    return problem(
        status_of(error),
        error.message,
        code=error.code,
        hint=error.hint,
        line=error.line,
        column=error.column,
    )


def _gas_error(request: HttpRequest, error: GasError) -> HttpResponse:
    return problem_of(error)


def _validation(request: HttpRequest, error: ValidationError) -> HttpResponse:
    fields = [
        {"field": ".".join(str(part) for part in item["loc"][1:]), "message": item["msg"]}
        for item in error.errors
    ]
    detail = "; ".join(f"{item['field']}: {item['message']}" for item in fields)
    return problem(422, f"The request is not as it should be: {detail}.", code="bad-request",
                   fields=fields)  # fmt: skip


def _not_signed_in(request: HttpRequest, error: AuthenticationError) -> HttpResponse:
    answer = problem(
        401,
        "No valid API token came with this request.",
        code="not-signed-in",
        hint="Make one on your profile page; send it as `Authorization: Bearer <token>`.",
    )
    answer["WWW-Authenticate"] = "Bearer"
    return answer


def _not_found(request: HttpRequest, error: Http404) -> HttpResponse:
    return problem(404, "There is nothing here.", code="not-found")


def _http(request: HttpRequest, error: HttpError) -> HttpResponse:
    return problem(error.status_code, str(error), code="bad-request")


def _defect(request: HttpRequest, error: Exception) -> HttpResponse:
    log.exception("a request broke")
    return problem(500, "GAS itself made an error. It is in the operator's log.", code="internal")


def install(api: NinjaAPI) -> None:
    """Have ``api`` answer every error in this way."""
    handlers: dict[type[Exception], Any] = {
        GasError: _gas_error,
        ValidationError: _validation,
        AuthenticationError: _not_signed_in,
        Http404: _not_found,
        HttpError: _http,
        Exception: _defect,
    }
    for kind, handler in handlers.items():
        api.add_exception_handler(kind, handler)
