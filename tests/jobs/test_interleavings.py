"""Workers that claim, sleep, die, fail and publish in any order, with the reaper, the owner and
doubled messages among them: whatever happens, a job ends once and in one way."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from procrastinate.contrib.django.models import ProcrastinateJob

from gas.accounts.models import User
from gas.errors import InputError, TransientError
from gas.jobs import lifecycle, queue
from gas.jobs.lifecycle import Claim
from gas.jobs.models import Job
from gas.jobs.states import Status
from gas.notify.models import Mail
from gas.wiring import Services
from tests.fakes import FakeClock, FakeRunner

pytestmark = pytest.mark.django_db
STEPS = 40


class Play:
    """One job and everyone who may touch it. Each method is something that can happen."""

    def __init__(self, svc: Services, clock: FakeClock, job: Job, rng: random.Random) -> None:
        self.svc, self.clock, self.job, self.rng = svc, clock, job, rng
        self.claims: list[Claim] = []
        self.published: list[int] = []
        self.runner = FakeRunner()

    def step(self) -> None:
        before = Job.objects.filter(pk=self.job.pk).values().get()
        happening = self.rng.choice(
            [
                self.a_message_comes,
                self.a_message_comes,
                self.a_worker_beats,
                self.a_worker_publishes,
                self.a_worker_fails_for_now,
                self.a_worker_dies,
                self.a_worker_hands_back,
                self.time_passes,
                self.time_passes,
                self.the_reaper_comes,
                *(
                    [self.a_worker_fails_for_good, self.the_owner_cancels]
                    * (self.rng.random() < 0.1)
                ),
            ]
        )
        happening()
        self.check(before)

    def a_message_comes(self) -> None:
        """It may be one of two, or late."""
        claim = lifecycle._claim(self.svc, self.job.pk, f"w{self.rng.randrange(3)}")
        if claim is not None:
            self.claims.append(claim)

    def a_worker_beats(self) -> None:
        for claim in self._some_claim():
            try:
                lifecycle._keeper(self.svc, claim, lambda: False)(self.rng.random())
            except lifecycle.LostClaim:
                self.claims.remove(claim)

    def a_worker_publishes(self) -> None:
        for claim in self._some_claim():
            self.claims.remove(claim)
            outcome = self.runner.run(lifecycle._task(self.svc, claim), lambda _progress: None)
            if lifecycle._publish(self.svc, claim, outcome):
                self.published.append(claim.attempt)

    def a_worker_fails_for_now(self) -> None:
        for claim in self._some_claim():
            self.claims.remove(claim)
            lifecycle._failed(self.svc, claim, TransientError("not now"))

    def a_worker_fails_for_good(self) -> None:
        for claim in self._some_claim():
            self.claims.remove(claim)
            lifecycle._failed(self.svc, claim, InputError("never"))

    def a_worker_hands_back(self) -> None:
        for claim in self._some_claim():
            self.claims.remove(claim)
            lifecycle._hand_back(self.svc, claim)

    def a_worker_dies(self) -> None:
        for claim in self._some_claim():
            self.claims.remove(claim)

    def time_passes(self) -> None:
        self.clock.advance(self.rng.choice([1, 10, self.svc.settings.lease_s + 1, 300]))

    def the_reaper_comes(self) -> None:
        lifecycle.reap(self.svc)

    def the_owner_cancels(self) -> None:
        lifecycle.cancel(self.svc, self.job)

    def until_it_is_over(self) -> None:
        """From here on nothing goes wrong: then it must come to an end by itself."""
        for _ in range(3 * self.svc.settings.max_tries):
            self.clock.advance(1000)
            self.the_reaper_comes()
            if Job.objects.get(pk=self.job.pk).is_over:
                return
            told = ProcrastinateJob.objects.filter(queueing_lock=f"annotate:{self.job.pk}")
            assert told.filter(status="todo").exists(), "somebody must be told"
            self.clock.advance(1000)
            ProcrastinateJob.objects.filter(task_name=queue.ANNOTATE)._raw_delete("default")
            self.a_message_comes()
            self.a_worker_publishes()
        raise AssertionError("the job is stuck")

    def check(self, before: dict[str, object]) -> None:
        now = Job.objects.filter(pk=self.job.pk).values().get()
        assert now["attempt"] >= before["attempt"], "the token only grows"
        if Status(str(before["status"])).is_over:
            assert now == before, "what is over never changes"
        assert len(self.published) <= 1
        assert (now["status"] == Status.COMPLETED) == bool(self.published)
        if self.published:
            assert now["result_prefix"] == self.job.attempt_prefix(self.published[0])
            for file in now["result_files"]:
                stored = self.svc.storage.stat(f"{now['result_prefix']}/{file['name']}")
                assert stored.sha256 == file["sha256"]
        told = now["status"] in (Status.COMPLETED, Status.FAILED)
        assert Mail.objects.filter(job=self.job).count() == int(told)

    def _some_claim(self) -> list[Claim]:
        return [self.rng.choice(self.claims)] if self.claims else []


def _play(
    seed: int, svc: Services, clock: FakeClock, user: User, make_job: Callable[..., Job]
) -> Job:
    play = Play(svc, clock, make_job(user), random.Random(seed))
    for _ in range(STEPS):
        play.step()
    play.until_it_is_over()
    play.job.refresh_from_db()
    return play.job


def test_every_play_ends_once(
    svc: Services, clock: FakeClock, user: User, make_job: Callable[..., Job]
) -> None:
    ends = {_play(seed, svc, clock, user, make_job).status for seed in range(25)}
    assert Status.COMPLETED in ends


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("block", range(10))
def test_thousand_plays_end_once(
    svc: Services, clock: FakeClock, user: User, make_job: Callable[..., Job], block: int
) -> None:
    ends = {
        _play(1000 + seed, svc, clock, user, make_job).status
        for seed in range(block * 100, block * 100 + 100)
    }
    assert ends == {Status.COMPLETED, Status.FAILED, Status.CANCELLED}
