"""What may differ at each deployment of the same template."""

from __future__ import annotations

import aws_cdk as cdk
from constructs import Construct

HOST_NAME = r"[a-z0-9-]+(\.[a-z0-9-]+)+"


def ask(
    scope: Construct, name: str, description: str, pattern: str, default: str | None = None
) -> str:
    """A parameter of the template, ``name``; its value."""
    parameter = cdk.CfnParameter(
        scope,
        f"Ask{name}",
        type="String",
        description=description,
        allowed_pattern=pattern,
        default=default,
    )
    parameter.override_logical_id(name)
    return parameter.value_as_string


class Parameters:
    """Those of the stack `Gas`; each is a string. ``domain`` is `GasBase`'s."""

    def __init__(self, scope: Construct, domain: str) -> None:
        self.domain = domain
        self.certificate_arn = ask(
            scope, "CertificateArn", "Certificate of the domain in ACM, same region",
            "arn:aws[a-z-]*:acm:.+",
        )  # fmt: skip
        self.mail_domain = ask(scope, "MailDomain", "Domain that mail comes from", HOST_NAME)
        self.mail_user = ask(scope, "MailUser", "Sender's name before the @", "[a-z0-9._-]+", "gas")
        self.release = ask(
            scope, "Release", "Name of the release in the artefact bucket, as gas-0.1.0-abc1234",
            r"[\w.+-]+",
        )  # fmt: skip
        self.release_sha256 = ask(
            scope, "ReleaseSha256", "SHA-256 of its tar archive", "[0-9a-f]{64}"
        )
        self.alarm_mail = ask(scope, "AlarmMail", "Address that alarms are mailed to", ".+@.+")

    @property
    def base_url(self) -> str:
        return f"https://{self.domain}"

    @property
    def sender(self) -> str:
        return f"{self.mail_user}@{self.mail_domain}"
