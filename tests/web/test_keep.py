"""The pages tell where a result lies, and follow it; lists by state; deleting a job."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from django.test import Client
from django.urls import reverse

from gas import wiring
from gas.accounts import tokens
from gas.accounts.change import change_plan
from gas.accounts.models import User
from gas.errors import TransientError
from gas.jobs import keeping
from gas.jobs.models import Job
from gas.jobs.states import ResultState, Status
from gas.wiring import Services
from tests.fakes import FakeClock, FakeCold
from tests.web.test_jobs import HTMX, page_of, run

pytestmark = pytest.mark.django_db

RETENTION_S = 1800


def told(page: str) -> str:
    """What the page says of the result, as one line."""
    found = re.search(r'<div class="keep" id="keep">(.*?)</div>', page, re.S)
    assert found is not None
    return " ".join(re.sub(r"<[^>]+>", " ", found[1]).split())


def poll_s(page: str) -> int | None:
    found = re.search(r'id="live"[^>]* hx-trigger="every (\d+)s"', page)
    return int(found[1]) if found else None


def archive(svc: Services, job: Job, clock: FakeClock) -> None:
    clock.advance(RETENTION_S)
    keeping.archive(svc, job.pk)


@pytest.fixture
def gone(svc: Services, done_job: Job, clock: FakeClock) -> Job:
    """A free user's result in cold storage, since 12:30."""
    archive(svc, done_job, clock)
    done_job.refresh_from_db()
    assert done_job.result_state == ResultState.ARCHIVED
    return done_job


def test_at_hand_until(mine: Client, done_job: Job, clock: FakeClock) -> None:
    page = page_of(mine, "job-detail", done_job.pk)
    assert "Result at hand until 12:30 UTC . Then it moves to cold storage." in told(page)
    assert poll_s(page) == RETENTION_S + 1, "it asks when the time has come, and not before"
    clock.advance(RETENTION_S)
    page = page_of(mine, "job-detail", done_job.pk)
    assert told(page).startswith("Result moving to cold storage.")
    assert poll_s(page) == 10


def test_a_time_on_another_day_has_its_date(mine: Client, done_job: Job, clock: FakeClock) -> None:
    clock.advance(-13 * 3600)
    page = page_of(mine, "job-detail", done_job.pk)
    assert "at hand until 2026-01-01 12:30 UTC" in told(page)


def test_premium_stays(mine: Client, user: User, job: Job, svc: Services) -> None:
    change_plan(svc, user, "premium", why="test")
    run(svc, job)
    page = page_of(mine, "job-detail", job.pk)
    assert told(page) == "Result at hand. Your plan (Premium) keeps it there."
    assert poll_s(page) is None


def test_on_its_way_it_can_still_be_downloaded(
    mine: Client, done_job: Job, svc: Services, clock: FakeClock, cold: FakeCold
) -> None:
    cold.errors = [TransientError("the cold tier of example.net:1234 is away")]
    archive(svc, done_job, clock)
    page = page_of(mine, "job-detail", done_job.pk)
    assert told(page).startswith("Result moving to cold storage. It can be downloaded")
    assert "example.net" not in page
    file = reverse("job-file", args=[done_job.pk, "annotated.vcf.gz"])
    assert file in page
    assert b"".join(mine.get(file).streaming_content)  # type: ignore[attr-defined]
    assert poll_s(page) == 10


def test_in_cold_storage(mine: Client, gone: Job, clock: FakeClock) -> None:
    clock.advance(60)
    page = page_of(mine, "job-detail", gone.pk)
    said = told(page)
    assert said.startswith("Result in cold storage since 12:30 UTC .")
    link = '<a role="button" class="small" href="/subscribe/">Upgrade to get it back</a>'
    assert link in page
    assert "Downloads</h2>" not in page
    assert "annotated.vcf.gz" not in page
    assert "What was found" in page, "the counts stay"
    assert poll_s(page) is None
    file = reverse("job-file", args=[gone.pk, "annotated.vcf.gz"])
    answer = mine.get(file)
    assert answer.status_code == 409
    assert "This result is in cold storage." in answer.content.decode()


def test_no_upgrade_is_linked_where_none_is_sold(
    mine: Client, gone: Job, svc: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wiring, "_services", replace(svc, billing=None))
    page = page_of(mine, "job-detail", gone.pk)
    assert "The premium plan gets it back: ask the operator" in told(page)
    assert "Upgrade" not in page


def test_the_way_back(
    mine: Client, user: User, gone: Job, svc: Services, clock: FakeClock, cold: FakeCold
) -> None:
    change_plan(svc, user, "premium", why="test")
    url = reverse("job-status", args=[gone.pk])
    said = []
    seen = ""
    for step in (
        lambda: None,
        lambda: keeping.restore_all(svc, user.pk),
        lambda: keeping.thaw(svc, gone.pk),
        lambda: clock.advance(cold.thaw_s),
        lambda: keeping.restore(svc, gone.pk),
    ):
        step()
        response = mine.get(url, {"seen": seen}, headers=HTMX)
        assert response.status_code == 200, "the fragment follows"
        page, seen = response.content.decode(), response.context["seen"]
        said.append((told(page), poll_s(page), "Downloads</h2>" in page))
        assert mine.get(url, {"seen": seen}, headers=HTMX).status_code == 204
    texts, polls, downloads = zip(*said, strict=True)
    assert texts[0].startswith("Result on its way back. Your plan (Premium)")
    assert texts[1].startswith("Result being restored. Cold storage has not said")
    assert texts[2].startswith("Result being restored (Expedited), ready about 12:35 UTC .")
    assert texts[3] == "Result being restored (Expedited), ready any moment now. Look again"
    assert texts[4] == "Result at hand. Your plan (Premium) keeps it there."
    assert polls == (10, 10, 10, 10, None)
    assert downloads == (False, False, False, False, True)


def test_an_alarm_is_the_operators(
    mine: Client, done_job: Job, svc: Services, clock: FakeClock
) -> None:
    done_job.result_files[0]["sha256"] = "0" * 64
    done_job.save()
    archive(svc, done_job, clock)
    done_job.refresh_from_db()
    assert done_job.keep_halted
    page = page_of(mine, "job-detail", done_job.pk)
    assert told(page).startswith("The operator of this service is looking at this result.")
    assert "checksum" not in page
    assert done_job.keep_error not in page
    assert poll_s(page) is None


# -- the list --------------------------------------------------------------------------------------


@pytest.fixture
def four(user: User, make_job: Callable[..., Job], gone: Job, svc: Services) -> None:
    """sample.vcf is in cold storage, done.vcf at hand; two.vcf and three.vcf wait."""
    run(svc, make_job(user, filename="done.vcf"))
    for name in ("two.vcf", "three.vcf"):
        make_job(user, filename=name)


def names(page: str) -> set[str]:
    return set(re.findall(r"<bdi>(.*?)</bdi>", page))


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ({}, {"sample.vcf", "done.vcf", "two.vcf", "three.vcf"}),
        ({"status": "PENDING"}, {"two.vcf", "three.vcf"}),
        ({"result": "ARCHIVED"}, {"sample.vcf"}),
        ({"status": "COMPLETED", "result": "STORED"}, {"done.vcf"}),
        ({"status": "COMPLETED", "result": "<x>"}, {"sample.vcf", "done.vcf"}),
        ({"status": "pending' OR 1=1"}, {"sample.vcf", "done.vcf", "two.vcf", "three.vcf"}),
    ],
)
def test_the_list_by_state(
    mine: Client, four: None, query: dict[str, str], shown: set[str]
) -> None:
    assert names(page_of(mine, "job-list", **query)) == shown


def test_the_list_tells_where_a_result_lies(mine: Client, four: None) -> None:
    assert page_of(mine, "job-list").count('<span class="quiet">In cold storage</span>') == 1


def test_a_choice_without_jobs(mine: Client, four: None) -> None:
    page = page_of(mine, "job-list", status="FAILED")
    assert "No such jobs" in page
    assert '<option value="FAILED" selected>' in page
    assert "No jobs yet" not in page


def test_paging_and_polling_keep_the_choice(
    mine: Client, user: User, make_job: Callable[..., Job]
) -> None:
    for number in range(27):
        make_job(user, filename=f"n{number:02}.vcf")
    page = page_of(mine, "job-list", status="PENDING")
    assert 'href="?status=PENDING&amp;page=2"' in page
    assert f'hx-get="{reverse("job-list")}?status=PENDING&amp;page=1"' in page
    assert "26 to 27 of 27" in page_of(mine, "job-list", status="PENDING", page="2")
    assert "No such jobs" in page_of(mine, "job-list", status="RUNNING")


def test_the_list_follows_a_restore(mine: Client, user: User, gone: Job, svc: Services) -> None:
    assert "hx-trigger" not in page_of(mine, "job-list")
    change_plan(svc, user, "premium", why="test")
    keeping.restore_all(svc, user.pk)
    page = page_of(mine, "job-list")
    assert "hx-trigger" in page
    assert '<span class="quiet">Being restored</span>' in page


def test_the_apis_list_by_result_state(client: Client, user: User, four: None) -> None:
    from datetime import UTC, datetime

    token = tokens.create_token(user, "t", datetime.now(UTC))
    ask = {"Authorization": f"Bearer {token}"}
    answer = client.get("/api/v1/jobs?result_state=ARCHIVED", headers=ask)
    assert [job["filename"] for job in json.loads(answer.content)["items"]] == ["sample.vcf"]
    assert client.get("/api/v1/jobs?result_state=NOWHERE", headers=ask).status_code == 422


# -- deleting --------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["PENDING", "RUNNING", "COMPLETED", "ARCHIVED"])
def test_a_job_is_deleted_in_any_state(
    mine: Client, job: Job, svc: Services, clock: FakeClock, state: str
) -> None:
    if state == "RUNNING":
        Job.objects.filter(pk=job.pk).update(status=Status.RUNNING, attempt=1)
    if state in ("COMPLETED", "ARCHIVED"):
        run(svc, job)
    if state == "ARCHIVED":
        archive(svc, job, clock)
    url = reverse("job-delete", args=[job.pk])
    assert url in page_of(mine, "job-detail", job.pk)
    asked = page_of(mine, "job-delete", job.pk)
    assert "There is no way back" in asked
    assert ("It is stopped first." in asked) is (state in ("PENDING", "RUNNING"))
    assert Job.objects.get(pk=job.pk).erasing is False, "it only asked"
    response = mine.post(url, follow=True)
    assert "sample.vcf is deleted." in response.content.decode()
    assert "No jobs yet" in response.content.decode()
    for name in ("job-detail", "job-delete", "job-log", "job-input"):
        assert mine.get(reverse(name, args=[job.pk])).status_code == 404
    assert mine.post(url).status_code == 404


def test_anothers_job_cannot_be_deleted(theirs: Client, job: Job) -> None:
    assert theirs.post(reverse("job-delete", args=[job.pk])).status_code == 404
    job.refresh_from_db()
    assert not job.erasing


def test_the_same_form_makes_a_new_job_after_a_deletion(
    mine: Client, svc: Services, user: User
) -> None:
    from django.core.files.uploadedfile import SimpleUploadedFile

    from tests.conftest import VCF

    once = "6f2c3c3e-2f0e-4d8b-9d3a-0f7e6f0b8a11"

    def send(name: str = "again.vcf") -> str:
        file = SimpleUploadedFile(name, VCF)
        return mine.post(reverse("annotate"), {"file": file, "once": once})["Location"]

    first = send()
    assert send() == first
    assert send("other.vcf") != first
    mine.post(first + "delete/")
    second = send()
    assert second != first
    assert mine.get(second).status_code == 200


def test_an_upload_goes_with_its_job(client: Client, user: User, job: Job, svc: Services) -> None:
    from gas.jobs import erase, uploads

    assert uploads.find(svc, user, job.upload_id) is not None
    erase.ask_erase(svc, job)
    assert uploads.find(svc, user, job.upload_id) is None
