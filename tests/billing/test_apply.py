"""Events in any order, twice, late, at once or never: the plan is what the provider says now."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import replace
from itertools import permutations

import pytest
from procrastinate.contrib.django.models import ProcrastinateJob

from gas.accounts.change import change_plan
from gas.accounts.models import User
from gas.audit.models import Action, AuditLine
from gas.billing import BadWebhook, BillingError, Webhook, apply
from gas.billing.models import BillingEvent, Customer, Subscription
from gas.billing.stripe import StripeProvider
from gas.errors import TransientError
from gas.jobs import keeping, queue
from gas.wiring import Services
from tests.billing.conftest import stripe_settings
from tests.fakes import FakeClock
from tests.stripe_stub import BROKEN, UNHEARD, Failure, StripeStub
from tests.threads import at_once

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("quick")]
Begin = Callable[[User], Customer]
Outcome = BillingEvent.Outcome
DAY = 86_400.0


def plan_of(user: User) -> str:
    user.refresh_from_db()
    return user.plan


def plan_changes() -> list[str]:
    lines = AuditLine.objects.filter(action=Action.PLAN).order_by("id")
    return [line.detail["after"] for line in lines]


def paid(stub: StripeStub, customer: Customer) -> Webhook:
    return stub.event("customer.subscription.created", stub.pay(customer.checkout_url))


def becomes(stub: StripeStub, customer: Customer, status: str, kind: str) -> Webhook:
    assert customer.provider_id is not None
    stub.set_status(customer.provider_id, status)
    return stub.event(kind, {"object": "invoice", "customer": customer.provider_id})


# -- one life --------------------------------------------------------------------------------------


def test_subscribe_fail_pay_cancel(
    selling: Services, stub: StripeStub, begin: Begin, user: User, clock: FakeClock
) -> None:
    customer = begin(user)
    assert plan_of(user) == "free"
    assert apply.receive(selling, paid(stub, customer)) == Outcome.APPLIED
    assert plan_of(user) == "premium"
    apply.receive(selling, becomes(stub, customer, "past_due", "invoice.payment_failed"))
    assert plan_of(user) == "premium", "the grace period runs"
    apply.receive(selling, becomes(stub, customer, "active", "invoice.paid"))
    clock.advance(30 * DAY)
    apply.sweep(selling)
    assert plan_of(user) == "premium"
    apply.receive(selling, becomes(stub, customer, "canceled", "customer.subscription.deleted"))
    assert plan_of(user) == "free"
    assert plan_changes() == ["premium", "free"]
    payments = AuditLine.objects.filter(action=Action.PAYMENT).order_by("id")
    assert [line.detail["after"] for line in payments] == ["paying", "overdue", "paying", "over"]


def test_a_trial_is_premium_and_what_is_not_paid_yet_is_not(
    selling: Services, stub: StripeStub, begin: Begin, make_user: Callable[..., User]
) -> None:
    expected = {
        "trialing": "premium", "incomplete": "free", "unpaid": "free",
        "incomplete_expired": "free", "paused": "free", "a-word-of-tomorrow": "free",
    }  # fmt: skip
    for status, plan in expected.items():
        user = make_user(f"{status}@example.org")
        about = stub.pay(begin(user).checkout_url, status)
        apply.receive(selling, stub.event("customer.subscription.created", about))
        assert plan_of(user) == plan, status


def test_the_grace_period_ends_by_itself(
    selling: Services, stub: StripeStub, begin: Begin, user: User, clock: FakeClock
) -> None:
    customer = begin(user)
    apply.receive(selling, paid(stub, customer))
    failed = becomes(stub, customer, "past_due", "invoice.payment_failed")
    apply.receive(selling, failed)
    clock.advance(6.9 * DAY)
    apply.receive(selling, becomes(stub, customer, "past_due", "invoice.payment_failed"))
    apply.sweep(selling)
    assert plan_of(user) == "premium"
    clock.advance(0.2 * DAY)
    apply.sweep(selling)
    assert plan_of(user) == "free"
    assert "grace period is over" in AuditLine.objects.filter(action="plan")[0].detail["why"]
    apply.receive(selling, becomes(stub, customer, "active", "invoice.paid"))
    assert plan_of(user) == "premium", "who pays late is premium again"


def test_nobody_is_put_down_on_what_may_be_old_news(
    selling: Services, stub: StripeStub, begin: Begin, user: User, clock: FakeClock
) -> None:
    customer = begin(user)
    apply.receive(selling, paid(stub, customer))
    apply.receive(selling, becomes(stub, customer, "past_due", "invoice.payment_failed"))
    clock.advance(8 * DAY)
    stub.failures = [(500, {}), (500, {})]
    assert apply.sweep(selling)["customers"] == 0
    assert plan_of(user) == "premium"
    row = Customer.objects.get()
    assert (row.check_tries, row.check_error) == (1, "The payment provider has a fault just now.")
    clock.advance(61)
    assert apply.sweep(selling)["customers"] == 1
    assert plan_of(user) == "free"
    assert Customer.objects.get().check_error == ""


# -- order, repetition -----------------------------------------------------------------------------


def test_cancelled_in_the_second_in_which_it_was_bought(
    selling: Services, stub: StripeStub, begin: Begin, make_user: Callable[..., User]
) -> None:
    for number, order in enumerate(permutations(range(3))):
        user = make_user(f"u{number}@example.org")
        customer = begin(user)
        hooks = [
            paid(stub, customer),
            becomes(stub, customer, "active", "invoice.paid"),
            becomes(stub, customer, "canceled", "customer.subscription.deleted"),
        ]
        for index in order:
            apply.receive(selling, hooks[index])
        assert plan_of(user) == "free"
        assert not Subscription.objects.exclude(standing="over").exists()


def life(stub: StripeStub, customer: Customer, rng: random.Random) -> list[Webhook]:
    """Twenty things that happen to one customer, and the messages about them."""
    hooks = [paid(stub, customer)]
    names = ["past_due", "active", "canceled", "unpaid", "subscribe"]
    for status in rng.choices(names, k=19):
        if status == "subscribe":
            about = stub.subscribe(str(customer.provider_id))
            hooks.append(stub.event("customer.subscription.created", about))
        else:
            hooks.append(becomes(stub, customer, status, "customer.subscription.updated"))
    return hooks


def truth(stub: StripeStub) -> str:
    """The plan that the provider's own books give, no grace period being over."""
    statuses = {one["status"] for one in stub.subscriptions.values()}
    return "premium" if statuses & {"active", "trialing", "past_due"} else "free"


def snapshot() -> object:
    rows = Subscription.objects.order_by("provider_id")
    customer = Customer.objects.get()
    return [(r.provider_id, r.standing) for r in rows], customer.granted, customer.user.plan


def test_a_thousand_shuffled_duplicates_end_alike(
    selling: Services, stub: StripeStub, begin: Begin, user: User
) -> None:
    customer = begin(user)
    in_order = life(stub, customer, random.Random(1))
    shuffled = in_order * 50
    random.Random(2).shuffle(shuffled)
    assert len(shuffled) == 1000
    ends = []
    for hooks in (in_order, shuffled):
        BillingEvent.objects.all().delete()
        stub.requests.clear()
        for hook in hooks:
            apply.receive(selling, hook)
        ends.append(snapshot())
        assert BillingEvent.objects.filter(outcome=Outcome.APPLIED).count() == 20
        assert len(stub.requests) == 20, "a repetition asks nobody"
    assert ends[0] == ends[1]
    assert plan_of(user) == truth(stub)


def play(svc: Services, stub: StripeStub, customer: Customer, seed: int) -> None:
    """Life goes on while messages come, twice, and in any order."""
    rng = random.Random(seed)
    under_way: list[Webhook] = []
    for _ in range(15):
        under_way += 2 * rng.sample(life_step(stub, customer, rng), 1)
        rng.shuffle(under_way)
        while under_way and rng.random() < 0.6:
            apply.receive(svc, under_way.pop())
    for hook in under_way:
        apply.receive(svc, hook)


def life_step(stub: StripeStub, customer: Customer, rng: random.Random) -> list[Webhook]:
    kind = "customer.subscription.updated"
    status = rng.choice(["active", "past_due", "canceled", "unpaid", "subscribe"])
    if status == "subscribe":
        return [stub.event(kind, stub.subscribe(str(customer.provider_id)))]
    return [becomes(stub, customer, status, kind)]


@pytest.mark.parametrize("seed", range(5))
def test_messages_between_the_changes(
    selling: Services, stub: StripeStub, begin: Begin, user: User, seed: int
) -> None:
    play(selling, stub, begin(user), seed)
    assert plan_of(user) == truth(stub)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(100, 300))
def test_messages_between_the_changes_many(
    selling: Services, stub: StripeStub, begin: Begin, user: User, seed: int
) -> None:
    play(selling, stub, begin(user), seed)
    assert plan_of(user) == truth(stub)


# -- at once ---------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_one_event_four_times_at_once(
    selling: Services, stub: StripeStub, begin: Begin, user: User
) -> None:
    hook = paid(stub, begin(user))
    assert at_once([lambda: apply.receive(selling, hook)] * 4) == [Outcome.APPLIED] * 4
    assert plan_changes() == ["premium"]
    assert BillingEvent.objects.count() == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("round", range(3))
def test_different_events_at_once(
    selling: Services, stub: StripeStub, begin: Begin, user: User, round: int
) -> None:
    customer = begin(user)
    hooks = [
        paid(stub, customer),
        becomes(stub, customer, "past_due", "invoice.payment_failed"),
        becomes(stub, customer, "active", "invoice.paid"),
        becomes(stub, customer, "canceled", "customer.subscription.deleted"),
    ]
    results = at_once([lambda hook=hook: apply.receive(selling, hook) for hook in hooks])  # type: ignore[misc]
    assert results == [Outcome.APPLIED] * 4
    assert plan_of(user) == "free"
    assert Subscription.objects.get().standing == "over"


@pytest.mark.django_db(transaction=True)
def test_a_message_and_an_operator_at_once(
    selling: Services, stub: StripeStub, begin: Begin, user: User
) -> None:
    hook = paid(stub, begin(user))
    results = at_once(
        [
            lambda: apply.receive(selling, hook),
            lambda: change_plan(selling, User.objects.get(), "premium", why="operator"),
        ]
    )
    assert results[0] == Outcome.APPLIED
    assert plan_changes() == ["premium"], "one of the two, never both"


# -- what is not ours, not signed, not relevant ----------------------------------------------------


def test_what_is_not_signed_leaves_no_trace(selling: Services, stub: StripeStub) -> None:
    with pytest.raises(BadWebhook):
        apply.receive(selling, Webhook(b"{}", {}))
    assert not BillingEvent.objects.exists()


def test_unknown_kinds_and_customers_are_taken_and_do_nothing(
    selling: Services, stub: StripeStub, begin: Begin, user: User
) -> None:
    customer = begin(user)
    about = {"object": "charge", "customer": customer.provider_id}
    stub.requests.clear()
    assert apply.receive(selling, stub.event("charge.succeeded", about)) == Outcome.IGNORED
    assert apply.receive(selling, stub.event("invoice.paid", {})) == Outcome.IGNORED
    stranger = stub.subscribe("cus_of_another_product")
    hook = stub.event("customer.subscription.created", stranger)
    assert apply.receive(selling, hook) == Outcome.UNKNOWN
    assert stub.requests == []
    assert plan_of(user) == "free"


NONSENSE = [
    "[]",
    "3",
    '"x"',
    "{}",
    '{"type": "invoice.paid"}',
    '{"id": 1, "type": "x", "created": 1, "data": {"object": 3}}',
]


@pytest.mark.parametrize("body", NONSENSE)
def test_signed_nonsense_is_refused(selling: Services, stub: StripeStub, body: str) -> None:
    with pytest.raises(BadWebhook):
        apply.receive(selling, stub.signed(body))


def test_an_expanded_customer_is_found(
    selling: Services, stub: StripeStub, begin: Begin, user: User
) -> None:
    customer = begin(user)
    about = {**stub.pay(customer.checkout_url), "customer": {"id": customer.provider_id}}
    assert apply.receive(selling, stub.event("customer.subscription.created", about)) == (
        Outcome.APPLIED
    )
    assert plan_of(user) == "premium"


# -- faults ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("failure", [(500, {}), (503, {}), (429, {}), (409, {}), BROKEN, UNHEARD])
def test_a_provider_that_is_away_is_asked_again(
    selling: Services,
    stub: StripeStub,
    begin: Begin,
    user: User,
    failure: Failure,
) -> None:
    hook = paid(stub, begin(user))
    stub.failures = [failure, failure]
    with pytest.raises(TransientError):
        apply.receive(selling, hook)
    assert plan_of(user) == "free"
    assert BillingEvent.objects.get().applied_at is None
    stub.failures = []
    assert apply.receive(selling, hook) == Outcome.APPLIED
    assert plan_of(user) == "premium"


def test_one_dropped_line_is_not_even_noticed(
    selling: Services, stub: StripeStub, begin: Begin, user: User
) -> None:
    hook = paid(stub, begin(user))
    stub.failures = [BROKEN]
    assert apply.receive(selling, hook) == Outcome.APPLIED


def test_a_wrong_key_changes_nobodys_plan(
    selling: Services, stub: StripeStub, begin: Begin, user: User, clock: FakeClock
) -> None:
    customer = begin(user)
    apply.receive(selling, paid(stub, customer))
    hook = becomes(stub, customer, "canceled", "customer.subscription.deleted")
    stub.failures = [(401, {"error": {"type": "invalid_request_error"}})]
    with pytest.raises(BillingError):
        apply.receive(selling, hook)
    assert plan_of(user) == "premium"


def test_another_account_that_knows_nobody_changes_nobodys_plan(
    selling: Services, stub: StripeStub, begin: Begin, user: User, clock: FakeClock
) -> None:
    apply.receive(selling, paid(stub, begin(user)))
    stub.customers.clear()
    clock.advance(DAY)
    apply.sweep(selling)
    assert plan_of(user) == "premium"
    assert "refused" in Customer.objects.get().check_error


def test_a_customer_who_was_deleted_at_stripe_is_free(
    selling: Services, stub: StripeStub, begin: Begin, user: User
) -> None:
    customer = begin(user)
    apply.receive(selling, paid(stub, customer))
    stub.answer("DELETE", f"/v1/customers/{customer.provider_id}", {}, "")
    about = {"object": "customer", "id": customer.provider_id}
    assert apply.receive(selling, stub.event("customer.deleted", about)) == Outcome.APPLIED
    assert plan_of(user) == "free"


def test_an_event_that_was_never_repeated_is_made_up_for(
    selling: Services, stub: StripeStub, begin: Begin, user: User, clock: FakeClock
) -> None:
    customer = begin(user)
    apply.receive(selling, paid(stub, customer))
    hook = becomes(stub, customer, "canceled", "customer.subscription.deleted")
    stub.failures = [(500, {})] * 2
    with pytest.raises(TransientError):
        apply.receive(selling, hook)
    clock.advance(61)
    assert apply.sweep(selling)["events"] == 1
    assert plan_of(user) == "free"


def test_who_paid_is_premium_though_no_event_ever_comes(
    selling: Services, stub: StripeStub, begin: Begin, user: User, clock: FakeClock
) -> None:
    customer = begin(user)
    stub.pay(customer.checkout_url)
    apply.sweep(selling)
    assert plan_of(user) == "free", "not yet: people need time to pay"
    clock.advance(121)
    apply.sweep(selling)
    assert plan_of(user) == "premium"


def test_a_checkout_that_is_never_paid_is_looked_at_ever_less_often(
    selling: Services, stub: StripeStub, begin: Begin, user: User, clock: FakeClock
) -> None:
    customer = begin(user)
    Customer.objects.update(checkout_expires_at=customer.checkout_at)  # the stub's clock is real
    Customer.objects.update(checkout_expires_at=clock.time.replace(day=2))
    stub.requests.clear()
    for _ in range(2 * 24 * 6):
        clock.advance(600)
        apply.sweep(selling)
    assert 5 <= len(stub.requests) <= 12
    assert Customer.objects.get().check_at is None


def test_a_cancellation_without_event_is_found_by_comparison(
    selling: Services, stub: StripeStub, begin: Begin, user: User, clock: FakeClock
) -> None:
    customer = begin(user)
    apply.receive(selling, paid(stub, customer))
    becomes(stub, customer, "canceled", "never sent")
    clock.advance(selling.settings.billing_reconcile_s + 1)
    assert apply.sweep(selling)["customers"] == 1
    assert plan_of(user) == "free"


def test_paid_but_the_effects_fail_heals_by_the_repetition(
    selling: Services,
    stub: StripeStub,
    begin: Begin,
    user: User,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Killed after the charge, in the middle of what follows: all or nothing, and then all."""
    hook = paid(stub, begin(user))
    with monkeypatch.context() as patched:
        patched.setattr(keeping.queue, "enqueue", _raise)
        with pytest.raises(RuntimeError):
            apply.receive(selling, hook)
    assert (plan_of(user), plan_changes()) == ("free", [])
    assert BillingEvent.objects.get().applied_at is None
    apply.receive(selling, hook)
    assert plan_of(user) == "premium"
    assert ProcrastinateJob.objects.filter(task_name=queue.RESTORE_ALL).count() == 1


def _raise(*_: object, **__: object) -> None:
    raise RuntimeError("pulled the plug")


def test_one_that_is_away_does_not_hold_up_the_sweep(
    selling: Services,
    stub: StripeStub,
    begin: Begin,
    make_user: Callable[..., User],
    clock: FakeClock,
) -> None:
    for number in range(5):
        begin(make_user(f"u{number}@example.org"))
    clock.advance(200)
    stub.requests.clear()
    stub.failures = [(503, {})] * 20
    assert apply.sweep(selling) == {"ended": 0, "customers": 0, "events": 0}
    assert len(stub.requests) == 2, "one try and one more, then the next sweep"


# -- who else decides ------------------------------------------------------------------------------


def test_a_plan_that_an_operator_gave_stays(
    selling: Services, stub: StripeStub, begin: Begin, user: User, clock: FakeClock
) -> None:
    customer = begin(user)
    change_plan(selling, user, "premium", why="operator")
    clock.advance(200)
    apply.sweep(selling)
    about = {"object": "customer", "id": customer.provider_id}
    apply.receive(selling, stub.event("customer.deleted", about))
    assert plan_of(user) == "premium"


def test_who_pays_is_premium_whatever_was_set(
    selling: Services, stub: StripeStub, begin: Begin, user: User, clock: FakeClock
) -> None:
    apply.receive(selling, paid(stub, begin(user)))
    change_plan(selling, user, "free", why="a slip")
    clock.advance(DAY)
    apply.sweep(selling)
    assert plan_of(user) == "premium"


def test_who_pays_twice_is_an_alarm(
    selling: Services, stub: StripeStub, begin: Begin, user: User
) -> None:
    customer = begin(user)
    apply.receive(selling, paid(stub, customer))
    about = stub.subscribe(str(customer.provider_id))
    for _ in range(2):
        apply.receive(selling, stub.event("customer.subscription.created", about))
    (alarm,) = AuditLine.objects.filter(action=Action.ALARM)
    assert "refund one" in alarm.detail["why"]


def test_premium_for_nothing_ends_where_money_is_taken(
    svc: Services, selling: Services, stub: StripeStub, user: User
) -> None:
    from gas.billing import subscribe
    from gas.billing.test import Deed, TestProvider
    from tests.billing.conftest import URLS

    assert isinstance(svc.billing, TestProvider)
    subscribe.start(svc, user, URLS)
    customer = Customer.objects.get()
    apply.receive(svc, svc.billing.act(str(customer.provider_id), Deed.SUBSCRIBE))
    assert apply.sweep(svc)["ended"] == 0
    assert plan_of(user) == "premium"
    assert apply.sweep(selling)["ended"] == 1
    assert plan_of(user) == "free"


# -- secrets ---------------------------------------------------------------------------------------


def test_no_secret_reaches_a_log(
    selling: Services,
    stub: StripeStub,
    begin: Begin,
    user: User,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Whatever goes wrong, at the finest level, tracebacks and rows included."""
    import logging

    from gas.logs import logging_config

    caplog.set_level(logging.DEBUG)
    customer = begin(user)
    hook = paid(stub, customer)
    settings = stripe_settings(stub)
    refusal = {"error": {"type": "invalid_request_error", "message": f"Bad key {settings}"}}
    for failure in ((401, refusal), (500, {}), (500, {}), BROKEN):
        stub.failures = [failure, failure]
        with pytest.raises((TransientError, BillingError)) as raised:
            apply.receive(selling, hook)
        logging.getLogger("gas.test").error("it broke", exc_info=raised.value)
    stub.failures = []
    with pytest.raises(BadWebhook) as raised_too:
        apply.receive(selling, replace(hook, body=hook.body + b" "))
    logging.getLogger("gas.test").error("it broke", exc_info=raised_too.value)
    written = f"{settings!r} {selling!r}"
    for log_format in ("json", "console"):
        config = logging_config(settings.model_copy(update={"log_format": log_format}))
        spec = dict(config["formatters"]["structlog"])
        formatter = spec.pop("()")(**spec)
        written += "\n".join(formatter.format(record) for record in caplog.records)
    assert "it broke" in written
    assert "gas.billing.stripe" in written
    for secret in (settings.stripe_secret_key, settings.stripe_webhook_secret):
        assert secret is not None
        assert secret.get_secret_value() not in written
    assert json.dumps(user.email) not in written


def test_test_keys_move_no_money(stub: StripeStub) -> None:
    from pydantic import SecretStr

    live = StripeProvider(stripe_settings(stub))
    trying = StripeProvider(stripe_settings(stub, stripe_secret_key=SecretStr("sk_test_1")))
    assert (live.moves_money, trying.moves_money) == (True, False)
