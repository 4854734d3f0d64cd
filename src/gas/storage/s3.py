"""Objects in an S3 bucket, of Amazon or of anybody who speaks its protocol.

    BUCKET/<prefix><key>             the bytes; their SHA-256 is kept as metadata ``sha256``
    BUCKET/<prefix>.incoming/<key>   parts that a client sent itself, until they are taken over

A put first learns the checksum of all its bytes (in memory, or in a spool file where they are
many), then sends them with it, so that the server refuses what the wire has changed. An object
appears by one request, whole and with its checksum: PutObject, or the completion of a multipart
upload, which is aborted when anything goes wrong. What a crash leaves of one is invisible and
swept.
"""

from __future__ import annotations

import base64
import errno
import hashlib
import re
import secrets
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

import boto3
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from gas.storage import (
    CHUNK,
    ObjectCorrupt,
    ObjectMissing,
    Storage,
    StorageFull,
    StoredObject,
    attachment,
    check_key,
    write_within,
)
from gas.storage.s3_errors import PastTheEnd, no_bucket, translated

#: Bytes of one part; an object of no more goes by one request. S3 takes at most MAX_PARTS.
PART_BYTES = 16 << 20
MAX_PARTS = 10_000
WRITE_CHECK_S = 60.0
_SPOOL_BYTES = 4 << 20
_FOREIGN = re.compile(r"(^|/)\.")  # what GAS keeps beside its keys starts with a dot


def make_client(
    *,
    endpoint_url: str | None = None,
    region: str | None = None,
    access_key_id: str | None = None,
    secret_access_key: str | None = None,
) -> Any:
    """A client of S3. Without keys it finds them as boto3 does (files, instance's role, ...).

    It tries a request three times, waiting at most a few seconds: longer waits are the job
    engine's business.
    """
    return boto3.client(
        "s3",
        endpoint_url=endpoint_url,
        region_name=region,
        aws_access_key_id=access_key_id,
        aws_secret_access_key=secret_access_key,
        config=Config(
            signature_version="s3v4",
            retries={"mode": "standard", "total_max_attempts": 3},
            connect_timeout=5,
            read_timeout=60,
            max_pool_connections=20,
            s3=_addressing(endpoint_url),
            # Every put carries the checksum of all its bytes; nobody else's store need know more.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )


def browser_origin(bucket: str, *, endpoint_url: str | None, region: str | None) -> str:
    """Where signed addresses of ``bucket`` lead, ``https://host``; asks nobody, needs no keys."""
    config = Config(signature_version=UNSIGNED, s3=_addressing(endpoint_url))
    client = boto3.client("s3", endpoint_url=endpoint_url, region_name=region, config=config)
    url = client.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"})
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _addressing(endpoint_url: str | None) -> dict[str, str]:
    """By path for servers that are reached by an address and not by a name; at Amazon by the
    region's own host, since a browser does not follow where the global one sends it first."""
    if endpoint_url:
        return {"addressing_style": "path"}
    return {"addressing_style": "virtual", "us_east_1_regional_endpoint": "regional"}


class S3Storage(Storage):
    """A store in ``bucket``, below ``prefix`` (empty, or ending in a slash).

    ``put_options`` go with everything that is written: encryption, storage class. ``is_open``:
    browsers reach it too, so it hands out signed addresses.
    """

    def __init__(
        self,
        client: Any,
        bucket: str,
        prefix: str = "",
        *,
        put_options: Mapping[str, str] | None = None,
        part_bytes: int = PART_BYTES,
        is_open: bool = True,
    ) -> None:
        self.client = client
        self.bucket = bucket
        self.prefix = prefix
        self.put_options = dict(put_options or {})
        self._part_bytes = part_bytes
        self._is_open = is_open
        self._next_write_check = 0.0

    def put(
        self, key: str, chunks: Iterable[bytes], *, max_bytes: int | None = None
    ) -> StoredObject:
        check_key(key)
        with tempfile.SpooledTemporaryFile(max_size=_SPOOL_BYTES) as spool:
            try:
                size, sha256 = write_within(chunks, spool, max_bytes)
            except OSError as error:
                if error.errno in (errno.ENOSPC, errno.EDQUOT):
                    raise StorageFull from error
                raise
            return self._send(key, spool, size, bytes.fromhex(sha256))

    def put_file(
        self, key: str, path: Path, *, tick: Callable[[], None] = lambda: None
    ) -> StoredObject:
        check_key(key)
        with path.open("rb") as file:
            digest = hashlib.sha256()
            while piece := file.read(CHUNK):
                tick()
                digest.update(piece)
            return self._send(key, file, file.tell(), digest.digest(), tick)

    def stat(self, key: str) -> StoredObject:
        return self._stored(key, self.head(key))

    def head(self, key: str) -> dict[str, Any]:
        """All that the server says of ``key``. Raises ObjectMissing."""
        with translated(self.bucket, key):
            answer: dict[str, Any] = self.client.head_object(**self.address(key))
        return answer

    def read(self, key: str, start0: int = 0, end0: int | None = None) -> Iterator[bytes]:
        if end0 is not None and end0 <= start0:
            self.stat(key)
            return iter(())
        span = {}
        if start0 or end0 is not None:
            span["Range"] = f"bytes={start0}-{'' if end0 is None else end0 - 1}"
        try:
            with translated(self.bucket, key):
                body = self.client.get_object(**self.address(key), **span)["Body"]
        except PastTheEnd:
            return iter(())
        return self._pieces(key, body)

    def delete(self, key: str) -> None:
        with translated(self.bucket, key, missing_ok=True):
            self.client.delete_object(**self.address(key))

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """As the port says. S3 lists no metadata, so each object costs a request more."""
        for key in sorted(self._keys(prefix)):
            try:
                yield self.stat(key)
            except ObjectMissing:  # deleted while we look
                continue

    def check(self) -> None:
        """As the port says; a write is tried once in WRITE_CHECK_S, in between it is enough that
        the bucket answers: load balancers ask every few seconds, and writes cost money."""
        if time.monotonic() < self._next_write_check:
            self._check_bucket()
            return
        probe = f"{self.prefix}.ready/{secrets.token_hex(8)}"
        with translated(self.bucket, probe):
            self.client.put_object(
                Bucket=self.bucket, Key=probe, Body=b"ready?", **self.put_options
            )
            self.client.delete_object(Bucket=self.bucket, Key=probe)
        self._next_write_check = time.monotonic() + WRITE_CHECK_S

    def _check_bucket(self) -> None:
        try:
            with translated(self.bucket, ""):
                self.client.head_bucket(Bucket=self.bucket)
        except ObjectMissing:
            raise no_bucket(self.bucket) from None

    def sign_get(self, key: str, filename: str, content_type: str, seconds: int) -> str | None:
        if not self._is_open:
            return None
        about = {
            **self.address(key),
            "ResponseContentDisposition": attachment(filename),
            "ResponseContentType": content_type,
        }
        with translated(self.bucket, key):
            url: str = self.client.generate_presigned_url(
                "get_object", Params=about, ExpiresIn=seconds
            )
        return url

    def sweep(self, older_than_s: float = 86_400) -> int:
        """End uploads by parts that were left, at least so old, and remove what came by parts and
        was never taken over; returns how many."""
        limit, count = datetime.now(UTC) - timedelta(seconds=older_than_s), 0
        with translated(self.bucket, self.prefix):
            pages = self.client.get_paginator("list_multipart_uploads").paginate(
                Bucket=self.bucket, Prefix=self.prefix
            )
            for upload in [u for page in pages for u in page.get("Uploads", [])]:
                if upload["Initiated"] <= limit:
                    self.abort_upload(upload["Key"], upload["UploadId"])
                    count += 1
            pages = self.client.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=f"{self.prefix}.incoming/"
            )
            for item in [i for page in pages for i in page.get("Contents", [])]:
                if item["LastModified"] <= limit:
                    self.client.delete_object(Bucket=self.bucket, Key=item["Key"])
                    count += 1
        return count

    def address(self, key: str) -> dict[str, str]:
        """``key`` as boto3's methods take it."""
        return {"Bucket": self.bucket, "Key": self.prefix + check_key(key)}

    # -- how bytes are sent ---------------------------------------------------------------------

    def _send(
        self,
        key: str,
        file: IO[bytes],
        size: int,
        sha256: bytes,
        tick: Callable[[], None] = lambda: None,
    ) -> StoredObject:
        about = {**self.address(key), **self.put_options, "Metadata": {"sha256": sha256.hex()}}
        file.seek(0)
        with translated(self.bucket, key):
            if size <= self._part_bytes:
                self.client.put_object(**about, Body=file.read(), ChecksumSHA256=_base64(sha256))
            else:
                self._send_parts(key, about, file, size, tick)
        return StoredObject(key, size, sha256.hex())

    def _send_parts(
        self,
        key: str,
        about: dict[str, Any],
        file: IO[bytes],
        size: int,
        tick: Callable[[], None],
    ) -> None:
        where = self.address(key)
        upload = self.client.create_multipart_upload(**about, ChecksumAlgorithm="SHA256")
        where["UploadId"] = upload["UploadId"]
        try:
            parts: list[dict[str, Any]] = []
            while piece := file.read(max(self._part_bytes, -(-size // MAX_PARTS))):
                tick()
                checksum = _base64(hashlib.sha256(piece).digest())
                number = len(parts) + 1
                sent = self.client.upload_part(
                    **where, PartNumber=number, Body=piece, ChecksumSHA256=checksum
                )
                parts.append(
                    {"PartNumber": number, "ETag": sent["ETag"], "ChecksumSHA256": checksum}
                )
            self.client.complete_multipart_upload(**where, MultipartUpload={"Parts": parts})
        except BaseException:
            self.abort_upload(where["Key"], where["UploadId"])
            raise

    def abort_upload(self, full_key: str, upload_id: str) -> None:
        """End an upload by parts without an object, if the server can be reached."""
        try:
            self.client.abort_multipart_upload(Bucket=self.bucket, Key=full_key, UploadId=upload_id)
        except (ClientError, BotoCoreError):
            return  # invisible, and swept later; what went wrong before is what matters

    # -- how bytes and names come back ----------------------------------------------------------

    def _pieces(self, key: str, body: Any) -> Iterator[bytes]:
        try:
            while True:
                with translated(self.bucket, key):
                    piece = body.read(CHUNK)
                if not piece:
                    return
                yield piece
        finally:
            body.close()

    def _keys(self, prefix: str) -> Iterator[str]:
        with translated(self.bucket, self.prefix):
            pages = self.client.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=self.prefix + prefix
            )
            for page in pages:
                for item in page.get("Contents", []):
                    key = item["Key"].removeprefix(self.prefix)
                    if not _FOREIGN.search(key):
                        yield key

    @staticmethod
    def _stored(key: str, head: Mapping[str, Any]) -> StoredObject:
        sha256 = head["Metadata"].get("sha256")
        if sha256 is None:
            raise ObjectCorrupt(f"Object {key} has no checksum: GAS did not write it.")
        return StoredObject(key, head["ContentLength"], sha256)


def _base64(digest: bytes) -> str:
    return base64.b64encode(digest).decode()
