"""Uploads by parts into S3 through the service, for clients that cannot reach S3 themselves.

Any host of the web part can take any part: nothing of an upload is kept there.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable

from gas.storage import StoredObject
from gas.storage.local import translated
from gas.storage.parts import Part, PartUploads, write_exactly
from gas.storage.s3_parts import S3Parts
from gas.storage.signed import UrlSigner

_SPOOL_BYTES = 1 << 20


class ProxiedParts(PartUploads):
    """The uploads of ``inner``, by addresses of our own."""

    def __init__(self, inner: S3Parts, signer: UrlSigner) -> None:
        self._inner = inner
        self._signer = signer

    def begin(self, key: str) -> str:
        return self._inner.begin(key)

    def sign_part(
        self, key: str, upload_id: str, number: int, size_bytes: int, seconds: int
    ) -> str:
        return self._signer.sign_part(key, upload_id, number, size_bytes, seconds)

    def receive(self, url: str, chunks: Iterable[bytes]) -> Part:
        said = self._signer.verify("PUT", url)
        number, size = int(said["part"]), int(said["size"])
        # Whole before it is sent on: a part of another size than was signed never gets there.
        with translated(), tempfile.SpooledTemporaryFile(max_size=_SPOOL_BYTES) as spool:
            write_exactly(chunks, spool, size)
            spool.seek(0)
            return self._inner.send_part(said["key"], said["upload"], (number, size), spool)

    def list_parts(self, key: str, upload_id: str) -> list[Part]:
        return self._inner.list_parts(key, upload_id)

    def complete(self, key: str, upload_id: str, *, max_bytes: int | None = None) -> StoredObject:
        return self._inner.complete(key, upload_id, max_bytes=max_bytes)

    def abort(self, key: str, upload_id: str) -> None:
        self._inner.abort(key, upload_id)
