"""The cold tier in S3's archive classes, GLACIER and DEEP_ARCHIVE.

    BUCKET/<prefix><key>          the frozen object, in its storage class
    BUCKET/<prefix>.thaws/<key>   what was asked of it: way and estimate, in the standard class

Whether an object is ready is what S3 says in the ``Restore`` header of HeadObject; the note beside
it only remembers the estimate, which S3 does not tell. A way that has no room for us is left for
the next slower one, in one request each.

Ways and times: "Archive retrieval options" and "Restoring an archived object" in the Amazon S3
User Guide.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from gas.errors import TransientError
from gas.storage import ObjectCorrupt, ObjectMissing, Storage, StoredObject, check_key
from gas.storage.cold import ColdTier, NotThawed, Thaw
from gas.storage.s3 import PART_BYTES, S3Storage
from gas.storage.s3_errors import code_of, translated

#: How long each way takes at most, as a rule, from the fastest to the slowest.
WAYS: dict[str, dict[str, timedelta]] = {
    "GLACIER": {
        "Expedited": timedelta(minutes=5),
        "Standard": timedelta(hours=5),
        "Bulk": timedelta(hours=12),
    },
    "DEEP_ARCHIVE": {"Standard": timedelta(hours=12), "Bulk": timedelta(hours=48)},
}
_SPEEDS = ("Expedited", "Standard", "Bulk")
_NO_ROOM = {
    "GlacierExpeditedRetrievalNotAvailable",
    "InsufficientCapacity",
    "InsufficientCapacityException",
}
#: Somebody asked for it before us, or it is not frozen at all: just as well.
_NOT_NEEDED = {"RestoreAlreadyInProgress", "InvalidObjectState"}


class GlacierTier(ColdTier):
    """Archived results in ``bucket`` below ``prefix``; ``days`` long a thawed copy stays at hand.

    ``fastest`` is the way that a thaw tries first.
    """

    def __init__(
        self,
        client: Any,
        bucket: str,
        prefix: str,
        *,
        clock: Callable[[], datetime],
        storage_class: str = "GLACIER",
        fastest: str = "Expedited",
        days: int = 7,
        put_options: Mapping[str, str] | None = None,
        part_bytes: int = PART_BYTES,
    ) -> None:
        options = dict(put_options or {})
        frozen = {**options, "StorageClass": storage_class}
        self._frozen = S3Storage(client, bucket, prefix, put_options=frozen, part_bytes=part_bytes)
        self._notes = S3Storage(client, bucket, f"{prefix}.thaws/", put_options=options)
        slow_enough = _SPEEDS[_SPEEDS.index(fastest) :]
        self._ways = {w: t for w, t in WAYS[storage_class].items() if w in slow_enough}
        self._days = days
        self._clock = clock

    def archive(self, store: Storage, key: str) -> StoredObject:
        # S3 checks each request's bytes against the checksum that comes with it: what it has
        # taken is what we read, and that must be what was once written.
        hot = store.stat(key)
        cold = self._frozen.put(key, store.read(key))
        if cold.sha256 != hot.sha256:
            raise ObjectCorrupt(f"Object {key} has changed since it was written.")
        self._notes.delete(key)
        return cold

    def request_thaw(self, key: str) -> Thaw:
        head = self._frozen.head(key)
        asked = self._note(key)
        way: str | None
        if _is_frozen(head):
            way = self._ask(key)
        elif asked is not None:
            return asked
        else:  # asked for, and we fell before we noted it
            way = None if _is_ready(head) else self._slowest
        ready_at = self._clock() + (timedelta() if way is None else self._ways[way])
        thaw = Thaw(way or self._slowest, ready_at)
        note = json.dumps({"tier": thaw.tier, "ready_at": ready_at.isoformat()})
        self._notes.put(key, [note.encode()])
        return thaw

    def is_ready(self, key: str) -> bool:
        return _is_ready(self._frozen.head(key))

    def restore(self, store: Storage, key: str) -> StoredObject:
        head = self._frozen.head(key)
        if not _is_ready(head):
            raise NotThawed()
        hot = store.put(key, self._frozen.read(key))
        if hot.sha256 != head["Metadata"].get("sha256"):
            raise ObjectCorrupt(f"Object {key} has changed since it was archived.")
        return hot

    def delete(self, key: str) -> None:
        self._frozen.delete(key)
        self._notes.delete(key)

    def sweep(self) -> int:
        return self._frozen.sweep()

    @property
    def _slowest(self) -> str:
        return list(self._ways)[-1]

    def _ask(self, key: str) -> str:
        """Ask S3 for ``key``; by which way it will come."""
        for way in self._ways:
            request = {"Days": self._days, "GlacierJobParameters": {"Tier": way}}
            try:
                with translated(self._frozen.bucket, key):
                    self._restore_object(key, request)
            except _NoRoom:
                continue
            return way
        raise TransientError("The cold tier has no room for a thaw now.")

    def _restore_object(self, key: str, request: dict[str, Any]) -> None:
        try:
            self._frozen.client.restore_object(
                **self._frozen.address(check_key(key)), RestoreRequest=request
            )
        except ClientError as error:
            if code_of(error) in _NO_ROOM:
                raise _NoRoom from None
            if code_of(error) not in _NOT_NEEDED:
                raise

    def _note(self, key: str) -> Thaw | None:
        try:
            note = json.loads(b"".join(self._notes.read(key)))
        except ObjectMissing:
            return None
        return Thaw(note["tier"], datetime.fromisoformat(note["ready_at"]))


class _NoRoom(TransientError):
    """This way of retrieval has no room now."""


def _is_frozen(head: Mapping[str, Any]) -> bool:
    """In an archive class, and not asked for (or the thawed copy's days are over)."""
    return head.get("StorageClass") in WAYS and "Restore" not in head


def _is_ready(head: Mapping[str, Any]) -> bool:
    restored = 'ongoing-request="false"' in head.get("Restore", "")
    return restored or head.get("StorageClass") not in WAYS
