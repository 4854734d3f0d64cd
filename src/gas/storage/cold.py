"""The cold tier port, and its adapter for one machine.

A cold tier keeps objects cheaply and gives them back slowly: what is archived must be thawed before
it can be restored. Objects have the same keys as in the hot store.

Every operation may be repeated: a crash after its effect and before anybody noted it is healed by
doing it again. None of them touches the hot copy but ``restore``, which writes it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from gas.errors import TransientError
from gas.storage import ObjectMissing, Storage, StoredObject
from gas.storage.local import LocalStorage


class NotThawed(TransientError):
    """This object is still frozen. GAS comes back for it."""

    code = "not-thawed"


@dataclass(frozen=True)
class Thaw:
    """A thaw that was asked for: by which way, and about when it will be done."""

    tier: str
    ready_at: datetime


class ColdTier(ABC):
    """Where archived results lie."""

    @abstractmethod
    def archive(self, store: Storage, key: str) -> StoredObject:
        """Copy ``key`` out of ``store``; what lies in the cold now, verified by reading it back or
        by the tier's own checksum. An older copy is replaced, and is frozen again.

        Raises ObjectMissing where ``store`` has none, TransientError.
        """

    @abstractmethod
    def request_thaw(self, key: str) -> Thaw:
        """Ask for ``key``. Asked before, it tells how that stands and starts nothing anew.

        Takes the fastest way that has room. Raises ObjectMissing, TransientError.
        """

    @abstractmethod
    def is_ready(self, key: str) -> bool:
        """Whether ``restore`` would work now. Raises ObjectMissing, TransientError."""

    @abstractmethod
    def restore(self, store: Storage, key: str) -> StoredObject:
        """Copy ``key`` back into ``store``; what was written there. The cold copy stays.

        Raises NotThawed, ObjectMissing, TransientError.
        """

    @abstractmethod
    def delete(self, key: str) -> None:
        """Remove the cold copy; nothing happens where there is none. Raises TransientError."""

    def sweep(self) -> int:
        """Remove what crashes left, where this tier is one that they leave something in; returns
        how many. Raises TransientError."""
        return 0


class ColdFolder(ColdTier):
    """A folder of this machine that behaves like the real thing: a thaw takes ``thaw_s``.

    ROOT/frozen/ holds the objects (a LocalStorage), ROOT/thaws/ when each asked-for one is ready.
    """

    tier = "Expedited"

    def __init__(self, root: Path, thaw_s: float, clock: Callable[[], datetime]) -> None:
        self._frozen = LocalStorage(root / "frozen")
        self._thaws = LocalStorage(root / "thaws")
        self._thaw = timedelta(seconds=thaw_s)
        self._clock = clock

    def archive(self, store: Storage, key: str) -> StoredObject:
        stored = self._frozen.put(key, store.read(key))
        self._thaws.delete(key)
        return stored

    def request_thaw(self, key: str) -> Thaw:
        self._frozen.stat(key)
        ready_at = self._ready_at(key)
        if ready_at is None:
            ready_at = self._clock() + self._thaw
            self._thaws.put(key, [ready_at.isoformat().encode()])
        return Thaw(self.tier, ready_at)

    def is_ready(self, key: str) -> bool:
        self._frozen.stat(key)
        ready_at = self._ready_at(key)
        return ready_at is not None and ready_at <= self._clock()

    def restore(self, store: Storage, key: str) -> StoredObject:
        if not self.is_ready(key):
            raise NotThawed()
        return store.put(key, self._frozen.read(key))

    def delete(self, key: str) -> None:
        self._frozen.delete(key)
        self._thaws.delete(key)

    def sweep(self) -> int:
        return self._frozen.sweep() + self._thaws.sweep()

    def _ready_at(self, key: str) -> datetime | None:
        try:
            return datetime.fromisoformat(b"".join(self._thaws.read(key)).decode())
        except ObjectMissing:
            return None
