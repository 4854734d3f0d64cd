"""Beginning to subscribe, managing it, closing the account."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from procrastinate.contrib.django.models import ProcrastinateJob

from gas.accounts.models import User
from gas.audit.models import Action, AuditLine
from gas.billing import BillingError, NotForSale, Subscribed, apply, subscribe
from gas.billing.models import Customer
from gas.billing.stripe import StripeProvider
from gas.errors import TransientError
from gas.jobs import erase
from gas.wiring import Services
from tests.billing.conftest import URLS, stripe_settings
from tests.billing.test_apply import at_once, becomes, paid
from tests.fakes import FakeClock
from tests.stripe_stub import BROKEN, UNHEARD, Failure, StripeStub

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("quick")]
Begin = Callable[[User], Customer]


def creations(stub: StripeStub, path: str) -> list[tuple[dict[str, str], str]]:
    """What was sent to ``path``, with its idempotency key."""
    return [(p, key) for method, at, p, key in stub.requests if (method, at) == ("POST", path)]


def test_what_stripe_is_asked_for(selling: Services, stub: StripeStub, user: User) -> None:
    url = subscribe.start(selling, user, URLS)
    ((customer, customer_key),) = creations(stub, "/v1/customers")
    assert customer == {
        "email": "ada@example.org", "name": "Ada Lovelace", "metadata[gas_user]": str(user.pk),
    }  # fmt: skip
    ((session, session_key),) = creations(stub, "/v1/checkout/sessions")
    assert session == {
        "mode": "subscription",
        "customer": str(Customer.objects.get().provider_id),
        "success_url": URLS.done,
        "cancel_url": URLS.back,
        "line_items[0][quantity]": "1",
        "line_items[0][price_data][unit_amount]": "1900",
        "line_items[0][price_data][currency]": "usd",
        "line_items[0][price_data][recurring][interval]": "month",
        "line_items[0][price_data][product_data][name]": "GAS premium",
    }
    assert customer_key.startswith("gas-customer-")
    assert session_key.startswith("gas-checkout-")
    assert url.startswith(stub.base)


def test_a_price_of_the_operators(selling: Services, stub: StripeStub, user: User) -> None:
    settings = stripe_settings(stub, stripe_price_id="price_1")
    svc = replace(selling, settings=settings, billing=StripeProvider(settings))
    subscribe.start(svc, user, URLS)
    ((session, _),) = creations(stub, "/v1/checkout/sessions")
    assert session["line_items[0][price]"] == "price_1"
    assert not any("price_data" in name for name in session)


def test_two_windows_get_one_checkout(selling: Services, stub: StripeStub, user: User) -> None:
    urls = {subscribe.start(selling, user, URLS) for _ in range(3)}
    assert len(urls) == len(stub.sessions) == len(stub.customers) == 1


@pytest.mark.django_db(transaction=True)
def test_two_windows_at_once_get_one_checkout(
    selling: Services, stub: StripeStub, user: User
) -> None:
    urls = at_once([lambda: subscribe.start(selling, user, URLS)] * 4)
    assert len(set(urls)) == 1
    assert str(urls[0]).startswith(stub.base)
    assert len(stub.sessions) == len(stub.customers) == 1


def test_a_checkout_that_is_over_or_of_another_price_is_made_anew(
    selling: Services, stub: StripeStub, user: User, clock: FakeClock
) -> None:
    first = subscribe.start(selling, user, URLS)
    settings = stripe_settings(stub, premium_amount=2900)
    dearer = replace(selling, settings=settings, billing=StripeProvider(settings))
    second = subscribe.start(dearer, user, URLS)
    assert second != first
    Customer.objects.update(checkout_expires_at=clock())
    assert subscribe.start(dearer, user, URLS) not in (first, second)
    assert len(stub.customers) == 1


def test_who_subscribed_is_not_sold_a_second_one(
    selling: Services, stub: StripeStub, begin: Begin, user: User
) -> None:
    customer = begin(user)
    apply.receive(selling, paid(stub, customer))
    with pytest.raises(Subscribed):
        subscribe.start(selling, user, URLS)
    apply.receive(selling, becomes(stub, customer, "past_due", "invoice.payment_failed"))
    with pytest.raises(Subscribed):
        subscribe.start(selling, user, URLS)
    apply.receive(selling, becomes(stub, customer, "canceled", "customer.subscription.deleted"))
    again = subscribe.start(selling, user, URLS)
    assert stub.pay(again)["status"] == "active"


@pytest.mark.parametrize("lost", [1, 2, 3, 4])
@pytest.mark.parametrize("how", [BROKEN, UNHEARD])
def test_a_line_that_breaks_makes_nothing_twice(
    selling: Services, stub: StripeStub, user: User, lost: int, how: Failure
) -> None:
    """While the customer is made and while the checkout is made, before it was done and after."""
    stub.failures = [how] * lost
    for _ in range(3):
        try:
            subscribe.start(selling, user, URLS)
            break
        except TransientError:
            assert Customer.objects.get().checkout_url == ""
    assert len(stub.sessions) == len(stub.customers) == 1
    assert Customer.objects.get().provider_id in stub.customers


def test_an_error_is_not_repeated_for_a_day(
    selling: Services, stub: StripeStub, user: User
) -> None:
    """Stripe answers a key as it did before: after a refusal the next try needs another."""
    refusal = (400, {"error": {"type": "invalid_request_error", "code": "price_inactive"}})
    subscribe.start(selling, user, URLS)
    Customer.objects.update(checkout_url="", checkout_key="")
    stub.failures = [refusal]
    with pytest.raises(BillingError):
        subscribe.start(selling, user, URLS)
    subscribe.start(selling, user, URLS)
    keys = [key for _, key in creations(stub, "/v1/checkout/sessions")]
    assert len(set(keys)) == 3


def test_the_portal(
    selling: Services, stub: StripeStub, begin: Begin, user: User, clock: FakeClock
) -> None:
    with pytest.raises(BillingError):
        subscribe.portal(selling, user, URLS.back)
    customer = begin(user)
    apply.receive(selling, paid(stub, customer))
    url = subscribe.portal(selling, user, "https://gas.example/profile/")
    assert url.startswith(f"{stub.base}/portal/")
    assert stub.portals[0]["return_url"] == "https://gas.example/profile/"
    assert stub.portals[0]["customer"] == customer.provider_id
    becomes(stub, customer, "canceled", "never sent")
    clock.advance(121)
    apply.sweep(selling)
    user.refresh_from_db()
    assert user.plan == "free", "looked at soon after, though no event came"


def test_nothing_for_sale(svc: Services, user: User) -> None:
    none = replace(svc, billing=None)
    for deed in (
        lambda: subscribe.start(none, user, URLS),
        lambda: subscribe.portal(none, user, URLS.back),
    ):
        with pytest.raises(NotForSale):
            deed()
    assert not subscribe.membership_of(none, user).is_sold
    assert apply.sweep(none) == {"ended": 0, "customers": 0, "events": 0}


# -- closing the account -------------------------------------------------------------------------


def test_a_closed_account_pays_no_more(
    selling: Services, stub: StripeStub, begin: Begin, user: User
) -> None:
    customer = begin(user)
    apply.receive(selling, paid(stub, customer))
    erase.ask_erase_account(selling, user)
    erase.erase_account(selling, user.pk)
    assert not User.objects.exists()
    assert not Customer.objects.exists()
    assert stub.customers[str(customer.provider_id)]["deleted"]
    assert {s["status"] for s in stub.subscriptions.values()} == {"canceled"}
    about = next(iter(stub.subscriptions.values()))
    hook = stub.event("customer.subscription.deleted", about)
    assert apply.receive(selling, hook) == "unknown"
    (closed,) = AuditLine.objects.filter(action=Action.PAYMENT, detail__step="closed")
    assert closed.user_id == user.pk


def test_no_account_goes_while_it_may_still_be_charged(
    selling: Services, stub: StripeStub, begin: Begin, user: User
) -> None:
    apply.receive(selling, paid(stub, begin(user)))
    erase.ask_erase_account(selling, user)
    stub.failures = [(503, {})] * 2
    ProcrastinateJob.objects.all().delete()
    erase.erase_account(selling, user.pk)
    assert User.objects.filter(erasing=True).exists()
    assert ProcrastinateJob.objects.get().task_name == "erase-account"
    erase.erase_account(selling, user.pk)
    assert not User.objects.exists()


def test_who_closes_cannot_begin(selling: Services, stub: StripeStub, user: User) -> None:
    erase.ask_erase_account(selling, user)
    with pytest.raises(BillingError):
        subscribe.start(selling, user, URLS)
    assert all(customer["deleted"] for customer in stub.customers.values())
    assert stub.sessions == {}


def test_a_subscription_elsewhere_is_an_alarm_when_its_account_goes(
    svc: Services, selling: Services, stub: StripeStub, begin: Begin, user: User
) -> None:
    apply.receive(selling, paid(stub, begin(user)))
    erase.ask_erase_account(svc, user)
    erase.erase_account(svc, user.pk)
    (alarm,) = AuditLine.objects.filter(action=Action.ALARM)
    assert "stripe goes on" in alarm.detail["why"]
