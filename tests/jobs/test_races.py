"""The races that could lose a result, each by its name: in many orders, by a fake clock; then by
real threads over real connections.

A deed of one can come in at any call that another makes to a store, and before each of its
transactions, unless it holds a row's lock: then the database would have the second wait.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import transaction

from gas.accounts.change import change_plan
from gas.accounts.models import User
from gas.audit.models import Action, AuditLine
from gas.jobs import keeping, lifecycle, uploads
from gas.jobs.models import Job
from gas.jobs.states import ResultState
from gas.wiring import Services
from tests.conftest import VCF
from tests.fakes import FakeClock, FakeCold
from tests.jobs.test_keeping import in_hot, intact, settle, work
from tests.threads import at_once

pytestmark = pytest.mark.django_db
Deed = Callable[[], object]
Race = Callable[["Scene"], tuple[list[Deed], str]]


class Scene:
    """One user with a completed job, and everybody who may touch it. ``between`` is called
    wherever others could come in."""

    def __init__(
        self, svc: Services, clock: FakeClock, cold: FakeCold, user: User, patch: pytest.MonkeyPatch
    ) -> None:
        self.real, self.clock, self.cold, self.user = svc, clock, cold, user
        self.between: Deed = lambda: None
        self.svc = replace(svc, storage=self._watched(svc.storage), cold=self._watched(cold))
        self._floor = self._depth()
        patch.setattr(keeping, "transaction", SimpleNamespace(atomic=self._atomic))
        self.job = self._completed_job()

    def _completed_job(self) -> Job:
        upload = uploads.create(self.real, self.user, "a.vcf", len(VCF))
        uploads.receive(self.real, upload, [VCF])
        job = lifecycle.submit(self.real, self.user, uploads.complete(self.real, upload))
        lifecycle.annotate(self.real, job.pk, worker="w", stopping=lambda: False)
        job.refresh_from_db()
        return job

    def _watched(self, inner: Any) -> Any:
        scene = self

        class Watched:
            def __getattr__(self, name: str) -> Any:
                attribute = getattr(inner, name)

                def call(*args: Any, **more: Any) -> Any:
                    scene._others()
                    return attribute(*args, **more)

                return call if callable(attribute) else attribute

        return Watched()

    def _atomic(self) -> Any:
        self._others()
        return transaction.atomic()

    def _others(self) -> None:
        if self._depth() == self._floor:
            self.between()

    @staticmethod
    def _depth() -> int:
        return len(transaction.get_connection().savepoint_ids)

    # -- what may happen ------------------------------------------------------------------------

    def upgrade(self) -> None:
        change_plan(self.svc, self.user, "premium", why="test")

    def downgrade(self) -> None:
        change_plan(self.svc, self.user, "free", why="test")

    def archive(self) -> None:
        keeping.archive(self.svc, self.job.pk)

    def thaw(self) -> None:
        keeping.thaw(self.svc, self.job.pk)

    def restore(self) -> None:
        keeping.restore(self.svc, self.job.pk)

    def restore_all(self) -> None:
        keeping.restore_all(self.svc, self.user.pk)

    def sweep(self) -> None:
        keeping.sweep(self.svc)

    def upgrade_and_have_it_back(self) -> None:
        for step in (self.upgrade, self.restore_all, self.thaw, self.thaw_time, self.restore):
            step()

    def time_comes(self) -> None:
        self.clock.advance(self.real.settings.free_retention_s)

    def thaw_time(self) -> None:
        self.clock.advance(self.cold.thaw_s)

    # -- and how it must end --------------------------------------------------------------------

    def check(self) -> None:
        """At any moment: nothing is lost, nobody has to look at it."""
        intact(self.real, self.cold, self.job)
        assert not self.job.keep_halted, self.job.keep_error

    def ends(self, plan: str) -> None:
        """Left to itself, the result lies where ``plan`` has it, whole and once."""
        self.between = lambda: None
        self.user.refresh_from_db()
        assert self.user.plan == plan
        right = (ResultState.STORED, 1, 0) if plan == "premium" else (ResultState.ARCHIVED, 0, 1)
        for _ in range(30):  # ten minutes each, as they come
            settle(self.real, self.clock, hours=1 / 6)
            self.check()
            if self._lies() == right:
                break
        assert self._lies() == right
        settle(self.real, self.clock, hours=1 / 6)
        self.check()
        assert self._lies() == right, "and there it stays"

    def _lies(self) -> tuple[str, int, int]:
        """The result's state, and its copies in the hot store and in the cold."""
        is_cold = self.job.result_key("annotated.vcf.gz") in self.cold.objects
        return self.job.result_state, in_hot(self.real, self.job), int(is_cold)


@pytest.fixture
def make(
    svc: Services, clock: FakeClock, cold: FakeCold, user: User, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], Scene]:
    return lambda: Scene(svc, clock, cold, User.objects.get(pk=user.pk), monkeypatch)


@pytest.fixture
def scene(make: Callable[[], Scene]) -> Scene:
    return make()


# -- at every single point -----------------------------------------------------------------------

#: Where others can come in: before a transaction, at a call to a store.
ARCHIVE_POINTS = 5
RESTORE_POINTS = 8


def at_the(scene: Scene, number: int, deed: Deed) -> list[int]:
    """Have ``deed`` come in at that point (1-based) of what follows, and nothing else; the points
    so far, counted."""
    calls: list[int] = []

    def between() -> None:
        calls.append(len(calls) + 1)
        if len(calls) == number:
            scene.between = lambda: None
            deed()
            scene.check()
            scene.between = between

    scene.between = between
    return calls


@pytest.mark.parametrize("deed", [Scene.upgrade, Scene.upgrade_and_have_it_back])
@pytest.mark.parametrize("number", range(1, ARCHIVE_POINTS + 1))
def test_an_upgrade_at_each_point_of_an_archive(
    scene: Scene, number: int, deed: Callable[[Scene], None]
) -> None:
    """While it is pending, while it runs, and between the copy and the deletion: also where all of
    it is back already when the archiver comes to delete."""
    scene.time_comes()
    calls = at_the(scene, number, lambda: deed(scene))
    scene.archive()
    scene.check()
    assert len(calls) >= number
    scene.ends("premium")


def test_no_other_point_is_forgotten(scene: Scene) -> None:
    scene.time_comes()
    calls = at_the(scene, 0, scene.upgrade)
    scene.archive()
    assert len(calls) == ARCHIVE_POINTS
    scene.upgrade()
    del calls[:]
    for step in (scene.restore_all, scene.thaw, scene.thaw_time, scene.restore):
        step()
    assert len(calls) == RESTORE_POINTS


def test_an_upgrade_between_copy_and_deletion_keeps_the_hot_copy(scene: Scene) -> None:
    scene.time_comes()
    archive = scene.cold.archive

    def copied_then_upgraded(*args: Any) -> Any:
        stored = archive(*args)
        scene.upgrade()
        scene.restore_all()
        return stored

    scene.cold.archive = copied_then_upgraded  # type: ignore[method-assign]
    scene.archive()
    scene.check()
    assert scene.job.result_state == ResultState.STORED
    assert in_hot(scene.real, scene.job) == 1
    assert not AuditLine.objects.filter(action=Action.ARCHIVE).exists(), "it never went"
    scene.ends("premium")


@pytest.mark.parametrize("back_again", [False, True])
@pytest.mark.parametrize("number", range(1, RESTORE_POINTS + 1))
def test_a_downgrade_at_each_point_of_thaw_and_restore(
    scene: Scene, number: int, back_again: bool
) -> None:
    scene.time_comes()
    scene.archive()
    scene.upgrade()
    calls = at_the(scene, number, scene.downgrade)
    for step in (scene.restore_all, scene.thaw, scene.thaw_time, scene.restore):
        step()
        scene.check()
    assert len(calls) >= number
    if back_again:
        scene.upgrade()
    scene.ends("premium" if back_again else "free")


# -- in every order -------------------------------------------------------------------------------


def upgrade_while_the_archive_is_pending(scene: Scene) -> tuple[list[Deed], str]:
    return [scene.archive, scene.time_comes, scene.archive, scene.upgrade, scene.sweep], "premium"


def upgrade_while_the_archive_runs(scene: Scene) -> tuple[list[Deed], str]:
    scene.time_comes()
    return [
        scene.archive, scene.archive, scene.upgrade, scene.restore_all, scene.sweep, scene.thaw,
        scene.thaw_time, scene.restore,
    ], "premium"  # fmt: skip


def downgrade_while_thawing(scene: Scene) -> tuple[list[Deed], str]:
    scene.time_comes()
    scene.archive()
    scene.upgrade()
    scene.restore_all()
    return [
        scene.thaw, scene.thaw_time, scene.restore, scene.restore, scene.downgrade, scene.archive,
        scene.sweep,
    ], "free"  # fmt: skip


def down_and_up_again_while_thawing(scene: Scene) -> tuple[list[Deed], str]:
    deeds, _plan = downgrade_while_thawing(scene)
    deeds.remove(scene.downgrade)

    def there_and_back() -> None:
        scene.downgrade()
        scene.between()
        scene.upgrade()

    return [*deeds, there_and_back, scene.restore_all], "premium"


def completion_and_upgrade_in_the_same_second(scene: Scene) -> tuple[list[Deed], str]:
    scene.job = scene._completed_job()
    return [scene.upgrade, scene.archive, scene.restore_all, scene.sweep], "premium"


RACES = [
    upgrade_while_the_archive_is_pending,
    upgrade_while_the_archive_runs,
    downgrade_while_thawing,
    down_and_up_again_while_thawing,
    completion_and_upgrade_in_the_same_second,
]


def run(scene: Scene, deeds: list[Deed], rng: random.Random) -> None:
    """All of ``deeds``, each before another, or within it at one of its calls."""
    left = list(deeds)
    rng.shuffle(left)

    def next_deed() -> None:
        if left and rng.random() < 0.5:
            left.pop()()
            scene.check()

    scene.between = next_deed
    while left:
        left.pop()()
        scene.check()


def interleave(race: Race, make: Callable[[], Scene], seeds: range) -> None:
    for seed in seeds:
        with transaction.atomic():
            scene = make()
            deeds, plan = race(scene)
            run(scene, deeds, random.Random(seed))
            scene.ends(plan)
            transaction.set_rollback(True)


@pytest.mark.parametrize("race", RACES, ids=lambda race: race.__name__)
def test_race(race: Race, make: Callable[[], Scene]) -> None:
    interleave(race, make, range(6))


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("block", range(4))
@pytest.mark.parametrize("race", RACES, ids=lambda race: race.__name__)
def test_race_in_many_orders(race: Race, make: Callable[[], Scene], block: int) -> None:
    interleave(race, make, range(1000 + 100 * block, 1100 + 100 * block))


def test_a_premium_job_is_never_archived(
    make: Callable[[], Scene], make_user: Callable[..., User], cold: FakeCold
) -> None:
    """Whatever messages come, however often and late; also where the row says that it is due."""
    rng = random.Random(7)
    scene = make()
    scene.user = make_user("rich@example.org", plan="premium")
    scene.job = scene._completed_job()
    deeds: list[Deed] = [scene.archive, scene.time_comes, scene.sweep, scene.restore_all]
    Job.objects.filter(pk=scene.job.pk).update(archive_due_at=scene.clock())
    for _ in range(20):
        run(scene, rng.sample(deeds, 4) * 2, rng)
        assert scene.job.result_state == ResultState.STORED
    assert "archive" not in cold.calls
    assert in_hot(scene.real, scene.job) == 1


# -- real threads ----------------------------------------------------------------------------------


ROUNDS = range(3)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("round", ROUNDS)
def test_archive_against_upgrade_in_threads(scene: Scene, round: int) -> None:
    scene.time_comes()
    real = replace(scene.real, cold=scene.cold)
    results = at_once(
        [
            lambda: keeping.archive(real, scene.job.pk),
            lambda: change_plan(real, User.objects.get(), "premium", why="test"),
            lambda: keeping.archive(real, scene.job.pk),
            lambda: keeping.restore_all(real, scene.user.pk),
        ]
    )
    assert results == [None, True, None, None]
    scene.check()
    scene.ends("premium")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("round", ROUNDS)
def test_completion_and_upgrade_in_threads(
    svc: Services, user: User, make_job: Callable[..., Job], clock: FakeClock, cold: FakeCold,
    round: int,
) -> None:  # fmt: skip
    job = make_job(user)
    results = at_once(
        [
            lambda: lifecycle.annotate(svc, job.pk, worker="w", stopping=lambda: False),
            lambda: change_plan(svc, User.objects.get(), "premium", why="test"),
        ]
    )
    assert results == [None, True]
    settle(svc, clock, hours=2)
    intact(svc, cold, job)
    assert job.result_state == ResultState.STORED
    assert "archive" not in cold.calls


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("round", ROUNDS)
def test_restore_against_downgrade_in_threads(scene: Scene, round: int) -> None:
    scene.time_comes()
    scene.archive()
    scene.upgrade()
    work(scene.real, scene.clock)
    scene.thaw_time()
    results = at_once(
        [
            lambda: keeping.restore(scene.real, scene.job.pk),
            lambda: change_plan(scene.real, User.objects.get(), "free", why="test"),
            lambda: keeping.restore(scene.real, scene.job.pk),
            lambda: keeping.archive(scene.real, scene.job.pk),
        ]
    )
    assert results == [None, True, None, None]
    scene.check()
    scene.ends("free")
