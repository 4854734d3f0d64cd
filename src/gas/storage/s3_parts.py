"""Uploads by parts straight into S3, past the service.

The parts become an object beside the keys first (``.incoming/``), since S3 does not tell the
checksum of all its bytes: that is read here once, and S3 then copies the object to its key
with the checksum on it. S3 copies at most MAX_COPY in one request; larger ones go by parts.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from typing import IO, Any

from botocore.exceptions import ClientError

from gas.storage import CHUNK, ObjectMissing, StoredObject, check_key
from gas.storage.parts import Part, PartUploads, UploadGone, check_parts
from gas.storage.s3 import S3Storage
from gas.storage.s3_errors import code_of, translated

MAX_COPY = 5 << 30
COPY_PART_BYTES = 1 << 30


class S3Parts(PartUploads):
    """Uploads by parts into ``store``."""

    def __init__(
        self, store: S3Storage, *, max_copy: int = MAX_COPY, copy_part_bytes: int = COPY_PART_BYTES
    ) -> None:
        self._store = store
        self._client = store.client
        self._max_copy = max_copy
        self._copy_part_bytes = copy_part_bytes

    def begin(self, key: str) -> str:
        with translated(self._store.bucket, key):
            answer = self._client.create_multipart_upload(
                **self._incoming(key), **self._store.put_options
            )
        return str(answer["UploadId"])

    def sign_part(
        self, key: str, upload_id: str, number: int, size_bytes: int, seconds: int
    ) -> str:
        about = {"UploadId": upload_id, "PartNumber": number, "ContentLength": size_bytes}
        with translated(self._store.bucket, key):
            url: str = self._client.generate_presigned_url(
                "upload_part", Params={**self._incoming(key), **about}, ExpiresIn=seconds
            )
        return url

    def send_part(self, key: str, upload_id: str, part: tuple[int, int], body: IO[bytes]) -> Part:
        """Send ``part`` (its 1-based number, its size in bytes) for a client that cannot do so
        itself. Raises UploadGone, TransientError."""
        number, size = part
        with self._open(key):
            answer = self._client.upload_part(
                **self._incoming(key), UploadId=upload_id, PartNumber=number, Body=body
            )
        return Part(number, size, answer["ETag"])

    def list_parts(self, key: str, upload_id: str) -> list[Part]:
        found: dict[int, Part] = {}
        with self._open(key):
            pages = self._client.get_paginator("list_parts").paginate(
                **self._incoming(key), UploadId=upload_id
            )
            items = [item for page in pages for item in page.get("Parts", [])]
        # Some servers list a part that was sent twice twice; the later one counts.
        for item in sorted(items, key=lambda item: item["LastModified"]):
            found[item["PartNumber"]] = Part(item["PartNumber"], item["Size"], item["ETag"])
        return [found[number] for number in sorted(found)]

    def complete(self, key: str, upload_id: str, *, max_bytes: int | None = None) -> StoredObject:
        try:
            parts = self.list_parts(key, upload_id)
        except UploadGone:  # completed before: taken over already, or not yet
            with contextlib.suppress(ObjectMissing):
                return self._take_over(key)
            with contextlib.suppress(ObjectMissing):
                return self._store.stat(key)
            raise
        check_parts(parts, max_bytes)
        listed = [{"PartNumber": part.number, "ETag": part.etag} for part in parts]
        with translated(self._store.bucket, key):
            self._client.complete_multipart_upload(
                **self._incoming(key), UploadId=upload_id, MultipartUpload={"Parts": listed}
            )
        return self._take_over(key)

    def abort(self, key: str, upload_id: str) -> None:
        with contextlib.suppress(UploadGone), self._open(key):
            self._client.abort_multipart_upload(**self._incoming(key), UploadId=upload_id)
        # Its parts became one object already, which was not taken over.
        with translated(self._store.bucket, key, missing_ok=True):
            self._client.delete_object(**self._incoming(key))

    @contextlib.contextmanager
    def _open(self, key: str) -> Iterator[None]:
        """Raises UploadGone where there is no such upload within; else as ``translated``."""
        with translated(self._store.bucket, key):
            try:
                yield
            except ClientError as error:
                if code_of(error) == "NoSuchUpload":
                    raise UploadGone from None
                raise

    def _incoming(self, key: str) -> dict[str, str]:
        full = f"{self._store.prefix}.incoming/{check_key(key)}"
        return {"Bucket": self._store.bucket, "Key": full}

    def _take_over(self, key: str) -> StoredObject:
        """Give the incoming object its checksum and its key. Raises ObjectMissing."""
        incoming, digest, size = self._incoming(key), hashlib.sha256(), 0
        with translated(self._store.bucket, key):
            answer = self._client.get_object(**incoming)
            while piece := answer["Body"].read(CHUNK):
                digest.update(piece)
                size += len(piece)
            self._copy(key, incoming, answer["ETag"], size, digest.hexdigest())
            self._client.delete_object(**incoming)
        return StoredObject(key, size, digest.hexdigest())

    def _copy(self, key: str, source: dict[str, str], etag: str, size: int, sha256: str) -> None:
        """Raises ClientError where ``source`` is no longer what was read."""
        about: dict[str, Any] = {
            **self._store.address(key),
            **self._store.put_options,
            "Metadata": {"sha256": sha256},
        }
        same = {"CopySource": source, "CopySourceIfMatch": etag}
        if size <= self._max_copy:
            self._client.copy_object(**about, **same, MetadataDirective="REPLACE")
            return
        where = self._store.address(key)
        where["UploadId"] = self._client.create_multipart_upload(**about)["UploadId"]
        try:
            parts: list[dict[str, Any]] = []
            for start0 in range(0, size, self._copy_part_bytes):
                last0 = min(start0 + self._copy_part_bytes, size) - 1
                number = len(parts) + 1
                answer = self._client.upload_part_copy(
                    **where, **same, PartNumber=number, CopySourceRange=f"bytes={start0}-{last0}"
                )
                parts.append({"PartNumber": number, "ETag": answer["CopyPartResult"]["ETag"]})
            self._client.complete_multipart_upload(**where, MultipartUpload={"Parts": parts})
        except BaseException:
            self._store.abort_upload(where["Key"], where["UploadId"])
            raise
