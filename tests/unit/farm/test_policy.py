from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gas.farm.policy import Decision, Memory, Rules, Sample, decide

counts = st.integers(0, 10_000)
rates = st.floats(0, 1_000)
RULES = Rules(requests_per_s_per_instance=15.0)


@st.composite
def rules(draw: st.DrawFn) -> Rules:
    minimum = draw(st.integers(0, 12))
    return Rules(
        minimum=minimum,
        maximum=draw(st.integers(minimum, 40)),
        hold_s=draw(st.floats(0, 1_000)),
        drain_s=draw(st.floats(1, 1_000)),
        utilisation=draw(st.floats(0.1, 1)),
        requests_per_s_per_instance=draw(st.none() | st.floats(0.1, 100)),
        threads_per_instance=draw(st.none() | st.integers(1, 64)),
    )


@st.composite
def samples(draw: st.DrawFn, at_s: float = 0.0) -> Sample:
    backlog, in_flight = draw(counts), draw(st.integers(0, 50))
    return Sample(
        at_s=at_s,
        instances=draw(st.integers(0, 50)),
        busy=draw(st.integers(0, 20)),
        backlog=backlog,
        in_flight=in_flight,
        parts_waiting=draw(st.integers(0, backlog)),
        parts_running=draw(st.integers(0, in_flight)),
        arrivals_per_s=draw(rates),
        service_s=draw(st.none() | st.floats(0.001, 10_000)),
        requests_per_s=draw(rates),
        open_requests=draw(rates),
    )


@st.composite
def histories(draw: st.DrawFn) -> list[Sample]:
    steps = draw(st.lists(st.floats(0.1, 300), min_size=1, max_size=25))
    at_s, seen = 0.0, []
    for step in steps:
        at_s += step
        seen.append(draw(samples(at_s=at_s)))
    return seen


def run(by: Rules, seen: list[Sample], obey: bool = True) -> list[Decision]:
    """Decisions in turn; with ``obey`` each next sample has the instances decided before it."""
    made: list[Decision] = []
    memory = Memory()
    for sample in seen:
        if obey and made:
            sample = dataclasses.replace(sample, instances=made[-1].desired)
        decision, memory = decide(by, sample, memory)
        made.append(decision)
    return made


@given(rules(), histories())
def test_stays_within_bounds_and_never_below_what_is_busy(by: Rules, seen: list[Sample]) -> None:
    for decision, sample in zip(run(by, seen), seen, strict=True):
        assert by.minimum <= decision.desired <= max(by.maximum, sample.busy)
        assert sample.busy <= decision.desired


@given(rules(), histories())
def test_is_out_at_once(by: Rules, seen: list[Sample]) -> None:
    for decision in run(by, seen):
        assert decision.desired >= decision.need


@given(rules(), samples(), st.integers(0, 10_000))
def test_more_backlog_never_means_fewer(by: Rules, sample: Sample, more: int) -> None:
    fewer, _ = decide(by, sample, Memory())
    grown = dataclasses.replace(sample, backlog=sample.backlog + more)
    assert decide(by, grown, Memory())[0].desired >= fewer.desired


@given(rules(), histories())
@settings(max_examples=200)
def test_goes_in_only_to_what_the_whole_hold_allows(by: Rules, seen: list[Sample]) -> None:
    made = run(by, [dataclasses.replace(sample, busy=0) for sample in seen])
    for number in range(1, len(made)):
        now = seen[number].at_s
        if made[number].desired >= made[number - 1].desired:
            continue
        held = [earlier for earlier in range(1, number + 1) if seen[earlier].at_s > now - by.hold_s]
        # Nothing needed within the hold is given up, and no step out was made within it.
        assert all(made[at].need <= made[number].desired for at in held)
        assert all(
            made[at].desired <= made[at - 1].desired or made[at].desired <= made[number].desired
            for at in held
        )


@given(rules(), histories(), samples())
def test_settles_where_the_load_does(by: Rules, before: list[Sample], last: Sample) -> None:
    start = before[-1].at_s
    steady = [
        dataclasses.replace(last, at_s=start + by.hold_s * step / 4 + step, busy=0)
        for step in range(1, 8)
    ]
    made = run(by, before + steady)
    assert made[-1].desired == made[-2].desired == made[-1].need


def test_a_noisy_load_does_not_make_it_flap() -> None:
    seen = [
        Sample(at_s=5.0 * tick, instances=2, requests_per_s=46 if tick % 3 else 44)
        for tick in range(720)
    ]
    assert {decision.desired for decision in run(RULES, seen)[1:]} == {4}


@pytest.mark.parametrize(
    ("sample", "desired", "says"),
    [
        (Sample(0, 2), 2, "2 stay: nothing to do; 2 is the least allowed."),
        (
            Sample(0, 2, requests_per_s=95),
            7,
            "out from 2 to 7: 95 requests a second, 15 for each instance.",
        ),
        (
            Sample(0, 2, busy=2, backlog=4, in_flight=2, arrivals_per_s=0.2, service_s=23),
            8,
            "out from 2 to 8: 4 jobs wait and 2 run, 0.2 a second arrive, each takes 23 s.",
        ),
        (
            Sample(0, 2, busy=2, backlog=5_000, in_flight=2, service_s=23),
            10,
            "out from 2 to 10: 5,000 jobs wait and 2 run, each takes 23 s; "
            "that asks for 1918, the most allowed is 10.",
        ),
        (Sample(0, 12, busy=12), 12, "12 stay: 2 would do, but 12 are busy."),
    ],
)
def test_says_why(sample: Sample, desired: int, says: str) -> None:
    decision, _ = decide(RULES, sample, Memory())
    assert (decision.desired, decision.reason) == (desired, says)


def test_says_how_long_it_holds_and_then_goes_in() -> None:
    memory = Memory()
    for at_s, load in [(0, 95), (120, 0)]:
        held, memory = decide(RULES, Sample(at_s, 7, requests_per_s=load), memory)
    assert held.reason == "7 stay: 2 would do, but 7 were needed 120 s ago."
    gone_in, _ = decide(RULES, Sample(241, 7), memory)
    assert gone_in.desired == 2
    assert gone_in.reason.startswith("in from 7 to 2: nothing to do")


def test_long_jobs_get_one_instance_each_and_short_ones_share() -> None:
    long, _ = decide(Rules(), Sample(0, 2, busy=2, backlog=3, in_flight=2, service_s=900), Memory())
    assert long.desired == 5
    short, _ = decide(Rules(), Sample(0, 2, busy=2, backlog=30, in_flight=2, service_s=2), Memory())
    assert short.desired == 2


def test_parts_of_a_large_file_get_one_instance_each_however_short_jobs_were() -> None:
    after_tiny_jobs = Sample(0, 2, busy=2, backlog=40, in_flight=2, service_s=0.3)
    tiny, _ = decide(Rules(), after_tiny_jobs, Memory())
    assert tiny.desired == 2
    large, _ = decide(
        Rules(), dataclasses.replace(after_tiny_jobs, parts_waiting=40, parts_running=2), Memory()
    )
    assert (large.desired, large.reason) == (
        10,
        "out from 2 to 10: 40 jobs wait and 2 run, 42 of them parts of large files, each job takes "
        "0.3 s; that asks for 42, the most allowed is 10.",
    )
    # While the file is still being cut: the one who cuts it, one part that runs and two that wait.
    cut = Sample(0, 2, busy=2, backlog=2, in_flight=2, parts_waiting=2, parts_running=1,
                 service_s=0.3)  # fmt: skip
    assert decide(Rules(), cut, Memory())[0].desired == 4


def test_a_few_long_downloads_take_all_threads() -> None:
    rules = Rules(requests_per_s_per_instance=15.0, threads_per_instance=4)
    decision, _ = decide(rules, Sample(0, 2, requests_per_s=0.1, open_requests=8), Memory())
    assert decision.desired == 3, "8 of 8 threads are more than the 80 % that should be busy"
    assert decision.reason == (
        "out from 2 to 3: 0.1 requests a second, 15 for each instance, 8 in progress."
    )
    calm, _ = decide(rules, Sample(0, 2, requests_per_s=0.1, open_requests=0.4), Memory())
    assert calm.desired == 2
    assert "in progress" not in calm.reason


@pytest.mark.parametrize(
    "wrong",
    [{"minimum": 3, "maximum": 2}, {"minimum": -1}, {"hold_s": -1}, {"drain_s": 0},
     {"utilisation": 1.1}, {"requests_per_s_per_instance": 0}, {"threads_per_instance": 0}],
)  # fmt: skip
def test_rules_that_contradict_themselves_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"must|agree|utilisation"):
        Rules(**wrong)  # type: ignore[arg-type]
