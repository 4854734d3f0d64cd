"""What is of no use goes; what somebody may need stays."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.sessions.models import Session
from django.db import connection
from procrastinate.contrib.django.models import ProcrastinateJob

from gas.accounts.models import User
from gas.errors import TransientError
from gas.jobs import lifecycle, queue, scratch, uploads
from gas.jobs.models import Job, Upload
from gas.jobs.tidy import tidy
from gas.storage.parts import UploadGone
from gas.wiring import Services
from tests.fakes import FakeClock


@pytest.mark.django_db
def test_uploads_that_no_job_was_made_of_go_when_they_have_expired(
    svc: Services, user: User, make_upload: Callable[..., Upload], job: Job, clock: FakeClock
) -> None:
    make_upload(user)
    uploads.create(svc, user, "never-sent.vcf", 7)
    clock.advance(svc.settings.upload_expiry_s + 60)
    assert tidy(svc)["expired_uploads"] == 0, "a request may be under way"
    clock.advance(3600)
    assert tidy(svc)["expired_uploads"] == 2
    assert list(Upload.objects.all()) == [job.upload]
    assert [stored.key for stored in svc.storage.list("")] == [job.input_key]
    assert tidy(svc)["expired_uploads"] == 0


@pytest.mark.django_db
def test_parts_that_nobody_completed_go_and_those_under_way_stay(
    svc: Services, user: User, clock: FakeClock, tmp_path: Path
) -> None:
    incoming = tmp_path / "incoming"

    def begun() -> Upload:
        upload = uploads.begin_parts(svc, uploads.create(svc, user, "a.vcf", 7))
        svc.parts.receive(uploads.sign(svc, upload, [1])[0].url, [b"1234567"])
        return upload

    expired = begun()
    clock.advance(svc.settings.upload_expiry_s + 3700)
    here = begun()
    assert tidy(svc)["expired_uploads"] == 1
    assert [folder.name for folder in incoming.iterdir()] == [here.parts_id]
    with pytest.raises(UploadGone):
        svc.parts.list_parts(expired.key, expired.parts_id)
    Upload.objects.all().delete()  # its row was lost, with an older backup say
    assert tidy(svc)["parts"] == 0, "not old yet"
    past = time.time() - svc.settings.upload_expiry_s - 3700
    os.utime(incoming / here.parts_id, (past, past))
    assert tidy(svc)["parts"] == 1
    assert list(incoming.iterdir()) == []


@pytest.mark.django_db
def test_a_store_that_is_down_keeps_the_rest_from_nothing(
    svc: Services, user: User, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(_key: str) -> None:
        raise TransientError("The store is away.")

    uploads.create(svc, user, "a.vcf", 7)
    Session.objects.create(session_key="old", expire_date=clock() - timedelta(days=1))
    Session.objects.create(session_key="new", expire_date=clock() + timedelta(days=9))
    clock.advance(svc.settings.upload_expiry_s + 7200)
    monkeypatch.setattr(svc.storage, "delete", down)
    done = tidy(svc)
    assert done["expired_uploads"] == 0
    assert done["sessions"] == 1
    assert Upload.objects.count() == 1, "its row stays until its bytes are gone"
    monkeypatch.undo()
    assert tidy(svc)["expired_uploads"] == 1


@pytest.mark.django_db
def test_messages_that_failed_long_ago_go_and_others_stay(svc: Services, job: Job) -> None:
    (waiting,) = ProcrastinateJob.objects.all()
    queue.enqueue(queue.THAW, "old")
    queue.enqueue(queue.RESTORE, "new")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_jobs SET status = 'failed' WHERE id != %s",
                       [waiting.pk])  # fmt: skip
        cursor.execute(
            "UPDATE procrastinate_events SET at = at - interval '31 days' WHERE job_id IN "
            "(SELECT id FROM procrastinate_jobs WHERE task_name = %s)", [queue.THAW])  # fmt: skip
    assert tidy(svc)["failed_messages"] == 1
    left = ProcrastinateJob.objects.values_list("task_name", "status")
    assert sorted(left) == [(queue.ANNOTATE, "todo"), (queue.RESTORE, "failed")]


@pytest.mark.django_db
def test_an_attempt_that_vanished_leaves_nothing_in_the_store(
    svc: Services, job: Job, clock: FakeClock
) -> None:
    claim = lifecycle._claim(svc, job.pk, "w")
    assert claim is not None
    left = job.attempt_prefix(claim.attempt) + "/annotated.vcf.gz"
    svc.storage.put(left, [b"killed right after this"])
    clock.advance(svc.settings.lease_s + 1)
    assert lifecycle.reap(svc)["expired_leases"] == 1
    assert [stored.key for stored in svc.storage.list("")] == [job.input_key]


def _age(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the moment pass in which a new folder is left alone."""
    later = time.time() + 60
    monkeypatch.setattr(scratch.time, "time", lambda: later)


def test_the_scratch_folder_of_a_killed_run_is_swept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = (
        "import os, pathlib, signal, sys; from gas.jobs import scratch\n"
        "with scratch.folder(pathlib.Path(sys.argv[1])) as folder:\n"
        "    (folder / 'input').write_bytes(b'x')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    killed = subprocess.run([sys.executable, "-c", run, str(tmp_path)], check=False)
    assert killed.returncode == -9
    assert len(list(tmp_path.iterdir())) == 1
    assert scratch.sweep(tmp_path) == 0, "it may be that its lock is about to be taken"
    _age(monkeypatch)
    with scratch.folder(tmp_path) as mine:
        assert scratch.sweep(tmp_path) == 1
        assert list(tmp_path.iterdir()) == [mine], "a run at work keeps its own"
    assert list(tmp_path.iterdir()) == []


def test_an_upload_of_a_killed_web_process_is_swept_after_a_day(tmp_path: Path) -> None:
    old, new = tmp_path / "tmpab12.upload.gz", tmp_path / "tmpcd34.upload"
    for path in (old, new):
        path.write_bytes(b"x")
    past = time.time() - 2 * scratch.UPLOAD_S
    os.utime(old, (past, past))
    assert scratch.sweep(tmp_path) == 1
    assert list(tmp_path.iterdir()) == [new]
