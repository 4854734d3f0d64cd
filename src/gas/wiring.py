"""The one place where parts are chosen and put together.

A use case takes ``Services`` as its first argument, so a test hands it a fake clock or engine
without patching anything.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from django.utils.module_loading import import_string

from gas.annotate.pack import Pack
from gas.billing import BillingProvider
from gas.config import Settings, get_settings
from gas.jobs.runner import ChildRunner, Runner
from gas.notify.mailer import DjangoMailer, Mailer
from gas.reference import packs
from gas.storage import Storage
from gas.storage.cold import ColdFolder, ColdTier
from gas.storage.local import LocalStorage

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
    runner: Runner
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


_services: Services | None = None


def get_services() -> Services:
    """The services of this process, made from its settings at the first call."""
    global _services
    if _services is None:
        settings = get_settings()
        _services = Services(
            settings=settings,
            clock=system_clock,
            storage=LocalStorage(settings.objects_dir),
            runner=ChildRunner(settings),
            mailer=DjangoMailer(),
            cold=ColdFolder(settings.cold_dir, settings.cold_thaw_s, system_clock),
            billing=make_billing(settings),
        )
    return _services
