"""Passwords are hashed by Argon2id, and older hashes replaced at sign-in."""

from __future__ import annotations

from django.contrib.auth.hashers import check_password, make_password
from django.test import override_settings

from gas import settings


def test_argon2id_as_owasp_asks_for_it() -> None:
    with override_settings(PASSWORD_HASHERS=settings.PASSWORD_HASHERS):
        kept = make_password("correct horse")
        assert kept.startswith("argon2$argon2id$v=19$m=19456,t=2,p=1$")
        assert check_password("correct horse", kept)
        assert not check_password("wrong horse", kept)


def test_an_older_hash_is_replaced() -> None:
    with override_settings(PASSWORD_HASHERS=settings.PASSWORD_HASHERS):
        old, new = make_password("correct horse", hasher="pbkdf2_sha256"), list[str]()
        assert check_password("correct horse", old, setter=new.append)
        assert new == ["correct horse"]
