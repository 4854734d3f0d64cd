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
from gas.storage.parts import Part, PartsMissing, PartUploads, UploadGone, check_parts
from gas.storage.signed import UrlSigner

_ID = re.compile(r"[0-9a-f]{32}-[0-9a-f]{16}")


class LocalParts(PartUploads):
    """Keeps what has come in the folder ``root``, on the disk of ``store``.

    Whatever answers the signer's addresses hands each PUT to ``receive``.
    """

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
        return self._signer.sign(
            "PUT", seconds, key=key, upload=upload_id, part=str(number), size=str(size_bytes)
        )

    def receive(self, url: str, chunks: Iterable[bytes]) -> Part:
        """Store the body of a PUT to ``url``: whole and of the signed size, or not at all.

        Raises AddressRefused, UploadGone, PartsMissing where fewer bytes came or more,
        TransientError.
        """
        said = self._signer.verify("PUT", url)
        folder = self._folder(said["key"], said["upload"])
        fresh, due, size = folder / f"fresh-{secrets.token_hex(8)}", int(said["size"]), 0
        digest = hashlib.sha256()
        try:
            with translated(), fresh.open("xb") as file:
                for chunk in chunks:
                    size += len(chunk)
                    if size > due:
                        break
                    digest.update(chunk)
                    file.write(chunk)
            if size != due:
                raise PartsMissing(f"This part should be of {due:,} bytes.", hint="Send it again.")
            mark = digest.hexdigest()[:16]
            for old in folder.glob(f"{int(said['part'])}-*"):
                old.unlink(missing_ok=True)
            fresh.replace(folder / f"{int(said['part'])}-{mark}")
        finally:
            fresh.unlink(missing_ok=True)
        return Part(int(said["part"]), size, mark)

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

    def sweep(self, older_than_s: float = 86_400) -> int:
        """Remove uploads in which nothing has come for so long; returns how many."""
        limit = time.time() - older_than_s
        old = [folder for folder in self._root.iterdir() if folder.stat().st_mtime < limit]
        for folder in old:
            shutil.rmtree(folder, ignore_errors=True)
        return len(old)

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
