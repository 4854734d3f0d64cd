"""Which plan subscriptions give. Pure: the same subscriptions at the same time, the same answer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from gas.accounts.plans import FREE, PREMIUM
from gas.billing import Standing


@dataclass(frozen=True)
class Held:
    """A subscription: how it stands, and since when it has been overdue without a break."""

    standing: Standing
    overdue_since: datetime | None = None


@dataclass(frozen=True)
class Decision:
    """``until``: when a grace period ends and has to be decided about again."""

    plan: str
    why: str
    until: datetime | None = None


def decide(held: Iterable[Held], now: datetime, grace: timedelta) -> Decision:
    """The plan that one person's subscriptions give: the best of them counts."""
    held = list(held)
    if any(one.standing == Standing.PAYING for one in held):
        return Decision(PREMIUM, "a subscription is paid for")
    ends = [(one.overdue_since or now) + grace for one in held if one.standing == Standing.OVERDUE]
    if ends and max(ends) > now:
        return Decision(PREMIUM, "a payment failed; the grace period runs", until=max(ends))
    if ends:
        return Decision(FREE, "a payment failed and the grace period is over")
    return Decision(FREE, "no subscription is paid for")
