"""The storage port: where uploads and results lie.

A store maps keys to immutable objects. Keys are made by GAS alone, from ids; nothing that a user
typed is ever part of one. A new store is one new file, one line in ``gas.wiring`` and passes
tests/contract/test_storage.py.
"""

from __future__ import annotations

import hashlib
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import quote

from gas.errors import GasError, TransientError

#: Bytes per piece when an object is streamed.
CHUNK = 1 << 20

_KEY = re.compile(r"[a-z0-9][a-z0-9._-]*(/[a-z0-9][a-z0-9._-]*)*")


class ObjectMissing(GasError):
    """There is no such object."""

    code = "object-missing"


class ObjectTooLarge(GasError):
    """More bytes came than were allowed."""

    code = "too-large"


class ObjectCorrupt(GasError):
    """The stored bytes are not those that were written."""

    code = "checksum-mismatch"


class StorageFull(TransientError):
    """The disk is full. Nothing was lost; GAS tries again once there is room."""

    code = "no-space"


@dataclass(frozen=True)
class StoredObject:
    """What a store knows of an object. ``sha256`` is in hexadecimal."""

    key: str
    size_bytes: int
    sha256: str


class Storage(ABC):
    """A map from keys to immutable objects."""

    @abstractmethod
    def put(
        self, key: str, chunks: Iterable[bytes], *, max_bytes: int | None = None
    ) -> StoredObject:
        """Store ``chunks`` under ``key``; all or nothing, visible only when whole and durable.

        A second put replaces the first. Raises ObjectTooLarge once more than ``max_bytes`` have
        come, StorageFull, TransientError; then ``key`` is as it was.
        """

    @abstractmethod
    def stat(self, key: str) -> StoredObject:
        """Raises ObjectMissing."""

    @abstractmethod
    def read(self, key: str, start0: int = 0, end0: int | None = None) -> Iterator[bytes]:
        """The bytes from ``start0`` up to, without, ``end0`` (0-based; None: to the end), in
        pieces of at most CHUNK. A range past the end is cut. Raises ObjectMissing at the call."""

    @abstractmethod
    def delete(self, key: str) -> None:
        """Remove ``key``; nothing happens where it is missing."""

    @abstractmethod
    def list(self, prefix: str) -> Iterator[StoredObject]:
        """Every object whose key starts with ``prefix``, in the order of keys."""

    @abstractmethod
    def check(self) -> None:
        """Raises TransientError where the store cannot be written to."""

    @abstractmethod
    def sweep(self, older_than_s: float = 86_400) -> int:
        """Remove what crashes left and no key points at, at least so old; returns how many.
        Raises TransientError."""

    def sign_get(self, key: str, filename: str, content_type: str, seconds: int) -> str | None:
        """An address from which a browser GETs ``key`` as the file ``filename`` for ``seconds``,
        past the service; None: this store has none, the service sends the bytes itself. Whether
        there is such an object is told by the address. Raises TransientError."""
        return None

    # -- what every store can do by means of the above ----------------------------------------

    def put_file(
        self, key: str, path: Path, *, tick: Callable[[], None] = lambda: None
    ) -> StoredObject:
        """Store the file at ``path`` under ``key``. Raises as ``put`` does, and whatever ``tick``
        raises, which is called for each piece."""

        def pieces() -> Iterator[bytes]:
            with path.open("rb") as file:
                while piece := file.read(CHUNK):
                    tick()
                    yield piece

        return self.put(key, pieces())

    def fetch(
        self, key: str, path: Path, *, sha256: str, tick: Callable[[], None] = lambda: None
    ) -> None:
        """Copy ``key`` to ``path`` and check it. Raises ObjectMissing, ObjectCorrupt, and whatever
        ``tick`` raises, which is called for each piece."""
        digest = hashlib.sha256()
        with path.open("wb") as file:
            for piece in self.read(key):
                tick()
                digest.update(piece)
                file.write(piece)
        if digest.hexdigest() != sha256:
            raise ObjectCorrupt(f"Object {key} has changed since it was written.")


def write_within(
    chunks: Iterable[bytes], file: IO[bytes], max_bytes: int | None
) -> tuple[int, str]:
    """Write ``chunks`` to ``file``; their size in bytes and SHA-256 in hexadecimal. Raises
    ObjectTooLarge once more than ``max_bytes`` have come."""
    digest, size = hashlib.sha256(), 0
    for chunk in chunks:
        size += len(chunk)
        if max_bytes is not None and size > max_bytes:
            raise ObjectTooLarge(f"More than the allowed {max_bytes:,} bytes came.")
        digest.update(chunk)
        file.write(chunk)
    return size, digest.hexdigest()


def attachment(filename: str) -> str:
    """The value of Content-Disposition that offers a download as ``filename`` (RFC 6266)."""
    plain = re.sub(r'[^ -~]|["\\%]', "_", filename)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}"


def check_key(key: str) -> str:
    """``key``, if it is one that GAS could have made. Raises ValueError: a defect of ours."""
    if not _KEY.fullmatch(key):
        raise ValueError(f"not a storage key: {key!r}")
    return key
