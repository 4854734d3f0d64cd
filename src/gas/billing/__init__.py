"""Who pays for the premium plan: the port, and what its adapters speak of.

    subscribe.py   what a person does: begin to subscribe, manage, close the account
    apply.py       what a provider tells: each event once, in any order
    decide.py      which plan a person's subscriptions give (pure)
    stripe.py      Stripe: Checkout, customer portal, webhooks
    test.py        no money moves; for trying GAS out

GAS never learns a card's number: people give it to the provider, on the provider's own pages.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from gas.config import Settings
from gas.errors import GasError, TransientError

#: Currencies without a smaller unit: their amounts are whole.
_WHOLE = re.compile("bif|clp|djf|gnf|jpy|kmf|krw|mga|pyg|rwf|ugx|vnd|vuv|xaf|xof|xpf", re.ASCII)


class BillingError(GasError):
    """The payment provider refused what GAS asked for. The operator's log says why."""

    code = "billing"


class NotForSale(BillingError):
    """Nothing is sold here: the operator of this service sets the plans."""

    code = "not-for-sale"


class Subscribed(BillingError):
    """You have a subscription already."""

    code = "subscribed"


class NoAnswer(TransientError):
    """The payment provider does not answer."""


class BadWebhook(BillingError):
    """This is not a message of the payment provider, or it is too old."""

    code = "bad-webhook"


class Standing(StrEnum):
    """How a subscription stands, whatever the provider's own word for it is."""

    #: Begun and not paid yet: gives nothing.
    WAITING = "waiting"
    #: Paid for, or on trial.
    PAYING = "paying"
    #: A payment failed and is tried again: keeps the plan for a grace period.
    OVERDUE = "overdue"
    #: Ended, given up, paused.
    OVER = "over"


@dataclass(frozen=True)
class Subscription:
    """A subscription as the provider has it now."""

    id: str
    standing: Standing
    created_at: datetime
    #: End of the time that is paid for.
    renews_at: datetime | None
    #: Set where it has been cancelled for then.
    ends_at: datetime | None


@dataclass(frozen=True)
class Event:
    """What a webhook says: something happened to ``customer_id``. What it is now is asked for, so
    that neither order nor repetition matters. ``customer_id`` is None where GAS has nothing to do
    about it."""

    id: str
    kind: str
    created_at: datetime
    customer_id: str | None


@dataclass(frozen=True)
class Checkout:
    """A page where a subscription can be paid for, once, until ``expires_at``."""

    url: str
    expires_at: datetime


@dataclass(frozen=True)
class Urls:
    """Where the provider sends people back to: when they paid, and when they thought better."""

    done: str
    back: str


@dataclass(frozen=True)
class Webhook:
    """A message as it came: its body, byte for byte, and its headers by small name."""

    body: bytes
    headers: Mapping[str, str]


class BillingProvider(Protocol):
    """Takes payments. Every call that asks the provider raises NoAnswer where the line broke (what
    was asked may have happened: ask again with the same ``key``), TransientError where it has a
    fault, and BillingError where it refuses (ask again with another: it would repeat itself)."""

    #: The word in GAS_BILLING; rows are kept under it.
    name: str
    #: False where subscriptions cost nothing: the pages say so.
    moves_money: bool

    def create_customer(self, user_id: str, email: str, name: str, *, key: str) -> str:
        """The provider's id of a new customer; of the same one for the same ``key``."""
        ...

    def create_checkout(self, customer_id: str, urls: Urls, *, key: str) -> Checkout:
        """A page where ``customer_id`` can subscribe; the same one for the same ``key``."""
        ...

    def portal(self, customer_id: str, return_url: str) -> str:
        """The address of a page where ``customer_id`` can change the card or cancel."""
        ...

    def fetch_subscriptions(self, customer_id: str) -> list[Subscription]:
        """All subscriptions of ``customer_id``, ended ones too, as they are now. An empty list
        for a customer who was deleted. Raises BillingError for one who never was: the provider's
        account may be another one, which says nothing about who pays."""
        ...

    def forget(self, customer_id: str) -> None:
        """End all subscriptions of ``customer_id`` now and delete what can be deleted. No error
        where that was done before."""
        ...

    def read_webhook(self, webhook: Webhook) -> Event:
        """What it says. Raises BadWebhook unless it is the provider's own and recent."""
        ...


@dataclass(frozen=True)
class Price:
    """``amount`` counts the smallest unit of ``currency`` (cents)."""

    amount: int
    currency: str
    interval: str

    def __str__(self) -> str:
        number = (
            f"{self.amount:,}" if _WHOLE.fullmatch(self.currency) else f"{self.amount / 100:,.2f}"
        )
        return f"{number} {self.currency.upper()} a {self.interval}"


def price_of(settings: Settings) -> Price:
    """The premium plan's price."""
    return Price(settings.premium_amount, settings.premium_currency, settings.premium_interval)
