"""What may differ at each deployment of the same template."""

from __future__ import annotations

import aws_cdk as cdk
from constructs import Construct


class Parameters(Construct):
    """Each is a string of the template's parameters."""

    def __init__(self, scope: Construct, name: str) -> None:
        super().__init__(scope, name)
        self.domain = self._ask(
            "Domain", "Host name that people use, as gas.example.org", r"[a-z0-9-]+(\.[a-z0-9-]+)+"
        )
        self.certificate_arn = self._ask(
            "CertificateArn",
            "Certificate of that name in ACM, same region",
            "arn:aws[a-z-]*:acm:.+",
        )
        self.mail_domain = self._ask(
            "MailDomain", "Domain that mail comes from", r"[a-z0-9-]+(\.[a-z0-9-]+)+"
        )
        self.mail_user = self._ask("MailUser", "Sender's name before the @", "[a-z0-9._-]+", "gas")
        self.release = self._ask(
            "Release", "Name of the release in the artefact bucket, as gas-0.1.0", r"[\w.+-]+"
        )
        self.release_sha256 = self._ask(
            "ReleaseSha256", "SHA-256 of its tar archive", "[0-9a-f]{64}"
        )
        self.alarm_mail = self._ask("AlarmMail", "Address that alarms are mailed to", ".+@.+")

    def _ask(self, name: str, description: str, pattern: str, default: str | None = None) -> str:
        parameter = cdk.CfnParameter(
            self,
            name,
            type="String",
            description=description,
            allowed_pattern=pattern,
            default=default,
        )
        parameter.override_logical_id(name)
        return parameter.value_as_string

    @property
    def base_url(self) -> str:
        return f"https://{self.domain}"

    @property
    def sender(self) -> str:
        return f"{self.mail_user}@{self.mail_domain}"
