"""Every pair of states: only the declared ways exist."""

from __future__ import annotations

import itertools

import pytest

from gas.jobs.models import Job, Shard, advance, advance_shard, move_result
from gas.jobs.states import (
    OVER,
    RESULT_TRANSITIONS,
    SHARD_TRANSITIONS,
    TRANSITIONS,
    ResultState,
    ShardState,
    Status,
)

pytestmark = pytest.mark.django_db


def needed(status: str) -> dict[str, str]:
    """What a row in that state must have."""
    kept = ResultState.STORED if status == Status.COMPLETED else ResultState.NONE
    return {"result_prefix": "somewhere", "failure": "a reason", "result_state": kept}


@pytest.mark.parametrize(("status", "name"), list(itertools.product(Status, TRANSITIONS)), ids=str)
def test_a_transition_happens_from_its_sources_only(job: Job, status: Status, name: str) -> None:
    way = TRANSITIONS[name]
    Job.objects.filter(pk=job.pk).update(status=status, **needed(status))
    moved = advance(job.pk, way, **needed(way.target))
    job.refresh_from_db()
    assert moved == (status in way.sources)
    assert job.status == (way.target if moved else status)


@pytest.mark.parametrize(
    ("state", "name"),
    [
        (state, name)
        for state, name in itertools.product(ResultState, RESULT_TRANSITIONS)
        if state != ResultState.NONE
    ],
    ids=str,
)
def test_a_result_moves_from_its_sources_only_and_once(
    job: Job, state: ResultState, name: str
) -> None:
    way = RESULT_TRANSITIONS[name]
    Job.objects.filter(pk=job.pk).update(
        status=Status.COMPLETED, result_prefix="somewhere", result_state=state
    )
    job.refresh_from_db()
    assert move_result(job, way) == (state in way.sources)
    assert not move_result(job, way), "what was read is old by now, or was wrong before"
    stale = job.keep_version
    job.refresh_from_db()
    assert job.result_state == (way.target if state in way.sources else state)
    assert job.keep_version == stale + int(state in way.sources)


@pytest.mark.parametrize(
    ("state", "name"), list(itertools.product(ShardState, SHARD_TRANSITIONS)), ids=str
)
def test_a_shard_moves_from_its_sources_only(job: Job, state: ShardState, name: str) -> None:
    way = SHARD_TRANSITIONS[name]
    shard = Shard.objects.create(
        job=job, attempt=1, number=0, state=state, created_at=job.submitted_at, fair_start=0
    )
    assert advance_shard(shard.pk, way) == (state in way.sources)
    shard.refresh_from_db()
    assert shard.state == (way.target if state in way.sources else state)


def test_nothing_leaves_a_state_that_is_over() -> None:
    """But FAILED, by an operator."""
    leaving = {name: way.sources & OVER for name, way in TRANSITIONS.items() if way.sources & OVER}
    assert leaving == {"retry": {Status.FAILED}}
    assert all(Status(way.target) in Status for way in TRANSITIONS.values())


def test_every_state_can_be_reached_and_left_or_is_over() -> None:
    targets = {way.target for way in TRANSITIONS.values()}
    sources = set().union(*(way.sources for way in TRANSITIONS.values()))
    assert targets == set(Status)
    assert sources | OVER == set(Status)
    kept = set(ResultState) - {ResultState.NONE}
    assert {way.target for way in RESULT_TRANSITIONS.values()} == kept
    assert set().union(*(way.sources for way in RESULT_TRANSITIONS.values())) == kept
