"""The look at a connection before a request's first query."""

from __future__ import annotations

import pytest
from django.db import connection
from django.db.backends.postgresql import base

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_quiet_connection_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def asked(self: object) -> bool:
        raise AssertionError

    connection.ensure_connection()
    monkeypatch.setattr(base.DatabaseWrapper, "is_usable", asked)
    assert connection.is_usable()


def test_one_that_the_server_closed_is_not_usable() -> None:
    connection.ensure_connection()
    old = connection.connection
    assert old is not None
    other = connection.copy()
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [old.info.backend_pid])
        assert cursor.fetchone() == (True,)
    other.close()
    assert not connection.is_usable()
    connection.close()
    assert connection.is_usable() is False  # there is none
    connection.ensure_connection()
    assert connection.is_usable()


def test_a_notice_that_waits_is_no_end() -> None:
    connection.ensure_connection()
    raw = connection.connection
    assert raw is not None
    with connection.cursor() as cursor:
        cursor.execute("LISTEN told")
    other = connection.copy()
    with other.cursor() as cursor:
        cursor.execute("NOTIFY told")
    other.close()
    assert connection.is_usable()
