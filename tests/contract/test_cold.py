"""One suite for every cold tier: archive, thaw, restore, and what happens out of order."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gas.storage import ObjectMissing, Storage
from gas.storage.cold import ColdFolder, ColdTier, NotThawed
from gas.storage.local import LocalStorage
from tests.fakes import FakeClock, FakeCold

THAW_S = 300.0
KEY = "users/1/jobs/2/1/annotated.vcf.gz"
TIERS: dict[str, Callable[[Path, FakeClock], ColdTier]] = {
    "folder": lambda path, clock: ColdFolder(path, THAW_S, clock),
    "fake": lambda _path, clock: FakeCold(clock, THAW_S),
}


@pytest.fixture(params=[*sorted(TIERS), "glacier"])
def cold(request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock) -> ColdTier:
    if request.param == "glacier":
        tier: ColdTier = request.getfixturevalue("glacier")
        return tier
    return TIERS[request.param](tmp_path / "cold", clock)


@pytest.fixture
def store(tmp_path: Path) -> Storage:
    return LocalStorage(tmp_path / "hot")


def test_to_the_cold_and_back(cold: ColdTier, store: Storage, clock: FakeClock) -> None:
    hot = store.put(KEY, [b"a result"])
    assert cold.archive(store, KEY).sha256 == hot.sha256
    assert store.stat(KEY) == hot, "the hot copy is not its business"
    store.delete(KEY)
    thaw = cold.request_thaw(KEY)
    assert thaw.tier
    assert thaw.ready_at > clock()
    assert not cold.is_ready(KEY)
    with pytest.raises(NotThawed):
        cold.restore(store, KEY)
    clock.advance((thaw.ready_at - clock()).total_seconds())
    assert cold.is_ready(KEY)
    assert cold.restore(store, KEY).sha256 == hot.sha256
    assert b"".join(store.read(KEY)) == b"a result"
    assert cold.is_ready(KEY), "the cold copy stays until it is deleted"
    cold.delete(KEY)
    with pytest.raises(ObjectMissing):
        cold.is_ready(KEY)


def test_every_step_may_be_repeated(cold: ColdTier, store: Storage, clock: FakeClock) -> None:
    store.put(KEY, [b"a result"])
    assert cold.archive(store, KEY) == cold.archive(store, KEY)
    first = cold.request_thaw(KEY)
    clock.advance(10)
    assert cold.request_thaw(KEY).ready_at == first.ready_at, "asking again does not start anew"
    clock.advance(THAW_S)
    assert cold.restore(store, KEY) == cold.restore(store, KEY)
    cold.delete(KEY)
    cold.delete(KEY)


def test_not_asked_for_is_never_ready(cold: ColdTier, store: Storage, clock: FakeClock) -> None:
    store.put(KEY, [b"a result"])
    cold.archive(store, KEY)
    clock.advance(10 * THAW_S)
    assert not cold.is_ready(KEY)
    with pytest.raises(NotThawed):
        cold.restore(store, KEY)


def test_what_is_archived_again_is_frozen_again(
    cold: ColdTier, store: Storage, clock: FakeClock
) -> None:
    store.put(KEY, [b"a result"])
    cold.archive(store, KEY)
    cold.request_thaw(KEY)
    clock.advance(THAW_S)
    cold.archive(store, KEY)
    assert not cold.is_ready(KEY)


def test_missing_is_said(cold: ColdTier, store: Storage) -> None:
    with pytest.raises(ObjectMissing):
        cold.archive(store, KEY)
    for ask in (cold.request_thaw, cold.is_ready):
        with pytest.raises(ObjectMissing):
            ask(KEY)
    with pytest.raises(ObjectMissing):
        cold.restore(store, KEY)
    cold.delete(KEY)


def test_the_folder_remembers_across_a_restart(
    tmp_path: Path, store: Storage, clock: FakeClock
) -> None:
    store.put(KEY, [b"a result"])
    first = ColdFolder(tmp_path / "cold", THAW_S, clock)
    first.archive(store, KEY)
    thaw = first.request_thaw(KEY)
    second = ColdFolder(tmp_path / "cold", THAW_S, clock)
    assert second.request_thaw(KEY).ready_at == thaw.ready_at
    clock.advance(THAW_S)
    assert second.is_ready(KEY)
