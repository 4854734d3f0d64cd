"""Uploads by parts into a LocalStorage, by addresses of our own.

ROOT/<upload id>/<number>    a part, whole: written beside and renamed
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import secrets
import shutil
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from gas.storage import CHUNK, ObjectMissing, Storage, StoredObject, check_key
from gas.storage.local import translated
from gas.storage.parts import Part, PartUploads, UploadGone, check_parts, write_exactly
from gas.storage.signed import UrlSigner

_ID = re.compile(r"[0-9a-f]{32}-[0-9a-f]{16}")


class LocalParts(PartUploads):
    """Keeps what has come in the folder ``root``, on the disk of ``store``."""

    def __init__(self, store: Storage, root: Path, signer: UrlSigner) -> None:
        self._store = store
        self._root = root
        self._signer = signer
        root.mkdir(mode=0o700, parents=True, exist_ok=True)

    def begin(self, key: str) -> str:
        upload_id = f"{secrets.token_hex(16)}-{_mark(key)}"
        with translated():
            (self._root / upload_id).mkdir(mode=0o700)
        return upload_id

    def sign_part(
        self, key: str, upload_id: str, number: int, size_bytes: int, seconds: int
    ) -> str:
        self._name(key, upload_id)
        return self._signer.sign_part(key, upload_id, number, size_bytes, seconds)

    def receive(self, url: str, chunks: Iterable[bytes]) -> Part:
        said = self._signer.verify("PUT", url)
        folder = self._folder(said["key"], said["upload"])
        number, size = int(said["part"]), int(said["size"])
        fresh = folder / f"fresh-{secrets.token_hex(8)}"
        try:
            with translated():
                with fresh.open("xb") as file:
                    mark = write_exactly(chunks, file, size)[:16]
                for old in folder.glob(f"{number}-*"):
                    old.unlink(missing_ok=True)
                fresh.replace(folder / f"{number}-{mark}")
        finally:
            fresh.unlink(missing_ok=True)
        return Part(number, size, mark)

    def list_parts(self, key: str, upload_id: str) -> list[Part]:
        found = {}
        for path in self._folder(key, upload_id).glob("[0-9]*-*"):
            number, _, mark = path.name.partition("-")
            with contextlib.suppress(FileNotFoundError):  # replaced while we look
                found[int(number)] = Part(int(number), path.stat().st_size, mark)
        return [found[number] for number in sorted(found)]

    def complete(self, key: str, upload_id: str, *, max_bytes: int | None = None) -> StoredObject:
        try:
            folder = self._folder(key, upload_id)
        except UploadGone:
            with contextlib.suppress(ObjectMissing):
                return self._store.stat(key)
            raise
        parts = self.list_parts(key, upload_id)
        check_parts(parts, max_bytes)
        paths = [folder / f"{part.number}-{part.etag}" for part in parts]
        stored = self._store.put(key, _joined(paths), max_bytes=max_bytes)
        self.abort(key, upload_id)
        return stored

    def abort(self, key: str, upload_id: str) -> None:
        shutil.rmtree(self._root / self._name(key, upload_id), ignore_errors=True)

    def sweep(self, older_than_s: float) -> int:
        limit, count = time.time() - older_than_s, 0
        for folder in self._root.iterdir():
            with contextlib.suppress(FileNotFoundError):  # ended while we look
                if folder.stat().st_mtime < limit:
                    shutil.rmtree(folder, ignore_errors=True)
                    count += 1
        return count

    def _folder(self, key: str, upload_id: str) -> Path:
        folder = self._root / self._name(key, upload_id)
        if not folder.is_dir():
            raise UploadGone
        return folder

    @staticmethod
    def _name(key: str, upload_id: str) -> str:
        """``upload_id``, if it was made for ``key``. Raises UploadGone."""
        if not _ID.fullmatch(upload_id) or not upload_id.endswith(_mark(key)):
            raise UploadGone
        return upload_id


def _mark(key: str) -> str:
    return hashlib.sha256(check_key(key).encode()).hexdigest()[:16]


def _joined(paths: list[Path]) -> Iterator[bytes]:
    for path in paths:
        with path.open("rb") as file:
            while piece := file.read(CHUNK):
                yield piece
