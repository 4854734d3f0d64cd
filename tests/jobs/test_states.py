"""Every pair of states: only the declared ways exist."""

from __future__ import annotations

import itertools

import pytest

from gas.jobs.models import Job, advance
from gas.jobs.states import OVER, TRANSITIONS, Status

pytestmark = pytest.mark.django_db
_NEEDED = {"result_prefix": "somewhere", "failure": "a reason"}


@pytest.mark.parametrize(
    ("status", "name"), list(itertools.product(Status, TRANSITIONS)), ids=lambda v: str(v)
)
def test_a_transition_happens_from_its_sources_only(job: Job, status: Status, name: str) -> None:
    way = TRANSITIONS[name]
    Job.objects.filter(pk=job.pk).update(status=status, **_NEEDED)
    moved = advance(job.pk, way, **_NEEDED)
    job.refresh_from_db()
    assert moved == (status in way.sources)
    assert job.status == (way.target if moved else status)


def test_nothing_leaves_a_state_that_is_over() -> None:
    assert not any(way.sources & OVER for way in TRANSITIONS.values())
    assert all(Status(way.target) in Status for way in TRANSITIONS.values())


def test_every_state_can_be_reached_and_left_or_is_over() -> None:
    targets = {way.target for way in TRANSITIONS.values()}
    sources = set().union(*(way.sources for way in TRANSITIONS.values()))
    assert targets == set(Status)
    assert sources | OVER == set(Status)
