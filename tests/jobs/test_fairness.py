"""The rule of fair shares, run with a model of the queue: highest priority first, then oldest."""

from __future__ import annotations

import heapq
from collections import Counter
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gas.jobs.fairness import (
    HIGHEST,
    HORIZON,
    LOWEST,
    REBASE_AT,
    UNIT,
    Clock,
    needs_rebase,
    priority,
    rebase,
    shifted,
    started,
    tag,
)


@dataclass
class Queue:
    """What ``submit`` and ``claim`` do with the rule, on plain values."""

    clock: Clock = field(default_factory=Clock)
    finish: dict[str, int] = field(default_factory=dict)
    waiting: list[tuple[int, int, str]] = field(default_factory=list)
    submitted: int = 0
    rebased: int = 0

    def submit(self, tenant: str, weight: int = 1, cost: float = 1.0) -> int:
        place = tag(self.clock, self.finish.get(tenant, 0), weight, cost)
        self.finish[tenant] = place.finish
        urgency = priority(self.clock, place.start)
        heapq.heappush(self.waiting, (-urgency, self.submitted, tenant))
        self.submitted += 1
        assert LOWEST <= urgency <= HIGHEST
        return urgency

    def claim(self) -> str:
        negated, _, tenant = heapq.heappop(self.waiting)
        self.clock = started(self.clock, self.clock.base + negated)
        if needs_rebase(self.clock):
            self.clock, shift = rebase(self.clock)
            self.rebased += 1
            self.waiting = [(-shifted(-n, shift), at, who) for n, at, who in self.waiting]
            heapq.heapify(self.waiting)
        return tenant


@pytest.mark.parametrize("claimed_before", [0, 1, 17, 4_000])
@pytest.mark.parametrize("weight", [1, 4])
def test_5000_queued_jobs_delay_anothers_first_by_one_at_most(
    claimed_before: int, weight: int
) -> None:
    queue = Queue()
    for _ in range(5_000):
        queue.submit("many", weight)
    for _ in range(claimed_before):
        queue.claim()
    queue.submit("new")
    assert "new" in {queue.claim(), queue.claim()}
    if claimed_before:  # then the one delay is the job that runs already
        queue.submit("newer")
        assert queue.claim() == "newer"


@given(
    weights=st.lists(st.integers(1, 8), min_size=2, max_size=5),
    costs=st.lists(st.floats(0.2, 5), min_size=1, max_size=7),
)
@settings(max_examples=40, deadline=None)
def test_shares_follow_weights_in_the_long_run(weights: list[int], costs: list[float]) -> None:
    queue = Queue()
    weight_of = {str(number): weight for number, weight in enumerate(weights)}
    cost_of = {name: costs[int(name) % len(costs)] for name in weight_of}
    served: Counter[str] = Counter()
    for name, weight in weight_of.items():  # two each always wait
        queue.submit(name, weight, cost_of[name])
        queue.submit(name, weight, cost_of[name])
    for _ in range(1_500):
        name = queue.claim()
        served[name] += 1
        queue.submit(name, weight_of[name], cost_of[name])
    # The bound of the paper: normalised service differs by one longest job of each at most.
    normalised = {name: served[name] * cost_of[name] / weight_of[name] for name in weight_of}
    longest = max(cost_of[name] / weight_of[name] for name in weight_of)
    assert max(normalised.values()) - min(normalised.values()) <= 2 * longest + 0.5


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.booleans()), max_size=300))
def test_nobody_starves_and_one_tenants_jobs_stay_in_order(
    steps: list[tuple[str, bool]],
) -> None:
    queue = Queue()
    order: dict[str, list[int]] = {}
    for tenant, claim in steps:
        queue.submit(tenant, weight=1 + ord(tenant) % 4)
        if claim:
            queue.claim()
    # Everybody else goes on and on; whoever waits now is served within a bounded number of claims.
    waiting = Counter(who for _, _, who in queue.waiting)
    for tenant, left in waiting.items():
        order.setdefault(tenant, []).append(left)
    for _ in range(sum(waiting.values()) * 16 + 16):
        who = queue.claim() if queue.waiting else ""
        waiting[who] -= 1
        if who:
            queue.submit(who, weight=1 + ord(who) % 4)
    assert all(left <= 0 for left in waiting.values())


def test_idle_saves_nothing_and_a_busy_past_owes_nothing() -> None:
    queue = Queue()
    for _ in range(100):
        queue.submit("heavy")
        queue.claim()
    for _ in range(3):
        queue.submit("light")
        queue.submit("heavy")
    taken = [queue.claim() for _ in range(6)]
    assert Counter(taken[:2]) == Counter(taken[2:4]) == {"light": 1, "heavy": 1}


def test_virtual_time_outlives_the_column() -> None:
    queue = Queue()
    far = REBASE_AT // (3 * UNIT)  # a few such jobs fill half of the column
    for number in range(200):
        queue.submit("a", cost=far)
        queue.submit("b", cost=far)
        assert {queue.claim(), queue.claim()} == {"a", "b"}, number
    assert queue.rebased > 40
    assert queue.clock.now > 2**34


def test_a_rebase_keeps_the_order_of_all_that_waits() -> None:
    clock = Clock(now=REBASE_AT, base=0)
    starts = [REBASE_AT - 5, REBASE_AT, REBASE_AT + 1, REBASE_AT + HORIZON]
    before = [priority(clock, start) for start in starts]
    assert needs_rebase(clock)
    assert not needs_rebase(Clock(REBASE_AT - 1, 0))
    moved, shift = rebase(clock)
    assert [shifted(priority, shift) for priority in before] == [5, 0, -1, -HORIZON]
    assert priority(moved, tag(moved, 0, 1).start) == 0


def test_the_limit_is_reached_and_not_passed() -> None:
    last = Clock(now=REBASE_AT - 1, base=0)
    place = tag(last, 2**60, 1, cost=1e300)
    assert priority(last, place.start) == LOWEST + 2  # the furthest place there is
    assert place.finish <= last.now + HORIZON + HORIZON * UNIT
    assert tag(last, place.finish, 1).start == place.start
    assert shifted(HIGHEST, REBASE_AT) == HIGHEST
    assert shifted(LOWEST, -1) == LOWEST
    assert started(last, last.now - 1) == last


@given(
    st.integers(0, 2**62), st.integers(0, REBASE_AT), st.integers(0, 2**63),
    st.integers(1, 1_000_000), st.floats(1e-9, 1e18),
)  # fmt: skip
def test_no_tag_overflows(base: int, ahead: int, finish: int, weight: int, cost: float) -> None:
    clock = Clock(base + ahead, base)
    place = tag(clock, finish, weight, cost)
    assert LOWEST <= priority(clock, place.start) <= HIGHEST
    assert clock.now < place.finish <= clock.now + HORIZON * (UNIT + 1)


@pytest.mark.parametrize(("weight", "cost"), [(0, 1.0), (-1, 1.0), (1, 0.0), (1, float("nan"))])
def test_no_weight_or_cost_is_refused(weight: int, cost: float) -> None:
    with pytest.raises(ValueError, match="above 0"):
        tag(Clock(), 0, weight, cost)
