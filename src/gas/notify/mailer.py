"""Handing a mail over, and knowing what became of it."""

from __future__ import annotations

import contextlib
import smtplib
from dataclasses import dataclass
from typing import Protocol

from django.core.mail import EmailMessage, get_connection

from gas.errors import GasError, TransientError


class NotSent(TransientError):
    """The mail server could not be reached, or said "later"."""

    code = "mail-not-sent"


class Refused(GasError):
    """The mail server refused this mail for good."""

    code = "mail-refused"


class Unknown(GasError):
    """The line broke while the mail was being handed over: it may or may not have been sent."""

    code = "mail-unknown"


@dataclass(frozen=True)
class Letter:
    """A mail as it goes out. ``message_id`` stays the same whenever it is tried again."""

    to: str
    subject: str
    body: str
    message_id: str


class Mailer(Protocol):
    def send(self, letter: Letter) -> None:
        """Hand ``letter`` over. Raises NotSent or Refused where it surely was not sent, Unknown
        where nobody can say."""
        ...


class DjangoMailer:
    """By the mail way that is set: files or SMTP."""

    def send(self, letter: Letter) -> None:
        way = get_connection()
        message = EmailMessage(
            letter.subject,
            letter.body,
            to=[letter.to],
            headers={"Message-ID": letter.message_id, "Auto-Submitted": "auto-generated"},
            connection=way,
        )
        try:
            way.open()
        except (OSError, smtplib.SMTPException) as error:
            raise NotSent(f"No connection to the mail server: {error}") from error
        try:
            message.send()
        except (smtplib.SMTPResponseException, smtplib.SMTPRecipientsRefused) as error:
            raise _said_no(error) from error
        except (OSError, smtplib.SMTPException) as error:
            raise Unknown(f"While handing over: {error}") from error
        finally:
            _close(way)


def _said_no(error: smtplib.SMTPException) -> GasError:
    """4xx: later. 5xx: never (RFC 5321, 4.2.1)."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        codes = [code for code, _text in error.recipients.values()]
    elif isinstance(error, smtplib.SMTPResponseException):
        codes = [error.smtp_code]
    else:
        codes = []
    if codes and all(400 <= code < 500 for code in codes):
        return NotSent(f"The mail server said: {error}")
    return Refused(f"The mail server said: {error}")


def _close(way: object) -> None:
    # The mail is handed over, or we know that it is not; a bad goodbye changes neither.
    with contextlib.suppress(OSError, smtplib.SMTPException):
        way.close()  # type: ignore[attr-defined]
