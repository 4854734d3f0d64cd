"""Which plan subscriptions give."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest

from gas.billing import Price, Standing
from gas.billing.decide import Held, decide

NOW = datetime(2026, 1, 1, tzinfo=UTC)
GRACE = timedelta(days=7)
OVERDUE = Held(Standing.OVERDUE, NOW - timedelta(days=1))
LONG_OVERDUE = Held(Standing.OVERDUE, NOW - GRACE)
PAYING, OVER, WAITING = Held(Standing.PAYING), Held(Standing.OVER), Held(Standing.WAITING)


@pytest.mark.parametrize(
    ("held", "plan", "until"),
    [
        ([], "free", None),
        ([WAITING], "free", None),
        ([OVER], "free", None),
        ([PAYING], "premium", None),
        ([OVERDUE], "premium", NOW + timedelta(days=6)),
        ([LONG_OVERDUE], "free", None),
        ([Held(Standing.OVERDUE)], "premium", NOW + GRACE),
        ([OVER, PAYING, LONG_OVERDUE], "premium", None),
        ([OVER, OVERDUE, LONG_OVERDUE], "premium", NOW + timedelta(days=6)),
        ([OVER, WAITING, LONG_OVERDUE], "free", None),
    ],
)
def test_the_best_subscription_counts(held: list[Held], plan: str, until: datetime | None) -> None:
    for order in permutations(held):
        decision = decide(order, NOW, GRACE)
        assert (decision.plan, decision.until) == (plan, until)
        assert decision.why


@pytest.mark.parametrize(
    ("price", "text"),
    [
        (Price(1900, "usd", "month"), "19.00 USD a month"),
        (Price(123456, "eur", "year"), "1,234.56 EUR a year"),
        (Price(2900, "jpy", "month"), "2,900 JPY a month"),
    ],
)
def test_prices_are_told_as_people_write_them(price: Price, text: str) -> None:
    assert str(price) == text
