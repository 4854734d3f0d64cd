"""Sign-up to sign-out, passwords, profile, tokens."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from django.contrib.sessions.models import Session
from django.core import mail
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from gas.accounts import tokens
from gas.accounts.models import ApiToken, User
from gas.accounts.sessions import SessionStore
from gas.wiring import Services

pytestmark = pytest.mark.django_db

SECRET = "an unusual sentence"
SIGN_UP = {
    "name": "Rosalind Franklin",
    "email": "rosalind@example.org",
    "institution": "King's College",
    "password1": SECRET,
    "password2": SECRET,
}


def test_sign_up_sign_out_sign_in(client: Client, svc: Services) -> None:
    assert client.post(reverse("account_signup"), SIGN_UP)["Location"] == reverse("job-list")
    user = User.objects.get()
    assert (user.name, user.institution, user.plan) == (
        "Rosalind Franklin",
        "King's College",
        "free",
    )
    assert not user.is_staff
    assert client.get(reverse("job-list")).status_code == 200
    assert client.post(reverse("account_logout"))["Location"] == reverse("home")
    assert client.get(reverse("job-list")).status_code == 302
    signed_in = client.post(
        reverse("account_login"), {"login": "Rosalind@Example.org", "password": SECRET}
    )
    assert signed_in["Location"] == reverse("job-list")


def test_a_session_that_is_over_is_none(client: Client, svc: Services) -> None:
    client.post(reverse("account_signup"), SIGN_UP)
    key = client.session.session_key
    assert client.get(reverse("job-list")).status_code == 200
    assert Session.objects.filter(pk=key).update(expire_date=timezone.now()) == 1
    assert client.get(reverse("job-list")).status_code == 302
    over = SessionStore(key)
    assert (over.load(), over.session_key) == ({}, None)  # what is saved now gets a new key


def test_sign_up_cannot_choose_plan_or_rights(client: Client, svc: Services) -> None:
    client.post(reverse("account_signup"), {**SIGN_UP, "plan": "premium", "is_staff": "on"})
    user = User.objects.get()
    assert (user.plan, user.is_staff) == ("free", False)


def test_a_weak_password_is_refused_with_the_reason(client: Client, svc: Services) -> None:
    weak = {**SIGN_UP, "password1": "12345", "password2": "12345"}
    response = client.post(reverse("account_signup"), weak)
    assert "This password is too short" in response.content.decode()
    assert not User.objects.exists()


def test_a_wrong_password_and_an_unknown_address_look_alike(
    client: Client, user: User, svc: Services
) -> None:
    said = set()
    for login in (user.email, "nobody@example.org"):
        response = client.post(reverse("account_login"), {"login": login, "password": "wrong"})
        said.add(re.search(r'role="alert">(.*?)</div>', response.content.decode(), re.S)[1])  # type: ignore[index]
    assert len(said) == 1


def test_sign_out_asks_first(mine: Client) -> None:
    assert mine.get(reverse("account_logout")).status_code == 200
    assert mine.get(reverse("job-list")).status_code == 200


def test_sign_up_can_be_closed(
    client: Client, svc: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gas.config import get_settings

    closed = get_settings().model_copy(update={"signup_open": False})
    monkeypatch.setattr("gas.accounts.adapter.get_settings", lambda: closed)
    monkeypatch.setattr("gas.web.context.get_settings", lambda: closed)
    assert "Sign-up is closed" in client.get(reverse("account_signup")).content.decode()
    client.post(reverse("account_signup"), SIGN_UP)
    assert not User.objects.exists()
    assert reverse("account_signup") not in client.get(reverse("home")).content.decode()


def test_a_forgotten_password(client: Client, user: User, svc: Services) -> None:
    answer = client.post(reverse("account_reset_password"), {"email": user.email}, follow=True)
    assert "A mail is on its way" in answer.content.decode()
    (letter,) = mail.outbox
    link = re.search(r"http://testserver(/\S+)", str(letter.body))
    assert link is not None
    form = client.get(link[1], follow=True)
    assert "A new password" in form.content.decode()
    here = form.redirect_chain[-1][0]
    new = {"password1": SECRET, "password2": SECRET}
    done = client.post(here, new, follow=True)
    assert "Your password is changed" in done.content.decode()
    assert Client().login(email=user.email, password=SECRET)
    assert "This link is used up" in Client().get(link[1], follow=True).content.decode()


def test_an_address_without_account_is_answered_alike(client: Client, svc: Services) -> None:
    form = {"email": "nobody@example.org"}
    answer = client.post(reverse("account_reset_password"), form, follow=True)
    assert "A mail is on its way" in answer.content.decode()
    assert "There is no account with this address." in str(mail.outbox[0].body)


def test_change_the_password(mine: Client, user: User) -> None:
    form = {"oldpassword": "correct horse", "password1": SECRET, "password2": SECRET}
    mine.post(reverse("account_change_password"), form)
    assert Client().login(email=user.email, password=SECRET)


def test_the_profile(mine: Client, user: User) -> None:
    page = mine.get(reverse("profile")).content.decode()
    assert user.email in page
    assert "Free: files up to 150 KB" in page
    change = {"name": "Ada <b>King</b>", "institution": "", "plan": "premium", "email": "x@y.org"}
    response = mine.post(reverse("profile"), change, follow=True)
    assert "Saved." in response.content.decode()
    assert "<b>King" not in response.content.decode()
    user.refresh_from_db()
    assert (user.name, user.plan, user.email) == ("Ada <b>King</b>", "free", "ada@example.org")


def test_a_name_is_needed(mine: Client, user: User) -> None:
    response = mine.post(reverse("profile"), {"name": " ", "institution": ""})
    assert response.status_code == 400
    assert 'aria-invalid="true"' in response.content.decode()
    user.refresh_from_db()
    assert user.name == "Ada Lovelace"


def test_a_token_is_shown_once(mine: Client, user: User, svc: Services) -> None:
    response = mine.post(reverse("token-create"), {"name": "laptop"})
    token = response.context["token"]
    assert f'value="{token}"' in response.content.decode()
    assert "no-store" in response["Cache-Control"]
    assert tokens.user_of(token, svc.now()) == user
    page = mine.get(reverse("profile")).content.decode()
    assert token not in page
    assert ApiToken.objects.get().prefix in page
    assert "laptop" in page


def test_a_revoked_token_opens_nothing(mine: Client, svc: Services) -> None:
    token = mine.post(reverse("token-create"), {"name": "laptop"}).context["token"]
    mine.post(reverse("token-revoke", args=[ApiToken.objects.get().pk]))
    assert tokens.user_of(token, svc.now()) is None
    assert "laptop" not in mine.get(reverse("profile")).content.decode().split("<table")[-1]


def test_a_token_needs_a_name(mine: Client) -> None:
    assert mine.post(reverse("token-create"), {"name": ""}).status_code == 400
    assert not ApiToken.objects.exists()


def test_a_closed_account_is_out_at_once(
    make_user: Callable[..., User], mine: Client, user: User
) -> None:
    User.objects.filter(pk=user.pk).update(is_active=False)
    assert mine.get(reverse("job-list")).status_code == 302


def test_an_operator_signs_in_where_wrong_passwords_are_counted(
    client: Client, svc: Services
) -> None:
    User.objects.create_superuser("operator@localhost", SECRET, name="Operator")
    guess = {"username": "operator@localhost", "password": "a guess"}
    way = client.post("/admin/login/?next=/admin/jobs/", guess)
    assert way["Location"] == "/accounts/login/?next=%2Fadmin%2Fjobs%2F"
    said = ""
    for _ in range(12):
        said = client.post(
            way["Location"], {"login": "operator@localhost", "password": "a guess"}
        ).content.decode()
    assert "Too many failed login attempts" in said
    right = client.post(way["Location"], {"login": "operator@localhost", "password": SECRET})
    assert right.status_code == 200, "the right one does not help any more"
    assert "_auth_user_id" not in client.session


def test_other_people_s_counts_do_not_push_mine_out(svc: Services) -> None:
    cache.set("a-mine", 5)  # Django drops the first in the order of keys
    for number in range(400):
        cache.set(f"of-another-{number}", 1)
    assert cache.get("a-mine") == 5
