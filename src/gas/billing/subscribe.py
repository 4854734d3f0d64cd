"""What a person does about their plan: begin to subscribe, manage it, close the account.

The provider is called while the customer's row is locked, so two windows of one person get the same
checkout, which can be paid once. Each call that makes something carries a key that stays the same
until what it made is noted: a crash in between makes nothing twice.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F

from gas.accounts.models import User
from gas.audit.models import Action, record
from gas.billing import BillingError, BillingProvider, NoAnswer, Standing, Subscribed, Urls
from gas.billing.apply import FIRST_LOOK_S, LIVE, provider_of
from gas.billing.models import Customer, Subscription
from gas.errors import TransientError
from gas.wiring import Services

log = logging.getLogger(__name__)

#: A checkout that ends sooner is not handed out any more: people need time to fill it in.
SHORTEST = timedelta(minutes=10)


def start(svc: Services, user: User, urls: Urls) -> str:
    """The address of the page where ``user`` can pay. Nothing is bought yet.

    Raises NotForSale, Subscribed, TransientError or BillingError.
    """
    provider = provider_of(svc)
    row, _ = Customer.objects.get_or_create(user=user, provider=provider.name)
    try:
        _make_known(provider, row.pk, user)
        return _open_checkout(svc, provider, row.pk, urls)
    except NoAnswer:
        raise  # with the same key, what was made unheard is not made twice
    except (TransientError, BillingError):
        # A provider repeats for a day what it answered to a key, errors as well.
        Customer.objects.filter(pk=row.pk).update(tries=F("tries") + 1)
        raise


def _make_known(provider: BillingProvider, pk: int, user: User) -> None:
    """Have the provider know ``user``, before anything can be paid: so no event is a stranger's."""
    with transaction.atomic():
        customer = Customer.objects.select_for_update().get(pk=pk)
        if customer.provider_id is not None:
            return
        made = _key("customer", str(user.pk), user.email, user.name, str(customer.tries))
        customer.provider_id = provider.create_customer(
            str(user.pk), user.email, user.name, key=made
        )
        # Closed in this very moment? Whoever closes waits for this lock, or has come before it.
        if User.objects.select_for_update().get(pk=user.pk).erasing:
            provider.forget(customer.provider_id)
            raise BillingError("This account is being closed.")
        customer.save(update_fields=["provider_id"])


def _open_checkout(svc: Services, provider: BillingProvider, pk: int, urls: Urls) -> str:
    """The checkout that is open, or a new one."""
    with transaction.atomic():
        customer = Customer.objects.select_for_update().get(pk=pk)
        if customer.subscriptions.filter(standing__in=LIVE).exists():
            raise Subscribed(hint="Manage it on your profile page.")
        now, ends = svc.now(), customer.checkout_expires_at
        terms = _key("checkout", customer.provider_id or "", urls.done, urls.back, *_terms(svc))
        if customer.checkout_key == terms and ends is not None and ends - now > SHORTEST:
            return customer.checkout_url
        key = f"{terms}-{customer.tries}"
        checkout = provider.create_checkout(customer.provider_id or "", urls, key=key)
        customer.tries += 1
        customer.checkout_url, customer.checkout_key = checkout.url, terms
        customer.checkout_at, customer.checkout_expires_at = now, checkout.expires_at
        customer.check_at = now + timedelta(seconds=FIRST_LOOK_S)
        customer.save()
    return checkout.url


def _terms(svc: Services) -> list[str]:
    s = svc.settings
    price = (s.stripe_price_id, s.premium_amount, s.premium_currency, s.premium_interval)
    return [str(part) for part in price]


def _key(*parts: str) -> str:
    """The same for the same parts, and for no others."""
    return f"gas-{parts[0]}-" + hashlib.sha256("\0".join(parts).encode()).hexdigest()[:40]


def portal(svc: Services, user: User, return_url: str) -> str:
    """The address of the provider's page where ``user`` can change the card or cancel.

    Raises NotForSale, BillingError (also where there is nothing to manage) or TransientError.
    """
    provider = provider_of(svc)
    customer = Customer.objects.filter(user=user, provider=provider.name).first()
    if customer is None or customer.provider_id is None:
        raise BillingError("You have no subscription here.", hint="Subscribe first.")
    # They may cancel there: look soon, should no event come.
    soon = svc.now() + timedelta(seconds=FIRST_LOOK_S)
    mine = Customer.objects.filter(pk=customer.pk)
    mine.exclude(check_at__lt=soon).update(check_at=soon)
    return provider.portal(customer.provider_id, return_url)


def close(svc: Services, user: User) -> None:
    """The account is being closed: end what is paid for and have the provider forget the person.

    May be repeated. Raises TransientError or BillingError: then the account must not go yet, or
    somebody would pay for nothing.
    """
    for customer in Customer.objects.filter(user=user, provider_id__isnull=False):
        if svc.billing is None or svc.billing.name != customer.provider:
            _cannot_close(svc, customer)
        else:
            svc.billing.forget(customer.provider_id or "")
        with transaction.atomic():
            if Customer.objects.filter(pk=customer.pk).delete()[0]:
                record(Action.PAYMENT, svc.now(), user_id=user.pk, step="closed")


def _cannot_close(svc: Services, customer: Customer) -> None:
    if not customer.subscriptions.exclude(standing=Standing.OVER).exists():
        return
    why = f"a subscription at {customer.provider} goes on: that provider is not set up any more"
    record(
        Action.ALARM,
        svc.now(),
        user_id=customer.user_id,
        why=why,
        customer=customer.provider_id,
    )
    log.error("ALARM: %s", why, extra={"customer": customer.provider_id})


# -- to show ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Membership:
    """What the pages tell a person about their subscription."""

    is_sold: bool
    moves_money: bool
    #: None where there never was a subscription.
    standing: Standing | None = None
    renews_at: datetime | None = None
    ends_at: datetime | None = None
    #: End of the grace period of an overdue one.
    grace_until: datetime | None = None
    #: A checkout was begun, and what became of it is not known yet.
    is_waiting: bool = False

    @property
    def is_live(self) -> bool:
        return self.standing in LIVE


def membership_of(svc: Services, user: User) -> Membership:
    """By what is known here: asks nobody."""
    if svc.billing is None:
        return Membership(is_sold=False, moves_money=False)
    customer = Customer.objects.filter(user=user, provider=svc.billing.name).first()
    if customer is None:
        return Membership(is_sold=True, moves_money=svc.billing.moves_money)
    ends = customer.checkout_expires_at
    best = _best(customer)
    grace = timedelta(seconds=svc.settings.billing_grace_s)
    return Membership(
        is_sold=True,
        moves_money=svc.billing.moves_money,
        standing=Standing(best.standing) if best else None,
        renews_at=best.renews_at if best else None,
        ends_at=best.ends_at if best else None,
        grace_until=best.overdue_since + grace if best and best.overdue_since else None,
        is_waiting=ends is not None and ends > svc.now(),
    )


def _best(customer: Customer) -> Subscription | None:
    order = [Standing.PAYING, Standing.OVERDUE, Standing.WAITING, Standing.OVER]
    return min(
        customer.subscriptions.all(), key=lambda row: order.index(Standing(row.standing)),
        default=None,
    )  # fmt: skip
