"""Planning, working on and joining shards in real child processes, by way of the store."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from gas.annotate.pack import Pack
from gas.annotate.shards import InOnePiece
from gas.config import Settings, get_settings
from gas.errors import Cancelled, EngineError, GasError
from gas.jobs.runner import ChildRunner, Task
from gas.jobs.shard_runner import ChildShardRunner, Pair, Planned
from gas.storage import ObjectCorrupt
from gas.storage.local import LocalStorage
from tests.annotation import NA12878, demo_pack


def _large(times: int = 8) -> tuple[bytes, bytes]:
    """A real file's header, and its records so many times: two MB and a half."""
    lines = gzip.decompress(NA12878.read_bytes()).splitlines(keepends=True)
    header = [line for line in lines if line.startswith(b"#")]
    return b"".join(header), b"".join(line * times for line in lines[len(header) :])


NOOP = "tests.engines:NoopEngine"
HEADER, BODY = _large()
PART_BYTES = 1_000_000


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Settings:
    root = Path(__file__).parents[2]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(root), str(root / "src")]))
    return get_settings().model_copy(update={"data_dir": tmp_path / "data"})


@pytest.fixture
def make_task(tmp_path: Path) -> Callable[..., Task]:
    storage = LocalStorage(tmp_path / "store")

    def make(body: bytes = BODY, engine: str = NOOP, pack: Pack | None = None) -> Task:
        stored = storage.put("in", [HEADER, body])
        return Task(
            job="j",
            input_key="in",
            input_sha256=stored.sha256,
            output_prefix="out/1",
            pack=pack or demo_pack(),
            engine=engine,
            storage=storage,
        )

    return make


def plan(settings: Settings, task: Task) -> tuple[Pair, list[Planned]]:
    found: list[Planned] = []
    seen: list[float] = []
    runner = ChildShardRunner(settings)
    pair = runner.plan(task, PART_BYTES, found.append, seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 1
    return pair, found


def test_shards_come_to_what_a_run_comes_to(
    settings: Settings, make_task: Callable[..., Task]
) -> None:
    task = make_task(BODY + b"20\n")
    whole = ChildRunner(settings).run(replace(task, output_prefix="whole"), lambda _share: None)
    planned, found = plan(settings, task)
    assert [shard.number for shard in found] == [0, 1, 2]
    assert sum(shard.size_bytes for shard in found) == len(BODY) + 3
    runner = ChildShardRunner(settings)
    seen: list[float] = []
    done = [
        runner.work(replace(task, output_prefix=f"out/1/{s.number}"), s.inputs, seen.append)
        for s in found
    ]
    assert seen[-1] == 1
    joined = runner.join(replace(task, output_prefix="joined"), planned, done, lambda _share: None)
    assert joined == whole
    assert {file["name"] for file in joined.files} == {
        "annotated.vcf.gz", "annotated.vcf.gz.tbi", "findings.json", "rejected.tsv", "summary.json",
        "summary_mqc.json",
    }  # fmt: skip
    for file in joined.files:
        assert task.storage.stat(f"joined/{file['name']}").sha256 == file["sha256"]
    assert list(settings.scratch_dir.iterdir()) == []


def test_errors_keep_their_kind(settings: Settings, make_task: Callable[..., Task]) -> None:
    unsorted = make_task(BODY + BODY[:100_000].rpartition(b"\n")[0] + b"\n")
    with pytest.raises(GasError, match="not in order") as refused:
        plan(settings, unsorted)
    assert refused.value.code == InOnePiece.code
    task = make_task()
    _, found = plan(settings, task)
    crash = replace(task, engine="tests.engines:CrashEngine")
    with pytest.raises(EngineError, match="SIGSEGV"):
        ChildShardRunner(settings).work(crash, found[0].inputs, lambda _share: None)
    text, cuts = found[0].inputs
    with pytest.raises(ObjectCorrupt):
        ChildShardRunner(settings).work(
            task, (replace(text, sha256="0" * 64), cuts), lambda _share: None
        )
    assert list(settings.scratch_dir.iterdir()) == []


def test_a_plan_stops_when_told_or_when_nobody_takes_its_shards(
    settings: Settings, make_task: Callable[..., Task]
) -> None:
    def stop(share: float) -> None:
        if share > 0:
            raise Cancelled

    runner, task = ChildShardRunner(settings), make_task()
    with pytest.raises(Cancelled):
        runner.plan(task, PART_BYTES, lambda _planned: None, stop)

    def refuse(_planned: Planned) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        runner.plan(task, PART_BYTES, refuse, lambda _share: None)
    assert list(settings.scratch_dir.iterdir()) == []
