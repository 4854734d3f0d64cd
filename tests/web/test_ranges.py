"""Downloads: whole, in part, not at all."""

from __future__ import annotations

import hashlib

import pytest
from django.test import Client
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from gas.jobs.models import Job
from gas.web.downloads import content_type, stem
from gas.web.ranges import Unsatisfiable, parse_range
from gas.wiring import Services
from tests.conftest import VCF


@pytest.mark.parametrize(
    ("header", "part"),
    [
        ("bytes=0-0", (0, 1)),
        ("bytes=0-9", (0, 10)),
        ("bytes=5-", (5, 10)),
        ("bytes=-3", (7, 10)),
        ("bytes=-99", (0, 10)),
        ("bytes=5-99", (5, 10)),
        ("BYTES=1-2", (1, 3)),
        ("bytes=4-3", None),
        ("bytes=-", None),
        ("bytes=0-1,3-4", None),
        ("bytes=a-b", None),
        ("bytes=--1", None),
        ("bytes=٣-", None),
        ("items=0-1", None),
        ("", None),
    ],
)
def test_parse(header: str, part: tuple[int, int] | None) -> None:
    assert parse_range(header, 10) == part


@pytest.mark.parametrize("header", ["bytes=10-", "bytes=10-20", "bytes=-0"])
def test_behind_the_end(header: str) -> None:
    with pytest.raises(Unsatisfiable):
        parse_range(header, 10)


def test_nothing_is_in_an_empty_file() -> None:
    for header in ("bytes=0-", "bytes=0-0", "bytes=-1"):
        with pytest.raises(Unsatisfiable):
            parse_range(header, 0)


@given(header=st.text(max_size=30).map("bytes={}".format), size=st.integers(0, 1000))
def test_a_part_is_never_empty_nor_outside(header: str, size: int) -> None:
    try:
        part = parse_range(header, size)
    except Unsatisfiable:
        return
    if part is not None:
        assert 0 <= part[0] < part[1] <= size


def body(response: object) -> bytes:
    return b"".join(response.streaming_content)  # type: ignore[attr-defined]


@pytest.mark.django_db
class TestInput:
    @pytest.fixture
    def url(self, job: Job) -> str:
        return reverse("job-input", args=[job.pk])

    def test_whole(self, mine: Client, url: str) -> None:
        response = mine.get(url)
        assert body(response) == VCF
        assert response["Content-Length"] == str(len(VCF))
        assert response["Accept-Ranges"] == "bytes"
        assert response["ETag"] == f'"{hashlib.sha256(VCF).hexdigest()}"'
        assert response["Content-Disposition"] == 'attachment; filename="sample.vcf"'
        assert response["X-Content-Type-Options"] == "nosniff"
        assert "private" in response["Cache-Control"]

    def test_part(self, mine: Client, url: str) -> None:
        response = mine.get(url, headers={"Range": "bytes=2-12"})
        assert response.status_code == 206
        assert body(response) == VCF[2:13]
        assert response["Content-Range"] == f"bytes 2-12/{len(VCF)}"
        assert response["Content-Length"] == "11"

    def test_parts_make_the_whole(self, mine: Client, url: str) -> None:
        parts = [f"bytes={i}-{i + 6}" for i in range(0, len(VCF), 7)]
        assert b"".join(body(mine.get(url, headers={"Range": p})) for p in parts) == VCF

    def test_behind_the_end(self, mine: Client, url: str) -> None:
        response = mine.get(url, headers={"Range": "bytes=99999-"})
        assert response.status_code == 416
        assert response["Content-Range"] == f"bytes */{len(VCF)}"

    def test_if_range(self, mine: Client, url: str) -> None:
        etag = mine.head(url)["ETag"]
        asked = {"Range": "bytes=0-1"}
        assert mine.get(url, headers={**asked, "If-Range": etag}).status_code == 206
        for other in ('"other"', f"W/{etag}", "Wed, 01 Jan 2025 00:00:00 GMT"):
            assert mine.get(url, headers={**asked, "If-Range": other}).status_code == 200

    def test_who_has_it_gets_no_second_copy(self, mine: Client, url: str) -> None:
        etag = mine.head(url)["ETag"]
        response = mine.get(url, headers={"If-None-Match": f'"x", {etag}'})
        assert (response.status_code, response.content) == (304, b"")
        assert response["ETag"] == etag

    def test_head(self, mine: Client, url: str) -> None:
        response = mine.head(url)
        assert (response.status_code, response.content) == (200, b"")
        assert response["Content-Length"] == str(len(VCF))
        part = mine.head(url, headers={"Range": "bytes=0-3"})
        assert (part.status_code, part["Content-Length"]) == (206, "4")

    def test_a_lost_object_is_a_404(self, mine: Client, url: str, job: Job, svc: Services) -> None:
        svc.storage.delete(job.input_key)
        assert mine.get(url).status_code == 404
        assert mine.head(url).status_code == 404


@pytest.mark.django_db
class TestResult:
    def test_the_result(self, mine: Client, done_job: Job) -> None:
        response = mine.get(reverse("job-file", args=[done_job.pk, "annotated.vcf.gz"]))
        assert body(response) == f"result of {done_job.result_prefix}".encode()
        named = 'attachment; filename="sample.annotated.vcf.gz"'
        assert response["Content-Disposition"] == named
        assert response["Content-Type"] == "application/gzip"

    @pytest.mark.parametrize("name", ["nope", "..", "%2e%2e", "annotated.vcf.gz%00", "ANNOTATED"])
    def test_other_names(self, mine: Client, done_job: Job, name: str) -> None:
        url = reverse("job-file", args=[done_job.pk, "x"])[:-1] + name
        assert mine.get(url).status_code == 404

    def test_nothing_before_it_is_published(self, mine: Client, job: Job, svc: Services) -> None:
        svc.storage.put(f"{job.attempt_prefix(1)}/annotated.vcf.gz", [b"half"])
        url = reverse("job-file", args=[job.pk, "annotated.vcf.gz"])
        assert mine.get(url).status_code == 404


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.vcf", "a"),
        ("a.VCF.GZ", "a"),
        ("a.b.vcf.bgz", "a.b"),
        ("a.txt", "a.txt"),
        (".vcf", "job"),
    ],
)
def test_stem(name: str, expected: str) -> None:
    assert stem(name) == expected


@pytest.mark.parametrize("name", ["x.html", "x.svg", "x.js", "x", "x.xml", "x.htm.tbi"])
def test_nothing_that_a_browser_runs(name: str) -> None:
    assert content_type(name) == "application/octet-stream"
