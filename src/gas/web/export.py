"""All that is a person's, as one ZIP archive that is written while it is sent.

    profile.json
    jobs/<day>_<file>_<id>/   job.json  log.txt  input/<file>  result/<files>
    README.txt                what this is, and what is not in it

Nothing is kept whole, in memory or on disk: each piece goes out as it is read. Sizes and checksums
follow their bytes (as ZIP allows), files of 4 GiB and more are ZIP64. A store that fails in the
middle breaks the download off, so that nobody takes half an archive for a whole one.
"""

from __future__ import annotations

import json
import re
import time
import unicodedata
import zipfile
from collections.abc import Generator, Iterable, Iterator
from datetime import UTC, datetime

from django.core.cache import cache
from django.core.serializers.json import DjangoJSONEncoder

from gas.accounts.models import User
from gas.audit.models import Action, record
from gas.jobs.models import Job
from gas.jobs.states import ResultState
from gas.storage import ObjectMissing
from gas.web.downloads import result_files, result_name, stem
from gas.web.views.logs import log_text
from gas.wiring import Services

#: One export at a time for each person: so long a silent one keeps its turn.
TURN_S = 120
RENEW_S = 20

PROFILE_FIELDS = (
    "email", "name", "institution", "plan", "mail_before_archive", "date_joined", "last_login",
)  # fmt: skip
JOB_FIELDS = (
    "id", "filename", "input_bytes", "input_sha256", "reference", "engine", "status",
    "submitted_at", "started_at", "finished_at", "failure_code", "failure", "result_state",
    "archive_due_at", "thaw_ready_at", "result_files", "summary",
)  # fmt: skip

README = """\
What GAS keeps for {email}, as of {now:%Y-%m-%d %H:%M:%S} UTC.

profile.json   you, and your API tokens (of a token, only its first characters are kept)
jobs/          a folder for each job: job.json (states, times, counts, SHA-256 of every file),
               log.txt (time in UTC, attempt, message), input/ and result/

Uploads that were never submitted are not here: they expire within a day or so.

"""
ALL_HERE = "Every file of every job is in this archive.\n"
NOT_HERE = "Not in this archive:\n"

_UNSAFE = re.compile(r"[^\w.+-]+")
#: Names that Windows keeps for itself, whatever their ending.
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)


class Export:
    """The bytes of the archive, to be iterated over once; ``close`` gives the turn back."""

    def __init__(self, svc: Services, user: User) -> None:
        self._svc, self._user = svc, user
        self._has_turn = True
        self._sending = self._send()

    def __iter__(self) -> Iterator[bytes]:
        return self._sending

    def close(self) -> None:
        self._sending.close()
        if self._has_turn:
            self._has_turn = False
            cache.delete(_turn_of(self._user))

    def _send(self) -> Generator[bytes, None, None]:
        renewed = time.monotonic()
        for piece in _pieces(self._svc, self._user):
            if time.monotonic() - renewed > RENEW_S:
                renewed = time.monotonic()
                cache.touch(_turn_of(self._user), TURN_S)
            yield piece


def begin(svc: Services, user: User) -> Export | None:
    """An export of what is ``user``'s, told to the audit log; None while another one runs."""
    if not cache.add(_turn_of(user), True, TURN_S):
        return None
    record(Action.EXPORT, svc.now(), user_id=user.pk)
    return Export(svc, user)


def _turn_of(user: User) -> str:
    return f"gas-export-{user.pk}"


# -- what is in it ---------------------------------------------------------------------------------


def _pieces(svc: Services, user: User) -> Iterator[bytes]:
    writer, missing = _Writer(), list[str]()
    ids = list(Job.objects.of(user).order_by("submitted_at", "pk").values_list("pk", flat=True))
    with writer.archive:
        yield from writer.text("profile.json", _profile(user), svc.now())
        for job_id in ids:
            # Read when its turn comes: the archive may take hours to send.
            job = Job.objects.of(user).filter(pk=job_id).first()
            if job is not None:
                yield from _job(svc, writer, job, missing)
        readme = README.format(email=user.email, now=svc.now().astimezone(UTC))
        readme += NOT_HERE + "".join(missing) if missing else ALL_HERE
        yield from writer.text("README.txt", readme, svc.now())
    yield from writer.rest()


def _job(svc: Services, writer: _Writer, job: Job, missing: list[str]) -> Iterator[bytes]:
    folder = _folder(job)
    at = job.finished_at or job.submitted_at
    facts = {name: getattr(job, name) for name in JOB_FIELDS}
    yield from writer.text(f"{folder}/job.json", _json(facts), at)
    yield from writer.text(f"{folder}/log.txt", log_text(job), at)
    files = [(f"input/{safe_name(job.filename)}", job.input_key, job.input_bytes)]
    files += [
        (f"result/{safe_name(result_name(job, f['name']))}", job.result_key(f["name"]),
         f["size_bytes"])
        for f in result_files(job)
    ]  # fmt: skip
    if job.result_files and not job.at_hand:
        missing.append(f"  {folder}/result/: {_where(job)}\n")
    for name, key, size_bytes in files:
        try:
            chunks = svc.storage.read(key)
        except ObjectMissing:
            missing.append(f"  {folder}/{name}: moved or removed while this was being written\n")
        else:
            yield from writer.file(f"{folder}/{name}", chunks, size_bytes, at)


def _where(job: Job) -> str:
    if job.result_state == ResultState.THAWING:
        return "being restored from cold storage; export again when it is at hand"
    return "in cold storage; the premium plan gets it back"


def _profile(user: User) -> str:
    tokens = user.api_tokens.values("name", "prefix", "created_at", "last_used_at")
    facts = {name: getattr(user, name) for name in PROFILE_FIELDS}
    return _json({**facts, "api_tokens": list(tokens)})


def _json(values: object) -> str:
    return json.dumps(values, cls=DjangoJSONEncoder, indent=2, ensure_ascii=False) + "\n"


def _folder(job: Job) -> str:
    """Told apart by the id, also where a system takes no heed of case or accents."""
    day = job.submitted_at.astimezone(UTC)
    return f"jobs/{day:%Y-%m-%d}_{safe_name(stem(job.filename))[:40]}_{job.pk}"


def safe_name(name: str) -> str:
    """``name`` as one that every system can unpack: letters, digits and ``._+-``, neither hidden
    nor ending in a dot, and none that Windows keeps for itself."""
    plain = _UNSAFE.sub("_", unicodedata.normalize("NFC", name)).lstrip(".").rstrip("._") or "file"
    return f"_{plain}" if _RESERVED.match(plain) else plain


# -- how it is written -----------------------------------------------------------------------------


class _Pipe:
    """Where zipfile writes to: it cannot go back, and what came is taken out at once."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: bytes, /) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing waits here."""

    def close(self) -> None:
        """Nothing is held here."""

    def take(self) -> Iterator[bytes]:
        """All that came since the last time, in one piece."""
        if self._parts:
            piece = b"".join(self._parts)
            self._parts.clear()
            yield piece


class _Writer:
    """A ZIP archive, entry after entry; each method yields the bytes to send."""

    def __init__(self) -> None:
        self._pipe = _Pipe()
        self.archive = zipfile.ZipFile(self._pipe, "w", zipfile.ZIP_STORED)

    def file(
        self, name: str, chunks: Iterable[bytes], size_bytes: int, at: datetime
    ) -> Iterator[bytes]:
        entry = zipfile.ZipInfo(name, at.astimezone(UTC).timetuple()[:6])
        entry.file_size = size_bytes  # by which zipfile chooses ZIP64, before it sees the bytes
        with self.archive.open(entry, "w") as out:
            for chunk in chunks:
                out.write(chunk)
                yield from self._pipe.take()
        yield from self._pipe.take()

    def text(self, name: str, text: str, at: datetime) -> Iterator[bytes]:
        data = text.encode()
        yield from self.file(name, [data], len(data), at)

    def rest(self) -> Iterator[bytes]:
        """The directory of the archive, once that is closed."""
        yield from self._pipe.take()
