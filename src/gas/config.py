"""Settings: the only place where GAS reads the environment.

Every setting is an environment variable ``GAS_<NAME>`` (``DATABASE_URL`` keeps its usual name);
a secret may also come from a file named by ``<VARIABLE>_FILE``. docs/settings.md lists them all,
and a test holds that page to this class. A bad value stops the start with the setting's name.
"""

from __future__ import annotations

import os
import re
import sys
from functools import lru_cache
from pathlib import Path
from typing import Literal, Self
from urllib.parse import quote, urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from gas.errors import GasError
from gas.farm.bounds import Bounds


class SettingsError(GasError):
    """A setting has a value that GAS cannot use."""

    code = "bad-setting"


_MAY_COME_FROM_A_FILE = (
    "DATABASE_URL",
    "GAS_METRICS_TOKEN",
    "GAS_S3_SECRET_ACCESS_KEY",
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
        description="`production` insists on `GAS_BASE_URL`, on another `GAS_MAIL` than `file` and "
        "on another `GAS_BILLING` than `test`: links to 127.0.0.1, mails in a folder and "
        "subscriptions that cost nothing suit one machine only.",
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
        "Unset: `gas up` runs its own. What libpq takes may follow a `?`: `sslmode=verify-full`, "
        "or `options=` for a PgBouncer, which takes no session parameters.",
    )
    secret_key: SecretStr | None = Field(
        None,
        description="Signs sessions and links. Unset: made at the first start and kept in the "
        "data folder.",
    )

    host: str = Field(
        "127.0.0.1",
        description="Address that the web part listens on. Where others are to reach it, set "
        "`GAS_BASE_URL` or `GAS_ALLOWED_HOSTS` as well.",
    )
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

    web_workers: str = Field(
        "2",
        description="Web worker processes (gunicorn's): a number, or a range as `2..10`, in which "
        "`gas up` follows the load.",
    )
    web_threads: int = Field(4, ge=1, le=64, description="Threads of each gunicorn worker.")
    client_patience_s: float = Field(
        30,
        gt=0,
        description="How long a thread of the web part waits for a client that sends or takes "
        "nothing, or less than 500 bytes a second, before it cuts it off.",
    )
    web_grace_s: float = Field(
        30,
        ge=1,
        description="How long a web worker that is to go may finish its requests before they are "
        "cut off.",
    )
    web_target: float = Field(
        15, gt=0, description="Requests a second that one web worker should get."
    )
    annotators: str = Field(
        "2",
        description="Annotator processes of `gas up`: a number, or a range as `2..10`, in which "
        "it follows the load.",
    )
    scale_hold_s: float = Field(
        240, ge=0, description="How long `gas up` remembers a need before it takes processes away."
    )
    annotate_processes: int = Field(
        1, ge=1, le=64, description="Processes that one annotation may use (`--workers`)."
    )

    shard_bytes: int = Field(
        16 << 20,
        ge=0,
        description="A file larger than this is annotated in shards of about so many bytes of "
        "text, by all annotators; `0`: never.",
    )

    protection: Literal["none", "asg", "ecs"] = Field(
        "none",
        description="What an annotator protects itself by before it takes a job: `asg`, its "
        "instance in an EC2 Auto Scaling group; `ecs`, its task in Amazon ECS. `none`: whoever "
        "stops it gives it time.",
    )
    instance_metadata: str = Field(
        "http://169.254.169.254",
        description="Where `asg` learns which instance this is (IMDSv2).",
    )
    ecs_agent_uri: str | None = Field(
        None,
        validation_alias="ECS_AGENT_URI",
        description="Where `ecs` asks; set by ECS in each container.",
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
    cold_tier: Literal["folder", "glacier"] = Field(
        "folder",
        description="Where results of free users go: a `folder` of this machine, or `glacier`, "
        "S3's cold storage classes.",
    )
    glacier_bucket: str = Field(
        "", description="Bucket of the cold tier; empty: that of `GAS_S3_BUCKET`."
    )
    glacier_prefix: str = Field("cold/", description="What cold objects' names start with.")
    glacier_class: Literal["GLACIER", "DEEP_ARCHIVE"] = Field(
        "GLACIER", description="S3's storage class of the cold tier."
    )
    glacier_fastest: Literal["Expedited", "Standard", "Bulk"] = Field(
        "Expedited",
        description="Way of retrieval that a thaw tries first; where it has no room, the next "
        "slower one follows. `DEEP_ARCHIVE` starts at `Standard` at best.",
    )
    glacier_days: int = Field(
        7, ge=1, description="Days that S3 keeps a thawed copy at hand for its restore."
    )

    storage: Literal["local", "s3"] = Field(
        "local", description="Where uploads and results lie: in the data folder, or in `s3`."
    )
    s3_bucket: str = Field("", description="Bucket of uploads and results.")
    s3_prefix: str = Field(
        "objects/", description="What their objects' names start with; must end in a slash."
    )
    s3_endpoint: str | None = Field(
        None, description="Address of an S3 server other than Amazon's, `https://host:port`."
    )
    s3_region: str | None = Field(
        None, description="Region of the buckets. Unset: found as by every AWS tool."
    )
    s3_access_key_id: str | None = Field(
        None,
        description="Key to the buckets. Unset: found as by every AWS tool (variables, files, the "
        "machine's role).",
    )
    s3_secret_access_key: SecretStr | None = Field(
        None, description="The secret that belongs to `GAS_S3_ACCESS_KEY_ID`."
    )
    s3_direct: bool = Field(
        True,
        description="Browsers and programs send and fetch files straight to and from S3, by signed "
        "addresses. `false`: through the service, for an S3 that they do not reach.",
    )
    s3_encryption: Literal["bucket", "AES256", "aws:kms"] = Field(
        "bucket", description="Encryption asked for with every object; `bucket`: its own default."
    )
    s3_kms_key_id: str | None = Field(
        None, description="Key of `aws:kms`. Unset: the account's own for S3."
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
    max_open_uploads: int = Field(
        20, ge=1, description="Most uploads of a user that wait to be submitted at a time."
    )
    signed_url_s: int = Field(
        900,
        ge=60,
        le=43_200,
        description="How long a signed address is good: to send a part of an upload, and to fetch "
        "a file from S3.",
    )

    mail: Literal["file", "smtp", "ses"] = Field(
        "file",
        description="`file` writes each mail as an .eml file into the data folder; `ses` is Amazon "
        "SES by the machine's role.",
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
    metrics_token: SecretStr | None = Field(
        None,
        description="Opens `/metrics` to whoever sends it as bearer token. Unset: there is no such "
        "page.",
    )
    otlp_endpoint: str | None = Field(
        None,
        validation_alias="OTEL_EXPORTER_OTLP_ENDPOINT",
        description="Address of an OpenTelemetry collector that takes traces by OTLP over HTTP, "
        "`http://host:4318`; needs `pip install -r requirements-otel.lock`, in GAS's folder. "
        "Unset: no traces.",
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

    @field_validator("base_url", "s3_endpoint", "otlp_endpoint")
    @classmethod
    def _http_url(cls, value: str | None) -> str | None:
        if not value:
            return None
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("must be http:// or https:// and a host")
        return value.rstrip("/")

    @field_validator("base_url", "s3_endpoint")
    @classmethod
    def _without_path(cls, value: str | None) -> str | None:
        parts = urlsplit(value or "")
        if parts.path.strip("/") or parts.query or parts.fragment:
            raise ValueError("must end after the host: GAS is served from its root")
        return value

    @field_validator("stripe_api_base")
    @classmethod
    def _safe_for_a_key(cls, value: str) -> str:
        parts = urlsplit(value)
        on_this_machine = parts.hostname in ("127.0.0.1", "::1", "localhost")
        if not parts.hostname or (parts.scheme != "https" and not on_this_machine):
            raise ValueError("must be https:// and a host: a secret key is sent there")
        return value.rstrip("/")

    @field_validator("stripe_page_hosts")
    @classmethod
    def _origins(cls, value: list[str]) -> list[str]:
        for one in value:
            if not re.fullmatch(r"https?://[A-Za-z0-9.-]+(:\d+)?", one):
                raise ValueError(f"{one!r} is no origin, as https://checkout.example.org is")
        return value

    @field_validator("metrics_token")
    @classmethod
    def _token_is_long(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None or not value.get_secret_value():
            return None
        if len(value.get_secret_value()) < 16 or not value.get_secret_value().isascii():
            raise ValueError("must be at least 16 ASCII characters")
        return value

    @field_validator("database_url")
    @classmethod
    def _postgresql_url(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None or not value.get_secret_value():
            return None
        # Not one word of the value in the message: it holds a password.
        wrong = ValueError("must be postgresql://user:password@host:port/name")
        try:
            parts = urlsplit(value.get_secret_value())
            _ = parts.port
        except ValueError:
            raise wrong from None
        if parts.scheme not in ("postgresql", "postgres") or not parts.path.strip("/"):
            raise wrong
        return value

    @field_validator("annotators", "web_workers", mode="before")
    @classmethod
    def _bounds(cls, value: object) -> str:
        return str(Bounds.parse(str(value)))

    @field_validator("mail_from")
    @classmethod
    def _one_sender(cls, value: str) -> str:
        if "@" not in value or not value.isprintable():
            raise ValueError("must be an address, as in `GAS <gas@example.org>`")
        return value

    @model_validator(mode="after")
    def _lease_outlives_heartbeats(self) -> Self:
        if self.lease_s < 2 * self.heartbeat_s:
            raise ValueError("GAS_LEASE_S must be at least twice GAS_HEARTBEAT_S")
        return self

    @model_validator(mode="after")
    def _ecs_has_its_agent(self) -> Self:
        if self.protection == "ecs" and not self.ecs_agent_uri:
            raise ValueError("GAS_PROTECTION=ecs needs ECS_AGENT_URI, which ECS sets in a task")
        return self

    @model_validator(mode="after")
    def _fit_for_production(self) -> Self:
        if self.env == "production" and (self.base_url is None or self.mail == "file"):
            raise ValueError("GAS_ENV=production needs GAS_BASE_URL, and GAS_MAIL=smtp or ses")
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

    @model_validator(mode="after")
    def _s3_is_complete(self) -> Self:
        if self.storage == "s3" and not self.s3_bucket:
            raise ValueError("GAS_STORAGE=s3 needs GAS_S3_BUCKET")
        if self.cold_tier == "glacier" and not (self.glacier_bucket or self.s3_bucket):
            raise ValueError("GAS_COLD_TIER=glacier needs GAS_GLACIER_BUCKET or GAS_S3_BUCKET")
        for name in ("s3_prefix", "glacier_prefix"):
            if not str(getattr(self, name)).endswith("/"):
                raise ValueError(f"GAS_{name.upper()} must end in a slash")
        if (self.s3_access_key_id is None) != (self.s3_secret_access_key is None):
            raise ValueError("GAS_S3_ACCESS_KEY_ID and GAS_S3_SECRET_ACCESS_KEY go together")
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
    def run_dir(self) -> Path:
        """What the running processes tell each other: locks, counters, the farm's state."""
        return self.service_dir / "run"

    @property
    def instance_lock(self) -> Path:
        """What the workers of this machine share its protection by; outlives a supervisor."""
        return self.run_dir / ".instance"

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
    def metrics_dir(self) -> Path:
        return self.service_dir / "metrics"

    @property
    def references_dir(self) -> Path:
        """Installed reference packs. Not private: `gas annotate` uses them too."""
        return self.data_dir / "references"

    # -- derived -----------------------------------------------------------------------------

    def secret(self, name: str) -> str | None:
        """The secret ``name`` that the first start put into the data folder, if it did."""
        path = self.secrets_dir / name
        try:
            return path.read_text().strip()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise SettingsError(
                f"{path}: {error.strerror}.",
                hint="Run this as the user that `gas up` runs as, or choose another data folder "
                "(GAS_DATA_DIR, --data).",
            ) from None

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
        host = f"[{self.host}]" if ":" in self.host else self.host
        return self.base_url or f"http://{host}:{self.port}"

    @property
    def hosts(self) -> list[str]:
        own = urlsplit(self.public_url).hostname or self.host
        own = f"[{own}]" if ":" in own else own
        return sorted({own, "localhost", "127.0.0.1", "[::1]", *self.allowed_hosts})

    @property
    def is_https(self) -> bool:
        return self.public_url.startswith("https://")


def variable_of(field: str) -> str:
    """The environment variable that sets ``field``."""
    if field not in Settings.model_fields:
        return field  # pydantic names a field by its alias where it has one
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
            said = item["msg"].removeprefix("Value error, ")
            lines.append(f"{name}: {said}".removeprefix(": ").strip())
        raise SettingsError("; ".join(lines) + ".", hint="See docs/settings.md.") from None


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
