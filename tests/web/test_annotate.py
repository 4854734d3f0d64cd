"""The form that uploads: what it takes, what it refuses, and what it says then."""

from __future__ import annotations

import errno
import re
import uuid
from collections.abc import Callable
from dataclasses import replace

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.files.uploadhandler import MemoryFileUploadHandler
from django.test import Client
from django.urls import reverse

from gas import wiring
from gas.accounts.models import User
from gas.jobs import uploads
from gas.jobs.models import Job, Upload
from gas.storage import StorageFull
from gas.web.views import annotate
from gas.wiring import Services
from tests.conftest import VCF

pytestmark = pytest.mark.django_db

URL = "/annotate/"
CAP = 153_600
TOO_MUCH = 2 * CAP


def send(client: Client, content: bytes = VCF, name: str = "sample.vcf", **more: str):  # type: ignore[no-untyped-def]
    return client.post(URL, {"file": SimpleUploadedFile(name, content), **more})


def raw_form(filename: bytes, content: bytes = VCF) -> dict[str, object]:
    """A form whose file name no library has touched."""
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="' + filename
    body = head + b'"\r\nContent-Type: text/plain\r\n\r\n' + content + b"\r\n--b--\r\n"
    return {"data": body, "content_type": "multipart/form-data; boundary=b"}


def test_a_file_becomes_a_job(mine: Client, user: User, svc: Services) -> None:
    response = send(mine)
    job = Job.objects.get()
    assert response.status_code == 302
    assert response["Location"] == reverse("job-detail", args=[job.pk])
    assert (job.owner, job.filename, job.input_bytes) == (user, "sample.vcf", len(VCF))
    assert b"".join(svc.storage.read(job.input_key)) == VCF
    assert (job.reference, job.engine) == ("demo", svc.settings.default_engine)


def test_the_page_tells_the_plans_cap_to_person_and_script(mine: Client) -> None:
    page = mine.get(URL).content.decode()
    assert f'data-max-bytes="{CAP}"' in page
    assert "150 KB (153,600 bytes)" in page


def test_a_premium_user_has_no_cap(make_user: Callable[..., User], svc: Services) -> None:
    client = Client()
    client.force_login(make_user("rich@example.org", plan="premium"))
    assert "data-max-bytes" not in client.get(URL).content.decode()
    assert send(client, b"#" * TOO_MUCH).status_code == 302


def test_exactly_the_cap_is_taken(mine: Client) -> None:
    assert send(mine, b"#" * CAP).status_code == 302


def test_one_byte_more_is_refused_with_a_sentence(mine: Client) -> None:
    response = send(mine, b"#" * (CAP + 1))
    assert response.status_code == 413
    page = response.content.decode()
    assert "This file has 153,601 bytes; the free plan takes files up to 153,600 bytes." in page
    assert "Compress it" in page
    assert not Upload.objects.exists()


class Unread:
    """A body that must not be touched."""

    def read(self, *_: int) -> bytes:
        raise AssertionError("the body was read")

    readline = read


def announce(client: Client, path: str = URL, **meta: object):  # type: ignore[no-untyped-def]
    """A form's headers, with a body that fails whoever reads it."""
    kind = "multipart/form-data; boundary=b"
    return client.generic("POST", path, content_type=kind, **{"wsgi.input": Unread(), **meta})


def test_far_too_much_is_refused_before_it_is_read(mine: Client) -> None:
    response = announce(mine, CONTENT_LENGTH=str(TOO_MUCH))
    assert response.status_code == 413
    page = response.content.decode()
    assert "The free plan takes files up to 153,600 bytes." in page
    assert "<title>This file is too large" in page


def test_a_strangers_upload_is_not_read(client: Client, svc: Services) -> None:
    response = announce(client, CONTENT_LENGTH=str(TOO_MUCH))
    assert response["Location"] == "/accounts/login/?next=/annotate/"


def test_no_other_form_takes_much(client: Client, svc: Services) -> None:
    assert announce(client, "/accounts/login/", CONTENT_LENGTH="5000000").status_code == 413


@pytest.mark.parametrize("length", ["", "-1", "1e9", "x"])
def test_a_body_of_unknown_size_is_refused(mine: Client, length: str) -> None:
    response = announce(mine, CONTENT_LENGTH=length, HTTP_TRANSFER_ENCODING="chunked")
    assert response.status_code == 411
    assert "gas submit" in response.content.decode()


def test_no_file(mine: Client) -> None:
    response = mine.post(URL, {})
    assert response.status_code == 400
    assert "Choose a VCF file first." in response.content.decode()


def test_an_empty_file(mine: Client) -> None:
    response = send(mine, b"")
    assert response.status_code == 422
    assert "This file is empty." in response.content.decode()
    assert not Job.objects.exists()


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (b"../../x", "x"),
        (b"..\\..\\x.vcf", "x.vcf"),
        (b"/etc/passwd", "passwd"),
        (b"a\x00b.vcf", "ab.vcf"),
        ("\u202egpj.fcv".encode(), "gpj.fcv"),
        (b"\x1b[31mred.vcf", "[31mred.vcf"),
        (b"=cmd.vcf", "cmd.vcf"),
        (b"x" * 300 + b".vcf.gz", "x" * 100 + "…" + "x" * 16 + ".gz"),
    ],
)
def test_names_are_made_harmless(mine: Client, sent: bytes, kept: str) -> None:
    response = mine.post(URL, **raw_form(sent))  # type: ignore[arg-type]
    assert response.status_code == 302, response.content
    job = Job.objects.get()
    assert job.filename == kept
    assert all(part not in job.input_key for part in ("..", "passwd", "x.vcf"))


@pytest.mark.parametrize("sent", [b"a\r\nX-Evil: 1\r\n.vcf", b"a%0d%0aX-Evil: 1.vcf", b".."])
def test_a_name_with_line_ends_reaches_no_header(mine: Client, sent: bytes) -> None:
    response = mine.post(URL, **raw_form(sent))  # type: ignore[arg-type]
    assert "X-Evil" not in response
    for job in Job.objects.all():
        assert "\r" not in job.filename
        assert "\n" not in job.filename
        download = mine.get(reverse("job-input", args=[job.pk]))
        assert "X-Evil" not in download
        assert b"".join(download.streaming_content) == VCF  # type: ignore[arg-type]


def test_script_in_a_name_is_text_on_every_page(mine: Client) -> None:
    mine.post(URL, **raw_form(b"<script>alert(1)</script>&amp;<b>.vcf"))  # type: ignore[arg-type]
    job = Job.objects.get()
    job_urls = [reverse(n, args=[job.pk]) for n in ("job-detail", "job-log")]
    for url in [reverse("job-list"), *job_urls]:
        page = mine.get(url).content.decode()
        assert "<script>alert" not in page
        assert "<b>.vcf" not in page


def test_a_full_disk_is_told_and_nothing_half_done_is_seen(
    mine: Client, svc: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise StorageFull

    monkeypatch.setattr(svc.storage, "put", full)
    response = send(mine)
    assert response.status_code == 503
    assert "The disk is full." in response.content.decode()
    assert not Job.objects.exists()
    assert not Upload.objects.exists(), "it counts no longer among those that wait"


def test_a_disk_that_fills_up_while_the_form_comes_in(
    mine: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(MemoryFileUploadHandler, "receive_data_chunk", full)
    response = send(mine)
    assert response.status_code == 503
    assert "The disk is full." in response.content.decode()
    assert not Job.objects.exists()


def test_a_client_that_goes_away_makes_no_job(mine: Client) -> None:
    class Gone(Unread):
        def read(self, *_: int) -> bytes:
            raise ConnectionResetError

    response = announce(mine, CONTENT_LENGTH="1000", **{"wsgi.input": Gone()})
    assert response.status_code == 400
    assert not Job.objects.exists()


@pytest.mark.parametrize("choice", ["reference", "engine"])
def test_what_is_not_on_offer_cannot_be_chosen(mine: Client, svc: Services, choice: str) -> None:
    """Where there is one of a kind the form has no such field, and what is sent for it is void."""
    response = send(mine, **{choice: "../../nowhere"})
    if response.status_code == 302:
        job = Job.objects.get()
        assert job.reference == svc.settings.default_reference
        assert job.engine == svc.settings.default_engine
    else:
        assert response.status_code == 400
        assert not Job.objects.exists()


def test_where_there_is_a_choice_it_is_offered_and_kept_to(
    mine: Client, svc: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = "tests.engines:NoopEngine"
    settings = svc.settings.model_copy(update={"extra_engines": [own]})
    monkeypatch.setattr(wiring, "_services", replace(svc, settings=settings))
    page = mine.get(URL).content.decode()
    assert '<select name="engine"' in page
    assert f'<option value="{own}">' in page
    assert send(mine, engine="nowhere:Engine").status_code == 400
    assert not Job.objects.exists()
    assert send(mine, engine=own).status_code == 302
    assert Job.objects.get().engine == own


def sent_by_parts(svc: Services, user: User, content: bytes = VCF) -> Upload:
    """What the page's script does before it sends the form."""
    upload = uploads.begin_parts(svc, uploads.create(svc, user, "parts.vcf", len(content)))
    svc.parts.receive(uploads.sign(svc, upload, [1])[0].url, [content])
    return upload


def test_an_upload_by_parts_becomes_a_job_once(mine: Client, svc: Services, user: User) -> None:
    page = mine.get(URL).content.decode()
    assert 'data-uploads-url="/api/v1/uploads"' in page
    upload = sent_by_parts(svc, user)
    first, again = mine.post(URL, {"upload": upload.pk}), mine.post(URL, {"upload": upload.pk})
    job = Job.objects.get()
    assert first["Location"] == again["Location"] == reverse("job-detail", args=[job.pk])
    assert (job.upload, job.filename) == (upload, "parts.vcf")


def test_an_upload_whose_parts_are_missing_says_so(mine: Client, svc: Services, user: User) -> None:
    upload = uploads.begin_parts(svc, uploads.create(svc, user, "parts.vcf", 9))
    response = mine.post(URL, {"upload": upload.pk})
    assert response.status_code == 400
    assert "Part 1 of 1 has not come." in response.content.decode()
    assert not Job.objects.exists()


def test_an_upload_that_is_no_vcf_says_so(mine: Client, svc: Services, user: User) -> None:
    response = mine.post(URL, {"upload": sent_by_parts(svc, user, b"a poem").pk})
    assert response.status_code == 422
    assert "not a VCF file" in response.content.decode()


def test_anothers_upload_is_none(mine: Client, theirs: Client, svc: Services, user: User) -> None:
    upload = sent_by_parts(svc, user)
    for client, upload_id in ((theirs, upload.pk), (mine, uuid.uuid4())):
        response = client.post(URL, {"upload": upload_id})
        assert response.status_code == 400
        assert "Choose the file again." in response.content.decode()
    assert mine.post(URL, {"upload": "../1"}).status_code == 400
    assert not Job.objects.exists()


def test_a_form_that_is_sent_twice_makes_one_job(mine: Client) -> None:
    """A double click without JavaScript, or the back button and again."""
    page = mine.get(URL).content.decode()
    found = re.search(r'name="once" value="([0-9a-f-]{36})"', page)
    assert found is not None
    first, again = send(mine, once=found[1]), send(mine, once=found[1])
    assert first["Location"] == again["Location"]
    assert Job.objects.count() == 1
    assert send(mine)["Location"] != first["Location"], "another display, another job"


def test_the_quicker_half_of_a_double_click_wins(
    mine: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both halves found no job yet; the database lets one of them make it."""
    once = "6f9619ff-8b86-d011-b42d-00cf4fc964ff"
    first = send(mine, once=once)
    real, looks = annotate._sent_before, iter([None])
    monkeypatch.setattr(annotate, "_sent_before", lambda *args: next(looks, real(*args)))
    assert send(mine, once=once)["Location"] == first["Location"]
    assert Job.objects.count() == 1
