"""The one place where parts are chosen and put together.

A use case takes ``Services`` as its first argument, so a test hands it a fake clock or engine
without patching anything.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.utils.module_loading import import_string

from gas.annotate.pack import Pack
from gas.billing import BillingProvider
from gas.config import Settings, get_settings
from gas.farm.protection import Layers, NoProtection, Protection
from gas.farm.protection.instance import InstanceProtection
from gas.farm.protection.local import LocalProtection
from gas.jobs.runner import ChildRunner, Runner
from gas.jobs.shard_runner import ChildShardRunner, ShardRunner
from gas.notify.mailer import DjangoMailer, Mailer
from gas.reference import packs
from gas.storage import Storage
from gas.storage.cold import ColdFolder, ColdTier
from gas.storage.local import LocalStorage
from gas.storage.local_parts import LocalParts
from gas.storage.parts import PartUploads
from gas.storage.signed import UrlSigner

#: Where the web part takes parts of uploads, by addresses that it signed.
PARTS_PATH = "/parts/"
#: Payment providers by their word in GAS_BILLING; only the chosen one is imported.
BILLING = {
    "stripe": "gas.billing.stripe.StripeProvider",
    "test": "gas.billing.test.TestProvider",
}


@dataclass(frozen=True)
class Services:
    """Everything that a use case needs from outside."""

    settings: Settings
    clock: Callable[[], datetime]
    storage: Storage
    parts: PartUploads
    runner: Runner
    shard_runner: ShardRunner
    mailer: Mailer
    cold: ColdTier
    #: None where nothing is sold.
    billing: BillingProvider | None

    def now(self) -> datetime:
        """Now, with its time zone (UTC)."""
        return self.clock()

    def find_pack(self, name: str) -> Pack:
        """The installed reference called ``name``. Raises PackError listing those there are."""
        return packs.find(name, packs.roots(self.settings.references_dir))

    def list_packs(self) -> list[Pack]:
        return packs.available(packs.roots(self.settings.references_dir))


def system_clock() -> datetime:
    return datetime.now(UTC)


def make_billing(settings: Settings) -> BillingProvider | None:
    """The payment provider that the settings name; None for `none`."""
    if settings.billing == "none":
        return None
    provider: BillingProvider = import_string(BILLING[settings.billing])(settings, system_clock)
    return provider


def make_storage(settings: Settings) -> Storage:
    """The store of uploads and results that the settings name."""
    if settings.storage == "s3":
        from gas.storage.s3 import S3Storage  # boto3 takes its time: only where it is used

        return S3Storage(
            s3_client(settings),
            settings.s3_bucket,
            settings.s3_prefix,
            put_options=_sse(settings),
            is_open=settings.s3_direct,
        )
    return LocalStorage(settings.objects_dir)


def make_parts(settings: Settings, storage: Storage, clock: Callable[[], datetime]) -> PartUploads:
    """How uploads by parts get into ``storage``, which ``make_storage`` made."""
    signer = UrlSigner(PARTS_PATH, _derived_key(settings, b"gas parts"), clock)
    if settings.storage == "s3":
        from gas.storage.proxied_parts import ProxiedParts
        from gas.storage.s3 import S3Storage
        from gas.storage.s3_parts import S3Parts

        assert isinstance(storage, S3Storage)
        direct = S3Parts(storage)
        return direct if settings.s3_direct else ProxiedParts(direct, signer)
    return LocalParts(storage, settings.objects_dir / "incoming", signer)


def make_cold(settings: Settings, clock: Callable[[], datetime]) -> ColdTier:
    """The cold tier that the settings name."""
    if settings.cold_tier == "glacier":
        from gas.storage.glacier import GlacierTier

        return GlacierTier(
            s3_client(settings),
            settings.glacier_bucket or settings.s3_bucket,
            settings.glacier_prefix,
            storage_class=settings.glacier_class,
            fastest=settings.glacier_fastest,
            days=settings.glacier_days,
            clock=clock,
            put_options=_sse(settings),
        )
    return ColdFolder(settings.cold_dir, settings.cold_thaw_s, clock)


def make_protection(settings: Settings, name: str | None, *, scaled: bool) -> Protection:
    """What protects a worker: the lock ``name`` towards the supervisor of this machine, and where
    the worker's queue is ``scaled`` by a cloud, the one that the settings name."""
    layers: list[Protection] = []
    if name is not None:
        layers.append(LocalProtection(settings.run_dir / f"{name}.lock"))
    if scaled and (cloud := _cloud_protection(settings)) is not None:
        layers.append(InstanceProtection(cloud, settings.instance_lock))
    return Layers(layers) if layers else NoProtection()


def _cloud_protection(settings: Settings) -> Protection | None:
    if settings.protection == "asg":
        from gas.farm.protection import asg

        return asg.AsgProtection(settings.instance_metadata, asg.make_client)
    if settings.protection == "ecs":
        from gas.farm.protection.ecs import EcsProtection

        return EcsProtection(settings.ecs_agent_uri or "")
    return None


def s3_client(settings: Settings) -> Any:
    from gas.storage.s3 import make_client

    secret = settings.s3_secret_access_key
    return make_client(
        endpoint_url=settings.s3_endpoint,
        region=settings.s3_region,
        access_key_id=settings.s3_access_key_id,
        secret_access_key=secret.get_secret_value() if secret else None,
    )


def _sse(settings: Settings) -> dict[str, str]:
    if settings.s3_encryption == "bucket":
        return {}
    options: dict[str, str] = {"ServerSideEncryption": settings.s3_encryption}
    if settings.s3_encryption == "aws:kms" and settings.s3_kms_key_id:
        options["SSEKMSKeyId"] = settings.s3_kms_key_id
    return options


def _derived_key(settings: Settings, purpose: bytes) -> bytes:
    """A key for one purpose alone."""
    return hmac.digest(settings.effective_secret_key().encode(), purpose, "sha256")


_services: Services | None = None


def get_services() -> Services:
    """The services of this process, made from its settings at the first call."""
    global _services
    if _services is None:
        settings = get_settings()
        storage = make_storage(settings)
        _services = Services(
            settings=settings,
            clock=system_clock,
            storage=storage,
            parts=make_parts(settings, storage, system_clock),
            runner=ChildRunner(settings),
            shard_runner=ChildShardRunner(settings),
            mailer=DjangoMailer(),
            cold=make_cold(settings, system_clock),
            billing=make_billing(settings),
        )
    return _services
