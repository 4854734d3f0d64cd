"""What the archive classes of S3 alone do: ways of retrieval, refusals, what S3 itself says."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from gas.errors import TransientError
from gas.storage import ObjectCorrupt, Storage
from gas.storage.glacier import GlacierTier
from gas.storage.local import LocalStorage
from gas.storage.s3 import S3Storage
from tests import s3
from tests.fakes import FakeClock

KEY = "users/1/jobs/2/1/annotated.vcf.gz"
NO_EXPEDITED = "GlacierExpeditedRetrievalNotAvailable"


@pytest.fixture
def store(tmp_path: Path) -> Storage:
    store = LocalStorage(tmp_path / "hot")
    store.put(KEY, [b"a result"])
    return store


@pytest.mark.parametrize("refusal", [NO_EXPEDITED, "InsufficientCapacity"])
def test_without_room_the_next_slower_way_is_taken(
    glacier: GlacierTier, slow: s3.SlowGlacier, store: Storage, clock: FakeClock, refusal: str
) -> None:
    glacier.archive(store, KEY)
    slow.refusals = [refusal]
    thaw = glacier.request_thaw(KEY)
    assert slow.asked == ["Expedited", "Standard"]
    assert (thaw.tier, thaw.ready_at - clock()) == ("Standard", timedelta(hours=5))


def test_the_last_way_is_bulk_and_then_it_is_tried_again_later(
    glacier: GlacierTier, slow: s3.SlowGlacier, store: Storage
) -> None:
    glacier.archive(store, KEY)
    slow.refusals = [NO_EXPEDITED, "InsufficientCapacity", "InsufficientCapacity"]
    with pytest.raises(TransientError, match="no room"):
        glacier.request_thaw(KEY)
    assert slow.asked == ["Expedited", "Standard", "Bulk"]
    slow.refusals = [NO_EXPEDITED, "InsufficientCapacity"]
    assert glacier.request_thaw(KEY).tier == "Bulk"


def test_one_request_for_an_object(
    glacier: GlacierTier, slow: s3.SlowGlacier, store: Storage
) -> None:
    glacier.archive(store, KEY)
    assert glacier.request_thaw(KEY) == glacier.request_thaw(KEY)
    assert slow.asked == ["Expedited"]


def test_already_in_progress_is_success(
    glacier: GlacierTier, slow: s3.SlowGlacier, store: Storage, clock: FakeClock
) -> None:
    glacier.archive(store, KEY)
    slow.refusals = ["RestoreAlreadyInProgress"]
    assert glacier.request_thaw(KEY).ready_at > clock()


def test_a_thaw_that_was_never_noted_is_found_again(
    glacier: GlacierTier, slow: s3.SlowGlacier, store: Storage, clock: FakeClock
) -> None:
    glacier.archive(store, KEY)
    address = glacier._frozen.address(KEY)
    tier = {"Days": 1, "GlacierJobParameters": {"Tier": "Standard"}}
    slow.restore_object(**address, RestoreRequest=tier)
    assert glacier.request_thaw(KEY).ready_at > clock()
    assert slow.asked == ["Standard"], "nothing was asked anew"


def test_throttled_or_failing_is_transient(
    glacier: GlacierTier, slow: s3.SlowGlacier, store: Storage
) -> None:
    glacier.archive(store, KEY)
    for code in ("SlowDown", "InternalError", "ServiceUnavailable"):
        slow.refusals = [code]
        with pytest.raises(TransientError, match=code):
            glacier.request_thaw(KEY)


def test_deep_archive_starts_at_standard(
    slow: s3.SlowGlacier, store: Storage, clock: FakeClock
) -> None:
    deep = GlacierTier(slow, s3.BUCKET, "deep/", clock=clock, storage_class="DEEP_ARCHIVE")
    deep.archive(store, KEY)
    thaw = deep.request_thaw(KEY)
    assert slow.asked == ["Standard"]
    assert (thaw.tier, thaw.ready_at - clock()) == ("Standard", timedelta(hours=12))
    assert slow.head_object(Bucket=s3.BUCKET, Key=f"deep/{KEY}")["StorageClass"] == "DEEP_ARCHIVE"


def test_the_operator_may_rule_out_the_dear_way(
    slow: s3.SlowGlacier, store: Storage, clock: FakeClock
) -> None:
    thrifty = GlacierTier(slow, s3.BUCKET, "thrifty/", clock=clock, fastest="Bulk")
    thrifty.archive(store, KEY)
    assert thrifty.request_thaw(KEY).tier == "Bulk"
    assert slow.asked == ["Bulk"]


def test_a_changed_hot_copy_is_not_archived_in_silence(
    glacier: GlacierTier, store: Storage, tmp_path: Path
) -> None:
    blob = next((tmp_path / "hot" / "blobs").iterdir())
    blob.write_bytes(b"A RESULT")
    with pytest.raises(ObjectCorrupt):
        glacier.archive(store, KEY)
    assert store.stat(KEY)


def test_many_bytes_go_by_parts_in_their_class(
    slow: s3.SlowGlacier, store: Storage, clock: FakeClock
) -> None:
    by_parts = GlacierTier(slow, s3.BUCKET, "parts/", clock=clock, part_bytes=5 << 20)
    data = bytes(range(256)) * (41 << 10)  # 10.25 MiB: three parts
    hot = store.put("large", [data])
    assert by_parts.archive(store, "large") == hot
    head = slow.head_object(Bucket=s3.BUCKET, Key="parts/large")
    assert head["StorageClass"] == "GLACIER"
    assert head["ETag"].endswith('-3"')
    by_parts.request_thaw("large")
    clock.advance(300)
    store.delete("large")
    assert by_parts.restore(store, "large") == hot


def test_from_one_bucket_of_s3_to_another(
    glacier: GlacierTier, s3_store: S3Storage, clock: FakeClock
) -> None:
    hot = s3_store.put(KEY, [b"on S3"])
    glacier.archive(s3_store, KEY)
    s3_store.delete(KEY)
    glacier.request_thaw(KEY)
    clock.advance(300)
    assert glacier.restore(s3_store, KEY) == hot
    assert s3_store.stat(KEY) == hot


def test_sweep_ends_uploads_that_a_crash_left(glacier: GlacierTier, slow: s3.SlowGlacier) -> None:
    # Moto says of every upload that it was begun in 2010.
    slow.create_multipart_upload(**glacier._frozen.address("k"))
    assert glacier.sweep() == 1
    assert glacier.sweep() == 0
