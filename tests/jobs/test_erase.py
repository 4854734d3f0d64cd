"""Deleting a job and an account: from every tier, and nothing comes back."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from procrastinate.contrib.django.models import ProcrastinateJob

from gas.accounts import tokens
from gas.accounts.models import User
from gas.audit.models import Action, AuditLine
from gas.errors import TransientError
from gas.jobs import erase, keeping, lifecycle, queue, uploads
from gas.jobs.models import Job, Upload
from gas.jobs.runner import Task
from gas.wiring import Services
from tests.fakes import FakeClock, FakeCold, FakeRunner

pytestmark = pytest.mark.django_db


def work(svc: Services, clock: FakeClock) -> None:
    """Messages of erasure until there are none, time passing as it must."""
    for _ in range(20):
        todo = ProcrastinateJob.objects.filter(
            task_name__in=[queue.ERASE, queue.ERASE_ACCOUNT], status="todo"
        )
        if not todo:
            return
        for message in todo:
            queue._finish(message.pk)
            handle = erase.erase if message.task_name == queue.ERASE else erase.erase_account
            handle(svc, uuid.UUID(message.args["row_id"]))
        clock.advance(60)
    raise AssertionError("it never ends")


@pytest.fixture
def done(svc: Services, job: Job) -> Job:
    lifecycle.annotate(svc, job.pk, worker="w", stopping=lambda: False)
    job.refresh_from_db()
    return job


def test_a_job_goes_from_every_tier(
    svc: Services, done: Job, user: User, clock: FakeClock, cold: FakeCold
) -> None:
    clock.advance(svc.settings.free_retention_s)
    keeping.archive(svc, done.pk)
    assert cold.objects
    assert erase.ask_erase(svc, done)
    assert not erase.ask_erase(svc, done)
    assert not Job.objects.of(user).exists(), "hidden at once"
    work(svc, clock)
    assert not Job.objects.exists()
    assert not Upload.objects.exists()
    assert list(svc.storage.list("")) == []
    assert cold.objects == {}
    steps = [line.detail["step"] for line in AuditLine.objects.filter(action=Action.ERASE)]
    assert steps == ["done", "asked"], "the lines outlive the job"


def test_a_running_job_is_stopped_and_its_late_writes_go_too(
    svc: Services, job: Job, runner: FakeRunner, clock: FakeClock
) -> None:
    def deleted_meanwhile(_task: Task, _keep: object) -> None:
        erase.ask_erase(svc, job)
        queue._finish(ProcrastinateJob.objects.get(task_name=queue.ERASE, status="todo").pk)
        erase.erase(svc, job.pk)
        svc.storage.put(f"{job.attempt_prefix(1)}/late", [b"written after the first pass"])

    runner.steps = [deleted_meanwhile]
    lifecycle.annotate(svc, job.pk, worker="w", stopping=lambda: False)
    svc.storage.put(f"{job.attempt_prefix(1)}/later", [b"by a worker that was killed then"])
    work(svc, clock)
    assert not Job.objects.exists()
    assert list(svc.storage.list("")) == []


def test_an_archiver_cannot_bring_it_back(
    svc: Services, done: Job, clock: FakeClock, cold: FakeCold
) -> None:
    clock.advance(svc.settings.free_retention_s)
    begun = keeping._begin_archive(svc, done.pk)
    assert begun is not None
    erase.ask_erase(svc, done)
    keeping._step(svc, begun, queue.ARCHIVE, keeping._archive_steps)
    assert cold.objects
    work(svc, clock)
    assert cold.objects == {}
    assert list(svc.storage.list("")) == []
    assert not Job.objects.exists()


def test_a_store_that_is_away_is_asked_again(
    svc: Services, done: Job, clock: FakeClock, cold: FakeCold
) -> None:
    cold.errors = [TransientError("away")] * 3
    erase.ask_erase(svc, done)
    work(svc, clock)
    assert not Job.objects.exists()


def test_a_lost_message_is_no_excuse(svc: Services, done: Job, clock: FakeClock) -> None:
    erase.ask_erase(svc, done)
    ProcrastinateJob.objects.all()._raw_delete("default")
    assert erase.sweep(svc)["erasing_jobs"] == 1
    work(svc, clock)
    assert not Job.objects.exists()


def test_an_account_goes_with_all_that_is_its_own(
    svc: Services,
    done: Job,
    user: User,
    make_user: Callable[..., User],
    make_job: Callable[..., Job],
    clock: FakeClock,
    tmp_path: Path,
) -> None:
    other = make_job(make_user("eve@example.org"))
    token = tokens.create_token(user, "t", svc.now())
    uploads.receive(svc, uploads.create(svc, user, "half.vcf", 10), [b"12345"])
    by_parts = uploads.begin_parts(svc, uploads.create(svc, user, "parts.vcf", 5))
    svc.parts.receive(uploads.sign(svc, by_parts, [1])[0].url, [b"12345"])
    erase.ask_erase_account(svc, user)
    assert tokens.user_of(token, svc.now()) is None
    assert not User.objects.get(pk=user.pk).is_active
    work(svc, clock)
    assert not User.objects.filter(pk=user.pk).exists()
    assert [stored.key for stored in svc.storage.list("")] == [other.input_key]
    assert list((tmp_path / "incoming").iterdir()) == []
    assert AuditLine.objects.filter(user_id=user.pk, action=Action.ERASE).count() == 4
