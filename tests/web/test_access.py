"""Who may open what: every route is told here, so that a new one cannot be forgotten."""

from __future__ import annotations

import re
import uuid
from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse

from gas.accounts import tokens
from gas.accounts.models import ApiToken, User
from gas.jobs.models import Job
from gas.web.urls import urlpatterns
from gas.wiring import Services

pytestmark = pytest.mark.django_db

PUBLIC = {
    "home",
    "favicon",
    "healthz",
    "readyz",
    "account_login",
    "account_logout",
    "account_signup",
    "account_inactive",
    "account_reset_password",
    "account_reset_password_done",
    "account_reset_password_from_key",
    "account_reset_password_from_key_done",
    "account-closed",
}
#: Open to machines that sign what they send, or send a token.
SIGNED = {"billing-webhook", "metrics", "upload-part"}
#: Login-only; GET unless they change something.
GET = {
    "account_change_password",
    "profile",
    "annotate",
    "job-list",
    "job-detail",
    "job-status",
    "job-log",
    "job-log-text",
    "job-findings",
    "job-input",
    "job-file",
    "job-delete",
    "account-close",
    "subscribe",
    "subscribe-done",
    "subscribe-status",
    "subscribe-test",
}
POST = {
    "token-create",
    "token-revoke",
    "job-cancel",
    "account-export",
    "subscribe-start",
    "subscribe-portal",
}
#: Pages with a form that comes back to them.
FORMS = {"annotate", "profile", "job-delete", "account-close", "subscribe-test"}
OF_A_JOB = sorted(name for name in GET | POST if name.startswith("job-") and name != "job-list")


def url_of(name: str, job: Job) -> str:
    if name == "job-file":
        return reverse(name, args=[job.pk, "annotated.vcf.gz"])
    if name == "token-revoke":
        return reverse(name, args=[1])
    return reverse(name, args=[job.pk]) if name in OF_A_JOB else reverse(name)


def ask(client: Client, name: str, url: str) -> int:
    response = client.post(url) if name in POST else client.get(url)
    response.close()
    return response.status_code


def test_every_route_is_told_here() -> None:
    assert {pattern.name for pattern in urlpatterns} == PUBLIC | GET | POST | SIGNED
    assert not (PUBLIC | SIGNED) & (GET | POST)


@pytest.mark.parametrize("name", sorted(GET | POST))
def test_strangers_are_sent_to_sign_in_and_back(name: str, done_job: Job) -> None:
    url = url_of(name, done_job)
    response = Client().post(url) if name in POST else Client().get(url)
    assert response.status_code == 302
    back = {
        "job-status": reverse("job-detail", args=[done_job.pk]),
        "subscribe-status": reverse("subscribe-done"),
    }.get(name, url)
    assert response["Location"] == f"{reverse('account_login')}?next={back}"


@pytest.mark.parametrize("name", OF_A_JOB)
def test_anothers_job_is_as_missing_as_no_job(
    name: str, done_job: Job, mine: Client, theirs: Client
) -> None:
    url = url_of(name, done_job)
    nowhere = url.replace(str(done_job.pk), str(uuid.uuid4()))
    seen = {"HX-Request": "true"} if name == "job-status" else {}
    ask_as = theirs.post if name in POST else theirs.get
    anothers, missing = ask_as(url, headers=seen), ask_as(nowhere, headers=seen)
    assert anothers.status_code == missing.status_code == 404
    assert _without_numbers(anothers.content) == _without_numbers(missing.content)
    assert ask(mine, name, url) in (200, 302)


def _without_numbers(page: bytes) -> bytes:
    """What differs with every request: its number and the CSRF token."""
    return re.sub(rb"[0-9a-f]{32}|[A-Za-z0-9]{64}", b"", page)


def test_an_operator_sees_no_job_of_others_on_the_pages(svc: Services, done_job: Job) -> None:
    boss = User.objects.create_superuser("op@example.org", "correct horse", name="Op")
    client = Client()
    client.force_login(boss)
    assert client.get(reverse("job-detail", args=[done_job.pk])).status_code == 404
    assert client.get(f"/admin/jobs/job/{done_job.pk}/change/").status_code == 200


def test_the_operators_pages_are_for_operators(mine: Client) -> None:
    assert mine.get("/admin/")["Location"].startswith("/admin/login/")


def test_anothers_token_cannot_be_revoked(mine: Client, theirs: Client, user: User) -> None:
    from datetime import UTC, datetime

    tokens.create_token(user, "laptop", datetime.now(UTC))
    token = ApiToken.objects.get()
    url = reverse("token-revoke", args=[token.pk])
    assert theirs.post(url).status_code == 404
    assert ApiToken.objects.count() == 1
    assert mine.post(url).status_code == 302
    assert ApiToken.objects.count() == 0


@pytest.mark.parametrize("name", sorted(POST))
def test_nothing_changes_by_get(name: str, mine: Client, job: Job) -> None:
    assert mine.get(url_of(name, job)).status_code == 405


@pytest.mark.parametrize("name", sorted(POST | FORMS))
def test_nothing_changes_without_the_forms_secret(name: str, user: User, job: Job) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(user)
    response = client.post(url_of(name, job), {"name": "x"})
    assert response.status_code == 403
    assert "This form has expired" in response.content.decode()


@pytest.mark.parametrize("name", ["home", "account_login", "account_signup", "job-list"])
def test_pages_forbid_inline_script_and_style(name: str, mine: Client) -> None:
    response = mine.get(reverse(name), follow=True)
    policy = response["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy


def test_templates_hold_no_inline_script_or_style() -> None:
    inline = re.compile(r"<style|\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=)|javascript:", re.I)
    templates = Path(__file__).parents[2] / "src/gas/web/templates"
    found = [p.name for p in templates.rglob("*.html") if inline.search(p.read_text())]
    assert found == []


@pytest.mark.parametrize(
    "evil", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"]
)
def test_next_never_leads_elsewhere(evil: str, user: User, svc: Services) -> None:
    client = Client()
    form = {"login": user.email, "password": "correct horse", "next": evil}
    response = client.post(reverse("account_login"), form)
    assert response.status_code == 302
    assert response["Location"] == reverse("job-list")


def test_next_leads_back(user: User, svc: Services) -> None:
    form = {"login": user.email, "password": "correct horse", "next": "/annotate/"}
    assert Client().post(reverse("account_login"), form)["Location"] == "/annotate/"


def test_pages_of_a_person_are_kept_by_no_cache(mine: Client, done_job: Job) -> None:
    for name in ("profile", "job-list"):
        assert mine.get(reverse(name))["Cache-Control"] == "private, no-cache"
    assert not Client().get(reverse("home")).has_header("Cache-Control")
