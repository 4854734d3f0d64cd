"""The provider for trying GAS out: its page says that no money moves, and none does.

It is a provider in all else: it keeps its subscriptions to itself, is asked for them, and tells of
changes by signed messages.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from django.urls import reverse

from gas.billing import BadWebhook, Checkout, Event, Standing, Subscription, Urls, Webhook
from gas.config import Settings

if TYPE_CHECKING:
    from gas.billing.models import FreeOfCharge

HEADER = "gas-signature"
TOLERANCE = timedelta(minutes=5)
CHECKOUT = timedelta(days=1)


class Deed(StrEnum):
    """What a person can do on the provider's page."""

    SUBSCRIBE = "subscribe"
    FAIL = "fail"
    PAY = "pay"
    CANCEL = "cancel"


#: What each does to a subscription, and to which.
_EFFECTS = {
    Deed.FAIL: (Standing.PAYING, Standing.OVERDUE),
    Deed.PAY: (Standing.OVERDUE, Standing.PAYING),
}


class TestProvider:
    """See BillingProvider."""

    __test__ = False  # pytest: this is none
    name = "test"
    moves_money = False

    def __init__(self, settings: Settings, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        key = settings.effective_secret_key().encode()
        self._secret = hmac.digest(key, b"gas.billing.test", hashlib.sha256)

    def create_customer(self, user_id: str, email: str, name: str, *, key: str) -> str:
        return f"test-{user_id}"

    def create_checkout(self, customer_id: str, urls: Urls, *, key: str) -> Checkout:
        return Checkout(reverse("subscribe-test"), self._clock() + CHECKOUT)

    def portal(self, customer_id: str, return_url: str) -> str:
        return reverse("subscribe-test")

    def fetch_subscriptions(self, customer_id: str) -> list[Subscription]:
        rows = _rows().objects.filter(customer_id=customer_id).order_by("-id")
        return [
            Subscription(f"test-{row.pk}", Standing(row.standing), row.created_at, None, None)
            for row in rows
        ]

    def forget(self, customer_id: str) -> None:
        _rows().objects.filter(customer_id=customer_id).delete()

    def act(self, customer_id: str, deed: Deed) -> Webhook:
        """Do what a person asked for on the page. Returns the message that tells of it."""
        mine = _rows().objects.filter(customer_id=customer_id)
        live = mine.exclude(standing=Standing.OVER)
        if deed == Deed.SUBSCRIBE and not live.exists():
            _rows().objects.create(
                customer_id=customer_id, standing=Standing.PAYING, created_at=self._clock()
            )
        elif deed == Deed.CANCEL:
            live.update(standing=Standing.OVER)
        elif deed in _EFFECTS:
            before, after = _EFFECTS[deed]
            mine.filter(standing=before).update(standing=after)
        return self.tell(deed, customer_id)

    def tell(self, kind: str, customer_id: str, *, event_id: str = "") -> Webhook:
        """A signed message that something happened to ``customer_id``."""
        now = self._clock().timestamp()
        event = {
            "id": event_id or f"test-{secrets.token_hex(12)}",
            "kind": kind,
            "created": now,
            "customer": customer_id,
        }
        body = json.dumps(event).encode()
        return Webhook(body, {HEADER: f"{now:.0f}.{self._sign(f'{now:.0f}', body)}"})

    def read_webhook(self, webhook: Webhook) -> Event:
        at, _, signature = webhook.headers.get(HEADER, "").partition(".")
        if not hmac.compare_digest(self._sign(at, webhook.body).encode(), signature.encode()):
            raise BadWebhook
        if abs(self._clock().timestamp() - float(at)) > TOLERANCE.total_seconds():
            raise BadWebhook("This message is too old.")
        said = json.loads(webhook.body)
        created_at = datetime.fromtimestamp(said["created"], UTC)
        return Event(said["id"], said["kind"], created_at, said["customer"] or None)

    def _sign(self, at: str, body: bytes) -> str:
        return hmac.new(self._secret, at.encode() + b"." + body, hashlib.sha256).hexdigest()


def _rows() -> type[FreeOfCharge]:
    # Not at the top: parts are put together before Django's models can be imported.
    from gas.billing.models import FreeOfCharge

    return FreeOfCharge
