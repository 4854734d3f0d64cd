"""The operator's pages: everything to read, and to do only what the service's own ways allow."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from allauth.account.models import EmailAddress
from django.contrib import admin
from django.test import Client

from gas.accounts.models import User
from gas.audit.models import Action, AuditLine
from gas.errors import InputError
from gas.jobs import keeping
from gas.jobs.models import Job
from gas.jobs.states import ResultState, Status
from gas.wiring import Services
from tests.fakes import FakeClock, FakeRunner, raising
from tests.web.test_jobs import run

pytestmark = pytest.mark.django_db

JOBS = "/admin/jobs/job/"
USERS = "/admin/accounts/user/"


@pytest.fixture
def boss(svc: Services) -> User:
    return User.objects.create_superuser("op@example.org", "correct horse", name="Op")


@pytest.fixture
def operator(boss: User) -> Client:
    client = Client()
    client.force_login(boss)
    return client


def act(client: Client, action: str, *jobs: Job) -> str:
    chosen = {"action": action, "_selected_action": [str(job.pk) for job in jobs]}
    return client.post(JOBS, chosen, follow=True).content.decode()


def log_of(job: Job) -> list[str]:
    return list(job.events.values_list("message", flat=True))


def test_cancel(operator: Client, job: Job, done_job: Job) -> None:
    assert done_job.pk == job.pk
    assert "0 cancelled; what is over stays" in act(operator, "cancel", job)


def test_cancel_says_who_it_was(operator: Client, user: User, make_job: Callable[..., Job]) -> None:
    jobs = [make_job(user), make_job(user)]
    assert "2 cancelled" in act(operator, "cancel", *jobs)
    jobs[0].refresh_from_db()
    assert jobs[0].status == Status.CANCELLED
    assert log_of(jobs[0])[-1] == "Cancelled by the operator."


def test_try_again(operator: Client, job: Job, svc: Services, runner: FakeRunner) -> None:
    runner.steps.append(raising(InputError("This is no VCF.")))
    run(svc, job)
    assert job.status == Status.FAILED
    assert "1 will be tried again" in act(operator, "retry", job)
    run(svc, job)
    assert job.status == Status.COMPLETED
    assert "0 will be tried again" in act(operator, "retry", job)


def test_go_on_after_an_alarm(
    operator: Client, done_job: Job, svc: Services, clock: FakeClock
) -> None:
    right = done_job.result_files[0]["sha256"]
    done_job.result_files[0]["sha256"] = "0" * 64
    done_job.save()
    clock.advance(1800)
    keeping.archive(svc, done_job.pk)
    assert "keep_halted__exact=1" in operator.get(JOBS).content.decode()
    done_job.refresh_from_db()
    assert done_job.keep_halted
    done_job.result_files[0]["sha256"] = right
    done_job.save()
    assert "1 go on." in act(operator, "resume_keeping", done_job)
    keeping.archive(svc, done_job.pk)
    done_job.refresh_from_db()
    assert (done_job.keep_halted, done_job.result_state) == (False, ResultState.ARCHIVED)
    assert "0 go on." in act(operator, "resume_keeping", done_job)


def change(client: Client, user: User, **changes: str) -> str:
    form = {
        "email": user.email, "name": user.name, "institution": user.institution,
        "plan": user.plan, "is_active": "on", **changes,
    }  # fmt: skip
    response = client.post(f"{USERS}{user.pk}/change/", form, follow=True)
    assert "was changed successfully" in response.content.decode()
    user.refresh_from_db()
    return response.content.decode()


def test_a_plan_changes_with_all_that_follows(
    operator: Client, boss: User, user: User, done_job: Job, svc: Services, clock: FakeClock
) -> None:
    clock.advance(1800)
    keeping.archive(svc, done_job.pk)
    change(operator, user, plan="premium")
    line = AuditLine.objects.get(action=Action.PLAN)
    assert line.user_id == user.pk
    assert line.detail == {"before": "free", "after": "premium", "why": f"operator {boss.pk}"}
    keeping.restore_all(svc, user.pk)
    done_job.refresh_from_db()
    assert done_job.result_state == ResultState.THAWING
    change(operator, user, name="Ada King")
    assert (user.name, user.plan) == ("Ada King", "premium")
    assert AuditLine.objects.filter(action=Action.PLAN).count() == 1, "no change, no line"


def test_an_old_address_signs_nobody_in(operator: Client, user: User, client: Client) -> None:
    EmailAddress.objects.create(user=user, email=user.email, primary=True)
    old = user.email
    change(operator, user, email="ada@elsewhere.example")
    for address, status in ((old, 200), (user.email, 302)):
        form = {"login": address, "password": "correct horse"}
        assert client.post("/accounts/login/", form).status_code == status


def test_only_users_can_be_edited(operator: Client, done_job: Job, boss: User) -> None:
    request = operator.get("/admin/").wsgi_request
    request.user = boss
    editable = {
        model._meta.label
        for model, page in admin.site._registry.items()
        if page.has_change_permission(request)
    }
    addable = {m._meta.label for m, page in admin.site._registry.items()
               if page.has_add_permission(request)}  # fmt: skip
    deletable = {m._meta.label for m, page in admin.site._registry.items()
                 if page.has_delete_permission(request)}  # fmt: skip
    assert editable == addable == {"accounts.User"}
    assert deletable == {"accounts.User", "accounts.ApiToken"}


def test_what_nobody_sets_by_hand_is_only_shown(operator: Client, user: User) -> None:
    joined = user.date_joined
    change(operator, user, date_joined_0="2000-01-01", erasing="on", mail_before_archive="on")
    assert (user.date_joined, user.erasing, user.mail_before_archive) == (joined, False, False)


@pytest.mark.parametrize("path", [JOBS, "/admin/audit/auditline/", "/admin/notify/mail/", USERS])
@pytest.mark.parametrize("words", ["nonsense", "ada@example.org", "0000", "'"])
def test_any_search_has_an_answer(operator: Client, done_job: Job, path: str, words: str) -> None:
    assert operator.get(path, {"q": words}).status_code == 200


def test_the_audit_log_is_found_by_job(
    operator: Client, done_job: Job, svc: Services, clock: FakeClock
) -> None:
    clock.advance(1800)
    keeping.archive(svc, done_job.pk)
    page = operator.get("/admin/audit/auditline/", {"q": str(done_job.pk)}).content.decode()
    assert "Result archived" in page
    line = AuditLine.objects.get()
    shown = operator.get(f"/admin/audit/auditline/{line.pk}/change/").content.decode()
    assert 'name="_save"' not in shown
    assert operator.post(f"/admin/audit/auditline/{line.pk}/delete/").status_code == 403


def test_an_account_is_erased_by_the_ways_of_the_service(
    operator: Client, user: User, done_job: Job, boss: User
) -> None:
    url = f"{USERS}{user.pk}/delete/"
    assert "ada@example.org, with 1 jobs" in operator.get(url).content.decode()
    operator.post(url, {"post": "yes"})
    user.refresh_from_db()
    assert (user.erasing, user.is_active) == (True, False)
    assert AuditLine.objects.filter(action=Action.ERASE, user_id=user.pk).exists()
    assert operator.get(url).status_code == 403, "once is enough"
    assert 'name="_save"' not in operator.get(f"{USERS}{user.pk}/change/").content.decode()


def test_the_last_operator_cannot_be_deleted(operator: Client, boss: User, user: User) -> None:
    url = f"{USERS}{boss.pk}/delete/"
    assert "the last operator" in operator.get(url).content.decode()
    operator.post(url, {"post": "yes"})
    both = {"action": "delete_selected", "_selected_action": [str(boss.pk), str(user.pk)],
            "post": "yes"}  # fmt: skip
    operator.post(USERS, both)
    assert not User.objects.filter(erasing=True).exists()
    operator.post(USERS, {**both, "_selected_action": [str(user.pk)]})
    assert User.objects.get(erasing=True) == user


def test_messages_can_be_read(operator: Client, job: Job) -> None:
    from procrastinate.contrib.django.models import ProcrastinateJob

    message = ProcrastinateJob.objects.get(task_name="annotate")
    url = "/admin/procrastinate/procrastinatejob/"
    assert str(job.pk) in operator.get(url, {"q": str(job.pk)}).content.decode()
    shown = operator.get(f"{url}{message.pk}/change/").content.decode()
    assert f"annotate:{job.pk}" in shown
    assert 'name="_save"' not in shown
