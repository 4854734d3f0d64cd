"""The pages around a subscription, with Stripe and with the provider that takes no money."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace

import pytest
from django.test import Client
from django.urls import reverse

from gas import wiring
from gas.accounts.change import change_plan
from gas.accounts.models import User
from gas.billing import Webhook, subscribe
from gas.billing.models import BillingEvent, Customer
from gas.config import child_environment
from gas.jobs import keeping, lifecycle
from gas.jobs.models import Job
from gas.web.views.billing import MAX_WEBHOOK_BYTES
from gas.wiring import Services
from tests.billing.test_apply import becomes, paid
from tests.fakes import FakeClock
from tests.stripe_stub import StripeStub

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("quick")]
Begin = Callable[[User], Customer]
HTMX = {"HX-Request": "true"}


@pytest.fixture
def mine(user: User, svc: Services) -> Client:
    client = Client()
    client.force_login(user)
    return client


def page(client: Client, name: str, **query: object) -> str:
    return client.get(reverse(name), query).content.decode()


def send(webhook: Webhook, **more: object):  # type: ignore[no-untyped-def]
    """As the provider does: without a session or a form's secret."""
    client = Client(enforce_csrf_checks=True, raise_request_exception=False)
    headers = {**webhook.headers, **more}
    return client.post("/billing/webhook", webhook.body, "application/json", headers=headers)


# -- plans -----------------------------------------------------------------------------------------


def test_the_plans_side_by_side(mine: Client) -> None:
    text = page(mine, "subscribe")
    assert "up to 150 KB as uploaded" in text
    assert "at hand for 30 min, then in cold storage" in text
    assert "of any size" in text
    assert "always at hand" in text
    assert "19.00 USD a month" in text
    assert "no money moves" in text
    assert "too-large" not in text


def test_who_chose_a_larger_file_is_told_its_size(mine: Client) -> None:
    text = page(mine, "subscribe", size=3_000_000)
    assert "about 2.9 MB (3,000,000 bytes); the free plan takes files up to 150 KB" in text


@pytest.mark.parametrize("size", ["", "-1", "x", "1e9", "9" * 40, "12", "٣", "<b>"])
def test_a_size_that_is_none_is_not_told(mine: Client, size: str) -> None:
    assert "too-large" not in page(mine, "subscribe", size=size)


def test_a_file_over_the_cap_leads_to_the_plans(mine: Client) -> None:
    from django.core.files.uploadedfile import SimpleUploadedFile

    for size in (153_601, 400_000):
        answer = mine.post("/annotate/", {"file": SimpleUploadedFile("a.vcf", b"#" * size)})
        assert answer.status_code == 413
        assert "/subscribe/?size=" in answer.content.decode()
    text = page(mine, "annotate")
    assert 'data-plans-url="/subscribe/"' in text


def test_no_plan_is_sold_to_who_has_it(
    selling: Services, stub: StripeStub, begin: Begin, user: User, mine: Client
) -> None:
    assert 'action="/subscribe/start"' in page(mine, "subscribe")
    change_plan(selling, user, "premium", why="operator")
    text = page(mine, "subscribe")
    assert 'action="/subscribe/start"' not in text
    assert "The operator of this service gave you this plan" in text
    assert "too-large" not in page(mine, "subscribe", size=10**9)


def test_where_nothing_is_sold(
    svc: Services, mine: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wiring, "_services", replace(svc, billing=None))
    text = page(mine, "subscribe")
    assert "The operator of this service gives this plan" in text
    assert "USD" not in text
    assert mine.post(reverse("subscribe-start")).status_code == 409
    assert send(Webhook(b"{}", {})).status_code == 404
    assert mine.get(reverse("subscribe-test")).status_code == 404
    assert "See the plans" in page(mine, "profile")


# -- Stripe ----------------------------------------------------------------------------------------


def test_to_checkout_and_back(
    selling: Services, stub: StripeStub, user: User, mine: Client
) -> None:
    answer = mine.post(reverse("subscribe-start"))
    assert answer.status_code == 302
    assert answer["Location"].startswith(f"{stub.base}/pay/")
    (session,) = stub.sessions.values()
    base = selling.settings.public_url
    assert session["success_url"] == f"{base}/subscribe/done/"
    assert session["cancel_url"] == f"{base}/subscribe/"
    waiting = page(mine, "subscribe-done")
    assert "The payment is being confirmed" in waiting
    assert 'hx-get="/subscribe/done/status/?asked=1"' in waiting
    about = stub.pay(answer["Location"])
    assert send(stub.event("customer.subscription.created", about)).status_code == 200
    status = mine.get(reverse("subscribe-status"), headers=HTMX).content.decode()
    assert "You are premium" in status
    assert "hx-get" not in status
    assert "No money has moved" not in status
    assert "always at hand" in status
    profile = page(mine, "profile")
    assert "Your subscription renews on" in profile
    assert 'action="/subscribe/portal"' in profile
    assert mine.post(reverse("subscribe-start"))["Location"] == reverse("profile")
    portal = mine.post(reverse("subscribe-portal"))
    assert portal["Location"].startswith(f"{stub.base}/portal/")
    assert stub.portals[0]["return_url"] == f"{base}/profile/"


def test_the_confirmation_tells_what_comes_back(
    selling: Services,
    stub: StripeStub,
    begin: Begin,
    user: User,
    mine: Client,
    job: Job,
    clock: FakeClock,
) -> None:
    lifecycle.annotate(selling, job.pk, worker="w", stopping=lambda: False)
    clock.advance(1801)
    keeping.archive(selling, job.pk)
    send(paid(stub, begin(user)))
    assert "<strong>1</strong> earlier result is coming back" in page(mine, "subscribe-done")


def test_a_payment_that_is_slow_to_be_confirmed(
    selling: Services, stub: StripeStub, begin: Begin, user: User, mine: Client
) -> None:
    begin(user)
    text = page(mine, "subscribe-done", asked=30)
    assert "This takes longer than usual" in text
    assert 'hx-trigger="every 8s"' in text
    assert 'asked=1001"' in page(mine, "subscribe-done", asked=9999)
    assert 'asked=1"' in page(mine, "subscribe-done", asked="x")


def test_nothing_is_under_way(mine: Client) -> None:
    text = page(mine, "subscribe-done")
    assert "No payment is under way." in text
    assert "hx-get" not in text


def test_the_status_is_for_htmx_alone(mine: Client) -> None:
    assert mine.get(reverse("subscribe-status"))["Location"] == reverse("subscribe-done")
    answer = Client().get(reverse("subscribe-status"), headers=HTMX)
    assert answer["HX-Redirect"] == "/accounts/login/?next=/subscribe/done/"


def test_what_went_wrong_is_told_and_nothing_of_the_inside(
    selling: Services, stub: StripeStub, mine: Client
) -> None:
    stub.failures = [(500, {}), (500, {})]
    answer = mine.post(reverse("subscribe-start"))
    assert answer.status_code == 503
    assert "Nothing was charged." in answer.content.decode()
    stub.failures = [(401, {"error": {"message": "bad key"}})]
    answer = mine.post(reverse("subscribe-start"))
    assert answer.status_code == 409
    assert "The payment provider refused" in answer.content.decode()
    assert "bad key" not in answer.content.decode()
    assert mine.post(reverse("subscribe-start")).status_code == 302
    assert "You have no subscription" not in page(mine, "profile")


def test_an_overdue_payment_is_told(
    selling: Services, stub: StripeStub, begin: Begin, user: User, mine: Client
) -> None:
    customer = begin(user)
    send(paid(stub, customer))
    send(becomes(stub, customer, "past_due", "invoice.payment_failed"))
    text = page(mine, "profile")
    assert "The last payment failed. Your plan stays until" in text
    assert "2026-01-08 12:00:00 UTC" in text
    send(becomes(stub, customer, "canceled", "customer.subscription.deleted"))
    assert "Your subscription has ended." in page(mine, "profile")


def test_a_cancelled_subscription_tells_its_end(
    selling: Services, stub: StripeStub, begin: Begin, user: User, mine: Client
) -> None:
    customer = begin(user)
    send(paid(stub, customer))
    next(iter(stub.subscriptions.values()))["cancel_at_period_end"] = True
    send(stub.event("customer.subscription.updated", next(iter(stub.subscriptions.values()))))
    assert "it ends on" in page(mine, "profile")
    user.refresh_from_db()
    assert user.plan == "premium", "until then"


# -- the webhook -----------------------------------------------------------------------------------


def test_only_what_is_signed_is_taken(selling: Services, stub: StripeStub) -> None:
    hook = stub.event("invoice.paid", {"customer": "cus_x"})
    assert send(replace(hook, headers={})).status_code == 400
    assert send(replace(hook, body=hook.body + b" ")).status_code == 400
    assert send(stub.signed(hook.body.decode(), at=1_700_000_000)).status_code == 400
    assert not BillingEvent.objects.exists()
    answer = send(hook)
    assert (answer.status_code, answer.content) == (200, b"unknown\n")
    assert send(hook).status_code == 200
    assert BillingEvent.objects.count() == 1
    assert Client().get("/billing/webhook").status_code == 405


def test_a_message_is_never_large(selling: Services, stub: StripeStub) -> None:
    hook = stub.signed("{" + " " * MAX_WEBHOOK_BYTES + "}")
    assert send(hook).status_code == 413


def test_what_cannot_be_applied_is_asked_for_again(
    selling: Services,
    stub: StripeStub,
    begin: Begin,
    user: User,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hook = paid(stub, begin(user))
    stub.failures = [(503, {}), (503, {})]
    answer = send(hook)
    assert (answer.status_code, answer["Retry-After"]) == (503, "60")
    with monkeypatch.context() as patched:
        patched.setattr("gas.billing.apply.change_plan", _break)
        assert send(hook).status_code == 500
    user.refresh_from_db()
    assert user.plan == "free"
    assert send(hook).status_code == 200
    user.refresh_from_db()
    assert user.plan == "premium"


def _break(*_: object, **__: object) -> None:
    raise RuntimeError("pulled the plug")


# -- the provider that takes no money --------------------------------------------------------------


def test_the_page_that_says_no_money_moves(mine: Client, user: User, svc: Services) -> None:
    assert mine.get(reverse("subscribe-test"))["Location"] == reverse("subscribe")
    answer = mine.post(reverse("subscribe-start"), follow=True)
    text = answer.content.decode()
    assert answer.redirect_chain[-1][0] == "/subscribe/test/"
    assert "<h1>No money moves here</h1>" in text
    assert "Nobody is charged" in text
    done = mine.post(reverse("subscribe-test"), {"deed": "subscribe"}, follow=True)
    assert "You are premium" in done.content.decode()
    assert "No money has moved." in done.content.decode()
    user.refresh_from_db()
    assert user.plan == "premium"
    assert "no money moves" in page(mine, "profile")
    portal = mine.post(reverse("subscribe-portal"), follow=True)
    assert "Let a payment fail" in portal.content.decode()
    failed = mine.post(reverse("subscribe-test"), {"deed": "fail"}, follow=True)
    assert "The last payment failed." in failed.content.decode()
    assert "Let the payment succeed" in page(mine, "subscribe-test")
    mine.post(reverse("subscribe-test"), {"deed": "pay"})
    assert "The last payment failed." not in page(mine, "profile")
    mine.post(reverse("subscribe-test"), {"deed": "cancel"})
    user.refresh_from_db()
    assert user.plan == "free"
    assert mine.post(reverse("subscribe-test"), {"deed": "rob"}).status_code == 302


def test_that_page_is_not_there_where_money_is_taken(
    selling: Services, begin: Begin, user: User, mine: Client
) -> None:
    begin(user)
    assert mine.get(reverse("subscribe-test")).status_code == 404
    assert mine.post(reverse("subscribe-test"), {"deed": "subscribe"}).status_code == 404
    user.refresh_from_db()
    assert user.plan == "free"


# -- security, operators ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, ""),
        (
            {
                "GAS_BILLING": "stripe",
                "GAS_STRIPE_SECRET_KEY": "x",
                "GAS_STRIPE_WEBHOOK_SECRET": "x",
            },
            "'https://checkout.stripe.com', 'https://billing.stripe.com'",
        ),
    ],
)
def test_forms_lead_to_stripe_only_where_it_is_used(
    settings: dict[str, str], expected: str
) -> None:
    code = (
        "from gas import settings as s;"
        "print(s.CONTENT_SECURITY_POLICY['DIRECTIVES']['form-action'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=child_environment(**settings),
        capture_output=True,
        text=True,
        check=True,
    )
    shown = done.stdout.strip()
    assert (expected in shown) if settings else ("stripe" not in shown)


def test_operators_see_and_compare(
    selling: Services, stub: StripeStub, begin: Begin, user: User
) -> None:
    boss = Client()
    boss.force_login(User.objects.create_superuser("op@example.org", "correct horse", name="Op"))
    customer = begin(user)
    stub.pay(customer.checkout_url)
    action = {"action": "compare", "_selected_action": [customer.pk]}
    answer = boss.post("/admin/billing/customer/", action, follow=True)
    assert "1 compared." in answer.content.decode()
    user.refresh_from_db()
    assert user.plan == "premium"
    shown = boss.get(f"/admin/billing/customer/{customer.pk}/change/").content.decode()
    assert "Paid for" in shown
    assert stub.base not in shown, "a checkout is its customer's alone"
    assert boss.get("/admin/billing/billingevent/").status_code == 200
    stub.failures = [(503, {})] * 2
    answer = boss.post("/admin/billing/customer/", action, follow=True)
    assert "has a fault just now" in answer.content.decode()


def test_membership_of_a_stranger(selling: Services, user: User) -> None:
    membership = subscribe.membership_of(selling, user)
    assert membership.is_sold
    assert membership.moves_money
    assert not membership.is_live
    assert not Customer.objects.exists()
