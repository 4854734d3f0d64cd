"""Install a reference pack from a tar archive: a file or an http(s) address.

The archive holds the files of one pack, at its top or in one folder, as
``tar -C REFERENCES -cf NAME.tar NAME`` makes it. Only plain files are taken out of it, under names
of our own; a pack appears whole and verified, or not at all.
"""

from __future__ import annotations

import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from gas.annotate.pack import MANIFEST, Pack
from gas.errors import PackError, TransientError
from gas.reference import manifest
from gas.reference.build import new_pack
from gas.reference.packs import check_name

MAX_BYTES = 64 << 30
_MAX_FILES = 1000
_READ_BYTES = 1 << 20
_TIMEOUT_S = 60

#: Bytes done, bytes in all (0: unknown).
Progress = Callable[[int, int], None]


def install(
    file_or_url: str,
    folder: Path,
    *,
    replace_existing: bool = False,
    max_bytes: int = MAX_BYTES,
    progress: Progress = lambda done, total: None,
) -> Pack:
    """Install into ``folder`` under the name that the pack's manifest gives.

    Raises PackError for an archive that is none or a pack that is damaged, TransientError where the
    address did not answer.
    """
    parts = urlsplit(file_or_url)
    if parts.scheme not in ("http", "https"):
        path = unquote(parts.path) if parts.scheme == "file" else file_or_url
        return _install_file(Path(path), folder, replace_existing, max_bytes)
    with _scratch(folder) as scratch:
        archive = scratch / "pack.tar"
        _download(file_or_url, archive, max_bytes, progress)
        return _install_file(archive, folder, replace_existing, max_bytes)


@contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    """A private folder on the disk that the pack goes to, so that moving it is renaming."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        scratch = tempfile.TemporaryDirectory(prefix=".install.", dir=folder)
    except OSError as error:
        raise PackError(f"{folder} cannot be written to ({error.strerror}).") from None
    with scratch as path:
        yield Path(path)


def _download(url: str, target: Path, max_bytes: int, progress: Progress) -> None:
    import httpx

    done = 0
    try:
        with (
            httpx.stream("GET", url, follow_redirects=True, timeout=_TIMEOUT_S) as answer,
            target.open("wb") as out,
        ):
            if answer.status_code != httpx.codes.OK:
                raise PackError(f"{url} answered {answer.status_code} {answer.reason_phrase}.")
            total = int(answer.headers.get("content-length", 0))
            for piece in answer.iter_raw(_READ_BYTES):
                done += len(piece)
                if done > max_bytes:
                    raise PackError(f"{url} gives more than {max_bytes:,} bytes.")
                out.write(piece)
                progress(done, total)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise TransientError(f"{url} could not be read ({error}).") from None
    if total and done < total:
        raise TransientError(f"{url} ended after {done:,} of {total:,} bytes.")


def _install_file(archive: Path, folder: Path, replace_existing: bool, max_bytes: int) -> Pack:
    with _scratch(folder) as unpacked:
        _unpack(archive, unpacked, max_bytes)
        pack = Pack.open(unpacked)
        check_name(pack.name)
        manifest.verify(pack)
        with new_pack(folder, pack.name, replace_existing) as draft:
            for file in unpacked.iterdir():
                shutil.move(file, draft / file.name)
    return Pack.open(folder / pack.name)


def _unpack(archive: Path, target: Path, max_bytes: int) -> None:
    """The plain files of the archive's one folder into ``target``, by their last name."""
    size = 0
    homes = set()
    try:
        with tarfile.open(archive, "r:*") as tar:
            for count, member in enumerate(tar):
                path = PurePosixPath(member.name)
                if member.isdir() and len(path.parts) <= 1:
                    continue
                if not member.isreg() or len(path.parts) > 2 or ".." in path.parts:
                    raise PackError(f"The archive holds {member.name!r}, which no pack has.")
                homes.add(path.parent)
                size += member.size
                if size > max_bytes or count > _MAX_FILES or len(homes) > 1:
                    raise PackError("The archive holds more than one pack can have.")
                content = tar.extractfile(member)
                assert content is not None
                with content, (target / path.name).open("xb") as out:
                    shutil.copyfileobj(content, out)
    except FileNotFoundError:
        raise PackError(f"There is no file {archive}.") from None
    except (tarfile.TarError, EOFError, OSError) as error:
        raise PackError(f"{archive.name} is no tar archive of a pack ({error}).") from None
    if not (target / MANIFEST).is_file():
        raise PackError(f"{archive.name} holds no reference pack (no {MANIFEST}).")
