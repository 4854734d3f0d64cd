"""The pages in Chromium: whole, alive, in both lights, and silent in the console.

Every test fails on any console error (a violated Content-Security-Policy is one), on any request
to elsewhere and on any answer of 400 or more that it does not expect (see conftest).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.urls import reverse
from playwright.sync_api import BrowserContext, Page, Route, expect

from gas.accounts.models import User
from gas.billing import Urls, apply, subscribe
from gas.billing.test import Deed, TestProvider
from gas.errors import InputError
from gas.jobs import lifecycle, uploads
from gas.jobs.models import Job, Upload
from gas.jobs.states import Status
from gas.wiring import Services
from tests.browser.conftest import Open, Watch
from tests.conftest import VCF
from tests.fakes import FakeRunner, raising

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PASSWORD = "an unusual sentence"
CONTRAST = (Path(__file__).parent / "contrast.js").read_text()
PHONE = {"width": 390, "height": 800}
LAPTOP = {"width": 1280, "height": 900}


def run(svc: Services, job: Job) -> None:
    lifecycle.annotate(svc, job.pk, worker="w:1", stopping=lambda: False)


def sign_up(page: Page) -> None:
    page.goto("/")
    page.get_by_role("link", name="Sign up").first.click()
    page.get_by_label("Name").fill("Ada Lovelace")
    page.get_by_label("Email").fill("ada@example.org")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("Password (again)").fill(PASSWORD)
    page.get_by_role("button", name="Sign up").click()
    expect(page.get_by_role("heading", name="No jobs yet")).to_be_visible()


def sign_in(page: Page, user: User, password: str = "correct horse") -> None:
    page.goto(reverse("account_login"))
    page.get_by_label("Email").fill(user.email)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()


def upload(page: Page, path: Path) -> Job:
    page.goto("/annotate/")
    page.get_by_label("VCF file").set_input_files(path)
    page.get_by_role("button", name="Annotate").click()
    expect(page.get_by_role("heading", name=path.name)).to_be_visible()
    return Job.objects.get(filename=path.name)


def test_from_sign_up_to_the_result(open_browser: Open, svc: Services, sample: Path) -> None:
    page = open_browser().new_page()
    sign_up(page)
    job = upload(page, sample)
    expect(page.locator(".big-status")).to_have_text("Waiting")

    page.evaluate("window.sameDocument = true")
    Job.objects.filter(pk=job.pk).update(status=Status.RUNNING, attempt=1, progress=0.42)
    expect(page.locator("progress")).to_have_attribute("value", "42")
    Job.objects.filter(pk=job.pk).update(status=Status.PENDING, progress=0)
    run(svc, job)
    expect(page.locator(".big-status")).to_have_text("Completed")
    expect(page.get_by_role("heading", name="What was found")).to_be_visible()
    expect(page.locator("#announce")).to_have_text("sample.vcf: Completed, at hand")
    assert page.evaluate("window.sameDocument") is True, "the page was reloaded"
    expect(page.locator("[hx-trigger]")).to_have_attribute("hx-trigger", "every 1801s")

    with page.expect_download() as download:
        page.get_by_role("link", name="sample.annotated.vcf.gz").click()
    job.refresh_from_db()
    assert download.value.suggested_filename == "sample.annotated.vcf.gz"
    content = download.value.path().read_bytes()
    assert hashlib.sha256(content).hexdigest() == job.result_files[0]["sha256"]
    with page.expect_download() as download:
        page.get_by_role("link", name="sample.vcf", exact=True).click()
    assert download.value.path().read_bytes() == VCF

    page.get_by_role("link", name="Read the log").click()
    expect(page.locator(".log")).to_contain_text("Completed")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("link", name="Sign in").first).to_be_visible()


def test_the_form_tells_size_and_cap_before_anything_is_sent(
    open_browser: Open, svc: Services, user: User, sample: Path, tmp_path: Path
) -> None:
    page = open_browser().new_page()
    sign_in(page, user)
    page.goto("/annotate/")
    button, about = page.locator("#submit"), page.locator("#file-about")
    expect(button).to_be_disabled()
    page.get_by_label("VCF file").set_input_files(sample)
    expect(about).to_contain_text(f"sample.vcf · {len(VCF)} bytes")
    expect(button).to_be_enabled()
    for size, said in ((0, "This file is empty."), (153_601, "Too large: the Free plan takes")):
        path = tmp_path / f"of-{size}.vcf"
        path.write_bytes(b"#" * size)
        page.get_by_label("VCF file").set_input_files(path)
        expect(about).to_contain_text(said)
        expect(button).to_be_disabled()
    path = tmp_path / "of-153600.vcf"
    path.write_bytes(b"#" * 153_600)
    page.get_by_label("VCF file").set_input_files(path)
    expect(about).to_contain_text("150 KB (153,600 bytes)")
    expect(button).to_be_enabled()


def test_a_part_that_breaks_is_sent_again_and_no_other(
    open_browser: Open, svc: Services, user: User, sample: Path, watch: Watch,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(uploads, "PART_BYTES", 8)
    page = open_browser().new_page()
    sign_in(page, user)
    sent: list[int] = []

    def on_the_way(route: Route) -> None:
        number = int(parse_qs(urlsplit(route.request.url).query)["part"][0])
        sent.append(number)
        if number == 2 and sent.count(2) == 1:
            route.abort()
        elif number == 9 and sent.count(9) == 1:
            route.fulfill(status=400)
        else:
            route.continue_()

    page.route("**/parts/?*", on_the_way)
    watch.expected.add(400)
    page.goto("/annotate/")
    page.get_by_label("VCF file").set_input_files(sample)
    page.get_by_role("button", name="Annotate").click()
    expect(page.locator("#file-about")).to_contain_text("Part 9 was refused (400). Try again.")
    assert not Job.objects.exists()
    page.get_by_role("button", name="Annotate").click()
    expect(page.get_by_role("heading", name=sample.name)).to_be_visible()
    job = Job.objects.get()
    assert b"".join(svc.storage.read(job.input_key)) == VCF
    count = -(-len(VCF) // 8)
    assert sorted(sent) == sorted([*range(1, count + 1), 2, 9])
    assert Upload.objects.count() == 1


def test_what_the_service_does_not_take_is_said_on_the_form(
    open_browser: Open, svc: Services, user: User, sample: Path, watch: Watch
) -> None:
    page = open_browser().new_page()
    sign_in(page, user)
    page.goto("/annotate/")
    for _ in range(svc.settings.max_open_uploads):
        uploads.create(svc, user, "waits.vcf", 5)
    page.get_by_label("VCF file").set_input_files(sample)
    watch.expected.add(429)
    page.get_by_role("button", name="Annotate").click()
    expect(page.locator("#file-about")).to_contain_text("20 of your uploads wait to be submitted")
    page.get_by_role("button", name="Discard them").click()
    expect(page.locator("#file-about")).not_to_contain_text("wait to be submitted")
    assert not Upload.objects.exists()
    page.get_by_role("button", name="Annotate").click()
    expect(page.get_by_role("heading", name=sample.name)).to_be_visible()


def test_a_failure_comes_up_by_itself(
    open_browser: Open, svc: Services, user: User, runner: FakeRunner, sample: Path
) -> None:
    page = open_browser().new_page()
    sign_in(page, user)
    job = upload(page, sample)
    evil = "<img src=x onerror=alert(1)>"
    runner.steps.append(raising(InputError(f"This is no VCF: {evil}.", line=1)))
    run(svc, job)
    expect(page.get_by_role("alert")).to_have_text(f"Line 1: This is no VCF: {evil}.")


def test_the_list_is_alive_and_a_job_can_be_cancelled(
    open_browser: Open, svc: Services, user: User, sample: Path
) -> None:
    page = open_browser().new_page()
    sign_in(page, user)
    job = upload(page, sample)
    page.get_by_role("link", name="Jobs").first.click()
    expect(page.locator("td .status")).to_have_text("Waiting")
    lifecycle.cancel(svc, job)
    expect(page.locator("td .status")).to_have_text("Cancelled")
    other = upload(page, sample.rename(sample.with_name("other.vcf")))
    page.get_by_role("button", name="Cancel this job").click()
    expect(page.locator(".big-status")).to_have_text("Cancelled")
    other.refresh_from_db()
    assert other.status == Status.CANCELLED


def test_without_javascript(
    open_browser: Open, svc: Services, user: User, sample: Path, watch: Watch, tmp_path: Path
) -> None:
    page = open_browser(java_script_enabled=False).new_page()
    sign_in(page, user)
    job = upload(page, sample)
    expect(page.locator(".big-status")).to_have_text("Waiting")
    run(svc, job)
    # The page reloads itself.
    expect(page.locator(".big-status")).to_have_text("Completed")
    watch.expected.add(413)
    large = tmp_path / "large.vcf"
    large.write_bytes(b"#" * 160_000)
    page.goto("/annotate/")
    page.get_by_label("VCF file").set_input_files(large)
    page.get_by_role("button", name="Annotate").click()
    expect(page.get_by_role("alert")).to_contain_text("the free plan takes files up to 153,600")


def test_a_token_is_made_copied_and_revoked(open_browser: Open, svc: Services, user: User) -> None:
    context = open_browser(permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    sign_in(page, user)
    page.get_by_role("link", name="Profile").click()
    tokens = page.locator("section", has=page.get_by_role("heading", name="API tokens"))
    tokens.get_by_label("Name").fill("laptop")
    page.get_by_role("button", name="Make a token").click()
    shown = page.get_by_role("textbox", name="API token").input_value()
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_text("Copied.")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == shown
    page.get_by_role("button", name="Revoke the token laptop").click()
    expect(page.get_by_text("is revoked")).to_be_visible()
    assert not user.api_tokens.exists()


def visit(page: Page, paths: list[str]) -> None:
    """Each page has one heading, no id twice, fits into the window's width and is readable."""
    for path in paths:
        page.goto(path)
        expect(page.locator("h1")).to_have_count(1)
        ids = page.evaluate("[...document.querySelectorAll('[id]')].map(e => e.id)")
        assert len(ids) == len(set(ids)), f"{path}: an id comes twice"
        wide = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        assert page.evaluate(CONTRAST) == [], path
        assert wide <= 0, f"{path} is {wide} px wider than the window"


@pytest.mark.parametrize(
    ("scheme", "size"),
    [
        ("light", LAPTOP),
        ("dark", PHONE),
        pytest.param("light", PHONE, marks=pytest.mark.long),
        pytest.param("dark", LAPTOP, marks=pytest.mark.long),
    ],
)
def test_every_page_in_every_light_and_size(
    open_browser: Open, svc: Services, user: User, make_job: Callable[..., Job],
    watch: Watch, scheme: str, size: dict[str, int],
) -> None:  # fmt: skip
    done, waiting = make_job(user), make_job(user, filename="w" * 110 + ".vcf")
    run(svc, done)
    page = open_browser(color_scheme=scheme, viewport=size).new_page()
    names = ("home", "account_login", "account_signup", "account_inactive")
    resets = ("", "_done", "_from_key_done")
    visit(page, [reverse(n) for n in names])
    visit(page, [reverse(f"account_reset_password{n}") for n in resets])
    visit(page, [reverse("account_reset_password_from_key", args=["1", "used-up"])])
    sign_in(page, user)
    visit(page, [reverse(n) for n in ("profile", "annotate", "job-list", "account_logout")])
    visit(page, [reverse(f"account{n}") for n in ("_change_password", "-close", "-closed")])
    visit(page, [reverse("job-delete", args=[waiting.pk]), "/jobs/?status=FAILED"])
    visit(page, [reverse("subscribe") + "?size=3000000"])
    visit(page, [reverse("subscribe-done")])
    subscribe.start(svc, user, Urls("", ""))
    visit(page, [reverse("subscribe-test"), reverse("subscribe-done")])
    for deed in (Deed.SUBSCRIBE, Deed.FAIL, Deed.CANCEL):
        apply.receive(svc, TestProvider(svc.settings, svc.clock).act(f"test-{user.pk}", deed))
        visit(page, [reverse(f"subscribe{n}") for n in ("", "-test", "-done")])
        visit(page, [reverse("profile")])
    for job in (done, waiting):
        visit(page, [reverse(n, args=[job.pk]) for n in ("job-detail", "job-log")])
    watch.expected.add(404)
    visit(page, ["/no/such/page/"])
    paper = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    brightness = sum(int(part) for part in paper.strip("rgb()").split(","))
    assert (brightness > 600) is (scheme == "light")


def test_the_operators_pages_and_the_apis(open_browser: Open, svc: Services, job: Job) -> None:
    User.objects.create_superuser("op@example.org", PASSWORD, name="Operator")
    run(svc, job)
    page = open_browser().new_page()
    page.goto("/admin/")
    page.locator("[name=login]").fill("op@example.org")
    page.locator("[name=password]").fill(PASSWORD)
    page.locator("main [type=submit]").click()
    expect(page.get_by_role("heading", name="What the service holds")).to_be_visible()
    owner = f"accounts/user/{job.owner_id}/change/"
    for path in ("accounts/user/", "accounts/user/add/", owner, "accounts/apitoken/", "jobs/job/",
                 f"jobs/job/{job.pk}/change/", "jobs/upload/", "notify/mail/",
                 "audit/auditline/", "procrastinate/procrastinatejob/",
                 f"accounts/user/{job.owner_id}/delete/",
                 "billing/customer/", "billing/billingevent/"):  # fmt: skip
        page.goto(f"/admin/{path}")
        expect(page.locator("#content h1, #content-start h1").first).to_be_visible()
    page.goto(reverse("api:openapi-view"))
    expect(page.locator(".opblock").first).to_be_visible()
    page.locator(".opblock-summary").first.click()
    expect(page.locator(".opblock.is-open")).to_be_visible()


def test_the_watch_sees_what_it_is_for(
    open_browser: Open, svc: Services, watch: Watch, live_server: Any
) -> None:
    """The guard of all these tests is guarded itself."""
    page = open_browser().new_page()
    page.goto("/")
    page.evaluate("document.body.setAttribute('style', 'color: red')")
    page.evaluate("console.error('from the console')")
    page.evaluate("document.head.append(Object.assign(document.createElement('script'), "
                  "{textContent: 'window.evil = 1'}))")  # fmt: skip
    page.goto("/no/such/page")
    page.set_content("<img src='http://elsewhere.invalid/x.png'>")
    page.wait_for_timeout(100)
    told = "\n".join(watch.faults)
    watch.faults.clear()
    for word in ("inline style", "inline script", "from the console", "404", "elsewhere.invalid"):
        assert word in told


def test_keyboard_alone_reaches_the_content(open_browser: Open, svc: Services) -> None:
    context: BrowserContext = open_browser()
    page = context.new_page()
    page.goto("/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()


def test_from_a_file_too_large_to_premium(
    open_browser: Open, svc: Services, user: User, tmp_path: Path
) -> None:
    page = open_browser().new_page()
    sign_in(page, user)
    page.goto("/annotate/")
    large = tmp_path / "large.vcf"
    large.write_bytes(b"#" * 3_000_000)
    page.get_by_label("VCF file").set_input_files(large)
    page.get_by_role("link", name="See the plans").click()
    expect(page.locator("#too-large")).to_contain_text("about 2.9 MB (3,000,000 bytes)")
    page.get_by_role("button", name="Subscribe").click()
    expect(page.get_by_role("heading", name="No money moves here")).to_be_visible()

    waiting = page.context.new_page()
    waiting.goto("/subscribe/done/")
    expect(waiting.locator(".big-status")).to_have_text("Waiting")
    waiting.evaluate("window.sameDocument = true")
    page.get_by_role("button", name="Subscribe without paying").click()
    for one in (page, waiting):
        expect(one.locator(".big-status")).to_have_text("You are premium")
        assert one.locator("[hx-trigger]").count() == 0, "it goes on asking"
    assert waiting.evaluate("window.sameDocument") is True, "the page was reloaded"

    page.goto("/profile/")
    page.get_by_role("button", name="Change the card, or cancel").click()
    page.get_by_role("button", name="Let a payment fail").click()
    expect(page.get_by_text("The last payment failed.")).to_be_visible()
    page.get_by_role("button", name="Change the card").click()
    page.get_by_role("button", name="Cancel the subscription").click()
    expect(page.get_by_text("Your subscription has ended.")).to_be_visible()
