"""Uploads: create → sign parts, PUT them → list → complete. Then ``lifecycle.submit`` makes a job.

    create ─► begin_parts ─► sign ─► (PUT by the client, to wherever the store says) ─► complete
        └───► receive, the bytes of a form ────────────────────────────────────────────►┘

The owner always comes from who is signed in, never from an address. A signed address is good for
one part of one upload, of the size that was announced: so the announced size, which is held to the
plan, is all that can come.
"""

from __future__ import annotations

import contextlib
import unicodedata
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import QuerySet

from gas.accounts.models import User
from gas.annotate.stream import Limits
from gas.annotate.validate.head import refusal_of_head
from gas.errors import GasError, InputError, TransientError
from gas.jobs.lifecycle import NotSubmittable, check_size
from gas.jobs.models import Upload
from gas.jobs.runner import limits_of
from gas.storage import StoredObject
from gas.storage.parts import Part, PartsMissing, UploadGone
from gas.wiring import Services

MAX_NAME = 120
#: So much of an upload is looked at when it is complete.
START_BYTES = 1 << 20
#: Bytes of a part, unless that makes more than MAX_PARTS (S3's limit).
PART_BYTES = 8 << 20
MAX_PARTS = 10_000
#: Addresses that are signed at a time.
MAX_SIGNED = 100
_UNNAMED = "upload.vcf"


class TooManyUploads(GasError):
    """Too many of your uploads wait to be submitted."""

    code = "too-many-uploads"


class NoSuchPart(GasError):
    """This upload has no such part."""

    code = "no-such-part"


@dataclass(frozen=True)
class SignedPart:
    """Where part ``number`` (1-based) goes, by PUT: exactly ``size_bytes``, before ``expires_at``.
    ``url`` is one of ours where it has no host."""

    number: int
    size_bytes: int
    url: str
    expires_at: datetime


def safe_filename(name: str) -> str:
    """``name`` made harmless to show, log and offer for download.

    Keeps its last path component, without control and format characters (CR, LF, NUL, escapes,
    direction overrides), quotes and separators; at most MAX_NAME characters, the ending kept.
    """
    last = name.replace("\\", "/").rpartition("/")[2]
    kept = "".join(c for c in last if unicodedata.category(c)[0] != "C" and c not in '"<>|;:*?')
    kept = unicodedata.normalize("NFC", " ".join(kept.split())).lstrip(". =+-@")
    if len(kept) > MAX_NAME:
        kept = kept[: MAX_NAME - 20] + "…" + kept[-19:]
    return kept or _UNNAMED


def create(svc: Services, user: User, filename: str, size_bytes: int) -> Upload:
    """Announce a file of ``size_bytes``. Raises TooLargeForPlan, InputError where it is empty,
    TooManyUploads."""
    if size_bytes <= 0:
        raise InputError("This file is empty.", hint="Choose a VCF file with a header.")
    check_size(svc, user, size_bytes)
    now = svc.now()
    with transaction.atomic():
        # Locked, so that requests of one user at the same moment are counted one by one.
        User.objects.select_for_update(no_key=True).get(pk=user.pk)
        _check_number(svc, user)
        return Upload.objects.create(
            owner=user,
            filename=safe_filename(filename),
            declared_bytes=size_bytes,
            created_at=now,
            expires_at=now + timedelta(seconds=svc.settings.upload_expiry_s),
        )


def _check_number(svc: Services, user: User) -> None:
    count, most = waiting(svc, user).count(), svc.settings.max_open_uploads
    if count >= most:
        raise TooManyUploads(
            f"{count} of your uploads wait to be submitted, {most} may.",
            hint="Submit or discard them, or wait until they expire.",
        )


def waiting(svc: Services, user: User) -> QuerySet[Upload]:
    """Uploads of ``user`` that no job was made of yet, the oldest first."""
    return _live(svc, user).filter(job__isnull=True).order_by("created_at", "pk")


def _live(svc: Services, user: User) -> QuerySet[Upload]:
    theirs = Upload.objects.filter(owner=user, expires_at__gt=svc.now())
    return theirs.exclude(job__erasing=True)


def find(svc: Services, user: User, upload_id: uuid.UUID) -> Upload | None:
    """The upload of ``user`` with this id; None where it is another's, expired, deleted with its
    job, or nowhere."""
    return _live(svc, user).filter(pk=upload_id).first()


# -- by parts ------------------------------------------------------------------------------------


def begin_parts(svc: Services, upload: Upload) -> Upload:
    """Have the store expect a new upload's bytes by parts. Raises TransientError; then it is as if
    the upload had never been announced."""
    try:
        upload.parts_id = svc.parts.begin(upload.key)
    except GasError:
        upload.delete()
        raise
    upload.part_bytes = max(PART_BYTES, -(-upload.declared_bytes // MAX_PARTS))
    upload.save(update_fields=["parts_id", "part_bytes"])
    return upload


def sign(svc: Services, upload: Upload, numbers: Iterable[int]) -> list[SignedPart]:
    """Addresses for the parts ``numbers``; may be asked for again, until the upload is complete.

    Raises NoSuchPart, NotSubmittable, TooLargeForPlan where the plan changed meanwhile.
    """
    _check_open(upload)
    check_size(svc, upload.owner, upload.declared_bytes)
    left_s = (upload.expires_at - svc.now()).total_seconds()
    seconds = max(1, int(min(svc.settings.signed_url_s, left_s)))
    expires_at = svc.now() + timedelta(seconds=seconds)
    return [_sign(svc, upload, number, seconds, expires_at) for number in sorted(set(numbers))]


def _sign(
    svc: Services, upload: Upload, number: int, seconds: int, expires_at: datetime
) -> SignedPart:
    if not 1 <= number <= upload.part_count:
        raise NoSuchPart(f"There is no part {number}: this upload has {upload.part_count}.")
    size = upload.part_size(number)
    url = svc.parts.sign_part(upload.key, upload.parts_id, number, size, seconds)
    return SignedPart(number, size, url, expires_at)


def came(svc: Services, upload: Upload) -> list[Part]:
    """The parts that have come, in order; none once the upload is complete.
    Raises UploadGone, TransientError."""
    if upload.state != Upload.State.OPEN or not upload.parts_id:
        return []
    return svc.parts.list_parts(upload.key, upload.parts_id)


# -- in one piece ----------------------------------------------------------------------------------


def receive(svc: Services, upload: Upload, chunks: Iterable[bytes]) -> StoredObject:
    """Store all bytes of the upload, as a form brings them; may be repeated until it is complete.

    Raises ObjectTooLarge once more come than were announced, NotSubmittable, TransientError.
    """
    _check_open(upload)
    return svc.storage.put(upload.key, chunks, max_bytes=upload.declared_bytes)


def _check_open(upload: Upload) -> None:
    if upload.state != Upload.State.OPEN:
        raise NotSubmittable("This upload is complete: it takes no more bytes.")


# -- the end of it -----------------------------------------------------------------------------


def complete(svc: Services, upload: Upload) -> Upload:
    """Take the upload as it lies in the store; may be repeated.

    The size that counts is the one that was stored. Raises PartsMissing, UploadGone, ObjectMissing,
    NotSubmittable where fewer bytes came than were announced, TooLargeForPlan, TransientError; and
    InputError where its start already tells that the file will be refused: then the upload is gone.
    """
    if upload.state == Upload.State.COMPLETE:
        return upload
    check_size(svc, upload.owner, upload.declared_bytes)
    stored = _stored(svc, upload)
    if stored.size_bytes != upload.declared_bytes:
        raise NotSubmittable(
            f"{stored.size_bytes:,} bytes came, {upload.declared_bytes:,} were announced.",
            hint="Send the file again.",
        )
    try:
        _check_start(svc, upload)
    except InputError:
        with contextlib.suppress(TransientError):  # then it expires
            remove(svc, upload.pk)
        raise
    done = Upload.objects.filter(pk=upload.pk, state=Upload.State.OPEN).update(
        state=Upload.State.COMPLETE, size_bytes=stored.size_bytes, sha256=stored.sha256
    )
    if not done and not Upload.objects.filter(pk=upload.pk).exists():
        raise UploadGone
    upload.refresh_from_db()
    return upload


def _stored(svc: Services, upload: Upload) -> StoredObject:
    if not upload.parts_id:
        return svc.storage.stat(upload.key)
    with contextlib.suppress(UploadGone):  # the store made an object of it already, perhaps
        _check_parts(upload, svc.parts.list_parts(upload.key, upload.parts_id))
    return svc.parts.complete(upload.key, upload.parts_id, max_bytes=upload.declared_bytes)


def _check_parts(upload: Upload, parts: Iterable[Part]) -> None:
    """Raises PartsMissing naming the first that has not come as it should."""
    sizes = {part.number: part.size_bytes for part in parts}
    for number in range(1, upload.part_count + 1):
        if sizes.get(number) != upload.part_size(number):
            raise PartsMissing(
                f"Part {number} of {upload.part_count} has not come.",
                hint="Send it, then complete the upload.",
            )


def _check_start(svc: Services, upload: Upload) -> None:
    """Look at the first bytes, so that a person hears at once. Raises InputError."""
    start = b"".join(svc.storage.read(upload.key, 0, START_BYTES))
    refusal = refusal_of_head(start, Limits(**limits_of(svc.settings)))
    if refusal is not None:
        raise refusal


def remove(svc: Services, upload_id: uuid.UUID) -> bool:
    """Give up an upload that no job was made of, with all that came; returns whether it was there.
    Raises TransientError; then it is still there."""
    with transaction.atomic():
        # Locked: no job can be made of it any more, then none was.
        locked = Upload.objects.select_for_update().filter(pk=upload_id).first()
        if locked is None or hasattr(locked, "job"):
            return False
        forget_bytes(svc, locked)
        locked.delete()
    return True


def forget_bytes(svc: Services, upload: Upload) -> None:
    """Delete what came of ``upload``, wherever it lies. Raises TransientError."""
    if upload.parts_id:
        svc.parts.abort(upload.key, upload.parts_id)
    svc.storage.delete(upload.key)
