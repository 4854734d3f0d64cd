"""The port of uploads by parts: a client sends each part by a signed address of its own.

    begin → sign_part, PUT (any order, again if it broke) → list_parts → complete | abort

Adapters: the local disk, S3 past the service, S3 through it. A new one is one new file, one line
in ``gas.wiring`` and passes tests/contract/test_parts.py.

A signed address is good for some minutes, one part, one size and one method. The bytes go wherever
the store wants them, past the service where it can. Nothing can be read under ``key`` before
``complete``, and then all of it, with its checksum.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import IO

from gas.errors import GasError
from gas.storage import ObjectTooLarge, StoredObject, write_within
from gas.storage.signed import AddressRefused


class UploadGone(GasError):
    """This upload is over, or was never begun. Begin again."""

    code = "upload-gone"


class PartsMissing(GasError):
    """Parts are missing."""

    code = "parts-missing"


@dataclass(frozen=True)
class Part:
    """A part that has come. ``number`` is 1-based; ``etag`` is the store's own mark of it."""

    number: int
    size_bytes: int
    etag: str


class PartUploads(ABC):
    """Uploads by parts into one store."""

    @abstractmethod
    def begin(self, key: str) -> str:
        """A new upload that will become ``key``; its id. Raises TransientError."""

    @abstractmethod
    def sign_part(
        self, key: str, upload_id: str, number: int, size_bytes: int, seconds: int
    ) -> str:
        """The address to PUT part ``number`` (1-based) to, ``size_bytes`` long, for ``seconds``.
        All parts but the last are of 5 MiB at least (S3 wants it). A part that broke
        may be sent again, the same bytes."""

    @abstractmethod
    def list_parts(self, key: str, upload_id: str) -> list[Part]:
        """What has come, each number once, in order. Raises UploadGone, TransientError."""

    @abstractmethod
    def complete(self, key: str, upload_id: str, *, max_bytes: int | None = None) -> StoredObject:
        """Make the parts ``key``, in order; may be repeated.

        Raises PartsMissing where a number before the last is missing or none came, ObjectTooLarge
        where they are more than ``max_bytes`` (the upload stays open), UploadGone, TransientError.
        """

    @abstractmethod
    def abort(self, key: str, upload_id: str) -> None:
        """Forget the upload and its parts; nothing happens where it is over.
        Raises TransientError."""

    def receive(self, url: str, chunks: Iterable[bytes]) -> Part:
        """Store the body of a PUT to ``url``, an address of ours: whole and of the signed size, or
        not at all. Whatever answers those addresses calls this; where all of them lead past the
        service, none is genuine.

        Raises AddressRefused, UploadGone, PartsMissing where fewer bytes came or more,
        TransientError.
        """
        raise AddressRefused

    def sweep(self, older_than_s: float) -> int:
        """Remove uploads that nobody ended, in which nothing has come for so long, where the
        store's own sweep does not; returns how many. Raises TransientError."""
        return 0


def check_parts(parts: Sequence[Part], max_bytes: int | None) -> None:
    """Raises PartsMissing, ObjectTooLarge: see ``PartUploads.complete``."""
    if not parts:
        raise PartsMissing("No part of this upload has come.", hint="Send them, then complete.")
    gaps = sorted(set(range(1, parts[-1].number)) - {part.number for part in parts})
    if gaps:
        raise PartsMissing(f"Part {gaps[0]} has not come.", hint="Send it, then complete.")
    size = sum(part.size_bytes for part in parts)
    if max_bytes is not None and size > max_bytes:
        raise ObjectTooLarge(f"{size:,} bytes came, {max_bytes:,} are allowed.")


def write_exactly(chunks: Iterable[bytes], file: IO[bytes], size_bytes: int) -> str:
    """Write ``chunks`` to ``file``; their SHA-256 in hexadecimal. Raises PartsMissing where they
    are not of ``size_bytes`` in all, after one chunk too many at most."""
    wrong = PartsMissing(f"This part should be of {size_bytes:,} bytes.", hint="Send it again.")
    try:
        size, sha256 = write_within(chunks, file, size_bytes)
    except ObjectTooLarge:
        raise wrong from None
    if size != size_bytes:
        raise wrong
    return sha256
