"""What a provider tells, and what follows from it.

    webhook ─► receive ─► the event's row ─► settle ─► 200
                               sweep ───────────┘  (what no event told, what failed, what is due)

An event is only a hint that something changed. ``settle`` locks the customer, asks the provider how
all their subscriptions stand NOW, and decides by that: so events may come twice, late, in any
order, or never, and the end is the same. A webhook is answered with 200 only after its effects, or
the messages that bring them about, are committed; else the provider sends it again.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from gas import billing
from gas.accounts.change import change_plan
from gas.accounts.plans import FREE, PREMIUM
from gas.audit.models import Action, record
from gas.billing import BillingProvider, NotForSale, Standing, Webhook
from gas.billing.decide import Decision, Held, decide
from gas.billing.models import BillingEvent, Customer, Subscription
from gas.errors import GasError
from gas.wiring import Services

log = logging.getLogger(__name__)

LIVE = (Standing.PAYING, Standing.OVERDUE)
#: An open checkout is looked at after so long, then after twice that, and so on: should no event
#: come, whoever paid has their plan all the same.
FIRST_LOOK_S = 120.0
#: A sweep shares its worker with others: it stops after this time, and goes on in the next.
SWEEP_S = 5.0
SWEEP_AT_MOST = 200
#: An event that was received so long ago and is not applied yet was left behind; later it is up to
#: the comparison alone.
LEFT_BEHIND = (timedelta(minutes=1), timedelta(days=3))
EVENTS_AT_MOST = 20
RETRY_S = (60.0, 3600.0)


def provider_of(svc: Services) -> BillingProvider:
    """Raises NotForSale where nothing is sold."""
    if svc.billing is None:
        raise NotForSale
    return svc.billing


# -- events ----------------------------------------------------------------------------------------


def receive(svc: Services, webhook: Webhook) -> BillingEvent.Outcome:
    """Take a message of the provider: once it returns, all that follows from it is committed.

    Raises BadWebhook (nothing is kept), TransientError or BillingError (the provider should send it
    again; the sweep tries as well).
    """
    event = provider_of(svc).read_webhook(webhook)
    row, _ = BillingEvent.objects.get_or_create(
        provider=provider_of(svc).name,
        event_id=event.id,
        defaults={
            "kind": event.kind,
            "customer_id": event.customer_id or "",
            "created_at": event.created_at,
            "received_at": svc.now(),
        },
    )
    return apply_event(svc, row.pk)


def apply_event(svc: Services, event_pk: int) -> BillingEvent.Outcome:
    """Apply the event, unless it has been. Who comes second waits for the first, and then knows."""
    with transaction.atomic():
        row = BillingEvent.objects.select_for_update().get(pk=event_pk)
        if row.applied_at is None:
            row.outcome = _apply(svc, row)
            row.applied_at = svc.now()
            row.save(update_fields=["outcome", "applied_at"])
    return BillingEvent.Outcome(row.outcome)


def _apply(svc: Services, row: BillingEvent) -> BillingEvent.Outcome:
    if not row.customer_id:
        return BillingEvent.Outcome.IGNORED
    ours = Customer.objects.filter(provider=row.provider, provider_id=row.customer_id)
    customer_pk = ours.values_list("pk", flat=True).first()
    if customer_pk is None:
        log.warning("an event of an unknown customer", extra={"event_id": row.event_id})
        return BillingEvent.Outcome.UNKNOWN
    settle(svc, customer_pk, why=f"{row.kind} {row.event_id}")
    return BillingEvent.Outcome.APPLIED


# -- settle: the one place that decides ------------------------------------------------------------


def settle(svc: Services, customer_pk: int, *, why: str) -> Decision | None:
    """Bring the customer's plan in line with what the provider says now. One transaction.

    ``why`` names what gave cause, for the audit log. None where there is nothing to decide. Raises
    TransientError or BillingError, and has changed nothing then.
    """
    provider = provider_of(svc)
    with transaction.atomic():
        customer = (
            Customer.objects.select_for_update(of=("self",))
            .select_related("user")
            .filter(pk=customer_pk, provider=provider.name, provider_id__isnull=False)
            .first()
        )
        if customer is None or customer.provider_id is None:
            return None
        # After the lock: whoever holds it next cannot see less than this.
        found = provider.fetch_subscriptions(customer.provider_id)
        held = _remember(svc, customer, found)
        grace = timedelta(seconds=svc.settings.billing_grace_s)
        decision = decide(held, svc.now(), grace)
        _grant(svc, customer, decision, why)
        _plan_next_check(svc, customer, held, decision)
        customer.save()
    return decision


def _remember(
    svc: Services, customer: Customer, found: Iterable[billing.Subscription]
) -> list[Held]:
    """Write down how the subscriptions stand; what the provider no longer names is over."""
    known = {row.provider_id: row for row in customer.subscriptions.all()}
    for one in found:
        row = known.pop(one.id, None) or Subscription(
            customer=customer, provider_id=one.id, standing="", created_at=one.created_at
        )
        _update(svc, customer, row, one.standing, one.renews_at, one.ends_at)
    for row in known.values():
        _update(svc, customer, row, Standing.OVER, row.renews_at, row.ends_at)
    rows = list(customer.subscriptions.all())
    return [Held(Standing(row.standing), row.overdue_since) for row in rows]


def _update(
    svc: Services,
    customer: Customer,
    row: Subscription,
    standing: Standing,
    renews_at: datetime | None,
    ends_at: datetime | None,
) -> None:
    before, now = row.standing, svc.now()
    if (before, row.renews_at, row.ends_at) == (standing, renews_at, ends_at):
        return
    row.standing, row.renews_at, row.ends_at, row.changed_at = standing, renews_at, ends_at, now
    row.overdue_since = (row.overdue_since or now) if standing == Standing.OVERDUE else None
    row.save()
    if before == standing:
        return
    if before in ("", Standing.WAITING) and standing != Standing.WAITING:
        close_checkout(customer)
    _note(svc, customer, row, before)


def _note(svc: Services, customer: Customer, row: Subscription, before: str) -> None:
    facts: dict[str, Any] = {
        "subscription": row.provider_id,
        "before": before,
        "after": row.standing,
    }
    record(Action.PAYMENT, svc.now(), user_id=customer.user_id, **facts)
    others = customer.subscriptions.filter(standing__in=LIVE).exclude(pk=row.pk)
    if row.standing in LIVE and before not in LIVE and others.exists():
        why = "two subscriptions of one customer are paid for: refund one"
        record(Action.ALARM, svc.now(), user_id=customer.user_id, why=why, **facts)
        log.error("ALARM: %s", why, extra={"customer": customer.provider_id})


def close_checkout(customer: Customer) -> None:
    """It led to a subscription, or is not to be used again. The caller saves."""
    customer.checkout_url = customer.checkout_key = ""
    customer.checkout_at = customer.checkout_expires_at = None


def _grant(svc: Services, customer: Customer, decision: Decision, why: str) -> None:
    """Who pays is premium, whatever went before. Who no longer pays loses only what paying gave:
    a plan that an operator gave stays."""
    reason = f"{customer.provider}: {decision.why} ({why})"
    if decision.plan == PREMIUM and not customer.user.erasing:
        change_plan(svc, customer.user, PREMIUM, why=reason)
    elif decision.plan == FREE and customer.granted == PREMIUM:
        change_plan(svc, customer.user, FREE, why=reason)
    customer.granted = decision.plan


def _plan_next_check(
    svc: Services, customer: Customer, held: list[Held], decision: Decision
) -> None:
    now = svc.now()
    looks = [decision.until] if decision.until else []
    if any(one.standing != Standing.OVER for one in held):
        looks.append(now + timedelta(seconds=svc.settings.billing_reconcile_s))
    if customer.checkout_at and customer.checkout_expires_at and customer.checkout_expires_at > now:
        looks.append(now + max(timedelta(seconds=FIRST_LOOK_S), now - customer.checkout_at))
    customer.checked_at, customer.check_at = now, min(looks, default=None)
    customer.check_tries, customer.check_error = 0, ""


# -- sweep: what no event tells --------------------------------------------------------------------


def sweep(svc: Services) -> dict[str, int]:
    """Compare what is due with the provider: grace periods that end, checkouts whose event has not
    come, events that could not be applied, and each subscription now and then."""
    done = {"ended": _end_what_cost_nothing(svc), "customers": 0, "events": 0}
    if svc.billing is None:
        return done
    stop_at = time.monotonic() + SWEEP_S
    work: list[tuple[str, Callable[[Services, int], bool], int]]
    work = [("customers", _try_customer, pk) for pk in _due(svc, svc.billing)]
    work += [("events", _try_event, pk) for pk in _left_behind(svc, svc.billing)]
    for kind, attempt, pk in work:
        # One that does not answer will not answer the others: they need not be tried now.
        if time.monotonic() > stop_at or not attempt(svc, pk):
            break
        done[kind] += 1
    return done


def _due(svc: Services, provider: BillingProvider) -> list[int]:
    due = Customer.objects.filter(provider=provider.name, check_at__lte=svc.now())
    return list(due.order_by("check_at").values_list("pk", flat=True)[:SWEEP_AT_MOST])


def _left_behind(svc: Services, provider: BillingProvider) -> list[int]:
    shortest, longest = LEFT_BEHIND
    waiting = BillingEvent.objects.filter(
        provider=provider.name,
        applied_at__isnull=True,
        received_at__range=(svc.now() - longest, svc.now() - shortest),
    )
    return list(waiting.order_by("-received_at").values_list("pk", flat=True)[:EVENTS_AT_MOST])


def _try_event(svc: Services, event_pk: int) -> bool:
    try:
        apply_event(svc, event_pk)
    except GasError as error:
        log.warning("an event waits", extra={"event": event_pk, "why": str(error)})
        return error.permanent  # one that is refused does not hold up the rest
    return True


def _try_customer(svc: Services, customer_pk: int) -> bool:
    """False where the provider does not answer at all."""
    try:
        settle(svc, customer_pk, why="comparison")
    except GasError as error:
        first, longest = RETRY_S
        customer = Customer.objects.get(pk=customer_pk)
        wait_s = min(first * 2.0 ** min(customer.check_tries, 20), longest)
        Customer.objects.filter(pk=customer_pk).update(
            check_tries=customer.check_tries + 1,
            check_error=str(error),
            check_at=svc.now() + timedelta(seconds=wait_s),
        )
        log.warning("not compared", extra={"customer": customer_pk, "why": str(error)})
        return error.permanent
    return True


def _end_what_cost_nothing(svc: Services) -> int:
    """Premium plans of the `test` provider end where it is no longer the one in use."""
    if svc.billing is not None and svc.billing.name == "test":
        return 0
    rows = Customer.objects.filter(provider="test", granted=PREMIUM).select_related("user")
    ended = 0
    for customer in rows[:SWEEP_AT_MOST]:
        with transaction.atomic():
            mine = Customer.objects.filter(pk=customer.pk, granted=PREMIUM)
            if mine.update(granted=FREE) and not _pays_elsewhere(customer):
                change_plan(svc, customer.user, FREE, why="test: this provider is not in use now")
                ended += 1
    return ended


def _pays_elsewhere(customer: Customer) -> bool:
    others = Customer.objects.filter(user=customer.user_id, granted=PREMIUM)
    return others.exclude(pk=customer.pk).exists()
