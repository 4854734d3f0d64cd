"""The cold tier port."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import datetime

from gas.storage import Storage, StoredObject


@dataclass(frozen=True)
class Thaw:
    """A thaw that was asked for. ``ready_at`` is an estimate."""

    tier: str
    ready_at: datetime


class ColdTier(ABC):
    """Where archived results lie, under the same keys as in the hot store."""

    @abstractmethod
    def archive(self, store: Storage, key: str) -> StoredObject: ...

    @abstractmethod
    def request_thaw(self, key: str) -> Thaw: ...

    @abstractmethod
    def is_ready(self, key: str) -> bool: ...

    @abstractmethod
    def restore(self, store: Storage, key: str) -> StoredObject: ...

    @abstractmethod
    def delete(self, key: str) -> None: ...
