"""What the S3 store alone does: parts, checksums on the wire, keys and addresses, errors."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError

from gas.errors import TransientError
from gas.storage import ObjectCorrupt, ObjectMissing
from gas.storage import s3 as s3_module
from gas.storage.s3 import S3Storage, make_client
from gas.storage.s3_errors import StorageRefused, translated
from tests import s3

LARGE = bytes(range(256)) * (41 << 10)  # 10.25 MiB: three parts of 5 MiB


class Tampering:
    """A client that lets ``change`` at each request of one kind."""

    def __init__(self, client: Any, operation: str, change: Callable[[dict[str, Any]], None]):
        self._client, self._operation, self._change = client, operation, change

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)
        if name != self._operation:
            return method

        def call(**request: Any) -> Any:
            self._change(request)
            return method(**request)

        return call


def open_uploads(store: S3Storage) -> list[str]:
    answer = store.client.list_multipart_uploads(Bucket=store.bucket, Prefix=store.prefix)
    return [upload["Key"] for upload in answer.get("Uploads", [])]


def test_many_bytes_go_by_parts_and_come_back(s3_store: S3Storage) -> None:
    stored = s3_store.put("large", [LARGE])
    assert stored.sha256 == hashlib.sha256(LARGE).hexdigest()
    assert s3_store.stat("large") == stored
    assert b"".join(s3_store.read("large")) == LARGE
    assert b"".join(s3_store.read("large", (5 << 20) - 2, (5 << 20) + 2)) == b"\xfe\xff\x00\x01"
    assert open_uploads(s3_store) == []


def test_a_part_that_fails_leaves_nothing(s3_store: S3Storage) -> None:
    def at_the_third(request: dict[str, Any]) -> None:
        if request["PartNumber"] == 3:
            raise s3.error("ServiceUnavailable", 503, "UploadPart")

    broken = S3Storage(
        Tampering(s3_store.client, "upload_part", at_the_third),
        s3_store.bucket,
        s3_store.prefix,
        part_bytes=5 << 20,
    )
    with pytest.raises(TransientError, match="ServiceUnavailable"):
        broken.put("large", [LARGE])
    with pytest.raises(ObjectMissing):
        s3_store.stat("large")
    assert open_uploads(s3_store) == []


def test_sweep_aborts_what_a_crash_left(s3_store: S3Storage) -> None:
    s3_store.client.create_multipart_upload(**s3_store.address("k"))
    assert s3_store.sweep(older_than_s=3600) == 0
    assert len(open_uploads(s3_store)) == 1
    assert s3_store.sweep(older_than_s=-60) == 1
    assert open_uploads(s3_store) == []


def test_the_server_refuses_bytes_that_changed_on_the_way(s3_store: S3Storage) -> None:
    def flip(request: dict[str, Any]) -> None:
        request["Body"] = b"another"

    store = S3Storage(
        Tampering(s3_store.client, "put_object", flip), s3_store.bucket, s3_store.prefix
    )
    with pytest.raises(TransientError):
        store.put("k", [b"payload"])
    with pytest.raises(ObjectMissing):
        s3_store.stat("k")


def test_every_put_carries_its_checksum(s3_store: S3Storage) -> None:
    seen: list[dict[str, Any]] = []
    store = S3Storage(
        Tampering(s3_store.client, "put_object", seen.append),
        s3_store.bucket,
        s3_store.prefix,
        put_options={"StorageClass": "STANDARD"},
    )
    store.put("k", [b"payload"])
    digest = hashlib.sha256(b"payload").digest()
    assert seen[0]["ChecksumSHA256"] == base64.b64encode(digest).decode()
    assert seen[0]["StorageClass"] == "STANDARD"


def test_encryption_is_asked_for(moto_url: str) -> None:
    client = make_client(endpoint_url=moto_url, **s3.KEYS)
    store = S3Storage(
        client,
        s3.BUCKET,
        "encrypted/",
        put_options={"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "alias/gas"},
        part_bytes=5 << 20,
    )
    store.put("small", [b"x"])
    store.put("large", [LARGE])
    assert [store.head(k)["ServerSideEncryption"] for k in ("small", "large")] == ["aws:kms"] * 2


def test_stores_with_different_prefixes_do_not_see_each_other(s3_store: S3Storage) -> None:
    other = S3Storage(s3_store.client, s3_store.bucket, s3_store.prefix + "sub/")
    other.put("k", [b"x"])
    with pytest.raises(ObjectMissing):
        s3_store.stat("k")
    assert [o.key for o in other.list("")] == ["k"]


def test_what_gas_did_not_write_is_told(s3_store: S3Storage) -> None:
    s3_store.client.put_object(**s3_store.address("k"), Body=b"by hand")
    with pytest.raises(ObjectCorrupt, match="no checksum"):
        s3_store.stat("k")


def test_wrong_keys_are_told_by_the_settings_names(seaweedfs_url: str) -> None:
    wrong = {**s3.KEYS, "secret_access_key": "wrong"}
    store = S3Storage(make_client(endpoint_url=seaweedfs_url, **wrong), s3.BUCKET, "p/")
    for ask in (store.check, lambda: store.stat("k"), lambda: store.read("k")):
        with pytest.raises(StorageRefused, match="GAS_S3_SECRET_ACCESS_KEY") as caught:
            ask()
        assert not caught.value.permanent, "an operator can mend it"


def test_a_missing_bucket_is_told_by_the_setting(s3_store: S3Storage) -> None:
    store = S3Storage(s3_store.client, "no-such-bucket", "p/")
    with pytest.raises(StorageRefused, match="GAS_S3_BUCKET"):
        store.read("k")


def test_being_ready_is_checked_by_a_write_once_a_minute(
    s3_store: S3Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    writes: list[dict[str, Any]] = []
    store = S3Storage(
        Tampering(s3_store.client, "put_object", writes.append), s3_store.bucket, s3_store.prefix
    )
    now = 1000.0
    monkeypatch.setattr(s3_module.time, "monotonic", lambda: now)
    for _ in range(9):
        store.check()
        now += 5
    assert len(writes) == 1
    now += s3_module.WRITE_CHECK_S
    store.check()
    assert len(writes) == 2
    assert list(store._keys("")) == [], "nothing is left of it"


def test_a_bucket_that_goes_away_is_not_ready(s3_store: S3Storage) -> None:
    s3_store.client.create_bucket(Bucket="gas-short-lived")
    store = S3Storage(s3_store.client, "gas-short-lived", "p/")
    store.check()
    s3_store.client.delete_bucket(Bucket="gas-short-lived")
    with pytest.raises(StorageRefused, match="no bucket gas-short-lived"):
        store.check()


def test_a_server_that_is_down_is_transient() -> None:
    port = s3.free_ports(1)[0]
    client = make_client(endpoint_url=f"http://127.0.0.1:{port}", **s3.KEYS)
    with pytest.raises(TransientError, match="does not answer") as caught:
        S3Storage(client, "b", "p/").stat("k")
    assert not caught.value.permanent


@pytest.mark.parametrize(
    ("raised", "becomes"),
    [
        (s3.error("SlowDown", 503, "GetObject"), TransientError),
        (s3.error("RequestTimeout", 400, "PutObject"), TransientError),
        (s3.error("InternalError", 500, "GetObject"), TransientError),
        (s3.error("ExpiredToken", 400, "GetObject"), TransientError),
        (s3.error("NoSuchKey", 404, "GetObject"), ObjectMissing),
        (s3.error("AccessDenied", 403, "GetObject"), StorageRefused),
        (EndpointConnectionError(endpoint_url="http://127.0.0.1"), TransientError),
        (NoCredentialsError(), StorageRefused),
    ],
)
def test_errors_in_gas_own_words(raised: Exception, becomes: type[Exception]) -> None:
    assert isinstance(raised, ClientError) or raised.args
    with pytest.raises(becomes), translated("b", "k"):
        raise raised
