"""Where payment providers speak to GAS: their messages, and the `test` provider's own page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST

from gas.billing import BadWebhook, NotForSale, Webhook, apply, price_of
from gas.billing.models import Customer
from gas.billing.subscribe import membership_of
from gas.billing.test import Deed, TestProvider
from gas.errors import GasError
from gas.logs import get_logger
from gas.web.views import Request
from gas.wiring import Services, get_services

if TYPE_CHECKING:
    from django.http.response import HttpResponseBase

log = get_logger(__name__)

#: Providers' messages are a few kilobytes.
MAX_WEBHOOK_BYTES = 256 * 1024
RETRY_AFTER_S = "60"


@csrf_exempt
@never_cache
@require_POST
def webhook(request: HttpRequest) -> HttpResponseBase:
    """200 once all that follows from the message is committed. Anything else has the provider send
    it again: 400 where it is not the provider's, 503 where GAS cannot apply it now."""
    if int(request.META.get("CONTENT_LENGTH") or 0) > MAX_WEBHOOK_BYTES:
        return _said(413, "too large")
    headers = {name.lower(): value for name, value in request.headers.items()}
    try:
        outcome = apply.receive(get_services(), Webhook(request.body, headers))
    except BadWebhook:
        log.warning("a message that is not the payment provider's")
        return _said(400, "not signed as it should be, or too old")
    except NotForSale:
        return _said(404, "nothing is sold here")
    except GasError as error:
        log.warning("a message of the payment provider waits", why=str(error))
        answer = _said(503, "not now")
        answer["Retry-After"] = RETRY_AFTER_S
        return answer
    return _said(200, outcome.value)


def _said(status: int, text: str) -> HttpResponse:
    return HttpResponse(text + "\n", status=status, content_type="text/plain")


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def test_page(request: Request) -> HttpResponse:
    """The `test` provider's checkout and portal. 404 where another provider is in use."""
    svc = get_services()
    provider = svc.billing
    if not isinstance(provider, TestProvider):
        raise Http404
    customer = Customer.objects.filter(user=request.user, provider=provider.name).first()
    if customer is None or customer.provider_id is None:
        return redirect("subscribe")
    if request.method == "POST":
        return _act(svc, provider, customer.provider_id, request.POST.get("deed", ""))
    facts = {"membership": membership_of(svc, request.user), "price": price_of(svc.settings)}
    return render(request, "pages/subscribe_test.html", facts)


def _act(svc: Services, provider: TestProvider, customer_id: str, deed: str) -> HttpResponse:
    if deed not in list(Deed):
        return redirect("subscribe-test")
    apply.receive(svc, provider.act(customer_id, Deed(deed)))
    return redirect("subscribe-done" if deed == Deed.SUBSCRIBE else "profile")
