"""Services that sell: with a Stripe on loopback, through the real library."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from pydantic import SecretStr

from gas import wiring
from gas.billing import Urls, subscribe
from gas.billing.models import Customer
from gas.billing.stripe import StripeProvider
from gas.config import Settings, get_settings
from gas.wiring import Services
from tests import stripe_stub
from tests.stripe_stub import StripeStub

URLS = Urls("https://gas.example/subscribe/done/", "https://gas.example/subscribe/")


@pytest.fixture
def stub() -> Iterator[StripeStub]:
    with stripe_stub.running() as stub:
        yield stub


def stripe_settings(stub: StripeStub, **more: object) -> Settings:
    return get_settings().model_copy(
        update={
            "billing": "stripe",
            "stripe_secret_key": SecretStr(stripe_stub.KEY),
            "stripe_webhook_secret": SecretStr(stripe_stub.WEBHOOK_SECRET),
            "stripe_api_base": stub.base,
            **more,
        }
    )


@pytest.fixture
def selling(svc: Services, stub: StripeStub, monkeypatch: pytest.MonkeyPatch) -> Services:
    """Services whose provider is Stripe. The pages use them too."""
    settings = stripe_settings(stub)
    services = replace(svc, settings=settings, billing=StripeProvider(settings))
    monkeypatch.setattr(wiring, "_services", services)
    return services


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No waits between the library's own tries."""
    import stripe

    monkeypatch.setattr(stripe.HTTPClient, "_sleep_time_seconds", lambda *_: 0.0)


@pytest.fixture
def begin(selling: Services) -> Callable[..., Customer]:
    """Begins a checkout for a user. The customer's ``checkout_url`` leads to it."""

    def begin(user: object) -> Customer:
        subscribe.start(selling, user, URLS)  # type: ignore[arg-type]
        return Customer.objects.get(user=user)

    return begin
