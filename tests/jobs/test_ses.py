"""Mail by Amazon SES: moto takes it, and a server of ours answers as SES does when it does not."""

from __future__ import annotations

import email
import json
import socket
import threading
from collections.abc import Iterator
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from gas.notify.mailer import DjangoMailer, Letter, NotSent, Refused, Unknown

LETTER = Letter("ada@example.org", "gène.vcf is annotated", "Dear Ada,\nµ\n", "<job-1@gas.example>")


class Ses(BaseHTTPRequestHandler):
    """Answers ``answer``: a status and an error code; status 0 cuts the line."""

    answer: tuple[int, str] = (200, "")
    requests: list[dict[str, Any]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.requests.append(json.loads(body))
        status, code = self.answer
        if status == 0:
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        reply = json.dumps({"message": "told"} if code else {"MessageId": "1"}).encode()
        self.send_response(status)
        if code:
            self.send_header("x-amzn-ErrorType", code)
        self.send_header("Content-Length", str(len(reply)))
        self.end_headers()
        self.wfile.write(reply)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def ses(monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[type[Ses]]:
    handler = type("Handler", (Ses,), {"requests": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_port}",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "tests",
        "AWS_SECRET_ACCESS_KEY": "tests",
    }.items():
        monkeypatch.setenv(name, value)
    settings.EMAIL_BACKEND = "gas.notify.ses.SesBackend"
    settings.DEFAULT_FROM_EMAIL = "GAS <gas@example.org>"
    yield handler
    server.shutdown()
    thread.join()
    server.server_close()


def test_ses_is_given_the_whole_mail(ses: type[Ses]) -> None:
    import base64

    DjangoMailer().send(LETTER)
    (request,) = ses.requests
    assert request["Destination"] == {"ToAddresses": ["ada@example.org"]}
    mail = email.message_from_bytes(
        base64.b64decode(request["Content"]["Raw"]["Data"]), policy=default
    )
    assert mail["From"] == "GAS <gas@example.org>"
    assert mail["Subject"] == LETTER.subject
    assert mail["Message-ID"] == LETTER.message_id
    assert mail.get_content().replace("\r\n", "\n") == LETTER.body


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (400, "MessageRejected", Refused),
        (400, "BadRequestException", Refused),
        (429, "TooManyRequestsException", NotSent),
        (400, "SendingPausedException", NotSent),
        (400, "MailFromDomainNotVerifiedException", NotSent),
        (403, "AccessDeniedException", NotSent),
        (500, "InternalServiceErrorException", Unknown),
        (0, "", Unknown),
    ],
)
def test_answers_are_told_apart(
    ses: type[Ses], status: int, code: str, error: type[Exception]
) -> None:
    ses.answer = (status, code)
    with pytest.raises(error):
        DjangoMailer().send(LETTER)
    assert len(ses.requests) == 1, "sent once: who repeats may send it twice"


def test_nobody_there_is_not_sent(ses: type[Ses], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(NotSent):
        DjangoMailer().send(LETTER)


def test_no_region_is_not_sent(
    ses: type[Ses], monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(NotSent, match="region"):
        DjangoMailer().send(LETTER)


def test_moto_knows_the_requests(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    import boto3
    from moto.core import DEFAULT_ACCOUNT_ID
    from moto.ses.models import ses_backends

    from tests.s3 import moto

    with moto() as url:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(name, "tests")
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
        settings.EMAIL_BACKEND = "gas.notify.ses.SesBackend"
        settings.DEFAULT_FROM_EMAIL = "gas@example.org"
        with pytest.raises(Refused):
            DjangoMailer().send(LETTER)  # from an address that nobody has verified
        boto3.client("sesv2").create_email_identity(EmailIdentity="example.org")
        DjangoMailer().send(LETTER)
        (sent,) = ses_backends[DEFAULT_ACCOUNT_ID]["eu-central-1"].sent_messages
        assert "Message-ID: <job-1@gas.example>" in sent.raw_data
