"""Uploads: create → PUT its parts → complete. Then ``lifecycle.submit`` makes a job of it.

One part for now; the contract speaks of parts so that more can follow without a change for
clients. The owner always comes from who is signed in, never from an address.
"""

from __future__ import annotations

import unicodedata
import uuid
from collections.abc import Iterable
from datetime import timedelta

from gas.accounts.models import User
from gas.annotate.stream import Limits
from gas.annotate.validate.head import refusal_of_head
from gas.errors import InputError
from gas.jobs.lifecycle import NotSubmittable, check_size
from gas.jobs.models import Upload
from gas.jobs.runner import limits_of
from gas.storage import StoredObject
from gas.wiring import Services

MAX_NAME = 120
#: So much of an upload is looked at when it is complete.
START_BYTES = 1 << 20
_UNNAMED = "upload.vcf"


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
    """Announce a file of ``size_bytes``. Raises TooLargeForPlan, InputError where it is empty."""
    if size_bytes <= 0:
        raise InputError("This file is empty.", hint="Choose a VCF file with a header.")
    check_size(svc, user, size_bytes)
    now = svc.now()
    return Upload.objects.create(
        owner=user,
        filename=safe_filename(filename),
        declared_bytes=size_bytes,
        created_at=now,
        expires_at=now + timedelta(seconds=svc.settings.upload_expiry_s),
    )


def find(svc: Services, user: User, upload_id: uuid.UUID) -> Upload | None:
    """The upload of ``user`` with this id; None where it is another's, expired, deleted with its
    job, or nowhere."""
    theirs = Upload.objects.filter(owner=user, expires_at__gt=svc.now())
    return theirs.exclude(job__erasing=True).filter(pk=upload_id).first()


def receive(svc: Services, upload: Upload, chunks: Iterable[bytes]) -> StoredObject:
    """Store the bytes of the upload's one part; may be repeated until it is complete.

    Raises ObjectTooLarge once more come than were announced, NotSubmittable, TransientError.
    """
    if upload.state != Upload.State.OPEN:
        raise NotSubmittable("This upload is complete: it takes no more bytes.")
    return svc.storage.put(upload.key, chunks, max_bytes=upload.declared_bytes)


def complete(svc: Services, upload: Upload) -> Upload:
    """Take the upload as it lies in the store; may be repeated.

    The size that counts is the one that was stored. Raises ObjectMissing, NotSubmittable where
    fewer bytes came than were announced, TooLargeForPlan, InputError where its start already tells
    that the file will be refused.
    """
    if upload.state == Upload.State.COMPLETE:
        return upload
    stored = svc.storage.stat(upload.key)
    if stored.size_bytes != upload.declared_bytes:
        raise NotSubmittable(
            f"{stored.size_bytes:,} bytes came, {upload.declared_bytes:,} were announced.",
            hint="Send the part again.",
        )
    check_size(svc, upload.owner, stored.size_bytes)
    _check_start(svc, upload)
    done = Upload.objects.filter(pk=upload.pk, state=Upload.State.OPEN).update(
        state=Upload.State.COMPLETE, size_bytes=stored.size_bytes, sha256=stored.sha256
    )
    upload.refresh_from_db()
    if not done and upload.state != Upload.State.COMPLETE:
        raise NotSubmittable
    return upload


def _check_start(svc: Services, upload: Upload) -> None:
    """Look at the first bytes, so that a person hears at once. Raises InputError."""
    start = b"".join(svc.storage.read(upload.key, 0, START_BYTES))
    refusal = refusal_of_head(start, Limits(**limits_of(svc.settings)))
    if refusal is not None:
        raise refusal
