"""In Chromium: a result that comes and goes, a job and an account that are deleted, the operator.

As in test_browser.py, every test fails on anything that the browser complains of.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from gas.accounts.change import change_plan
from gas.accounts.models import User
from gas.audit.models import Action, AuditLine
from gas.errors import InputError
from gas.jobs import keeping
from gas.jobs.models import Job
from gas.jobs.states import ResultState
from gas.wiring import Services
from tests.browser.conftest import Open
from tests.browser.test_browser import PASSWORD, PHONE, run, sign_in, visit
from tests.fakes import FakeClock, FakeCold, FakeRunner, raising

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def gone(svc: Services, user: User, make_job: Callable[..., Job], clock: FakeClock) -> Job:
    """A free user's result in cold storage."""
    job = make_job(user)
    run(svc, job)
    clock.advance(1800)
    keeping.archive(svc, job.pk)
    job.refresh_from_db()
    assert job.result_state == ResultState.ARCHIVED
    return job


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pages ask every second while a result moves."""
    monkeypatch.setattr("gas.web.keep.POLL_MOVING_S", 1)


def test_a_result_comes_back_before_ones_eyes(
    open_browser: Open, svc: Services, user: User, gone: Job, clock: FakeClock, cold: FakeCold,
    often: None,
) -> None:  # fmt: skip
    page = open_browser().new_page()
    sign_in(page, user)
    page.goto(reverse("job-detail", args=[gone.pk]))
    keep, files = page.locator("#keep"), page.get_by_role("heading", name="Downloads")
    expect(keep).to_contain_text("Result in cold storage since 12:30 UTC.")
    expect(files).to_have_count(0)

    change_plan(svc, user, "premium", why="test")
    page.reload()
    page.evaluate("window.sameDocument = true")
    expect(keep).to_contain_text("Result on its way back.")
    keeping.restore_all(svc, user.pk)
    keeping.thaw(svc, gone.pk)
    expect(keep).to_contain_text("Result being restored (Expedited), ready about 12:35 UTC.")
    expect(page.locator("#announce")).to_have_text("sample.vcf: Completed, being restored")
    clock.advance(cold.thaw_s)
    keeping.restore(svc, gone.pk)
    expect(keep).to_contain_text("Your plan (Premium) keeps it there.")
    expect(files).to_be_visible()
    expect(page.locator("#announce")).to_have_text("sample.vcf: Completed, at hand")
    assert page.evaluate("window.sameDocument") is True, "the page was reloaded"
    assert page.locator("[hx-trigger]").count() == 0, "it goes on asking"
    with page.expect_download() as download:
        page.get_by_role("link", name="sample.annotated.vcf.gz").click()
    assert download.value.path().read_bytes().startswith(b"result of ")


def test_a_result_leaves_when_its_time_has_come(
    open_browser: Open, svc: Services, user: User, make_job: Callable[..., Job],
    clock: FakeClock, often: None,
) -> None:  # fmt: skip
    job = make_job(user)
    run(svc, job)
    clock.advance(1799)
    page = open_browser().new_page()
    sign_in(page, user)
    page.goto(reverse("job-detail", args=[job.pk]))
    expect(page.locator("#keep")).to_contain_text("Result at hand until 12:30 UTC.")
    clock.advance(1)
    expect(page.locator("#keep")).to_contain_text("Result moving to cold storage.")
    keeping.archive(svc, job.pk)
    expect(page.locator("#keep")).to_contain_text("Result in cold storage since 12:30 UTC.")
    expect(page.get_by_role("heading", name="Downloads")).to_have_count(0)
    expect(page.get_by_role("heading", name="What was found")).to_be_visible()


@pytest.mark.parametrize("script", [True, False])
def test_choose_among_jobs_and_delete_one(
    open_browser: Open, svc: Services, user: User, gone: Job, make_job: Callable[..., Job],
    script: bool,
) -> None:  # fmt: skip
    make_job(user, filename="waits.vcf")
    page = open_browser(java_script_enabled=script).new_page()
    sign_in(page, user)
    page.goto("/jobs/")
    names = page.locator("td.name")
    expect(names).to_have_count(2)
    page.get_by_label("Result").select_option("In cold storage")
    page.get_by_role("button", name="Show").click()
    expect(names).to_have_text(["sample.vcf"])
    expect(page.get_by_label("Result")).to_have_value("ARCHIVED")
    page.get_by_label("Status").select_option("Waiting")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_role("heading", name="No such jobs")).to_be_visible()
    page.get_by_role("link", name="Show all").first.click()
    expect(names).to_have_count(2)

    page.get_by_role("link", name="sample.vcf").click()
    page.get_by_role("button", name="Delete this job").click()
    page.get_by_role("button", name="Keep it").click()
    page.get_by_role("button", name="Delete this job").click()
    page.get_by_role("button", name="Delete for good").click()
    expect(page.get_by_text("sample.vcf is deleted.")).to_be_visible()
    expect(names).to_have_text(["waits.vcf"])


@pytest.mark.parametrize("script", [True, False])
def test_take_it_all_along_and_close_the_account(
    open_browser: Open, svc: Services, user: User, gone: Job, script: bool
) -> None:
    page = open_browser(java_script_enabled=script).new_page()
    sign_in(page, user)
    page.goto(reverse("profile"))
    page.get_by_label("Mail me before a result moves to cold storage").check()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    expect(page.get_by_label("Mail me before a result moves to cold storage")).to_be_checked()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download all that is yours").click()
    with zipfile.ZipFile(download.value.path()) as archive:
        assert archive.testzip() is None
        assert "README.txt" in archive.namelist()
    page.get_by_role("link", name="Close your account").click()
    page.get_by_label("Your password").fill("correct horse")
    page.get_by_role("button", name="Close my account").click()
    expect(page.get_by_role("heading", name="Your account is closed")).to_be_visible()
    expect(page.get_by_role("link", name="Sign in").first).to_be_visible()
    user.refresh_from_db()
    assert user.erasing


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [{"width": 1280, "height": 900}, PHONE])
def test_where_it_lies_in_every_light_and_size(
    open_browser: Open, svc: Services, user: User, gone: Job, scheme: str, size: dict[str, int]
) -> None:
    page = open_browser(color_scheme=scheme, viewport=size).new_page()
    sign_in(page, user)
    here = reverse("job-detail", args=[gone.pk])
    visit(page, [here, "/jobs/"])
    Job.objects.filter(pk=gone.pk).update(keep_halted=True)
    visit(page, [here])


def act(page: Page, name: str, action: str) -> None:
    page.goto("/admin/jobs/job/")
    row = page.locator("tr", has=page.get_by_role("cell", name=name, exact=True))
    row.locator("[name=_selected_action]").check()
    page.get_by_label("Action:").select_option(action)
    page.get_by_role("button", name="Run").or_(page.get_by_role("button", name="Go")).click()


def test_the_operator_at_work(
    open_browser: Open, svc: Services, user: User, gone: Job, make_job: Callable[..., Job],
    runner: FakeRunner,
) -> None:  # fmt: skip
    make_job(user, filename="waits.vcf")
    runner.steps.append(raising(InputError("This is no VCF.")))
    run(svc, make_job(user, filename="fails.vcf"))
    Job.objects.filter(pk=gone.pk).update(keep_halted=True, keep_error="the checksums differ")
    page = open_browser().new_page()
    boss = User.objects.create_superuser("op@example.org", PASSWORD, name="Operator")
    sign_in(page, boss, PASSWORD)
    act(page, "waits.vcf", "Cancel")
    expect(page.get_by_text("1 cancelled;")).to_be_visible()
    act(page, "fails.vcf", "Try again (failed jobs)")
    expect(page.get_by_text("1 will be tried again;")).to_be_visible()
    act(page, "sample.vcf", "Go on after an alarm (archive, restore)")
    expect(page.get_by_text("1 go on.")).to_be_visible()

    page.goto(f"/admin/accounts/user/{user.pk}/change/")
    page.get_by_label("Plan").select_option("Premium")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("was changed successfully")).to_be_visible()
    assert AuditLine.objects.get(action=Action.PLAN).detail["after"] == "premium"
    page.goto("/admin/audit/auditline/")
    expect(page.get_by_role("cell", name="Plan changed")).to_be_visible()
    page.goto(f"/admin/accounts/user/{user.pk}/delete/")
    expect(page.get_by_text("with 3 jobs and all their files")).to_be_visible()
    page.get_by_role("button", name="Yes, I’m sure").click()
    expect(page.get_by_text("was deleted successfully")).to_be_visible()
    user.refresh_from_db()
    assert user.erasing
