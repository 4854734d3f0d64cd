"""Settings: the only place where GAS reads the environment.

Every setting is an environment variable ``GAS_<NAME>`` (``DATABASE_URL`` keeps its usual name);
a secret may also come from a file named by ``<VARIABLE>_FILE``. docs/settings.md lists them all,
and a test holds that page to this class. A bad value stops the start with the setting's name.
"""

from __future__ import annotations

import os
import sys
from functools import lru_cache
from pathlib import Path
from typing import Literal, Self
from urllib.parse import quote, urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from gas.errors import GasError


class SettingsError(GasError):
    """A setting has a value that GAS cannot use."""

    code = "bad-setting"


_MAY_COME_FROM_A_FILE = (
    "DATABASE_URL",
    "GAS_SECRET_KEY",
    "GAS_SMTP_PASSWORD",
    "GAS_STRIPE_SECRET_KEY",
    "GAS_STRIPE_WEBHOOK_SECRET",
    "GAS_TOKEN",
)


def _default_data_dir() -> Path:
    if os.geteuid() == 0:
        return Path("/var/lib/gas")
    base = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(base) / "gas"


class Settings(BaseSettings):
    """All that an operator can choose. Sizes are in bytes and times in seconds."""

    model_config = SettingsConfigDict(env_prefix="GAS_", extra="ignore", frozen=True)

    env: Literal["embedded", "production"] = Field(
        "embedded",
        description="`production` insists on `GAS_BASE_URL`, on `GAS_MAIL=smtp` and on another "
        "`GAS_BILLING` than `test`: links to 127.0.0.1, mails in a folder and subscriptions that "
        "cost nothing suit one machine only.",
    )
    data_dir: Path = Field(
        default_factory=_default_data_dir,
        description="Folder of everything that GAS keeps. Default: `/var/lib/gas` for root, "
        "else `~/.local/share/gas`.",
    )
    database_url: SecretStr | None = Field(
        None,
        validation_alias="DATABASE_URL",
        description="PostgreSQL to use, `postgresql://user:password@host:port/name`. "
        "Unset: `gas up` runs its own.",
    )
    secret_key: SecretStr | None = Field(
        None,
        description="Signs sessions and links. Unset: made at the first start and kept in the "
        "data folder.",
    )

    host: str = Field("127.0.0.1", description="Address that the web part listens on.")
    port: int = Field(8000, ge=0, le=65535, description="Port of the web part; 0 picks a free one.")
    base_url: str | None = Field(
        None, description="Public address of the service, as mails link to it. Default: host:port."
    )
    allowed_hosts: list[str] = Field(
        [],
        description="JSON list of further host names that requests may be addressed to. Those of "
        "`GAS_BASE_URL` and loopback are always allowed.",
    )
    trust_proxy: bool = Field(
        False,
        description="Believe `X-Forwarded-Proto` and `X-Forwarded-For`: only behind a proxy that "
        "sets them itself.",
    )
    signup_open: bool = Field(True, description="Anyone may sign up.")

    web_workers: int = Field(2, ge=1, le=64, description="gunicorn worker processes.")
    web_threads: int = Field(4, ge=1, le=64, description="Threads of each gunicorn worker.")
    annotators: int = Field(2, ge=1, le=64, description="Annotator processes of `gas up`.")
    annotate_processes: int = Field(
        1, ge=1, le=64, description="Processes that one annotation may use (`--workers`)."
    )

    default_engine: str = Field("gas", description="Engine used where a job names none.")
    default_reference: str = Field("demo", description="Reference used where a job names none.")
    extra_engines: list[str] = Field(
        [], description="JSON list of engines of your own, each `module:Class`."
    )

    lease_s: float = Field(
        30, gt=0, description="A running job whose worker is silent for longer is given to another."
    )
    heartbeat_s: float = Field(
        5, gt=0, description="How often a worker says that it is alive; well below the lease."
    )
    max_tries: int = Field(
        3, ge=1, description="Failed tries after which a job is FAILED for good."
    )
    retry_backoff_s: float = Field(
        5, ge=0, description="Wait before the second try; it grows fourfold with each."
    )
    stop_grace_s: float = Field(
        20,
        ge=0,
        description="How long a worker that is told to stop may finish its job before "
        "it hands it back.",
    )

    free_max_upload_bytes: int = Field(
        153_600, ge=1, description="Largest upload of the free plan, as uploaded."
    )
    free_retention_s: float = Field(
        1800, gt=0, description="How long a free user's result stays at hand after completion."
    )
    cold_thaw_s: float = Field(
        300, ge=0, description="How long the local cold storage takes to thaw a result."
    )
    max_uncompressed_bytes: int = Field(
        64 * 2**30, ge=1, description="Largest size that an input may expand to."
    )
    max_compression_ratio: int = Field(
        500,
        ge=1,
        description="How many times its size an input may expand to, beyond its first 64 MiB.",
    )
    max_line_bytes: int = Field(
        32 * 2**20, ge=1, description="Longest line of an input; memory grows with it."
    )
    max_header_lines: int = Field(200_000, ge=1, description="Most header lines of an input.")
    max_samples: int = Field(500_000, ge=0, description="Most samples of an input.")
    max_alts: int = Field(
        1_000,
        ge=1,
        description="Most ALT alleles of a record; one with more is passed through unannotated.",
    )
    upload_expiry_s: int = Field(
        86_400, ge=60, description="An upload that was not submitted by then is refused."
    )

    mail: Literal["file", "smtp"] = Field(
        "file", description="`file` writes each mail as an .eml file into the data folder."
    )
    mail_from: str = Field("GAS <gas@localhost>", description="Sender of all mail.")
    smtp_host: str = Field("localhost", description="Mail server.")
    smtp_port: int = Field(25, ge=1, le=65535, description="Port of the mail server.")
    smtp_user: str = Field("", description="User at the mail server; empty: no sign-in.")
    smtp_password: SecretStr = Field(SecretStr(""), description="Password at the mail server.")
    smtp_security: Literal["none", "starttls", "tls"] = Field(
        "none", description="Encryption towards the mail server."
    )

    billing: Literal["test", "stripe", "none"] = Field(
        "test",
        description="Who takes payments. `test`: nobody, and the pages say so; `none`: nothing is "
        "sold, the operator sets plans.",
    )
    premium_amount: int = Field(
        1900,
        ge=0,
        description="Price of the premium plan in the currency's smallest unit (cents), as shown; "
        "with Stripe also as charged, unless `GAS_STRIPE_PRICE_ID` is set.",
    )
    premium_currency: str = Field(
        "usd", pattern="^[a-z]{3}$", description="Its currency (ISO 4217, small letters)."
    )
    premium_interval: Literal["month", "year"] = Field(
        "month", description="How often it is charged."
    )
    billing_grace_s: float = Field(
        604_800,
        ge=0,
        description="How long a subscription whose payment failed keeps its plan.",
    )
    billing_reconcile_s: float = Field(
        21_600,
        ge=60,
        description="How often each subscription is compared with the provider's, whatever events "
        "have come.",
    )
    stripe_secret_key: SecretStr | None = Field(
        None, description="Stripe's secret key, or a restricted one (docs/operations.md)."
    )
    stripe_webhook_secret: SecretStr | None = Field(
        None, description="Signing secret of the webhook endpoint (`whsec_…`)."
    )
    stripe_price_id: str = Field(
        "",
        description="Price in Stripe that is charged (`price_…`). Empty: one made of the "
        "`GAS_PREMIUM_*` settings.",
    )
    stripe_api_base: str = Field("https://api.stripe.com", description="Where Stripe's API is.")
    stripe_page_hosts: list[str] = Field(
        ["https://checkout.stripe.com", "https://billing.stripe.com"],
        description="JSON list of the origins of Stripe's own pages: those that a form may lead "
        "to. Add your own domain where Checkout has one.",
    )

    server: str = Field("http://127.0.0.1:8000", description="Service that `gas submit` talks to.")
    token: SecretStr | None = Field(None, description="API token that `gas submit` uses.")

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="Least level that is logged."
    )
    log_format: Literal["json", "console"] = Field(
        "json", description="`console` is for reading, `json` for machines."
    )

    @model_validator(mode="before")
    @classmethod
    def _read_secret_files(cls, values: dict[str, object]) -> dict[str, object]:
        for name in _MAY_COME_FROM_A_FILE:
            path = os.environ.get(f"{name}_FILE")
            if path:
                key = name if name == "DATABASE_URL" else name.removeprefix("GAS_").lower()
                try:
                    values[key] = Path(path).read_text().strip()
                except OSError as error:
                    raise ValueError(f"{name}_FILE: {error.strerror}: {path}") from None
        return values

    @field_validator("data_dir")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @field_validator("base_url")
    @classmethod
    def _http_url(cls, value: str | None) -> str | None:
        if value is not None and urlsplit(value).scheme not in ("http", "https"):
            raise ValueError("must start with http:// or https://")
        return value.rstrip("/") if value else value

    @model_validator(mode="after")
    def _lease_outlives_heartbeats(self) -> Self:
        if self.lease_s < 2 * self.heartbeat_s:
            raise ValueError("GAS_LEASE_S must be at least twice GAS_HEARTBEAT_S")
        return self

    @model_validator(mode="after")
    def _fit_for_production(self) -> Self:
        if self.env == "production" and (self.base_url is None or self.mail != "smtp"):
            raise ValueError("GAS_ENV=production needs GAS_BASE_URL and GAS_MAIL=smtp")
        if self.env == "production" and self.billing == "test":
            raise ValueError(
                "GAS_ENV=production refuses GAS_BILLING=test, with which everyone is premium for "
                "nothing: set GAS_BILLING to stripe, or to none"
            )
        return self

    @model_validator(mode="after")
    def _stripe_has_its_secrets(self) -> Self:
        if self.billing == "stripe" and not (self.stripe_secret_key and self.stripe_webhook_secret):
            raise ValueError(
                "GAS_BILLING=stripe needs GAS_STRIPE_SECRET_KEY and GAS_STRIPE_WEBHOOK_SECRET"
            )
        return self

    # -- places ------------------------------------------------------------------------------
    # The embedded PostgreSQL may run as another system user, which must be able to reach its own
    # folder: so everything private lives in a sibling that only the service's user can enter.

    @property
    def postgres_dir(self) -> Path:
        return self.data_dir / "postgres"

    @property
    def service_dir(self) -> Path:
        """Owner-only (0700): secrets, objects, mail, logs."""
        return self.data_dir / "service"

    @property
    def secrets_dir(self) -> Path:
        return self.service_dir / "secrets"

    @property
    def objects_dir(self) -> Path:
        return self.service_dir / "objects"

    @property
    def cold_dir(self) -> Path:
        return self.service_dir / "cold"

    @property
    def mail_dir(self) -> Path:
        return self.service_dir / "mail"

    @property
    def logs_dir(self) -> Path:
        return self.service_dir / "logs"

    @property
    def scratch_dir(self) -> Path:
        return self.service_dir / "scratch"

    @property
    def references_dir(self) -> Path:
        """Installed reference packs. Not private: `gas annotate` uses them too."""
        return self.data_dir / "references"

    # -- derived -----------------------------------------------------------------------------

    def secret(self, name: str) -> str | None:
        """The secret ``name`` that the first start put into the data folder, if it did."""
        try:
            return (self.secrets_dir / name).read_text().strip()
        except FileNotFoundError:
            return None

    def effective_secret_key(self) -> str:
        """Raises SettingsError where none is set and no first start has made one."""
        key = self.secret_key.get_secret_value() if self.secret_key else self.secret("secret_key")
        if not key:
            raise SettingsError(
                "GAS_SECRET_KEY is not set and the data folder holds no secret.",
                hint=f"Run `gas up` once with this data folder ({self.data_dir}), or set it.",
            )
        return key

    def effective_database_url(self) -> str:
        """DATABASE_URL, or the address of the embedded PostgreSQL of this data folder."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        password = self.secret("postgres_password") or ""
        socket_dir = quote(str(self.postgres_socket_dir), safe="")
        return f"postgresql://gas:{password}@{socket_dir}/gas"

    @property
    def postgres_socket_dir(self) -> Path:
        # A UNIX socket's path holds 107 bytes; a deep data folder needs a short stand-in.
        if len(str(self.postgres_dir)) <= 80:
            return self.postgres_dir
        import hashlib

        short = hashlib.sha256(str(self.postgres_dir).encode()).hexdigest()[:16]
        return Path("/tmp") / f"gas-{short}"  # noqa: S108 - see above; opened by password only

    @property
    def public_url(self) -> str:
        return self.base_url or f"http://{self.host}:{self.port}"

    @property
    def hosts(self) -> list[str]:
        own = urlsplit(self.public_url).hostname or self.host
        return sorted({own, "localhost", "127.0.0.1", "[::1]", *self.allowed_hosts})

    @property
    def is_https(self) -> bool:
        return self.public_url.startswith("https://")


def variable_of(field: str) -> str:
    """The environment variable that sets ``field``."""
    alias = Settings.model_fields[field].validation_alias
    return alias if isinstance(alias, str) else f"GAS_{field.upper()}"


@lru_cache
def get_settings() -> Settings:
    """The settings of this process. Raises SettingsError naming each bad one."""
    try:
        return Settings()
    except ValidationError as error:
        lines = []
        for item in error.errors():
            name = variable_of(str(item["loc"][0])) if item["loc"] else ""
            lines.append(f"{name}: {item['msg']}".removeprefix(": ").strip())
        raise SettingsError("; ".join(lines), hint="See docs/settings.md.") from None


def child_environment(**overrides: str) -> dict[str, str]:
    """The environment for a part that this process starts, with ``overrides``."""
    return {**os.environ, "PYTHONUNBUFFERED": "1", **overrides}


def override_environment(**values: str) -> None:
    """Let command-line options take the place of environment variables, for this process and the
    parts that it starts. Only before the settings are first used for anything else."""
    os.environ.update(values)
    get_settings.cache_clear()


def on_terminal() -> bool:
    """Whether a person watches: progress bars and colours are for terminals only."""
    return sys.stderr.isatty()
