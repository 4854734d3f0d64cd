"""The REST API: whose, what, and the sentence when it is not so."""

from __future__ import annotations

import errno
import hashlib
import json
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from gas.accounts import tokens
from gas.accounts.models import ApiToken, User
from gas.errors import TransientError
from gas.jobs import lifecycle, uploads
from gas.jobs.models import Job, Upload
from gas.jobs.states import ResultState
from gas.wiring import Services
from tests.conftest import VCF
from tests.fakes import SUMMARY, FakeClock

pytestmark = pytest.mark.django_db


class Api:
    """A client with a token."""

    def __init__(self, token: str | None) -> None:
        self._client = Client()
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    def __call__(self, method: str, url: str, body: Any = None, **headers: str) -> Any:
        data: Any = body
        content_type = "application/octet-stream"
        if body is not None and not isinstance(body, bytes):
            data, content_type = json.dumps(body), "application/json"
        return self._client.generic(
            method,
            url,
            data or b"",
            content_type=content_type,
            headers={**self._headers, **headers},
        )


@pytest.fixture
def api(svc: Services, user: User) -> Api:
    return Api(tokens.create_token(user, "test", svc.now()))


@pytest.fixture
def stranger(svc: Services, make_user: Callable[..., User]) -> Api:
    return Api(tokens.create_token(make_user("eve@example.org"), "test", svc.now()))


def upload(api: Api, content: bytes = VCF, filename: str = "sample.vcf") -> dict[str, Any]:
    made = api("POST", "/api/v1/uploads", {"filename": filename, "size_bytes": len(content)})
    assert made.status_code == 201, made.content
    (part,) = made.json()["parts"]
    assert api(part["method"], part["url"], content).status_code == 204
    done = api("POST", f"/api/v1/uploads/{made.json()['id']}/complete")
    assert done.status_code == 200
    return dict(done.json())


def submit(api: Api, **more: Any) -> dict[str, Any]:
    answer = api("POST", "/api/v1/jobs", {"upload_id": upload(api)["id"], **more})
    assert answer.status_code == 201, answer.content
    return dict(answer.json())


def problem(answer: Any, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == "application/problem+json"
    said = answer.json()
    assert said["status"] == status
    assert said["detail"]
    assert "Traceback" not in answer.content.decode()
    return dict(said)


def test_the_whole_way(svc: Services, api: Api) -> None:
    job = submit(api)
    assert job["status"] == "PENDING"
    lifecycle.annotate(svc, uuid.UUID(job["id"]), worker="w", stopping=lambda: False)
    job = api("GET", f"/api/v1/jobs/{job['id']}").json()
    assert job["status"] == "COMPLETED"
    assert job["summary"] == SUMMARY
    (file,) = job["files"]
    whole = api("GET", file["url"])
    assert b"".join(whole.streaming_content).startswith(b"result of users/")
    part = api("GET", file["url"], Range="bytes=0-5")
    assert part.status_code == 206
    assert b"".join(part.streaming_content) == b"result"
    log = api("GET", f"/api/v1/jobs/{job['id']}/log").content.decode()
    assert "Submitted: sample.vcf" in log
    assert "Completed: 3 records" in log
    original = api("GET", f"/api/v1/jobs/{job['id']}/input")
    assert b"".join(original.streaming_content) == VCF
    page = api("GET", "/api/v1/jobs").json()
    assert [item["id"] for item in page["items"]] == [job["id"]]


class _BrokenLine:
    """A body of which the second half never comes."""

    def __init__(self) -> None:
        self._pieces = iter([VCF[:20]])

    def read(self, _size: int = -1) -> bytes:
        for piece in self._pieces:
            return piece
        raise ConnectionResetError(errno.ECONNRESET, "gone")

    readline = read


def test_an_upload_that_breaks_off_can_be_sent_again(svc: Services, api: Api) -> None:
    made = api("POST", "/api/v1/uploads", {"filename": "a.vcf", "size_bytes": len(VCF)}).json()
    url = made["parts"][0]["url"]
    assert url.startswith("http://testserver/parts/?")
    broken = api._client.generic(
        "PUT", url, VCF, headers=api._headers, **{"wsgi.input": _BrokenLine()}
    )
    assert problem(broken, 400)["code"] == "cut-off"
    problem(api("POST", f"/api/v1/uploads/{made['id']}/complete"), 409)
    assert api("PUT", url, VCF).status_code == 204
    assert api("POST", f"/api/v1/uploads/{made['id']}/complete").status_code == 200


def test_no_file_is_as_large_as_that(svc: Services, make_user: Callable[..., User]) -> None:
    rich = Api(tokens.create_token(make_user("p@example.org", plan="premium"), "t", svc.now()))
    asked = {"filename": "a.vcf", "size_bytes": 10**30}
    assert "size_bytes" in problem(rich("POST", "/api/v1/uploads", asked), 422)["detail"]


def test_many_parts_in_any_order_and_where_it_broke_off(
    svc: Services, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "PART_BYTES", 7)
    made = api("POST", "/api/v1/uploads", {"filename": "a.vcf", "size_bytes": len(VCF)}).json()
    base, count = f"/api/v1/uploads/{made['id']}", -(-len(VCF) // 7)
    assert (made["part_bytes"], made["part_count"]) == (7, count)
    assert [part["number"] for part in made["parts"]] == list(range(1, 9))
    numbers = list(range(count, 8, -1))
    signed = api("POST", f"{base}/parts", {"numbers": numbers}).json()
    pieces = [VCF[start : start + 7] for start in range(0, len(VCF), 7)]
    for part in [*signed, *made["parts"][1:]]:
        assert part["size_bytes"] == len(pieces[part["number"] - 1])
        assert api("PUT", part["url"], pieces[part["number"] - 1]).status_code == 204
    came = api("GET", f"{base}/parts").json()
    assert [part["number"] for part in came] == list(range(2, count + 1))
    said = problem(api("POST", f"{base}/complete"), 409)
    assert said["detail"] == f"Part 1 of {count} has not come."
    assert api("PUT", made["parts"][0]["url"], pieces[0]).status_code == 204
    assert api("POST", f"{base}/complete").json()["sha256"] == hashlib.sha256(VCF).hexdigest()
    assert api("GET", f"{base}/parts").json() == []
    problem(api("POST", f"{base}/parts", {"numbers": [1]}), 409)
    assert problem(api("PUT", made["parts"][0]["url"], pieces[0]), 410)["code"] == "upload-gone"
    assert api("POST", f"{base}/complete").status_code == 200, "completing may be repeated"


def test_an_address_is_for_one_part_and_some_minutes(
    svc: Services, api: Api, clock: FakeClock
) -> None:
    made = api("POST", "/api/v1/uploads", {"filename": "a.vcf", "size_bytes": len(VCF)}).json()
    base, url = f"/api/v1/uploads/{made['id']}", made["parts"][0]["url"]
    assert problem(api("POST", f"{base}/parts", {"numbers": [2]}), 404)["code"] == "no-such-part"
    for numbers in ([], [0], list(range(101)), "1"):
        assert api("POST", f"{base}/parts", {"numbers": numbers}).status_code in (404, 422)
    for forged in (url.replace("part=1", "part=2"), url.replace("uploads", "jobs"), "/parts/"):
        problem(api("PUT", forged, VCF), 403)
    assert api("POST", url, VCF).status_code == 405
    assert api("GET", url).status_code == 405
    clock.advance(svc.settings.signed_url_s + 1)
    assert "expired" in problem(api("PUT", url, VCF), 403)["detail"]
    (again,) = api("POST", f"{base}/parts", {"numbers": [1]}).json()
    assert Api(None)("PUT", again["url"], VCF).status_code == 204, "it carries its own permission"


def test_an_address_ends_with_its_upload(svc: Services, api: Api, clock: FakeClock) -> None:
    made = api("POST", "/api/v1/uploads", {"filename": "a.vcf", "size_bytes": len(VCF)}).json()
    clock.advance(svc.settings.upload_expiry_s - 30)
    (part,) = api("POST", f"/api/v1/uploads/{made['id']}/parts", {"numbers": [1]}).json()
    assert datetime.fromisoformat(part["expires_at"]) - clock() == timedelta(seconds=30)
    clock.advance(31)
    problem(api("PUT", part["url"], VCF), 403)
    problem(api("POST", f"/api/v1/uploads/{made['id']}/parts", {"numbers": [1]}), 404)


@pytest.mark.parametrize("length", ["", "-1", "x"])
def test_a_part_says_how_long_it_is(api: Api, length: str) -> None:
    made = api("POST", "/api/v1/uploads", {"filename": "a.vcf", "size_bytes": 9}).json()
    url = made["parts"][0]["url"]
    said = problem(Client().generic("PUT", url, b"x" * 9, CONTENT_LENGTH=length), 411)
    assert said["code"] == "length-required"


def test_an_upload_can_be_given_up(svc: Services, api: Api, job: Job) -> None:
    made = api("POST", "/api/v1/uploads", {"filename": "a.vcf", "size_bytes": len(VCF)}).json()
    url = made["parts"][0]["url"]
    api("PUT", url, VCF)
    assert api("DELETE", f"/api/v1/uploads/{made['id']}").status_code == 204
    problem(api("PUT", url, VCF), 410)
    problem(api("GET", f"/api/v1/uploads/{made['id']}"), 404)
    problem(api("DELETE", f"/api/v1/uploads/{job.upload_id}"), 409)
    assert b"".join(svc.storage.read(job.input_key)) == VCF


def test_only_so_many_uploads_may_wait(
    svc: Services, api: Api, stranger: Api, clock: FakeClock
) -> None:
    most, new = svc.settings.max_open_uploads, {"filename": "a.vcf", "size_bytes": 5}
    submit(api)  # no longer waits
    made = [api("POST", "/api/v1/uploads", new) for _ in range(most)]
    assert {answer.status_code for answer in made} == {201}
    said = problem(api("POST", "/api/v1/uploads", new), 429)
    assert said["code"] == "too-many-uploads"
    assert said["hint"]
    listed = api("GET", "/api/v1/uploads").json()
    assert {one["id"] for one in listed} == {answer.json()["id"] for answer in made}
    assert stranger("GET", "/api/v1/uploads").json() == []
    api("DELETE", f"/api/v1/uploads/{listed[0]['id']}")
    assert api("POST", "/api/v1/uploads", new).status_code == 201
    problem(api("POST", "/api/v1/uploads", new), 429)
    clock.advance(svc.settings.upload_expiry_s + 1)
    assert api("POST", "/api/v1/uploads", new).status_code == 201


def test_the_plan_counts_at_each_step(svc: Services, make_user: Callable[..., User]) -> None:
    user = make_user("p@example.org", plan="premium")
    rich = Api(tokens.create_token(user, "t", svc.now()))
    body = VCF + b"#" * svc.settings.free_max_upload_bytes
    made = rich("POST", "/api/v1/uploads", {"filename": "a.vcf", "size_bytes": len(body)}).json()
    assert rich("PUT", made["parts"][0]["url"], body).status_code == 204
    User.objects.update(plan="free")
    base = f"/api/v1/uploads/{made['id']}"
    problem(rich("POST", f"{base}/parts", {"numbers": [1]}), 413)
    problem(rich("POST", f"{base}/complete"), 413)
    problem(rich("POST", "/api/v1/jobs", {"upload_id": made["id"]}), 413)


def test_a_store_that_is_away_leaves_no_upload(
    svc: Services, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_key: str) -> str:
        raise TransientError("The object store does not answer.")

    monkeypatch.setattr(svc.parts, "begin", away)
    problem(api("POST", "/api/v1/uploads", {"filename": "a.vcf", "size_bytes": 5}), 503)
    assert not Upload.objects.exists()


def test_a_page_may_upload_by_its_session_and_secret(svc: Services, user: User) -> None:
    page = Client(enforce_csrf_checks=True)
    page.force_login(user)
    new = {"filename": "a.vcf", "size_bytes": len(VCF)}

    def ask(url: str, body: Any, **headers: str) -> Any:
        return page.post(url, body, content_type="application/json", headers=headers)

    assert "expired" in problem(ask("/api/v1/uploads", new), 403)["detail"]
    page.get(reverse("annotate"))
    secret = {"X-CSRFToken": page.cookies["csrftoken"].value}
    made = ask("/api/v1/uploads", new, **secret)
    assert made.status_code == 201
    assert Upload.objects.get().owner == user
    assert ask("/api/v1/jobs", {"upload_id": made.json()["id"]}, **secret).status_code == 401
    page.logout()
    assert ask("/api/v1/uploads", new, **secret).status_code == 401


def test_without_a_token_nothing_is_told(svc: Services, user: User, api: Api, job: Job) -> None:
    signed_in = Client()
    signed_in.force_login(user)
    for ask in (Api(None), Api("gas_" + "x" * 43), Api("nonsense")):
        for method, url in _all_routes(job):
            said = problem(ask(method, url, {}), 401)
            assert said["code"] == "not-signed-in"
    assert signed_in.get("/api/v1/jobs").status_code == 401, "a session alone is not enough"


def test_anothers_things_are_not_there(stranger: Api, job: Job) -> None:
    for method, url in _all_routes(job):
        if str(job.pk) in url or str(job.upload_id) in url:
            problem(stranger(method, url, {"numbers": [1]}), 404)
    problem(stranger("POST", "/api/v1/jobs", {"upload_id": str(job.upload_id)}), 404)
    assert stranger("GET", "/api/v1/jobs").json()["items"] == []
    problem(stranger("GET", f"/api/v1/jobs?after={job.pk}"), 404)


def _all_routes(job: Job) -> list[tuple[str, str]]:
    """Every operation of the API, as its own description lists them, with ids of ``job``."""
    from gas.api import api

    routes = []
    for path, operations in api.get_openapi_schema()["paths"].items():
        url = path.format(upload_id=job.upload_id, job_id=job.pk, number=1, name="annotated.vcf.gz")
        routes += [(method.upper(), url) for method in operations]
    assert len(routes) >= 13
    return routes


def test_tokens_can_be_revoked(api: Api, user: User) -> None:
    assert api("GET", "/api/v1/me").json()["email"] == user.email
    ApiToken.objects.all().delete()
    problem(api("GET", "/api/v1/me"), 401)


def test_a_token_of_a_closed_account_is_none(api: Api, user: User) -> None:
    User.objects.update(is_active=False)
    problem(api("GET", "/api/v1/me"), 401)


def test_the_cap_is_said_before_a_byte_is_sent(svc: Services, api: Api) -> None:
    size = svc.settings.free_max_upload_bytes + 1
    said = problem(api("POST", "/api/v1/uploads", {"filename": "b", "size_bytes": size}), 413)
    assert "153,601 bytes" in said["detail"]
    assert "153,600 bytes" in said["detail"]
    assert said["hint"]


def test_a_lying_client_is_refused(api: Api) -> None:
    made = api("POST", "/api/v1/uploads", {"filename": "b", "size_bytes": 10}).json()
    url = made["parts"][0]["url"]
    for size in (1, 9, 11, 200_000):
        assert problem(api("PUT", url, b"x" * size), 409)["code"] == "parts-missing"
        forged = url.replace("size=10", f"size={size}")
        assert problem(api("PUT", forged, b"x" * size), 403)["code"] == "address-refused"
    assert api("GET", f"/api/v1/uploads/{made['id']}/parts").json() == []
    said = problem(api("POST", f"/api/v1/uploads/{made['id']}/complete"), 409)
    assert said["detail"] == "Part 1 of 1 has not come."
    problem(api("POST", "/api/v1/jobs", {"upload_id": made["id"]}), 409)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 422),
        ({"filename": "x"}, 422),
        ({"filename": "x", "size_bytes": "many"}, 422),
        ({"filename": "x", "size_bytes": 0}, 422),
        ({"filename": "x", "size_bytes": -5}, 422),
        ({"filename": "y" * 1001, "size_bytes": 5}, 422),
    ],
)
def test_a_bad_announcement_is_explained(api: Api, body: dict[str, Any], status: int) -> None:
    problem(api("POST", "/api/v1/uploads", body), status)


def test_json_that_is_none(api: Api) -> None:
    answer = api._client.post(
        "/api/v1/uploads", b"{nope", content_type="application/json", headers=api._headers
    )
    problem(answer, 400)


def test_a_repeated_submit_makes_one_job(api: Api) -> None:
    done = upload(api)
    first = api("POST", "/api/v1/jobs", {"upload_id": done["id"]})
    again = api("POST", "/api/v1/jobs", {"upload_id": done["id"]})
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["id"] == again.json()["id"]


def test_an_idempotency_key_is_honoured(api: Api) -> None:
    one, two = upload(api), upload(api)
    key = {"Idempotency-Key": "once"}
    first = api("POST", "/api/v1/jobs", {"upload_id": one["id"]}, **key)
    again = api("POST", "/api/v1/jobs", {"upload_id": one["id"]}, **key)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["id"] == again.json()["id"]
    problem(api("POST", "/api/v1/jobs", {"upload_id": two["id"]}, **key), 409)


def test_an_unknown_reference_or_engine_is_named(api: Api) -> None:
    done = upload(api)
    for field in ("reference", "engine"):
        said = problem(api("POST", "/api/v1/jobs", {"upload_id": done["id"], field: "nope"}), 422)
        assert "nope" in said["detail"]
        assert said["hint"]
    assert Job.objects.count() == 0


def test_cancel(api: Api) -> None:
    job = submit(api)
    assert api("POST", f"/api/v1/jobs/{job['id']}/cancel").json()["status"] == "CANCELLED"
    problem(api("POST", f"/api/v1/jobs/{job['id']}/cancel"), 409)


def test_a_list_has_pages(api: Api, clock: FakeClock) -> None:
    made = []
    for n in range(5):
        if n != 3:
            clock.advance(1)  # two of one moment
        made.append(submit(api)["id"])
    seen, url = [], "/api/v1/jobs?limit=2"
    while url:
        page = api("GET", url).json()
        assert len(page["items"]) <= 2
        seen += [item["id"] for item in page["items"]]
        url = page["next"]
    assert sorted(seen) == sorted(made)
    assert seen[-1] == made[0], "newest first"
    assert len(api("GET", "/api/v1/jobs?status=PENDING").json()["items"]) == 5
    assert api("GET", "/api/v1/jobs?status=COMPLETED").json()["items"] == []
    problem(api("GET", "/api/v1/jobs?status=NOPE"), 422)


def test_hostile_names_are_harmless(svc: Services, api: Api) -> None:
    done = upload(api, filename="../../etc/x\r\nX-Evil: 1\u202e.vcf")
    job = api("POST", "/api/v1/jobs", {"upload_id": done["id"]}).json()
    answer = api("GET", f"/api/v1/jobs/{job['id']}/input")
    assert "X-Evil" not in answer.headers
    assert "/" not in job["filename"]
    assert Upload.objects.get().key.startswith("users/")
    assert [o.key for o in svc.storage.list("")] == [Upload.objects.get().key]


def test_a_full_disk_is_ours_to_mend(
    svc: Services, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    import errno

    def full(_handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    made = api("POST", "/api/v1/uploads", {"filename": "b", "size_bytes": 10}).json()
    monkeypatch.setattr("os.fsync", full)
    assert api("PUT", made["parts"][0]["url"], b"x" * 10).status_code == 204
    answer = api("POST", f"/api/v1/uploads/{made['id']}/complete")
    said = problem(answer, 503)
    assert said["code"] == "no-space"
    assert answer["Retry-After"]


def test_what_is_on_offer(api: Api) -> None:
    (demo,) = api("GET", "/api/v1/references").json()
    assert demo["name"] == "demo"
    assert demo["contigs"] == {"20": 63_025_520, "MT": 16_569}
    assert "csq" in api("GET", "/api/v1/engines").json()["names"]


def test_the_docs_page_is_local(svc: Services) -> None:
    page = Client().get("/api/docs").content.decode()
    assert "://" not in page.replace("http://www.w3.org", "")
    assert reverse("api:openapi-json") in page


def test_findings_are_those_of_the_result(svc: Services, api: Api, stranger: Api) -> None:
    made = submit(api)
    url = f"/api/v1/jobs/{made['id']}/findings"
    problem(api("GET", url), 404)
    job = Job.objects.get()
    lifecycle.annotate(svc, job.pk, worker="w:1", stopping=lambda: False)
    problem(api("GET", url), 404)  # this runner's result has none
    job.refresh_from_db()
    finding = {
        "severity": "warning", "line": 4, "column": 2, "field": "POS", "rule": "pos-number",
        "message": "POS is x.", "fix": "Write a number.",
    }  # fmt: skip
    values = {
        "version": "VCFv4.2", "records": 2, "rejected": 1, "sorted": False, "notes": [],
        "counts": {"pos-number": 1}, "unlisted": {}, "findings": [finding], "reference": {},
    }  # fmt: skip
    content = json.dumps(values).encode()
    svc.storage.put(f"{job.result_prefix}/findings.json", [content])
    job.result_files.append({"name": "findings.json", "size_bytes": len(content), "sha256": "0"})
    job.save()
    assert api("GET", url).json() == values
    problem(stranger("GET", url), 404)
    Job.objects.update(result_state=ResultState.ARCHIVED)
    for there in (url, f"/api/v1/jobs/{made['id']}/files/findings.json"):
        said = problem(api("GET", there), 409)
        assert (said["code"], said["detail"]) == ("not-at-hand", "This result is in cold storage.")
        problem(stranger("GET", there), 404)
    ready = svc.now() + timedelta(hours=1)
    Job.objects.update(result_state=ResultState.THAWING, thaw_ready_at=ready)
    assert "ready about 2026-01-01 13:00 UTC" in problem(api("GET", url), 409)["detail"]


def test_what_is_no_vcf_is_refused_at_complete(api: Api) -> None:
    body = b"##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n20\t5\0\n"
    made = api("POST", "/api/v1/uploads", {"filename": "b", "size_bytes": len(body)}).json()
    api("PUT", made["parts"][0]["url"], body)
    said = problem(api("POST", f"/api/v1/uploads/{made['id']}/complete"), 422)
    assert (said["code"], said["line"]) == ("bad-input", 3)
    assert "NUL" in said["detail"]
