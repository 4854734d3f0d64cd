"""One suite for uploads by parts, into every store; and the addresses that are handed out."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

import httpx
import pytest

from gas.storage import ObjectMissing, ObjectTooLarge, Storage
from gas.storage.local import LocalStorage
from gas.storage.local_parts import LocalParts
from gas.storage.parts import PartsMissing, PartUploads, UploadGone
from gas.storage.proxied_parts import ProxiedParts
from gas.storage.s3 import S3Storage
from gas.storage.s3_parts import S3Parts
from gas.storage.signed import AddressRefused, UrlSigner
from tests.fakes import FakeClock

KEY = "uploads/1/input"
FIRST = bytes(range(256)) * (20 << 10)  # 5 MiB
LAST = b"the end"


class Refused(Exception):
    """The PUT was refused."""


class Desk:
    """A store, its uploads by parts, and how a client's PUT gets there."""

    def __init__(self, store: Storage, parts: PartUploads, put: Callable[[str, bytes], None]):
        self.store, self.parts, self.put = store, parts, put

    def send(self, upload_id: str, number: int, data: bytes) -> None:
        self.put(self.parts.sign_part(KEY, upload_id, number, len(data), 60), data)


def local_desk(folder: Path, clock: FakeClock) -> Desk:
    store = LocalStorage(folder / "store")
    signer = UrlSigner("http://127.0.0.1/parts", b"k" * 32, clock)
    parts = LocalParts(store, folder / "incoming", signer)
    return Desk(store, parts, receiver(parts))


def receiver(parts: PartUploads) -> Callable[[str, bytes], None]:
    """What the web part does with a PUT."""

    def put(url: str, data: bytes) -> None:
        try:
            parts.receive(url, [data])
        except (AddressRefused, PartsMissing, UploadGone) as error:
            raise Refused from error

    return put


def s3_desk(store: S3Storage, **options: int) -> Desk:
    def put(url: str, data: bytes) -> None:
        if httpx.put(url, content=data).status_code != 200:
            raise Refused

    return Desk(store, S3Parts(store, **options), put)


def proxied_desk(store: S3Storage, clock: FakeClock) -> Desk:
    signer = UrlSigner("http://127.0.0.1/parts", b"k" * 32, clock)
    parts = ProxiedParts(S3Parts(store), signer)
    return Desk(store, parts, receiver(parts))


@pytest.fixture(params=["local", "s3", "proxied"])
def desk(request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock) -> Desk:
    if request.param == "local":
        return local_desk(tmp_path, clock)
    store = request.getfixturevalue("s3_store")
    return s3_desk(store) if request.param == "s3" else proxied_desk(store, clock)


def test_parts_in_any_order_become_one_object(desk: Desk) -> None:
    upload = desk.parts.begin(KEY)
    desk.send(upload, 2, LAST)
    desk.send(upload, 1, FIRST)
    with pytest.raises(ObjectMissing):
        desk.store.stat(KEY)
    came = [(part.number, part.size_bytes) for part in desk.parts.list_parts(KEY, upload)]
    assert came == [(1, len(FIRST)), (2, len(LAST))]
    stored = desk.parts.complete(KEY, upload, max_bytes=len(FIRST + LAST))
    assert stored.sha256 == hashlib.sha256(FIRST + LAST).hexdigest()
    assert desk.store.stat(KEY) == stored
    assert b"".join(desk.store.read(KEY)) == FIRST + LAST
    assert [o.key for o in desk.store.list("")] == [KEY]
    assert desk.parts.complete(KEY, upload) == stored, "completing may be repeated"


def test_a_part_may_be_sent_again(desk: Desk) -> None:
    upload = desk.parts.begin(KEY)
    desk.send(upload, 1, FIRST)
    desk.send(upload, 1, FIRST)
    desk.send(upload, 2, LAST)
    came = [(part.number, part.size_bytes) for part in desk.parts.list_parts(KEY, upload)]
    assert came == [(1, len(FIRST)), (2, len(LAST))]
    desk.parts.complete(KEY, upload)
    assert b"".join(desk.store.read(KEY)) == FIRST + LAST


def test_missing_parts_are_told_and_may_still_come(desk: Desk) -> None:
    upload = desk.parts.begin(KEY)
    with pytest.raises(PartsMissing):
        desk.parts.complete(KEY, upload)
    desk.send(upload, 2, LAST)
    with pytest.raises(PartsMissing, match="Part 1 "):
        desk.parts.complete(KEY, upload)
    desk.send(upload, 1, FIRST)
    assert desk.parts.complete(KEY, upload).size_bytes == len(FIRST + LAST)


def test_more_than_allowed_is_refused(desk: Desk) -> None:
    upload = desk.parts.begin(KEY)
    desk.send(upload, 1, b"12345678")
    with pytest.raises(ObjectTooLarge):
        desk.parts.complete(KEY, upload, max_bytes=7)
    with pytest.raises(ObjectMissing):
        desk.store.stat(KEY)


@pytest.mark.parametrize("sent", [b"123", b"12345"])
def test_a_part_of_another_size_than_signed_is_refused(desk: Desk, sent: bytes) -> None:
    upload = desk.parts.begin(KEY)
    with pytest.raises(Refused):
        desk.put(desk.parts.sign_part(KEY, upload, 1, 4, 60), sent)
    assert desk.parts.list_parts(KEY, upload) == []


def test_an_address_is_for_its_part_alone(desk: Desk) -> None:
    upload = desk.parts.begin(KEY)
    url = desk.parts.sign_part(KEY, upload, 1, 4, 60)
    forged = url.replace("partNumber=1", "partNumber=2").replace("part=1", "part=2")
    assert forged != url
    with pytest.raises(Refused):
        desk.put(forged, b"1234")
    assert desk.parts.list_parts(KEY, upload) == []


def test_an_aborted_upload_is_gone(desk: Desk) -> None:
    upload = desk.parts.begin(KEY)
    desk.send(upload, 1, b"1234")
    late = desk.parts.sign_part(KEY, upload, 1, 4, 60)
    desk.parts.abort(KEY, upload)
    desk.parts.abort(KEY, upload)
    with pytest.raises(UploadGone):
        desk.parts.list_parts(KEY, upload)
    with pytest.raises(UploadGone):
        desk.parts.complete(KEY, upload)
    with pytest.raises(Refused):
        desk.put(late, b"1234")


def test_uploads_of_one_key_do_not_mix(desk: Desk) -> None:
    one, two = desk.parts.begin(KEY), desk.parts.begin(KEY)
    desk.send(one, 1, b"one")
    desk.send(two, 1, b"two")
    desk.parts.complete(KEY, two)
    assert b"".join(desk.store.read(KEY)) == b"two"
    desk.parts.abort(KEY, one)
    assert b"".join(desk.store.read(KEY)) == b"two"


# -- the addresses of each -------------------------------------------------------------------------


def test_local_other_bytes_for_a_part_replace_it(tmp_path: Path, clock: FakeClock) -> None:
    desk = local_desk(tmp_path, clock)
    upload = desk.parts.begin(KEY)
    desk.send(upload, 1, b"first try")
    desk.send(upload, 1, b"second")
    desk.parts.complete(KEY, upload)
    assert b"".join(desk.store.read(KEY)) == b"second"


def test_local_addresses_expire(tmp_path: Path, clock: FakeClock) -> None:
    desk = local_desk(tmp_path, clock)
    url = desk.parts.sign_part(KEY, desk.parts.begin(KEY), 1, 4, 60)
    clock.advance(61)
    with pytest.raises(Refused):
        desk.put(url, b"1234")


def test_local_uploads_that_nobody_completes_are_swept(tmp_path: Path, clock: FakeClock) -> None:
    desk = local_desk(tmp_path, clock)
    assert isinstance(desk.parts, LocalParts)
    upload = desk.parts.begin(KEY)
    assert desk.parts.sweep(3600) == 0
    assert desk.parts.sweep(-60) == 1
    with pytest.raises(UploadGone):
        desk.parts.list_parts(KEY, upload)


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_a_signature_is_for_one_method(clock: FakeClock, method: str) -> None:
    signer = UrlSigner("http://127.0.0.1/x", b"k" * 32, clock)
    url = signer.sign("PUT", 60, key="a b&c=d")
    assert signer.verify("PUT", url) == {"key": "a b&c=d"}
    for wrong in (url + "0", url.replace("a+b", "a+c"), url + "&key=other", "http://127.0.0.1/x"):
        with pytest.raises(AddressRefused):
            signer.verify("PUT", wrong)
    with pytest.raises(AddressRefused):
        signer.verify(method, url)


def test_an_s3_copy_over_the_limit_goes_by_parts(s3_store: S3Storage) -> None:
    desk = s3_desk(s3_store, max_copy=1 << 20, copy_part_bytes=5 << 20)
    upload = desk.parts.begin(KEY)
    desk.send(upload, 1, FIRST)
    desk.send(upload, 2, FIRST + LAST)
    stored = desk.parts.complete(KEY, upload)
    assert s3_store.stat(KEY) == stored
    assert b"".join(s3_store.read(KEY)) == FIRST + FIRST + LAST


def test_s3_takes_over_what_was_complete_when_we_fell(s3_store: S3Storage) -> None:
    desk = s3_desk(s3_store)
    upload = desk.parts.begin(KEY)
    desk.send(upload, 1, b"1234")
    (part,) = desk.parts.list_parts(KEY, upload)
    s3_store.client.complete_multipart_upload(
        Bucket=s3_store.bucket,
        Key=f"{s3_store.prefix}.incoming/{KEY}",
        UploadId=upload,
        MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part.etag}]},
    )
    assert list(s3_store.list("")) == [], "not an object yet"
    assert desk.parts.complete(KEY, upload).size_bytes == 4
    assert s3_store.sweep(-60) == 0, "nothing is left over"


def test_a_download_by_a_signed_address(s3_store: S3Storage, tmp_path: Path) -> None:
    s3_store.put("k", [b"payload"])
    s3_store.put("other", [b"secret"])
    url = s3_store.sign_get("k", 'é "a".vcf', "text/plain; charset=utf-8", 60)
    assert url is not None
    answer = httpx.get(url)
    assert answer.content == b"payload"
    assert "é" in unquote(answer.headers["content-disposition"])
    assert answer.headers["content-disposition"].startswith("attachment;")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert httpx.get(url, headers={"Range": "bytes=1-3"}).content == b"ayl"
    assert httpx.get(url.replace("/k?", "/other?")).status_code == 403
    assert httpx.put(url, content=b"mine").status_code == 403
    assert httpx.delete(url).status_code == 403
    assert b"".join(s3_store.read("k")) == b"payload"
    closed = S3Storage(s3_store.client, s3_store.bucket, s3_store.prefix, is_open=False)
    for store in (closed, LocalStorage(tmp_path / "s")):
        assert store.sign_get("k", "k.vcf", "text/plain", 60) is None
