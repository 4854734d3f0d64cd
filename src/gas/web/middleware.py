"""What happens around every request: its number, its line in the log, the cap on its body."""

from __future__ import annotations

import errno
import re
import time
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import structlog
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.http.response import HttpResponseBase
from django.urls import Resolver404, resolve, reverse

from gas.accounts.models import User
from gas.accounts.plans import get_plan
from gas.api.problems import for_people
from gas.config import get_settings
from gas.errors import TransientError
from gas.jobs.lifecycle import TooLargeForPlan, check_size
from gas.logs import get_logger
from gas.telemetry import traces
from gas.web.errors import TEXTS, Text, error_page
from gas.web.views.subscribe import subscribe_url
from gas.wiring import PARTS_PATH, get_services

log = get_logger("gas.web.access")

GetResponse = Callable[[HttpRequest], HttpResponseBase]

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}", re.ASCII)
#: What a form may weigh beside the file that it carries.
FORM_OVERHEAD_BYTES = 16 * 1024
#: Every form but the one that uploads.
FORM_MAX_BYTES = 1024 * 1024
#: What monitors ask for.
_MONITORED = frozenset({"/healthz", "/readyz", "/metrics"})
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT}


class RequestContext:
    """Gives each request a number (header X-Request-ID, every log line) and one access log line.

    The line names the route and never the address: addresses may hold secrets.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        number = _number_of(request)
        request.request_id = number  # type: ignore[attr-defined]
        with structlog.contextvars.bound_contextvars(request_id=number), _span(request, number):
            response = self._answer(request)
        response["X-Request-ID"] = number
        _keep_private(request, response)
        return response

    def _answer(self, request: HttpRequest) -> HttpResponseBase:
        start = time.perf_counter()
        response = self.get_response(request)
        method, route = _short_method(request), _route_of(request)
        seconds = time.perf_counter() - start
        log.info(
            "request",
            method=method,
            route=route,
            status=response.status_code,
            ms=round(seconds * 1000, 1),
            user=_user_id_of(request),
        )
        traces.describe(f"{method} /{route}", route=f"/{route}", status=response.status_code)
        if get_settings().metrics_token is not None:
            from gas.telemetry import http_times  # prometheus_client: only where it is used

            http_times.observe(method, route, response.status_code, seconds)
        return response

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponseBase | None:
        """A part that does not answer just now is no defect of ours: the page says to come back."""
        if not isinstance(error, TransientError):
            return None
        log.warning("a part does not answer", why=str(for_people(error)), exc_info=True)
        return error_page(request, 503)


def _span(request: HttpRequest, number: str) -> AbstractContextManager[object]:
    """Monitors ask all day: what they ask is not traced. Whose trace a request belongs to is
    believed of a trusted proxy alone."""
    if request.path_info in _MONITORED:
        return nullcontext()
    given = request.headers.get("traceparent", "") if get_settings().trust_proxy else ""
    return traces.span("request", parent=given, kind="server", request_id=number)


def _number_of(request: HttpRequest) -> str:
    """A proxy's number is taken over where the proxy is trusted."""
    given = request.headers.get("X-Request-ID", "")
    if get_settings().trust_proxy and _REQUEST_ID.fullmatch(given):
        return given
    return uuid.uuid4().hex


def _short_method(request: HttpRequest) -> str:
    return (request.method or "")[:10]


def _route_of(request: HttpRequest) -> str | None:
    return request.resolver_match.route if request.resolver_match else None


def _user_of(request: HttpRequest) -> User | None:
    """Who is known by now to have asked; asks nothing of the database."""
    for known in (getattr(request, "auth", None), getattr(request, "_cached_user", None)):
        if isinstance(known, User):
            return known
    return None


def _user_id_of(request: HttpRequest) -> str | None:
    user = _user_of(request)
    return str(user.pk) if user else None


def _keep_private(request: HttpRequest, response: HttpResponseBase) -> None:
    """No cache on the way keeps what was made for one person."""
    if _user_of(request) is not None and not response.has_header("Cache-Control"):
        response["Cache-Control"] = "private, no-cache"


class UploadCap:
    """Refuses a body by its announced size, before any of it is read.

    Placed in front of the CSRF check, which parses the whole form. The API reads its own bodies,
    and parts of uploads have their size in their address.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self._refusal(request) or self.get_response(request)

    def _refusal(self, request: HttpRequest) -> HttpResponseBase | None:
        if request.method in ("GET", "HEAD", "OPTIONS", "TRACE"):
            return None
        if request.path_info.startswith("/api/") or request.path_info == PARTS_PATH:
            return None
        size = _announced_bytes(request)
        if size is None:
            return error_page(request, 411)
        if not _is_upload(request):
            return error_page(request, 413) if size > FORM_MAX_BYTES else None
        if not isinstance(request.user, User):
            return redirect_to_login(reverse("annotate"))
        return _over_cap(request, request.user, size) or _received(request)


def _announced_bytes(request: HttpRequest) -> int | None:
    """The body's size by Content-Length; None where a body comes without one."""
    text = request.META.get("CONTENT_LENGTH") or ""
    if text.isascii() and text.isdigit():
        return int(text)
    return None if text or request.META.get("HTTP_TRANSFER_ENCODING") else 0


def _is_upload(request: HttpRequest) -> bool:
    try:
        return resolve(request.path_info).url_name == "annotate"
    except Resolver404:
        return False


def _over_cap(request: HttpRequest, user: User, size: int) -> HttpResponse | None:
    svc = get_services()
    try:
        check_size(svc, user, size - FORM_OVERHEAD_BYTES)
    except TooLargeForPlan as error:
        # The request is larger than its file: name the cap, not a size that nobody chose.
        plan = get_plan(user.plan, svc.settings)
        allowed = (
            f"The {plan.title.lower()} plan takes files up to {plan.max_upload_bytes:,} bytes."
        )
        text = Text("This file is too large", allowed, error.hint, subscribe_url(size))
        return error_page(request, 413, text)
    return None


def _received(request: HttpRequest) -> HttpResponse | None:
    """Parse the form here, so that a full disk is told as what it is."""
    try:
        _ = request.POST
    except RequestDataTooBig:
        return error_page(request, 413)
    except UnreadablePostError:
        pass  # whoever sent it is gone
    except OSError as error:
        if error.errno in _NO_ROOM:
            full = Text(TEXTS[503].title, "The disk is full.", TEXTS[503].todo)
            return error_page(request, 503, full)
        raise
    return None
