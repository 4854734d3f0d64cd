"""Download large public files: resumed where they broke off, and held against their checksums.

A file grows as ``NAME.part``, beside a note of the version (ETag or Last-Modified) that it is of.
It is asked for from where it ends, on the condition that it is still that version (Range, If-Range;
RFC 9110, sections 13.1.5 and 14); a server that sends the whole instead is started over with. The
file gets its name when its checksum is right.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

import httpx

from gas.errors import PackError, TransientError

#: Bytes done, bytes in all (0: unknown).
Progress = Callable[[int, int], None]

_READ_BYTES = 1 << 20
_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Remote:
    """A public file. ``sums``: address of its publisher's list of checksums, "" where there is
    none; the list may be of MD5 (``md5sum``) or of BSD sums (``sum``, as Ensembl's CHECKSUMS)."""

    url: str
    sums: str = ""

    @property
    def name(self) -> str:
        return PurePosixPath(urlsplit(self.url).path).name


def fetch(
    remote: Remote,
    folder: Path,
    progress: Progress = lambda done, total: None,
    timeout_s: float = _TIMEOUT_S,
) -> Path:
    """The file in ``folder``, downloaded where it is not there yet.

    Raises TransientError where the server does not answer or breaks off (what came is kept, the
    next call goes on), PackError where it refuses or the checksum is wrong (what came is removed).
    """
    target = folder / remote.name
    if target.exists():
        return target
    part, note = folder / f"{remote.name}.part", folder / f"{remote.name}.version"
    try:
        with httpx.Client(follow_redirects=True, timeout=timeout_s) as client:
            _download(client, remote.url, part, note, progress)
            wanted = _wanted(client, remote)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise TransientError(
            f"{remote.url} could not be read ({error or type(error).__name__}).",
            hint="Give the same command again: it goes on from here.",
        ) from None
    note.unlink(missing_ok=True)
    if wanted and _sum(part, wanted) != wanted:
        part.unlink()
        raise PackError(
            f"{remote.name} differs from the checksum in {remote.sums}.",
            hint="Give the same command again: the file is downloaded anew.",
        )
    part.replace(target)
    return target


def _download(client: httpx.Client, url: str, part: Path, note: Path, progress: Progress) -> None:
    done = part.stat().st_size if part.exists() else 0
    version = note.read_text() if note.exists() else ""
    headers = {"Accept-Encoding": "identity"}
    if done and version:
        headers |= {"Range": f"bytes={done}-", "If-Range": version}
    with client.stream("GET", url, headers=headers) as answer:
        if answer.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
            size = answer.headers.get("content-range", "").rpartition("/")[2]
            if size == str(done):
                return
            part.unlink()
            raise TransientError(f"{url} is shorter than what came of it.", hint="Try again.")
        if answer.status_code not in (httpx.codes.OK, httpx.codes.PARTIAL_CONTENT):
            raise PackError(
                f"{url} answered {answer.status_code} {answer.reason_phrase}.",
                hint="Has the publisher moved it? docs/references.md says how to build by hand.",
            )
        resumed = answer.status_code == httpx.codes.PARTIAL_CONTENT
        done = done if resumed else 0
        etag = answer.headers.get("etag", "")
        # A weak ETag may not be used with If-Range.
        note.write_text(
            etag if etag and not etag.startswith("W/") else answer.headers.get("last-modified", "")
        )
        length = answer.headers.get("content-length")
        total = done + int(length) if length else 0
        with part.open("ab" if resumed else "wb") as out:
            for piece in answer.iter_raw():  # as it comes: what is held back is lost on a break
                out.write(piece)
                done += len(piece)
                progress(done, total)
    if total and done < total:
        raise TransientError(
            f"{url} ended after {done:,} of {total:,} bytes.",
            hint="Give the same command again: it goes on from here.",
        )


def _wanted(client: httpx.Client, remote: Remote) -> str:
    """The checksum of the publisher's list; "" where there is no list."""
    if not remote.sums:
        return ""
    answer = client.get(remote.sums)
    if answer.status_code != httpx.codes.OK:
        raise PackError(f"{remote.sums} answered {answer.status_code} {answer.reason_phrase}.")
    for line in answer.text.splitlines():
        words = line.split()
        if len(words) >= 2 and PurePosixPath(words[-1].lstrip("*")).name == remote.name:
            # md5sum: SUM NAME; sum: SUM BLOCKS NAME.
            return words[0] if len(words[0]) == 32 else f"{int(words[0])} {int(words[1])}"
    raise PackError(f"{remote.sums} does not name {remote.name}.")


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
