"""Plans side by side, the way to the payment page and back from it."""

from __future__ import annotations

from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from gas.accounts.plans import FREE, PREMIUM, get_plan
from gas.billing import Subscribed, Urls, price_of
from gas.billing import subscribe as subscribing
from gas.errors import GasError
from gas.jobs.models import Job
from gas.jobs.states import ResultState
from gas.web.views import Request, is_htmx, sign_in_first
from gas.wiring import Services, get_services

#: The confirmation page asks so often whether the provider's message has come, and says after so
#: many times that it may take longer.
POLL_S = 2
PATIENCE = 30
_MOST_DIGITS = 15


def subscribe_url(size_bytes: int) -> str:
    """Where who chose a file of ``size_bytes`` is told what plans there are."""
    return f"{reverse('subscribe')}?{urlencode({'size': size_bytes})}"


@require_safe
@login_required
def subscribe(request: Request) -> HttpResponse:
    return _page(request, get_services())


@require_POST
@login_required
def start(request: Request) -> HttpResponse:
    """To the provider's page; it brings people back to ``done``, or here."""
    svc = get_services()
    base = svc.settings.public_url
    urls = Urls(done=base + reverse("subscribe-done"), back=base + reverse("subscribe"))
    try:
        return redirect(subscribing.start(svc, request.user, urls))
    except Subscribed:
        return redirect("profile")
    except GasError as error:
        return _page(request, svc, error)


@require_POST
@login_required
def portal(request: Request) -> HttpResponse:
    """To the provider's page where a card is changed and a subscription cancelled."""
    svc = get_services()
    try:
        return_url = svc.settings.public_url + reverse("profile")
        return redirect(subscribing.portal(svc, request.user, return_url))
    except GasError as error:
        return _page(request, svc, error)


def _page(request: Request, svc: Services, error: GasError | None = None) -> HttpResponse:
    facts = {
        "free": get_plan(FREE, svc.settings),
        "premium": get_plan(PREMIUM, svc.settings),
        "price": price_of(svc.settings),
        "membership": subscribing.membership_of(svc, request.user),
        "size_bytes": _size_of(request),
        "error": error,
    }
    status = 200 if error is None else 409 if error.permanent else 503
    return render(request, "pages/subscribe.html", facts, status=status)


def _size_of(request: HttpRequest) -> int | None:
    text = request.GET.get("size", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS else None


@never_cache
@require_safe
@login_required
def done(request: Request) -> HttpResponse:
    return render(request, "pages/subscribe_done.html", _progress(request))


@never_cache
@require_safe
def done_status(request: HttpRequest) -> HttpResponse:
    """The part of that page that changes, for htmx."""
    if to_login := sign_in_first(request, reverse("subscribe-done")):
        return to_login
    if not is_htmx(request):
        return redirect("subscribe-done")
    return render(request, "pages/_subscribe_done.html", _progress(request))  # type: ignore[arg-type]


def _progress(request: Request) -> dict[str, object]:
    svc = get_services()
    membership = subscribing.membership_of(svc, request.user)
    asked = _asked(request)
    has_come = membership.is_live
    returning = (ResultState.ARCHIVED, ResultState.ARCHIVING, ResultState.THAWING)
    return {
        "membership": membership,
        "has_come": has_come,
        "returning": Job.objects.of(request.user).filter(result_state__in=returning).count(),
        "asked": asked + 1,
        "is_late": asked >= PATIENCE,
        "poll_s": None if has_come or not membership.is_waiting else POLL_S * (1 + asked // 10),
    }


def _asked(request: HttpRequest) -> int:
    """How often the page has asked before."""
    text = request.GET.get("asked", "")
    return min(int(text), 1000) if text.isascii() and text.isdigit() and len(text) < 5 else 0
