"""What an operator chooses when the template is made; what may differ at each deployment (the
release, the certificate, the domain) is a parameter of the template instead."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, Self
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Options:
    """Each field may be given as ``-c name=value``. Times in seconds."""

    minimum: int = 2
    maximum: int = 10
    #: Requests a second that one web instance should get (docs/scaling.md).
    web_requests_per_s: float = 15.0
    #: Jobs, waiting and running, for each annotator (docs/scaling.md).
    jobs_per_annotator: float = 1.0
    #: How far above its target one minute must be for the surge alarm.
    surge: float = 1.2
    warm_instances: int = 2
    web_instance: str = "m7i.large"
    annotator_instance: str = "c7i.large"
    utils_instance: str = "t3.medium"
    database_instance: str = "t4g.medium"
    database_gib: int = 50
    nat_gateways: int = 2
    #: How long an annotator that is told to stop may finish its job.
    drain_s: int = 900
    #: stripe, or none.
    billing: str = "stripe"
    #: Names of reference packs to install from `references/NAME.tar` of the artefact bucket,
    #: joined by commas; the pack `demo` is part of GAS.
    references: str = ""
    default_reference: str = "demo"
    #: Where an OpenTelemetry collector takes traces, `http://host:4318`. Empty: no traces.
    otlp_endpoint: str = ""

    @classmethod
    def read(cls, look_up: Callable[[str], Any]) -> Self:
        """Raises ValueError where a value makes no sense."""
        given = {}
        for field in fields(cls):
            value = look_up(field.name)
            if value is not None:
                kind = type(field.default)
                try:
                    given[field.name] = kind(value)
                except ValueError:
                    raise ValueError(f"{field.name} must be a number, not {value!r}") from None
        options = cls(**given)
        options._check()
        return options

    def _check(self) -> None:
        if not 1 <= self.minimum <= self.maximum:
            raise ValueError(f"minimum {self.minimum} and maximum {self.maximum} do not agree")
        if self.billing not in ("stripe", "none"):
            raise ValueError(f"billing must be stripe or none, not {self.billing!r}")
        if self.surge <= 1:
            raise ValueError("surge must be above 1")
        if self.otlp_endpoint and self.otlp_port is None:
            raise ValueError(
                f"otlp_endpoint must be like http://host:4318, not {self.otlp_endpoint!r}"
            )

    @property
    def otlp_port(self) -> int | None:
        """The collector's port; None where there is no collector."""
        address = urlsplit(self.otlp_endpoint)
        usual = {"http": 80, "https": 443}.get(address.scheme)
        return (address.port or usual) if usual and address.hostname else None

    @property
    def reference_names(self) -> list[str]:
        return [name for name in self.references.split(",") if name]
