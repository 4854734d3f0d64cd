"""One suite for every store: what the storage port promises, and what it refuses."""

from __future__ import annotations

import errno
import hashlib
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gas.storage import (
    CHUNK,
    ObjectCorrupt,
    ObjectMissing,
    ObjectTooLarge,
    Storage,
    StorageFull,
)
from gas.storage.local import LocalStorage


@pytest.fixture(params=["local", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    if request.param == "local":
        return LocalStorage(tmp_path / "store")
    made: Storage = request.getfixturevalue("s3_store")
    return made


def content(store: Storage, key: str, *span: int) -> bytes:
    return b"".join(store.read(key, *span))


def test_what_is_put_can_be_read(store: Storage) -> None:
    data = bytes(range(256)) * 9000  # more than two pieces
    stored = store.put("u/1/input", [data[:1000], data[1000:]])
    assert stored.size_bytes == len(data)
    assert stored.sha256 == hashlib.sha256(data).hexdigest()
    assert store.stat("u/1/input") == stored
    assert content(store, "u/1/input") == data
    assert all(len(piece) <= CHUNK for piece in store.read("u/1/input"))


def test_ranges_are_0_based_and_half_open_and_cut_at_the_end(store: Storage) -> None:
    store.put("k", [b"0123456789"])
    assert content(store, "k", 0, 4) == b"0123"
    assert content(store, "k", 8) == b"89"
    assert content(store, "k", 8, 100) == b"89"
    assert content(store, "k", 10) == b""
    assert content(store, "k", 4, 4) == b""


def test_an_empty_object_is_an_object(store: Storage) -> None:
    assert store.put("empty", []).size_bytes == 0
    assert content(store, "empty") == b""


def test_a_missing_object_is_said_at_the_call(store: Storage) -> None:
    store.put("a/b", [b"x"])
    for missing in ("nothing", "a", "a/b/c"):
        with pytest.raises(ObjectMissing):
            store.stat(missing)
        with pytest.raises(ObjectMissing):
            store.read(missing)
        store.delete(missing)
    assert content(store, "a/b") == b"x"


def test_a_second_put_replaces(store: Storage) -> None:
    store.put("k", [b"first"])
    reader = store.read("k")
    store.put("k", [b"second one"])
    assert content(store, "k") == b"second one"
    assert store.stat("k").size_bytes == 10
    assert b"".join(reader) == b"first", "who reads already is not disturbed"


def test_too_many_bytes_leave_the_key_as_it_was(store: Storage) -> None:
    store.put("k", [b"before"], max_bytes=6)
    with pytest.raises(ObjectTooLarge):
        store.put("k", [b"1234", b"567"], max_bytes=6)
    with pytest.raises(ObjectTooLarge):
        store.put("new", [b"1234567"], max_bytes=6)
    assert content(store, "k") == b"before"
    with pytest.raises(ObjectMissing):
        store.stat("new")


def test_a_writer_that_fails_leaves_nothing(store: Storage) -> None:
    def broken() -> Iterator[bytes]:
        yield b"half"
        raise ConnectionError("the client went away")

    with pytest.raises(ConnectionError):
        store.put("k", broken())
    with pytest.raises(ObjectMissing):
        store.stat("k")
    assert list(store.list("")) == []


def test_list_is_sorted_and_by_prefix(store: Storage) -> None:
    for key in ("jobs/2/a", "jobs/10/b", "jobs/1/c", "other"):
        store.put(key, [key.encode()])
    assert [o.key for o in store.list("jobs/1")] == ["jobs/1/c", "jobs/10/b"]
    assert [o.key for o in store.list("jobs/1/")] == ["jobs/1/c"]
    assert [o.key for o in store.list("none/")] == []
    assert next(iter(store.list("other"))).size_bytes == 5


def test_delete_removes_one_and_may_be_repeated(store: Storage) -> None:
    store.put("a/x", [b"x"])
    store.put("a/y", [b"y"])
    store.delete("a/x")
    store.delete("a/x")
    assert [o.key for o in store.list("")] == ["a/y"]


def test_fetch_checks_what_it_copies(store: Storage, tmp_path: Path) -> None:
    stored = store.put("k", [b"payload"])
    store.fetch("k", tmp_path / "copy", sha256=stored.sha256)
    assert (tmp_path / "copy").read_bytes() == b"payload"
    with pytest.raises(ObjectCorrupt):
        store.fetch("k", tmp_path / "copy", sha256="0" * 64)


def test_put_file(store: Storage, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"z" * (CHUNK + 1))
    assert store.put_file("k", tmp_path / "f").size_bytes == CHUNK + 1


@pytest.mark.parametrize("key", ["", "/abs", "../up", "a/../b", "a//b", "A", "a b", "a\n", ".hid"])
def test_a_key_that_gas_never_makes_is_a_defect(store: Storage, key: str) -> None:
    with pytest.raises(ValueError, match="not a storage key"):
        store.put(key, [b""])


def test_writers_of_one_key_never_mix(store: Storage) -> None:
    values = [bytes([65 + n]) * 100_000 for n in range(4)]

    def write(value: bytes) -> None:
        for _ in range(20):
            store.put("shared/k", [value])
            store.put(f"shared/{value[:1].decode().lower()}", [value])
            store.delete(f"shared/{value[:1].decode().lower()}")

    threads = [threading.Thread(target=write, args=(value,)) for value in values]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        try:
            assert content(store, "shared/k") in values
        except ObjectMissing:
            assert any(thread.is_alive() for thread in threads)
    for thread in threads:
        thread.join()
    assert store.stat("shared/k").sha256 == hashlib.sha256(content(store, "shared/k")).hexdigest()


def test_check_passes_on_a_store_that_works(store: Storage) -> None:
    store.check()
    assert list(store.list("")) == []


# -- the local store alone ---------------------------------------------------------------------


def test_local_folders_are_for_their_owner(tmp_path: Path) -> None:
    store = LocalStorage(tmp_path / "s")
    store.put("a/b", [b"x"])
    for folder in [tmp_path / "s", *(p for p in (tmp_path / "s").rglob("*") if p.is_dir())]:
        assert folder.stat().st_mode & 0o077 == 0, folder


def test_local_full_disk_is_transient_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = LocalStorage(tmp_path / "s")
    store.put("k", [b"before"])

    def full(_handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(StorageFull) as error:
        store.put("k", [b"after"])
    assert not error.value.permanent
    assert content(store, "k") == b"before"


def test_local_sweep_takes_only_what_no_key_points_at(tmp_path: Path) -> None:
    store = LocalStorage(tmp_path / "s")
    store.put("k", [b"keep"])
    (tmp_path / "s" / "blobs" / "part-dead").write_bytes(b"left by a crash")
    assert store.sweep(older_than_s=3600) == 0
    assert store.sweep(older_than_s=-1) == 1
    assert content(store, "k") == b"keep"
