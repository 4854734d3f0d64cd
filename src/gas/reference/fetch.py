"""Download large public files: resumed where they broke off, and held against their checksums.

A file grows as ``NAME.part``, beside a note of the version (ETag or Last-Modified) that it is of.
It is asked for from where it ends, on the condition that it is still that version (Range, If-Range;
RFC 9110, sections 13.1.5 and 14); where the server sends the whole instead, it starts over. The
file gets its name when its checksum is right.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

import httpx

from gas.errors import PackError, TransientError

#: Bytes done, bytes in all (0: unknown).
Progress = Callable[[int, int], None]

_READ_BYTES = 1 << 20
_TIMEOUT_S = 60.0
_MD5_DIGITS = 32
_AGAIN = "Give the same command again: it goes on from here."


@dataclass(frozen=True)
class Remote:
    """A public file. ``sums``: address of its publisher's list of checksums, "" where there is
    none; the list may be of MD5 (``md5sum``) or of BSD sums (``sum``, as Ensembl's CHECKSUMS)."""

    url: str
    sums: str = ""

    @property
    def name(self) -> str:
        return PurePosixPath(urlsplit(self.url).path).name

    def at(self, mirror: str) -> Remote:
        """The same file on a mirror laid out as ``wget -x`` saves: ``MIRROR/HOST/PATH``."""
        return replace(
            self, url=_mirrored(self.url, mirror), sums=self.sums and _mirrored(self.sums, mirror)
        )


def _mirrored(url: str, mirror: str) -> str:
    return f"{mirror.rstrip('/')}/{url.partition('://')[2]}"


@dataclass(frozen=True)
class Fetched:
    """A file that is here. ``checked``: it was held against a checksum of its publisher."""

    path: Path
    checked: bool


def fetch(
    remote: Remote,
    folder: Path,
    progress: Progress = lambda done, total: None,
    timeout_s: float = _TIMEOUT_S,
) -> Fetched:
    """The file in ``folder``, downloaded where it is not there yet.

    Raises TransientError where the server does not answer or breaks off, or the disk is full (what
    came is kept, the next call goes on), PackError where it refuses or the checksum is wrong (what
    came is removed).
    """
    target = folder / remote.name
    part, note = folder / f"{remote.name}.part", folder / f"{remote.name}.version"
    try:
        with httpx.Client(follow_redirects=True, timeout=timeout_s) as client:
            wanted = _wanted(client, remote)
            if target.exists():
                return Fetched(target, bool(wanted))
            _download(client, remote.url, part, note, progress)
        if wanted and _sum(part, wanted) != wanted:
            part.unlink()
            raise PackError(
                f"{remote.name} differs from the checksum in {remote.sums}.",
                hint="Give the same command again: the file is downloaded anew.",
            )
        note.unlink(missing_ok=True)
        part.replace(target)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise TransientError(
            f"{remote.url} could not be read ({error or type(error).__name__}).", hint=_AGAIN
        ) from None
    except OSError as error:
        raise TransientError(
            f"{folder} cannot be written to ({error.strerror}).", hint=_AGAIN
        ) from None
    return Fetched(target, bool(wanted))


def _download(client: httpx.Client, url: str, part: Path, note: Path, progress: Progress) -> None:
    done = part.stat().st_size if part.exists() else 0
    version = note.read_text() if note.exists() else ""
    headers = {"Accept-Encoding": "identity"}
    if done and version:
        headers |= {"Range": f"bytes={done}-", "If-Range": version}
    # httpx raises where an answer ends before its Content-Length.
    with client.stream("GET", url, headers=headers) as answer:
        if answer.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
            if answer.headers.get("content-range", "") == f"bytes */{done}":
                return  # all of it came before
            part.unlink()
            raise TransientError(f"{url} is shorter than what came of it.", hint="Try again.")
        _accept(answer, url)
        resumed = answer.status_code == httpx.codes.PARTIAL_CONTENT
        if resumed and not answer.headers.get("content-range", "").startswith(f"bytes {done}-"):
            raise PackError(f"{url} answered with another part than the one asked for.")
        done = done if resumed else 0
        note.write_text(_version(answer))
        length = answer.headers.get("content-length")
        total = done + int(length) if length else 0
        with part.open("ab" if resumed else "wb") as out:
            for piece in answer.iter_raw():  # as it comes: what is held back is lost on a break
                out.write(piece)
                done += len(piece)
                progress(done, total)


def _accept(answer: httpx.Response, url: str) -> None:
    """Raise where the server did not send what was asked for."""
    code = answer.status_code
    if code in (httpx.codes.OK, httpx.codes.PARTIAL_CONTENT):
        return
    said = f"{url} answered {code} {answer.reason_phrase}."
    if code >= httpx.codes.INTERNAL_SERVER_ERROR or code == httpx.codes.TOO_MANY_REQUESTS:
        raise TransientError(said, hint=_AGAIN)
    raise PackError(
        said,
        hint="Has the publisher moved it? docs/references.md says how to build by hand.",
    )


def _version(answer: httpx.Response) -> str:
    """What If-Range may name: a strong ETag, else Last-Modified."""
    etag = str(answer.headers.get("etag", ""))
    modified = str(answer.headers.get("last-modified", ""))
    return etag if etag and not etag.startswith("W/") else modified


def _wanted(client: httpx.Client, remote: Remote) -> str:
    """The checksum of the publisher's list; "" where there is no list, or it lacks the file."""
    if not remote.sums:
        return ""
    answer = client.get(remote.sums)
    _accept(answer, remote.sums)
    lines = [words for line in answer.text.splitlines() if len(words := line.split()) >= 1]
    named = [w for w in lines if PurePosixPath(w[-1].lstrip("*")).name == remote.name]
    if not named and remote.sums == f"{remote.url}.md5":
        named = lines  # a list of this file alone, whatever its publisher calls it there
    if not named:
        return ""
    # md5sum: SUM NAME; sum: SUM BLOCKS NAME.
    first, *others = named[0]
    if len(first) == _MD5_DIGITS:
        return first.lower()
    try:
        return f"{int(first)} {int(others[0])}"
    except (ValueError, IndexError):
        raise PackError(f"{remote.sums} holds no checksums that are known here.") from None


def _sum(path: Path, like: str) -> str:
    """The checksum of ``path``, of the kind that ``like`` is."""
    if " " in like:
        return _bsd_sum(path)
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while piece := file.read(_READ_BYTES):
            digest.update(piece)
    return digest.hexdigest()


def _bsd_sum(path: Path) -> str:
    """``sum``: a 16-bit sum rotated right before each byte, and the number of 1,024-byte blocks."""
    import subprocess

    try:
        done = subprocess.run(
            ["sum", "-r", "--", str(path)], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError) as error:
        raise PackError(f"The command sum, which checks {path.name}, failed ({error}).") from None
    number, blocks = done.stdout.split()[:2]
    return f"{int(number)} {int(blocks)}"
