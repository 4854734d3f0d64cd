"""The pages of jobs: what they show, and what changes without a reload."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from loadtest import pages

from gas.accounts.models import User
from gas.errors import InputError
from gas.jobs import lifecycle
from gas.jobs.models import Job
from gas.jobs.states import ResultState, Status
from gas.wiring import Services
from tests.fakes import FakeClock, FakeRunner, raising

pytestmark = pytest.mark.django_db

HTMX = {"HX-Request": "true"}


def page_of(client: Client, name: str, *args: object, **query: str) -> str:
    response = client.get(reverse(name, args=args), query)
    assert response.status_code == 200
    return response.content.decode()


def run(svc: Services, job: Job) -> None:
    lifecycle.annotate(svc, job.pk, worker="w:1", stopping=lambda: False)
    job.refresh_from_db()


def test_no_jobs_yet(mine: Client) -> None:
    page = page_of(mine, "job-list")
    assert "No jobs yet" in page
    assert "hx-get" not in page


def test_the_list_shows_own_jobs_newest_first(
    mine: Client, user: User, make_user: Callable[..., User], make_job: Callable[..., Job],
    clock: FakeClock,
) -> None:  # fmt: skip
    make_job(make_user("eve@example.org"), filename="secret.vcf")
    for name in ("first.vcf", "second.vcf"):
        clock.advance(60)
        make_job(user, filename=name)
    page = page_of(mine, "job-list")
    assert "secret.vcf" not in page
    assert page.index("second.vcf") < page.index("first.vcf")
    assert "2026-01-01 12:02:00 UTC" in page
    assert 'datetime="2026-01-01T12:02:00Z"' in page


def test_the_list_is_paged(mine: Client, user: User, make_job: Callable[..., Job]) -> None:
    for number in range(27):
        make_job(user, filename=f"n{number:02}.vcf")
    assert "1 to 25 of 27" in page_of(mine, "job-list")
    assert "26 to 27 of 27" in page_of(mine, "job-list", page="2")
    assert "26 to 27 of 27" in page_of(mine, "job-list", page="999")
    assert "1 to 25 of 27" in page_of(mine, "job-list", page="<script>")


def test_the_list_asks_again_only_while_something_changes(
    mine: Client, job: Job, svc: Services
) -> None:
    assert "hx-trigger" in page_of(mine, "job-list")
    fragment = mine.get(reverse("job-list"), headers=HTMX).content.decode()
    assert fragment.strip().startswith("<section")
    run(svc, job)
    assert "hx-trigger" not in page_of(mine, "job-list")


def test_a_waiting_job_tells_its_place(
    mine: Client, user: User, make_job: Callable[..., Job], clock: FakeClock
) -> None:
    first = make_job(user)
    clock.advance(1)
    second = make_job(user)
    assert "It is next." in page_of(mine, "job-detail", first.pk)
    page = page_of(mine, "job-detail", second.pk)
    assert "<strong>1</strong> job waits before it." in page
    assert str(second.pk) in page
    assert "Cancel this job" in page


def test_a_running_job_tells_its_progress(mine: Client, job: Job, svc: Services) -> None:
    Job.objects.filter(pk=job.pk).update(
        status=Status.RUNNING, attempt=1, started_at=svc.now(), progress=0.426
    )
    page = page_of(mine, "job-detail", job.pk)
    assert '<progress value="42" max="100"' in page
    assert "Started" in page


def test_a_completed_job_shows_result_and_counts(mine: Client, done_job: Job) -> None:
    page = page_of(mine, "job-detail", done_job.pk)
    assert "Completed" in page
    assert reverse("job-file", args=[done_job.pk, "annotated.vcf.gz"]) in page
    assert "sample.annotated.vcf.gz" in page
    assert "What was found" in page
    assert "Cancel this job" not in page


def test_the_summary_is_shown_by_severity_and_as_text(
    mine: Client, job: Job, svc: Services
) -> None:
    run(svc, job)
    evil = "<img src=x onerror=alert(1)>"
    summary = {
        "records": 1000, "alleles": 1001, "annotated": 900, "unaffected": 100,
        "skipped": {"ref-mismatch": 7, "no-such-reason": 1},
        "consequences": {"most_severe": {"intron_variant": 890, "stop_gained": 10}},
        "impact": {"MODIFIER": 890, "HIGH": 10},
        "classes": {"SNV": 1001},
        "titv": {"ratio": 2.034},
        "genes": [{"gene": evil, "high": 10, "moderate": 0}],
        "examples": [{"variant": evil, "gene": evil, "consequence": evil, "impact": "HIGH",
                      "transcript": evil, "change": evil, "line": 1234}],
    }  # fmt: skip
    Job.objects.filter(pk=job.pk).update(summary=summary)
    page = page_of(mine, "job-detail", job.pk)
    assert page.index("stop_gained") < page.index("intron_variant")
    assert page.index("HIGH") < page.index("MODIFIER")
    assert "REF differs from the reference" in page
    assert "2.03" in page
    assert "1,234" in page
    assert 'width="89.00%"' in page
    assert "<img src=x" not in page


def test_a_failed_job_says_why(mine: Client, job: Job, svc: Services, runner: FakeRunner) -> None:
    fault = InputError("This is <b>no</b> VCF.", hint="Choose another.", line=3)
    runner.steps.append(raising(fault))
    run(svc, job)
    page = page_of(mine, "job-detail", job.pk)
    assert "Line 3: This is &lt;b&gt;no&lt;/b&gt; VCF. Choose another." in page
    assert reverse("job-input", args=[job.pk]) in page
    assert "What was found" not in page


def test_the_load_test_tells_how_a_job_went_by_its_page(
    mine: Client, job: Job, make_job: Callable[..., Job], user: User, svc: Services,
    runner: FakeRunner,
) -> None:  # fmt: skip
    waiting = page_of(mine, "job-detail", job.pk)
    where, seconds = pages.asks_again(waiting) or ("", 0)
    assert where.startswith(reverse("job-status", args=[job.pk]))
    assert seconds <= pages.LONGEST_POLL_S
    assert pages.fault(waiting) == "still not over"

    run(svc, job)
    fragment = mine.get(where, headers=HTMX)
    assert fragment.status_code == 200
    for over in (fragment.content.decode(), page_of(mine, "job-detail", job.pk)):
        assert pages.fault(over) == ""
        assert pages.result(over) == reverse("job-file", args=[job.pk, "annotated.vcf.gz"])

    runner.steps.append(raising(InputError("No.")))
    failed = make_job(user)
    run(svc, failed)
    assert failed.status == Status.FAILED
    assert pages.fault(page_of(mine, "job-detail", failed.pk)) == "over without a result"
    assert set(pages.jobs(page_of(mine, "job-list"))) == {str(failed.pk), str(job.pk)}
    form = page_of(mine, "annotate")
    assert pages.once(form)
    assert pages.token(form)


def test_the_fragment_comes_only_when_something_changed(
    mine: Client, job: Job, svc: Services
) -> None:
    url = reverse("job-status", args=[job.pk])
    first = mine.get(url, headers=HTMX)
    seen = first.context["seen"]
    assert f"seen={seen}" in first.content.decode()
    assert mine.get(url, {"seen": seen}, headers=HTMX).status_code == 204
    run(svc, job)
    last = mine.get(url, {"seen": seen}, headers=HTMX)
    assert last.status_code == 200
    text = last.content.decode()
    assert 'hx-swap-oob="innerHTML:#announce">sample.vcf: Completed, at hand' in text
    assert "<html" not in text


def test_the_fragment_by_itself_is_no_page(mine: Client, job: Job) -> None:
    response = mine.get(reverse("job-status", args=[job.pk]))
    assert response["Location"] == reverse("job-detail", args=[job.pk])


def test_a_session_that_ended_leads_to_sign_in(client: Client, job: Job) -> None:
    response = client.get(reverse("job-status", args=[job.pk]), headers=HTMX)
    detail = reverse("job-detail", args=[job.pk])
    assert response["HX-Redirect"] == f"/accounts/login/?next={detail}"


def test_an_old_job_is_asked_for_less(mine: Client, job: Job, clock: FakeClock) -> None:
    assert 'hx-trigger="every 1s"' in page_of(mine, "job-detail", job.pk)
    clock.advance(timedelta(minutes=1).total_seconds())
    assert 'hx-trigger="every 4s"' in page_of(mine, "job-detail", job.pk)


def test_without_javascript_the_page_reloads_until_the_end(
    mine: Client, user: User, job: Job, svc: Services
) -> None:
    reload = '<noscript><meta http-equiv="refresh"'
    assert reload in page_of(mine, "job-detail", job.pk)
    User.objects.filter(pk=user.pk).update(plan="premium")
    run(svc, job)
    assert reload not in page_of(mine, "job-detail", job.pk)


def test_cancel(mine: Client, job: Job) -> None:
    url = reverse("job-cancel", args=[job.pk])
    assert mine.post(url)["Location"] == reverse("job-detail", args=[job.pk])
    job.refresh_from_db()
    assert job.status == Status.CANCELLED
    assert "This job was cancelled." in page_of(mine, "job-detail", job.pk)
    assert "The job was over before" in mine.post(url, follow=True).content.decode()


def test_what_is_over_stays(mine: Client, done_job: Job) -> None:
    mine.post(reverse("job-cancel", args=[done_job.pk]))
    done_job.refresh_from_db()
    assert done_job.status == Status.COMPLETED


def test_the_log_in_the_browser_and_as_text(mine: Client, done_job: Job) -> None:
    from gas.jobs.models import JobEvent

    JobEvent.objects.create(
        job=done_job, at=done_job.submitted_at, attempt=1, message="a\nb\x1b[31m\u202e<i>"
    )
    page = page_of(mine, "job-log", done_job.pk)
    assert "Submitted: sample.vcf" in page
    assert "&lt;i&gt;" in page
    response = mine.get(reverse("job-log-text", args=[done_job.pk]))
    assert response["Content-Type"] == "text/plain; charset=utf-8"
    assert response["Content-Disposition"] == 'attachment; filename="sample.log.txt"'
    lines = response.content.decode().splitlines()
    assert len(lines) == 4
    assert lines[0].startswith("2026-01-01T12:00:00Z\t0\tSubmitted: sample.vcf")
    assert lines[-1].endswith("\ta b [31m <i>")


def test_findings_are_a_table_that_nothing_escapes_from(
    mine: Client, job: Job, svc: Services
) -> None:
    row = {
        "severity": "warning", "line": 1234, "column": 2, "field": "POS", "rule": "pos-number",
        "message": "POS is <script>alert(1)</script>.", "fix": "Write a number.",
    }  # fmt: skip
    values = {
        "findings": [row] * 150, "counts": {"pos-number": 5000}, "rejected": 3,
        "notes": ["Sorted."],
        "unlisted": {}, "version": "VCFv4.2", "records": 7, "sorted": True,
        "reference": {"warnings": ["Two contigs are unknown."]},
    }  # fmt: skip
    run(svc, job)
    content = json.dumps(values).encode()
    stored = svc.storage.put(f"{job.result_prefix}/findings.json", [content])
    job.result_files.append(
        {"name": "findings.json", "size_bytes": stored.size_bytes, "sha256": stored.sha256}
    )
    job.save()
    page = page_of(mine, "job-detail", job.pk)
    assert page.count("pos-number") == 100
    assert "5,000 findings, of which 100 are shown" in page
    assert '<td class="num">1,234</td>' in page
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert" not in page
    assert "Two contigs are unknown." in page
    url = reverse("job-findings", args=[job.pk])
    assert f'<a href="{url}">see more of them</a>' in page
    pages = [mine.get(url, {"page": n}).content.decode() for n in (1, 2)]
    assert [page.count("pos-number") for page in pages] == [100, 50]
    assert all("<script>alert" not in page for page in pages)
    assert "5,000 findings, of which 150 are told in full" in pages[0]
    assert '<a href="?page=2" rel="next">' in pages[0]
    Job.objects.filter(pk=job.pk).update(result_state=ResultState.ARCHIVED)
    assert mine.get(url)["Location"] == reverse("job-detail", args=[job.pk])
    assert mine.get(reverse("job-file", args=[job.pk, "no-such"])).status_code == 404
    assert "Result in cold storage" in page_of(mine, "job-detail", job.pk)
