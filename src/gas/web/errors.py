"""Error pages, all in the site's look. They tell what to do next, and nothing about the inside."""

from __future__ import annotations

from typing import NamedTuple

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string

from gas.api.problems import problem
from gas.web.context import bare


class Text(NamedTuple):
    """What an error page says: a title, what happened, what to do; and where the plans are, if
    another would help."""

    title: str
    happened: str
    todo: str
    plans_url: str = ""


TEXTS = {
    400: Text(
        "This request cannot be understood",
        "The browser sent something that GAS does not expect here.",
        "Go back, reload the page and try again.",
    ),
    403: Text(
        "This is not allowed",
        "Your account may not do this.",
        "Sign in with another account, or ask the operator of this service.",
    ),
    404: Text(
        "There is no such page",
        "The address leads nowhere, or to something that is not yours.",
        "Check the address, or start from your jobs.",
    ),
    405: Text(
        "This cannot be done here",
        "The address exists, but not for this kind of request.",
        "Use the buttons and links of the pages.",
    ),
    411: Text(
        "The size of this upload is unknown",
        "The request does not say how many bytes it carries (Content-Length).",
        "Upload with a browser, or with `gas submit`.",
    ),
    413: Text(
        "This is too large",
        "The request carries more bytes than this page takes.",
        "Go back and send less.",
    ),
    500: Text(
        "GAS made an error",
        "It is not your fault. What you uploaded and submitted is kept.",
        "Try again in a minute. If it stays, tell the operator the request's number below.",
    ),
    503: Text(
        "GAS cannot do this just now",
        "A part of the service does not answer.",
        "Nothing is lost. Try again in a minute.",
    ),
}

#: The API's words for them.
CODES = {403: "forbidden", 404: "not-found", 500: "internal"}

CSRF = Text(
    "This form has expired",
    "It was open for too long, or was sent from somewhere else.",
    "Go back, reload the page and send it again. Cookies must be allowed.",
)


def error_page(request: HttpRequest, status: int, text: Text | None = None) -> HttpResponse:
    """The page for ``status``; below /api/ the same as problem+json (RFC 9457)."""
    text = text or TEXTS[status]
    if request.path_info.startswith("/api/"):
        return _problem(status, text)
    return render(request, "errors/page.html", {"status": status, "text": text}, status=status)


def _problem(status: int, text: Text) -> HttpResponse:
    return problem(status, f"{text.happened} {text.todo}", code=CODES.get(status, "bad-request"))


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return error_page(request, 400)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    return error_page(request, 403)


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return error_page(request, 404)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """``reason`` is Django's, for developers; it is not shown."""
    return error_page(request, 403, CSRF)


def server_error(request: HttpRequest) -> HttpResponse:
    """Needs neither session nor database: they may be what is broken."""
    if request.path_info.startswith("/api/"):
        return _problem(500, TEXTS[500])
    facts = {
        **bare(),
        "status": 500,
        "text": TEXTS[500],
        "request_id": getattr(request, "request_id", ""),
    }
    return HttpResponse(render_to_string("errors/bare.html", facts), status=500)
