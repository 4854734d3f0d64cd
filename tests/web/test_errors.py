"""Error pages, request numbers, the access log, health."""

from __future__ import annotations

import json
import logging

import pytest
from django.core.signals import got_request_exception
from django.db import OperationalError, connections
from django.test import Client, RequestFactory
from django.urls import reverse

from gas.errors import TransientError
from gas.jobs.models import Job
from gas.web import errors
from gas.web.views import health
from gas.wiring import Services

pytestmark = pytest.mark.django_db


def test_404(client: Client) -> None:
    response = client.get("/no/such/<script>page")
    page = response.content.decode()
    assert response.status_code == 404
    assert "There is no such page" in page
    assert response["X-Request-ID"] in page
    assert "<script>page" not in page


def test_below_the_api_it_is_a_problem(client: Client) -> None:
    response = client.get("/api/no/such/thing")
    assert response["Content-Type"] == "application/problem+json"
    assert json.loads(response.content)["status"] == 404


def test_403_and_400() -> None:
    request = RequestFactory().get("/")
    for status, page in (
        (403, errors.permission_denied(request, Exception("secret detail"))),
        (400, errors.bad_request(request, Exception("secret detail"))),
        (403, errors.csrf_failure(request, "secret detail")),
    ):
        assert page.status_code == status
        assert b"secret detail" not in page.content


def test_a_store_that_is_away_is_a_page_that_says_so(
    mine: Client, done_job: Job, svc: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise TransientError("The object store at 10.1.2.3 does not answer.")

    monkeypatch.setattr(svc.storage, "read", away)
    response = mine.get(reverse("job-input", args=[done_job.pk]))
    page = response.content.decode()
    assert response.status_code == 503
    assert "Nothing is lost. Try again in a minute." in page
    assert "10.1.2.3" not in page


def test_500_tells_nothing_and_needs_no_database(
    mine: Client, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise OperationalError("the password of the database is hunter2")

    mine.raise_request_exception = False
    seen: list[object] = []
    got_request_exception.connect(lambda **_: seen.append(1), weak=False, dispatch_uid="t")
    # From here on whatever asks the database breaks: the session, the user, the job.
    monkeypatch.setattr(connections["default"], "cursor", broken)
    response = mine.get(reverse("job-detail", args=[job.pk]))
    got_request_exception.disconnect(dispatch_uid="t")
    page = response.content.decode()
    assert response.status_code == 500
    assert seen
    assert "GAS made an error" in page
    assert response["X-Request-ID"] in page
    assert "hunter2" not in page
    assert "Traceback" not in page
    assert "default-src 'self'" in response["Content-Security-Policy"]


def test_the_access_log(mine: Client, job: Job, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "gas.web.access"):
        response = mine.get(reverse("job-detail", args=[job.pk]) + "?secret=hunter2")
    (record,) = [r for r in caplog.records if r.name == "gas.web.access"]
    line = record.msg
    assert isinstance(line, dict)
    assert line["status"] == 200
    assert line["route"] == "jobs/<uuid:job_id>/"
    assert line["user"] == str(job.owner_id)
    assert line["request_id"] == response["X-Request-ID"]
    assert "hunter2" not in str(line)


def test_a_strangers_request_number_is_not_believed(client: Client) -> None:
    response = client.get("/healthz", headers={"X-Request-ID": "forged-number"})
    assert response["X-Request-ID"] != "forged-number"


def test_health(client: Client, svc: Services) -> None:
    response = client.get("/healthz")
    assert (response.status_code, response.content) == (200, b"ok\n")
    assert not response.cookies
    ready = client.get("/readyz")
    assert ready.status_code == 200
    assert set(ready.json()["parts"].values()) == {"ok"}
    assert not ready.cookies


def test_not_ready_without_storage(
    client: Client, svc: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise TransientError("/srv/secret/path is full")

    monkeypatch.setattr(svc.storage, "check", broken)
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.json()["parts"]["storage"] == "not ready"
    assert response.json()["parts"]["database"] == "ok"
    assert "secret" not in response.content.decode()


def test_not_ready_without_database(
    client: Client, svc: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise OperationalError("connection refused")

    monkeypatch.setattr(connections["default"], "cursor", broken)
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.json()["parts"]["database"] == "not ready"
    assert client.get("/healthz").status_code == 200


def test_not_ready_with_migrations_to_apply_and_that_is_not_remembered(
    client: Client, svc: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    health._is_migrated.cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr(health.MigrationExecutor, "migration_plan", lambda *_: ["one"])
        assert client.get("/readyz").json()["parts"]["schema"] == "not ready"
    assert client.get("/readyz").json()["parts"]["schema"] == "ok"
