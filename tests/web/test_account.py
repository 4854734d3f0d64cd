"""What a person may do with all that is theirs: a preference, an export, closing the account."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from gas.accounts import tokens
from gas.accounts.change import change_plan
from gas.accounts.closing import LastOperator, close_account
from gas.accounts.models import ApiToken, User
from gas.audit.models import Action, AuditLine
from gas.errors import TransientError
from gas.jobs import erase, keeping
from gas.jobs.models import Job
from gas.notify import notify
from gas.notify.models import Mail
from gas.storage.local import LocalStorage
from gas.web import export
from gas.wiring import Services
from tests.conftest import VCF
from tests.fakes import FakeClock, FakeCold, FakeMailer
from tests.web.test_jobs import run

pytestmark = pytest.mark.django_db

PASSWORD = "correct horse"


# -- preferences -----------------------------------------------------------------------------------


def test_the_mail_before_an_archive_is_asked_for_and_called_off(
    mine: Client, user: User, svc: Services, make_job: Callable[..., Job], clock: FakeClock,
    mailer: FakeMailer,
) -> None:  # fmt: skip
    form = {"name": "Ada", "institution": ""}
    assert "Mail me before a result moves" in mine.get(reverse("profile")).content.decode()
    mine.post(reverse("profile"), {**form, "mail_before_archive": "on"})
    for name in ("warned.vcf", "quiet.vcf"):
        run(svc, make_job(user, filename=name))
    mails = Mail.objects.filter(kind=Mail.Kind.ARCHIVE_SOON).order_by("pk")
    clock.advance(1200)
    notify.send(svc, mails[0].pk)
    assert [letter.subject for letter in mailer.sent] == ["warned.vcf moves to cold storage soon"]
    mine.post(reverse("profile"), form)
    notify.send(svc, mails[1].pk)
    assert len(mailer.sent) == 1
    assert mails[1].state == Mail.State.NEEDLESS


def test_no_mail_about_what_was_deleted(svc: Services, done_job: Job, mailer: FakeMailer) -> None:
    erase.ask_erase(svc, done_job)
    mail = Mail.objects.get()
    notify.send(svc, mail.pk)
    mail.refresh_from_db()
    assert (mail.state, mailer.sent) == (Mail.State.NEEDLESS, [])


def test_saving_the_profile_keeps_a_plan_that_changed_meanwhile(user: User, svc: Services) -> None:
    from gas.accounts.forms import ProfileForm

    form = ProfileForm({"name": "Ada King", "institution": ""}, instance=user)
    change_plan(svc, User.objects.get(pk=user.pk), "premium", why="a payment in between")
    form.save()
    user.refresh_from_db()
    assert (user.name, user.plan) == ("Ada King", "premium")


# -- export ----------------------------------------------------------------------------------------


def exported(client: Client) -> zipfile.ZipFile:
    response = client.post(reverse("account-export"))
    assert response.status_code == 200
    assert response["Content-Type"] == "application/zip"
    assert 'filename="gas-export-2026-01-01.zip"' in response["Content-Disposition"]
    archive = zipfile.ZipFile(io.BytesIO(b"".join(response.streaming_content)))  # type: ignore[attr-defined]
    assert archive.testzip() is None
    return archive


def test_all_that_is_mine_in_one_archive(
    mine: Client, user: User, done_job: Job, svc: Services, make_user: Callable[..., User],
    make_job: Callable[..., Job], clock: FakeClock,
) -> None:  # fmt: skip
    secret = tokens.create_token(user, "laptop", svc.now())
    make_job(make_user("eve@example.org"), filename="secret.vcf")
    clock.advance(1800)
    keeping.archive(svc, done_job.pk)
    run(svc, make_job(user, filename="Zürich: con/aux.vcf.gz"))
    erase.ask_erase(svc, make_job(user, filename="deleted.vcf"))

    archive = exported(mine)
    cold = f"jobs/2026-01-01_sample_{done_job.pk}"
    hot = f"jobs/2026-01-01__aux_{Job.objects.get(filename='aux.vcf.gz').pk}"
    assert archive.namelist() == [
        "profile.json",
        f"{cold}/job.json", f"{cold}/log.txt", f"{cold}/input/sample.vcf",
        f"{hot}/job.json", f"{hot}/log.txt", f"{hot}/input/_aux.vcf.gz",
        f"{hot}/result/_aux.annotated.vcf.gz",
        "README.txt",
    ]  # fmt: skip
    assert archive.read(f"{cold}/input/sample.vcf") == VCF
    assert archive.read(f"{hot}/result/_aux.annotated.vcf.gz").startswith(b"result of ")
    assert f"{cold}/result/: in cold storage" in archive.read("README.txt").decode()
    profile = json.loads(archive.read("profile.json"))
    assert (profile["email"], profile["plan"]) == ("ada@example.org", "free")
    assert profile["api_tokens"][0]["name"] == "laptop"
    job = json.loads(archive.read(f"{cold}/job.json"))
    assert (job["id"], job["status"], job["result_state"]) == (
        str(done_job.pk), "COMPLETED", "ARCHIVED",
    )  # fmt: skip
    assert "Submitted: sample.vcf" in archive.read(f"{cold}/log.txt").decode()
    everything = b"".join(archive.read(name) for name in archive.namelist())
    assert b"secret.vcf" not in everything
    assert secret.encode() not in everything
    assert AuditLine.objects.filter(action=Action.EXPORT, user_id=user.pk).count() == 1


def test_nothing_is_held_whole(user: User, job: Job, svc: Services) -> None:
    """However large a file is, what waits to be sent is one piece of it."""
    mebibyte = b"x" * (1 << 20)
    svc.storage.put(job.input_key, [mebibyte] * 32)
    largest = max(len(piece) for piece in export.Export(svc, user))
    assert largest < (1 << 20) + 1024


def test_a_file_above_4_gib_is_zip64(user: User, job: Job, svc: Services) -> None:
    """By the size in the row: zipfile has to know it before the first byte."""
    Job.objects.filter(pk=job.pk).update(input_bytes=5 << 30)
    data = b"".join(export.Export(svc, user))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        zip64 = [entry.filename for entry in archive.infolist() if entry.extract_version == 45]
    assert [name.rpartition("/")[2] for name in zip64] == ["sample.vcf"]


def test_one_export_at_a_time(
    mine: Client, theirs: Client, user: User, done_job: Job, svc: Services
) -> None:
    first = mine.post(reverse("account-export"))
    again = mine.post(reverse("account-export"), follow=True)
    assert "one at a time" in again.content.decode()
    exported(theirs)
    assert b"".join(first.streaming_content)  # type: ignore[attr-defined]
    exported(mine)
    assert cache.get(f"gas-export-{user.pk}") is None


def test_a_download_that_is_broken_off_gives_the_turn_back(
    user: User, done_job: Job, svc: Services
) -> None:
    """The server closes what it sends, read to its end, in part, or not at all."""
    never_read = export.begin(svc, user)
    assert never_read is not None
    never_read.close()
    half_read = export.begin(svc, user)
    assert half_read is not None
    assert next(iter(half_read))
    assert export.begin(svc, user) is None
    half_read.close()
    assert export.begin(svc, user) is not None


def test_what_is_moved_meanwhile_is_named(
    mine: Client, done_job: Job, svc: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    svc.storage.delete(done_job.result_key("annotated.vcf.gz"))
    archive = exported(mine)
    assert not [name for name in archive.namelist() if "/result/" in name]
    assert "annotated.vcf.gz: moved or removed" in archive.read("README.txt").decode()


class Failing(LocalStorage):
    """Breaks off in the middle of whatever is read."""

    def read(self, key: str, start0: int = 0, end0: int | None = None) -> Iterator[bytes]:
        yield next(super().read(key))[:10]
        raise TransientError("the store went away")


def test_a_store_that_fails_breaks_the_download(
    user: User, done_job: Job, svc: Services, tmp_path: Path
) -> None:
    begun = export.begin(replace(svc, storage=Failing(tmp_path / "objects")), user)
    assert begun is not None
    pieces = []
    with pytest.raises(TransientError):
        pieces += iter(begun)
    assert not zipfile.is_zipfile(io.BytesIO(b"".join(pieces)))
    begun.close()
    assert export.begin(svc, user) is not None, "its turn is over"


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("sample.vcf.gz", "sample.vcf.gz"),
        ("Zürich 1.vcf", "Zürich_1.vcf"),
        ("../../etc/passwd", "_.._etc_passwd"),
        (".hidden", "hidden"),
        ("NUL.vcf", "_NUL.vcf"),
        ("com1", "_com1"),
        ("a\\b:c\x00d\u202ee", "a_b_c_d_e"),
        ("ends.", "ends"),
        ("...", "file"),
        ("", "file"),
    ],
)
def test_names_are_safe_to_unpack(name: str, safe: str) -> None:
    assert export.safe_name(name) == safe


# -- closing ---------------------------------------------------------------------------------------


def test_an_account_is_closed_by_its_password(
    mine: Client, user: User, done_job: Job, svc: Services
) -> None:
    tokens.create_token(user, "laptop", svc.now())
    other_browser = Client()
    other_browser.force_login(user)
    assert reverse("account-close") in mine.get(reverse("profile")).content.decode()
    assert "There is no way back" in mine.get(reverse("account-close")).content.decode()
    wrong = mine.post(reverse("account-close"), {"password": "wrong"})
    assert wrong.status_code == 400
    assert "This is not your password." in wrong.content.decode()
    user.refresh_from_db()
    assert not user.erasing

    response = mine.post(reverse("account-close"), {"password": PASSWORD}, follow=True)
    assert response.redirect_chain == [(reverse("account-closed"), 302)]
    assert "are being removed now" in response.content.decode()
    assert "Sign in" in response.content.decode()
    for browser in (mine, other_browser):
        assert browser.get(reverse("job-list")).status_code == 302
    assert not ApiToken.objects.exists()
    user.refresh_from_db()
    assert (user.erasing, user.is_active) == (True, False)
    back = Client().post(reverse("account_login"), {"login": user.email, "password": PASSWORD})
    assert back["Location"] == reverse("account_inactive")


def test_passwords_cannot_be_tried_out_there(mine: Client, user: User) -> None:
    tries = [mine.post(reverse("account-close"), {"password": f"{n}"}) for n in range(11)]
    assert [answer.status_code for answer in tries] == [400] * 10 + [429]
    assert mine.post(reverse("account-close"), {"password": PASSWORD}).status_code == 429
    user.refresh_from_db()
    assert not user.erasing


def test_the_last_operator_stays(svc: Services, client: Client) -> None:
    boss = User.objects.create_superuser("op@example.org", PASSWORD, name="Op")
    client.force_login(boss)
    response = client.post(reverse("account-close"), {"password": PASSWORD})
    assert response.status_code == 400
    assert "the only one that can run this service" in response.content.decode()
    User.objects.create_superuser("gone@example.org", PASSWORD, name="G", is_active=False)
    with pytest.raises(LastOperator):
        close_account(svc, boss)
    User.objects.create_superuser("op2@example.org", PASSWORD, name="Op 2")
    close_account(svc, boss)
    boss.refresh_from_db()
    assert boss.erasing


def test_a_closed_accounts_results_go_from_the_cold_too(
    mine: Client, user: User, done_job: Job, svc: Services, clock: FakeClock, cold: FakeCold
) -> None:
    from tests.jobs.test_erase import work

    clock.advance(1800)
    keeping.archive(svc, done_job.pk)
    assert cold.objects
    mine.post(reverse("account-close"), {"password": PASSWORD})
    work(svc, clock)
    assert not User.objects.exists()
    assert (cold.objects, list(svc.storage.list(""))) == ({}, [])
