"""Uploads and downloads on a real S3: past the service, and through it where that is so set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from django.test import Client
from django.urls import reverse

from gas import wiring
from gas.accounts import tokens
from gas.accounts.models import User
from gas.jobs import lifecycle, uploads
from gas.jobs.models import Job, Upload
from gas.jobs.tidy import tidy
from gas.storage.proxied_parts import ProxiedParts
from gas.storage.s3 import S3Storage
from gas.storage.s3_parts import S3Parts
from gas.storage.signed import UrlSigner
from gas.wiring import Services
from tests import s3
from tests.conftest import VCF
from tests.fakes import FakeClock

pytestmark = pytest.mark.django_db


@pytest.fixture
def direct(svc: Services, s3_store: S3Storage, monkeypatch: pytest.MonkeyPatch) -> Services:
    """The services, with S3 as their store."""
    services = replace(svc, storage=s3_store, parts=S3Parts(s3_store))
    monkeypatch.setattr(wiring, "_services", services)
    return services


@pytest.fixture
def proxied(direct: Services, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> Services:
    """The same, for clients that do not reach it."""
    store = direct.storage
    assert isinstance(store, S3Storage)
    closed = S3Storage(store.client, store.bucket, store.prefix, is_open=False)
    signer = UrlSigner(wiring.PARTS_PATH, b"k" * 32, clock)
    services = replace(direct, storage=closed, parts=ProxiedParts(S3Parts(closed), signer))
    monkeypatch.setattr(wiring, "_services", services)
    return services


def bearer(svc: Services, user: User) -> Any:
    token = tokens.create_token(user, "t", svc.now())
    return Client(headers={"Authorization": f"Bearer {token}"})


def begin(api: Any) -> dict[str, Any]:
    new = {"filename": "a.vcf", "size_bytes": len(VCF)}
    made = api.post("/api/v1/uploads", new, content_type="application/json")
    assert made.status_code == 201
    return dict(made.json())


def host_of(url: str) -> str:
    return urlsplit(url).netloc


def done(svc: Services, user: User, upload_id: str) -> Job:
    job = lifecycle.submit(svc, user, Upload.objects.get(pk=upload_id))
    lifecycle.annotate(svc, job.pk, worker="w:1", stopping=lambda: False)
    job.refresh_from_db()
    return job


def test_parts_and_results_go_past_the_service(
    direct: Services, seaweedfs_url: str, user: User, make_user: Callable[..., User]
) -> None:
    api, made = bearer(direct, user), begin(bearer(direct, user))
    (part,) = made["parts"]
    assert host_of(part["url"]) == host_of(seaweedfs_url)
    assert httpx.put(part["url"], content=VCF + b"more").status_code == 403
    assert httpx.put(part["url"], content=VCF).status_code == 200
    assert api.post(f"/api/v1/uploads/{made['id']}/complete").status_code == 200
    job = done(direct, user, made["id"])
    mine, page = reverse("api:job_file", args=[job.pk, "annotated.vcf.gz"]), Client()
    page.force_login(user)
    result = b"".join(direct.storage.read(job.result_key("annotated.vcf.gz")))
    for client, url in (
        (api, mine), (page, reverse("job-file", args=[job.pk, "annotated.vcf.gz"]))
    ):  # fmt: skip
        answer = client.get(url)
        assert answer.status_code == 302
        assert answer["Cache-Control"] == "private, no-store"
        assert host_of(answer["Location"]) == host_of(seaweedfs_url)
        there = httpx.get(answer["Location"], headers={"Range": "bytes=7-9"})
        assert (there.status_code, there.content) == (206, result[7:10])
        assert there.headers["content-type"] == "application/gzip"
        assert 'filename="a.annotated.vcf.gz"' in there.headers["content-disposition"]
    head = page.head(reverse("job-file", args=[job.pk, "annotated.vcf.gz"]))
    assert (head.status_code, head["Content-Length"]) == (200, str(len(result)))
    stored = httpx.get(api.get(f"/api/v1/jobs/{job.pk}/input")["Location"])
    assert stored.content == VCF
    other = bearer(direct, make_user("eve@example.org")).get(mine)
    assert other.status_code == 404
    assert "Location" not in other


def test_through_the_service_where_s3_is_out_of_reach(proxied: Services, user: User) -> None:
    api, made = bearer(proxied, user), begin(bearer(proxied, user))
    (part,) = made["parts"]
    assert host_of(part["url"]) == "testserver"
    for body, status in ((VCF[1:], 409), (VCF, 204)):
        answer = Client().put(part["url"], body, content_type="application/octet-stream")
        assert answer.status_code == status
    assert api.post(f"/api/v1/uploads/{made['id']}/complete").status_code == 200
    job = done(proxied, user, made["id"])
    answer = api.get(reverse("api:job_file", args=[job.pk, "annotated.vcf.gz"]))
    assert answer.status_code == 200
    assert b"".join(answer.streaming_content).startswith(b"result of users/")


def test_a_forgotten_upload_leaves_nothing_in_the_bucket(
    direct: Services, user: User, clock: FakeClock
) -> None:
    store = direct.storage
    assert isinstance(store, S3Storage)
    (part,) = begin(bearer(direct, user))["parts"]
    httpx.put(part["url"], content=VCF)
    clock.advance(direct.settings.upload_expiry_s + 3700)
    assert tidy(direct)["expired_uploads"] == 1
    assert not Upload.objects.exists()
    where = {"Bucket": store.bucket, "Prefix": store.prefix}
    assert "Uploads" not in store.client.list_multipart_uploads(**where)
    assert "Contents" not in store.client.list_objects_v2(**where)
    assert httpx.put(part["url"], content=VCF).status_code == 404


def test_refused_at_complete_leaves_nothing_in_the_bucket(direct: Services, user: User) -> None:
    store, poem = direct.storage, b"hello, I am a poem\n"
    assert isinstance(store, S3Storage)
    upload = uploads.begin_parts(direct, uploads.create(direct, user, "poem.vcf", len(poem)))
    (part,) = uploads.sign(direct, upload, [1])
    httpx.put(part.url, content=poem)
    answer = bearer(direct, user).post(f"/api/v1/uploads/{upload.pk}/complete")
    assert answer.status_code == 422
    assert "not a VCF" in answer.json()["detail"]
    assert "Contents" not in store.client.list_objects_v2(Bucket=store.bucket, Prefix=store.prefix)


def test_a_store_that_refuses_is_for_the_operator(
    direct: Services, seaweedfs_url: str, user: User, caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    wrong = {**s3.KEYS, "secret_access_key": "wrong"}
    store = S3Storage(s3.make_client(endpoint_url=seaweedfs_url, **wrong), s3.BUCKET, "p/")
    monkeypatch.setattr(wiring, "_services", replace(direct, storage=store, parts=S3Parts(store)))
    new = {"filename": "a.vcf", "size_bytes": len(VCF)}
    answer = bearer(direct, user).post("/api/v1/uploads", new, content_type="application/json")
    assert answer.status_code == 503
    assert "operator" in answer.json()["detail"]
    assert s3.BUCKET not in answer.content.decode()
    assert "GAS_S3_SECRET" in next(r.why for r in caplog.records if "ALARM" in r.message)
