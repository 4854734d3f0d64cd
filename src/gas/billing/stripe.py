"""Stripe: subscriptions by Checkout, the customer portal, webhooks.

Only fields that have kept their meaning through the API's versions are read, since events come in
the version of the webhook endpoint: an event's id, type, time and customer.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from gas.billing import (
    BadWebhook,
    BillingError,
    Checkout,
    Event,
    NoAnswer,
    Standing,
    Subscription,
    Urls,
    Webhook,
    price_of,
)
from gas.config import Settings
from gas.errors import TransientError

log = logging.getLogger(__name__)

#: Seconds to connect and to wait for an answer. Twice, and Stripe still waits for a webhook's.
TIMEOUT_S = (3.05, 6.0)
RETRIES = 1
#: https://docs.stripe.com/api/subscriptions/object, field `status`. A word that is not here gives
#: nothing until GAS knows it.
STANDINGS = {
    "incomplete": Standing.WAITING,
    "trialing": Standing.PAYING,
    "active": Standing.PAYING,
    "past_due": Standing.OVERDUE,
    "unpaid": Standing.OVER,
    "canceled": Standing.OVER,
    "incomplete_expired": Standing.OVER,
    "paused": Standing.OVER,
}
#: Events that may change what a subscription gives.
RELEVANT = ("customer.subscription.", "invoice.", "checkout.session.", "customer.deleted")
SIGNATURE = "stripe-signature"
#: Too many requests; another of ours is at the same object.
AGAIN = (429, 409)
_MALFORMED = (ValueError, KeyError, TypeError, AttributeError)


class StripeProvider:
    """See BillingProvider."""

    name = "stripe"

    def __init__(self, settings: Settings, clock: object = None) -> None:
        self._settings = settings
        key = _revealed(settings.stripe_secret_key)
        self.moves_money = not key.startswith(("sk_test_", "rk_test_"))

    @cached_property
    def _client(self) -> Any:
        import stripe

        # It would name this machine to Stripe, and keep an id in the home folder for that.
        stripe.enable_telemetry = False
        return stripe.StripeClient(
            _revealed(self._settings.stripe_secret_key),
            base_addresses={"api": self._settings.stripe_api_base},
            http_client=stripe.RequestsClient(timeout=TIMEOUT_S),
            max_network_retries=RETRIES,
        )

    def create_customer(self, user_id: str, email: str, name: str, *, key: str) -> str:
        params = {"email": email, "name": name, "metadata": {"gas_user": user_id}}
        with _translated():
            made = self._client.v1.customers.create(params, {"idempotency_key": key})
            return str(made.id)

    def create_checkout(self, customer_id: str, urls: Urls, *, key: str) -> Checkout:
        params = {
            "mode": "subscription",
            "customer": customer_id,
            "line_items": [{**self._priced(), "quantity": 1}],
            "success_url": urls.done,
            "cancel_url": urls.back,
        }
        with _translated():
            made = self._client.v1.checkout.sessions.create(params, {"idempotency_key": key})
            return Checkout(str(made.url), _time(made.expires_at))

    def _priced(self) -> dict[str, Any]:
        if self._settings.stripe_price_id:
            return {"price": self._settings.stripe_price_id}
        price = price_of(self._settings)
        return {
            "price_data": {
                "unit_amount": price.amount,
                "currency": price.currency,
                "recurring": {"interval": price.interval},
                "product_data": {"name": "GAS premium"},
            }
        }

    def portal(self, customer_id: str, return_url: str) -> str:
        params = {"customer": customer_id, "return_url": return_url}
        with _translated():
            # The library gives it a key of its own: a page that is made twice does no harm.
            return str(self._client.v1.billing_portal.sessions.create(params).url)

    def fetch_subscriptions(self, customer_id: str) -> list[Subscription]:
        with _translated():
            try:
                page = self._client.v1.subscriptions.list(
                    {"customer": customer_id, "status": "all", "limit": 100}
                )
                found = [one.to_dict() for one in page.auto_paging_iter()]
            except _invalid_request() as error:
                if error.code != "resource_missing" or not self._was_deleted(customer_id):
                    raise
                return []
        return [_subscription(one) for one in found]

    def _was_deleted(self, customer_id: str) -> bool:
        """Stripe remembers whom it deleted, and knows nothing of another account's."""
        return bool(self._client.v1.customers.retrieve(customer_id).to_dict().get("deleted"))

    def forget(self, customer_id: str) -> None:
        """Deleting a customer cancels all of their subscriptions at once, and what checkouts they
        have open cannot be paid any more."""
        with _translated():
            try:
                self._client.v1.customers.delete(customer_id)
            except _invalid_request() as error:
                if error.code != "resource_missing":
                    raise

    def read_webhook(self, webhook: Webhook) -> Event:
        import stripe

        secret = _revealed(self._settings.stripe_webhook_secret)
        header = webhook.headers.get(SIGNATURE, "")
        try:
            stripe.WebhookSignature.verify_header(
                webhook.body, header, secret, stripe.Webhook.DEFAULT_TOLERANCE
            )
            return _event(json.loads(webhook.body))
        except (stripe.SignatureVerificationError, *_MALFORMED):
            # Not its message: it holds what was sent.
            raise BadWebhook from None


def _event(said: dict[str, Any]) -> Event:
    kind, about = str(said["type"]), said["data"]["object"]
    customer = about.get("id") if about.get("object") == "customer" else about.get("customer")
    if isinstance(customer, dict):
        customer = customer["id"]
    relevant = kind.startswith(RELEVANT) and customer
    return Event(str(said["id"]), kind, _time(said["created"]), str(customer) if relevant else None)


def _subscription(said: dict[str, Any]) -> Subscription:
    status = str(said["status"])
    if status not in STANDINGS:
        log.error("Stripe has a word for a subscription that GAS does not know: %s", status)
    return Subscription(
        id=str(said["id"]),
        standing=STANDINGS.get(status, Standing.WAITING),
        created_at=_time(said["created"]),
        renews_at=_period_end(said),
        ends_at=_time(said["cancel_at"]) if said.get("cancel_at") else _cancelled_end(said),
    )


def _period_end(said: dict[str, Any]) -> datetime | None:
    """Of the items since version 2025-03-31 of the API, of the subscription before."""
    items = (said.get("items") or {}).get("data") or []
    ends = [item["current_period_end"] for item in items if item.get("current_period_end")]
    end = max(ends, default=said.get("current_period_end"))
    return _time(end) if end else None


def _cancelled_end(said: dict[str, Any]) -> datetime | None:
    return _period_end(said) if said.get("cancel_at_period_end") else None


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _revealed(secret: Any) -> str:
    return str(secret.get_secret_value()) if secret else ""


def _invalid_request() -> type[Any]:
    import stripe

    return stripe.InvalidRequestError


@contextmanager
def _translated() -> Iterator[None]:
    """Stripe's errors as ours. What Stripe said goes to the log by code alone: its texts may quote
    what was sent."""
    import stripe

    try:
        yield
    except stripe.StripeError as error:
        status = error.http_status or 0
        facts = {
            "kind": type(error).__name__,
            "error_code": error.code,
            "status": status,
            "stripe_request": error.request_id,
        }
        if isinstance(error, stripe.APIConnectionError):
            log.warning("Stripe does not answer", extra=facts)
            raise NoAnswer from None
        if status >= 500 or status in AGAIN:
            log.warning("Stripe has a fault", extra=facts)
            raise TransientError("The payment provider has a fault just now.") from None
        log.error("Stripe refused", extra=facts)
        raise BillingError from None
