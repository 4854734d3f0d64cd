"""The mail ways, over a real SMTP server and real files."""

from __future__ import annotations

import email
import errno
import socket
from collections.abc import Iterator
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from gas.notify.mailer import DjangoMailer, Letter, NotSent, Refused, Unknown

LETTER = Letter("ada@example.org", "gène.vcf is annotated", "Dear Ada,\nµ\n", "<job-1@gas.example>")


class Sink:
    """Takes mail, or answers as it is told to."""

    def __init__(self) -> None:
        self.mails: list[Any] = []
        self.answer = "250 taken"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        if self.answer.startswith("250"):
            self.mails.append(email.message_from_bytes(envelope.content, policy=default))
        return self.answer


@pytest.fixture
def sink() -> Sink:
    return Sink()


@pytest.fixture
def smtp(sink: Sink, settings: Any) -> Iterator[Controller]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    controller = Controller(sink, hostname="127.0.0.1", port=port)
    controller.start()
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", port
    yield controller
    controller.stop()


def test_smtp_delivers(smtp: Controller, sink: Sink) -> None:
    DjangoMailer().send(LETTER)
    (mail,) = sink.mails
    assert mail["To"] == "ada@example.org"
    assert mail["Subject"] == "gène.vcf is annotated"
    assert mail["Message-ID"] == "<job-1@gas.example>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail.get_content().replace("\r\n", "\n") == LETTER.body


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ("451 try later", NotSent),
        ("550 no such mailbox", Refused),
    ],
)
def test_smtp_answers_are_told_apart(
    smtp: Controller, sink: Sink, answer: str, error: type[Exception]
) -> None:
    sink.answer = answer
    with pytest.raises(error, match=answer[:3]):
        DjangoMailer().send(LETTER)
    assert sink.mails == []


def test_no_server_is_not_sent(settings: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        settings.EMAIL_PORT = free.getsockname()[1]
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST = "127.0.0.1"
    with pytest.raises(NotSent, match="No connection"):
        DjangoMailer().send(LETTER)


def test_a_line_that_breaks_after_the_data_is_unknown(
    smtp: Controller, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    import smtplib

    def cut(self: smtplib.SMTP, message: Any) -> Any:
        self.close()
        raise smtplib.SMTPServerDisconnected("Connection unexpectedly closed")

    monkeypatch.setattr(smtplib.SMTP, "data", cut)
    with pytest.raises(Unknown):
        DjangoMailer().send(LETTER)


def test_files_are_eml(settings: Any, tmp_path: Path) -> None:
    settings.EMAIL_BACKEND = "gas.notify.files.EmlFileBackend"
    settings.EMAIL_FILE_PATH = str(tmp_path)
    DjangoMailer().send(LETTER)
    (path,) = tmp_path.iterdir()
    assert path.name == "job-1.eml"
    mail = email.message_from_bytes(path.read_bytes(), policy=default)
    assert mail["Subject"] == "gène.vcf is annotated"
    assert mail.get_content() == LETTER.body


def test_a_header_cannot_be_smuggled_in(smtp: Controller, sink: Sink) -> None:
    smuggler = Letter("ada@example.org", "x\nBcc: eve@example.org", "text", "<job-2@x>")
    with pytest.raises(ValueError, match="newlines"):
        DjangoMailer().send(smuggler)
    assert sink.mails == []


def test_a_full_disk_is_no_mail_of_unknown_fate(
    settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_path: Path, _data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    settings.EMAIL_BACKEND = "gas.notify.files.EmlFileBackend"
    settings.EMAIL_FILE_PATH = str(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(NotSent, match="No space left"):
            DjangoMailer().send(LETTER)
    assert list(tmp_path.iterdir()) == []
    DjangoMailer().send(LETTER)
    assert [path.name for path in tmp_path.iterdir()] == ["job-1.eml"]
