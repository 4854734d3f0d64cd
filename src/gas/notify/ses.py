"""Mail through Amazon SES, by the machine's role: no password is kept anywhere.

A Django mail backend. It says what went wrong in SMTP's own terms, so that ``gas.notify.mailer``
tells apart what was surely not sent, what was refused, and what nobody knows. A request is sent
once: a repetition inside could send a mail twice.

Region, role and endpoint are found as by every AWS tool. SES puts its own Message-ID in place of
ours. Errors: "SendEmail" in the Amazon SES API v2 Reference.
"""

from __future__ import annotations

import smtplib
from collections.abc import Sequence
from typing import Any, cast

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
)
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend

#: This mail will never do.
_FOR_GOOD = {"MessageRejected", "BadRequestException"}
LATER, NEVER, NO_SERVER = 451, 554, 421


class SesBackend(BaseEmailBackend):
    """Raises OSError and smtplib's errors, as Django's own for SMTP does."""

    def __init__(self, fail_silently: bool = False, **_more: Any) -> None:
        super().__init__(fail_silently=fail_silently)
        self._client: Any = None

    def open(self) -> bool:
        if self._client is not None:
            return False
        config = Config(connect_timeout=5, read_timeout=30, retries={"total_max_attempts": 1})
        try:
            self._client = boto3.client("sesv2", config=config)
        except BotoCoreError as error:  # no region is set
            raise OSError(str(error)) from error
        return True

    def close(self) -> None:
        self._client = None

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """Returns how many SES took."""
        self.open()
        sent = 0
        for message in email_messages:
            try:
                self._send(message)
                sent += 1
            except (OSError, smtplib.SMTPException):
                if not self.fail_silently:
                    raise
        return sent

    def _send(self, message: EmailMessage) -> None:
        raw = cast(Any, message.message()).as_bytes(linesep="\r\n")  # Django's own argument
        try:
            self._client.send_email(
                Destination={"ToAddresses": message.recipients()}, Content={"Raw": {"Data": raw}}
            )
        except ClientError as error:
            raise _in_smtp_terms(error) from error
        except (EndpointConnectionError, ConnectTimeoutError, NoCredentialsError) as error:
            raise smtplib.SMTPResponseException(NO_SERVER, str(error)) from error
        except BotoCoreError as error:  # the line broke on the way
            raise OSError(str(error)) from error


def _in_smtp_terms(error: ClientError) -> Exception:
    """What is the operator's or SES's matter passes, so it is tried again; SES's own faults leave
    open whether the mail went out."""
    if error.response["ResponseMetadata"]["HTTPStatusCode"] >= 500:
        return OSError(str(error))
    code = NEVER if error.response["Error"]["Code"] in _FOR_GOOD else LATER
    return smtplib.SMTPResponseException(code, str(error))
