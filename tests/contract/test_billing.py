"""One suite for every payment provider."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Protocol

import pytest

from gas.billing import BadWebhook, BillingProvider, Standing, Urls, Webhook
from gas.billing.stripe import StripeProvider
from gas.billing.test import Deed, TestProvider
from gas.config import get_settings
from tests import stripe_stub
from tests.billing.conftest import stripe_settings
from tests.fakes import FakeClock
from tests.stripe_stub import StripeStub

pytestmark = pytest.mark.django_db
URLS = Urls("https://gas.example/done", "https://gas.example/back")


class World(Protocol):
    """What people and time do at the provider. Each returns the message that tells of it."""

    provider: BillingProvider
    signature: str

    def subscribe(self, customer: str) -> Webhook: ...
    def fail(self, customer: str) -> Webhook: ...
    def pay(self, customer: str) -> Webhook: ...
    def cancel(self, customer: str) -> Webhook: ...
    def pass_time(self, webhook: Webhook, seconds: float) -> Webhook: ...


class TestWorld:
    __test__ = False
    signature = "gas-signature"

    def __init__(self, clock: FakeClock, stub: StripeStub) -> None:
        self.clock = clock
        self.provider = TestProvider(get_settings(), clock)

    def subscribe(self, customer: str) -> Webhook:
        return self.provider.act(customer, Deed.SUBSCRIBE)

    def fail(self, customer: str) -> Webhook:
        return self.provider.act(customer, Deed.FAIL)

    def pay(self, customer: str) -> Webhook:
        return self.provider.act(customer, Deed.PAY)

    def cancel(self, customer: str) -> Webhook:
        return self.provider.act(customer, Deed.CANCEL)

    def pass_time(self, webhook: Webhook, seconds: float) -> Webhook:
        self.clock.advance(seconds)
        return webhook


class StripeWorld:
    signature = "stripe-signature"

    def __init__(self, clock: FakeClock, stub: StripeStub) -> None:
        self.stub = stub
        self.provider = StripeProvider(stripe_settings(stub))

    def subscribe(self, customer: str) -> Webhook:
        return self.stub.event("customer.subscription.created", self.stub.subscribe(customer))

    def fail(self, customer: str) -> Webhook:
        return self._becomes(customer, "past_due", "invoice.payment_failed")

    def pay(self, customer: str) -> Webhook:
        return self._becomes(customer, "active", "invoice.paid")

    def cancel(self, customer: str) -> Webhook:
        return self._becomes(customer, "canceled", "customer.subscription.deleted")

    def _becomes(self, customer: str, status: str, kind: str) -> Webhook:
        self.stub.set_status(customer, status)
        return self.stub.event(kind, {"object": "invoice", "customer": customer})

    def pass_time(self, webhook: Webhook, seconds: float) -> Webhook:
        at = int(webhook.headers[self.signature].partition(",")[0].removeprefix("t="))
        return self.stub.signed(webhook.body.decode(), at=at - seconds)


WORLDS: dict[str, Callable[[FakeClock, StripeStub], World]] = {
    "test": TestWorld,
    "stripe": StripeWorld,
}


@pytest.fixture(params=sorted(WORLDS))
def world(request: pytest.FixtureRequest, clock: FakeClock) -> Iterator[World]:
    with stripe_stub.running() as stub:
        yield WORLDS[request.param](clock, stub)


@pytest.fixture
def customer(world: World) -> str:
    return world.provider.create_customer("u1", "ada@example.org", "Ada", key="k1")


def standings(world: World, customer: str) -> list[Standing]:
    return [one.standing for one in world.provider.fetch_subscriptions(customer)]


def test_what_is_asked_for_twice_is_made_once(world: World, customer: str) -> None:
    again = world.provider.create_customer("u1", "ada@example.org", "Ada", key="k1")
    assert again == customer
    assert world.provider.create_customer("u2", "grace@example.org", "Grace", key="k2") != customer
    first = world.provider.create_checkout(customer, URLS, key="c1")
    assert world.provider.create_checkout(customer, URLS, key="c1").url == first.url


def test_a_checkout_and_a_portal_are_pages_and_buy_nothing(world: World, customer: str) -> None:
    checkout = world.provider.create_checkout(customer, URLS, key="c1")
    assert checkout.url
    assert checkout.expires_at.tzinfo is not None
    assert world.provider.portal(customer, URLS.back)
    assert world.provider.fetch_subscriptions(customer) == []


def test_the_life_of_a_subscription(world: World, customer: str) -> None:
    world.subscribe(customer)
    assert standings(world, customer) == [Standing.PAYING]
    (one,) = world.provider.fetch_subscriptions(customer)
    assert one.id
    assert one.created_at.tzinfo is not None
    world.fail(customer)
    assert standings(world, customer) == [Standing.OVERDUE]
    world.pay(customer)
    assert standings(world, customer) == [Standing.PAYING]
    world.cancel(customer)
    assert standings(world, customer) == [Standing.OVER]
    world.subscribe(customer)
    assert sorted(standings(world, customer)) == [Standing.OVER, Standing.PAYING]


def test_a_message_says_whom_it_is_about(world: World, customer: str) -> None:
    said = [world.provider.read_webhook(hook) for hook in (world.subscribe(customer),
            world.fail(customer), world.pay(customer), world.cancel(customer))]  # fmt: skip
    assert {event.customer_id for event in said} == {customer}
    assert len({event.id for event in said}) == 4
    assert all(event.kind and event.created_at.tzinfo for event in said)


def test_a_message_may_be_read_twice(world: World, customer: str) -> None:
    webhook = world.subscribe(customer)
    assert world.provider.read_webhook(webhook) == world.provider.read_webhook(webhook)


def test_what_is_not_signed_is_refused(world: World, customer: str) -> None:
    webhook, other = world.subscribe(customer), world.cancel(customer)
    good = webhook.headers[world.signature]
    bad = [
        replace(webhook, headers={}),
        replace(webhook, headers={world.signature: ""}),
        replace(webhook, headers={world.signature: "t=1,v1=é"}),
        replace(webhook, headers={world.signature: good[:-1] + ("0" if good[-1] != "0" else "1")}),
        replace(webhook, headers=other.headers, body=webhook.body),
        replace(webhook, body=webhook.body + b" "),
        replace(webhook, body=b""),
        replace(webhook, body=b"\xff\xfe"),
    ]
    for one in bad:
        with pytest.raises(BadWebhook):
            world.provider.read_webhook(one)


def test_an_old_message_is_refused(world: World, customer: str) -> None:
    webhook = world.subscribe(customer)
    webhook = world.pass_time(webhook, 200)
    assert world.provider.read_webhook(webhook).customer_id == customer
    with pytest.raises(BadWebhook):
        world.provider.read_webhook(world.pass_time(webhook, 200))


def test_forgetting_ends_everything_and_may_be_repeated(world: World, customer: str) -> None:
    world.subscribe(customer)
    world.provider.forget(customer)
    world.provider.forget(customer)
    assert set(standings(world, customer)) <= {Standing.OVER}
