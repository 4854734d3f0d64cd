"""What is seen of the farm, by the real queue and by the files of web workers."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from procrastinate.contrib.django.models import ProcrastinateJob

from gas.farm import gauge
from gas.farm.gauge import Counter, WebGauge
from gas.farm.sample import queue_state
from gas.farm.scaler import ANNOTATORS, Scaler, annotator_rules, annotator_sample
from gas.farm.seen import QueueState, RequestMeter
from gas.jobs import lifecycle
from gas.jobs.models import Job
from gas.wiring import Services
from tests.fakes import FakeClock, FakeShardRunner


def test_an_empty_farm_has_nothing_to_do(svc: Services, db: None) -> None:
    assert queue_state(svc.now()) == QueueState()


def test_what_waits_and_how_long(
    svc: Services, clock: FakeClock, user: object, make_job: Callable[..., Job]
) -> None:
    for _ in range(3):
        make_job(user)
        clock.advance(10)
    seen = queue_state(svc.now())
    assert (seen.backlog, seen.in_flight, seen.oldest_age_s) == (3, 0, 30)
    assert seen.arrivals_per_s == 3 / 60
    assert seen.service_s is None
    clock.advance(45)
    assert queue_state(svc.now()).arrivals_per_s == 1 / 60, "those of the last minute"


def test_a_message_that_is_not_due_does_not_wait(
    svc: Services, clock: FakeClock, user: object, make_job: Callable[..., Job]
) -> None:
    job = make_job(user)
    forget_messages()
    Job.objects.update(not_before=svc.now() + timedelta(seconds=60))
    from gas.jobs import queue

    queue.enqueue(queue.ANNOTATE, job.pk, at=svc.now() + timedelta(seconds=60))
    assert queue_state(svc.now()).backlog == 0
    assert queue_state(svc.now()).oldest_age_s == 0
    clock.advance(61)
    assert queue_state(svc.now()).backlog == 1
    assert queue_state(svc.now()).oldest_age_s == 61


def test_a_large_file_makes_the_farm_grow_after_an_hour_of_short_jobs(
    svc: Services, clock: FakeClock, user: object, make_job: Callable[..., Job]
) -> None:
    for _ in range(3):
        run_one(svc, clock, make_job(user), 0.3)
    forget_messages()
    clock.advance(61)
    for _ in range(40):
        make_job(user)
    tiny = queue_state(svc.now())
    assert (tiny.backlog, tiny.parts_waiting, tiny.service_s) == (40, 0, pytest.approx(0.3))
    assert wanted(svc, tiny) == 2
    forget_messages()
    clock.advance(61)

    large = make_job(user)
    assert isinstance(svc.shard_runner, FakeShardRunner)
    svc.shard_runner.parts = 40
    forget_messages()
    every_file = replace(svc, settings=svc.settings.model_copy(update={"shard_bytes": 1}))
    lifecycle.annotate(every_file, large.pk, worker="annotator:1", stopping=lambda: False)
    first = ProcrastinateJob.objects.filter(queue_name="annotate")[0]
    ProcrastinateJob.objects.filter(pk=first.pk).update(status="doing")
    cut = queue_state(svc.now())
    assert (cut.backlog, cut.in_flight) == (39, 1)
    assert (cut.parts_waiting, cut.parts_running) == (39, 1)
    assert cut.service_s == pytest.approx(0.3), "no part has ended a job yet"
    assert wanted(svc, cut) == 10


def forget_messages() -> None:
    ProcrastinateJob.objects.all()._raw_delete("default")  # type: ignore[attr-defined]


def wanted(svc: Services, seen: QueueState) -> int:
    """How many annotators `gas up --annotators 2..10` wants at once."""
    rules = annotator_rules(svc.settings.model_copy(update={"annotators": "2..10"}))
    scaler = Scaler(ANNOTATORS, rules)
    scaler.decide(annotator_sample(0, 2, 2, seen))
    return scaler.desired


def run_one(svc: Services, clock: FakeClock, job: Job, took_s: float) -> None:
    claim = lifecycle._claim(svc, job.pk, "annotator:1")
    assert claim is not None
    clock.advance(took_s)
    lifecycle._publish(svc, claim, svc.runner.run(lifecycle._task(svc, claim), lambda _: None))


def test_how_long_jobs_run_is_the_mean_of_the_last(
    svc: Services, clock: FakeClock, user: object, make_job: Callable[..., Job]
) -> None:
    for took_s in (4, 8):
        run_one(svc, clock, make_job(user), took_s)
    assert queue_state(svc.now()).service_s == pytest.approx(6)
    clock.advance(3601)
    assert queue_state(svc.now()).service_s is None, "an hour ago tells nothing of now"


def test_a_rate_of_workers_that_come_and_go() -> None:
    meter = RequestMeter()
    assert meter.look(0, [WebGauge(1, 7, 0, 0, False)]).requests_per_s == 0
    seen = meter.look(10, [WebGauge(1, 7, 100, 2, False), WebGauge(2, 7, 50, 1, False)])
    assert seen.requests_per_s == 15
    assert (seen.workers, seen.open_requests) == (2, 1.5), "nothing, then three"
    seen = meter.look(20, [WebGauge(2, 7, 60, 0, True)])
    assert seen.requests_per_s == pytest.approx(8), "the first has gone, its requests count"
    assert (seen.workers, seen.draining) == (0, 1)
    assert meter.look(45, [WebGauge(2, 7, 60, 0, True)]).requests_per_s == pytest.approx(10 / 30)
    assert meter.look(50, []).requests_per_s == 0


def test_a_worker_writes_what_it_does_and_a_dead_one_is_cleared(tmp_path: Path) -> None:
    counter = Counter(tmp_path)
    with counter.request():
        counter.write(draining=False)
        assert gauge.read(tmp_path) == [WebGauge(os.getpid(), os.getppid(), 0, 1, False)]
    counter.write(draining=False)
    assert gauge.read(tmp_path)[0].served == 0, "not at every request"
    counter.write(draining=True)
    assert gauge.read(tmp_path) == [WebGauge(os.getpid(), os.getppid(), 1, 0, True)]

    gone = subprocess.Popen(["true"])
    gone.wait()
    (tmp_path / f"web-{gone.pid}.json").write_text(
        f'{{"pid": {gone.pid}, "master": 1, "served": 9, "open": 0, "draining": false}}'
    )
    (tmp_path / "web-1.json").write_text("not ours")
    assert [one.pid for one in gauge.read(tmp_path)] == [os.getpid()]
    assert not (tmp_path / f"web-{gone.pid}.json").exists()
