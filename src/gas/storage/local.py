"""Objects on the local disk.

    ROOT/objects/<key>    a link to the bytes: ../../blobs/<sha256>-<random>
    ROOT/blobs/           the bytes, each file named by its checksum

A link is replaced by one rename, after the bytes are on the disk (fsync). So an object is seen
whole and with its checksum, or not at all, wherever the plug is pulled. What no link points at is
a leftover of a crash: invisible, and swept.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from gas.errors import TransientError
from gas.storage import (
    CHUNK,
    ObjectMissing,
    Storage,
    StorageFull,
    StoredObject,
    check_key,
    write_within,
)

_FULL = {errno.ENOSPC, errno.EDQUOT}
_MISSING = (FileNotFoundError, NotADirectoryError, IsADirectoryError)


class LocalStorage(Storage):
    """A store in the folder ``root``, which it makes, for its owner alone."""

    def __init__(self, root: Path) -> None:
        self._objects = root / "objects"
        self._blobs = root / "blobs"
        for folder in (root, self._objects, self._blobs):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def put(
        self, key: str, chunks: Iterable[bytes], *, max_bytes: int | None = None
    ) -> StoredObject:
        link = self._link(key)
        with translated():
            blob, size, sha256 = self._write_blob(chunks, max_bytes)
            old = self._blob_of(link)
            self._point(link, blob)
            if old is not None:
                old.unlink(missing_ok=True)
        return StoredObject(key, size, sha256)

    def stat(self, key: str) -> StoredObject:
        blob = self._blob_of(self._link(key))
        try:
            if blob is None:
                raise FileNotFoundError
            return StoredObject(key, blob.stat().st_size, blob.name.partition("-")[0])
        except FileNotFoundError:
            raise ObjectMissing(f"There is no object {key}.") from None

    def read(self, key: str, start0: int = 0, end0: int | None = None) -> Iterator[bytes]:
        try:
            file = self._link(key).open("rb")
        except _MISSING:
            raise ObjectMissing(f"There is no object {key}.") from None
        return _pieces(file, start0, end0)

    def delete(self, key: str) -> None:
        link = self._link(key)
        blob = self._blob_of(link)
        if blob is None:
            return
        link.unlink(missing_ok=True)
        blob.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # a folder that is not empty stays
            for parent in link.relative_to(self._objects).parents:
                if parent != Path():
                    (self._objects / parent).rmdir()

    def list(self, prefix: str) -> Iterator[StoredObject]:
        folder = self._objects / prefix.rpartition("/")[0]
        keys = (str(p.relative_to(self._objects)) for p in folder.rglob("*") if p.is_symlink())
        for key in sorted(key for key in keys if key.startswith(prefix)):
            with contextlib.suppress(ObjectMissing):  # deleted while we look
                yield self.stat(key)

    def check(self) -> None:
        with translated():
            blob, _size, _sha256 = self._write_blob([b"ready?"], None)
            blob.unlink()

    def sweep(self, older_than_s: float = 86_400) -> int:
        linked = {p.resolve() for p in self._objects.rglob("*") if p.is_symlink()}
        limit, count = time.time() - older_than_s, 0
        for blob in self._blobs.iterdir():
            with contextlib.suppress(FileNotFoundError):
                if blob.resolve() not in linked and blob.stat().st_mtime < limit:
                    blob.unlink()
                    count += 1
        return count

    def _link(self, key: str) -> Path:
        return self._objects / check_key(key)

    def _blob_of(self, link: Path) -> Path | None:
        try:
            return self._blobs / link.readlink().name
        except OSError:
            return None

    def _write_blob(self, chunks: Iterable[bytes], max_bytes: int | None) -> tuple[Path, int, str]:
        part = self._blobs / f"part-{secrets.token_hex(16)}"
        try:
            with part.open("xb") as file:
                size, sha256 = _copy(chunks, file, max_bytes)
            blob = self._blobs / f"{sha256}-{secrets.token_hex(8)}"
            part.rename(blob)
        finally:
            part.unlink(missing_ok=True)
        _sync_folder(self._blobs)
        return blob, size, sha256

    def _point(self, link: Path, blob: Path) -> None:
        # Another delete may remove the folder, empty in between, from under us: make it again.
        for _ in range(100):
            link.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            fresh = link.with_name(f"{link.name}~{secrets.token_hex(8)}")
            with contextlib.suppress(FileNotFoundError):
                fresh.symlink_to(os.path.relpath(blob, link.parent))
                fresh.replace(link)
                return _sync_folder(link.parent)
        raise TransientError(f"The folder of {link.name} vanishes while it is written.")


def _copy(chunks: Iterable[bytes], file: IO[bytes], max_bytes: int | None) -> tuple[int, str]:
    copied = write_within(chunks, file, max_bytes)
    file.flush()
    os.fsync(file.fileno())
    return copied


def _pieces(file: IO[bytes], start0: int, end0: int | None) -> Iterator[bytes]:
    with file:
        file.seek(start0)
        left = None if end0 is None else end0 - start0
        while left is None or left > 0:
            piece = file.read(CHUNK if left is None else min(CHUNK, left))
            if not piece:
                return
            left = None if left is None else left - len(piece)
            yield piece


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Raises StorageFull or TransientError for what the disk refuses within."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise StorageFull() from error
        if error.errno is None or isinstance(error, ConnectionError):
            raise  # of whoever hands us the bytes, not of the disk
        raise TransientError(f"The disk refused: {error.strerror}.") from error
