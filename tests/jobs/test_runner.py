"""Running engines in real child processes."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from gas.annotate.pack import Pack
from gas.config import Settings, get_settings
from gas.errors import Cancelled, EngineError, GasError, InputError
from gas.jobs.runner import ChildRunner, Task
from gas.reference.packs import SHIPPED
from gas.storage import ObjectCorrupt
from gas.storage.local import LocalStorage
from tests.conftest import VCF

ENGINES = "tests.engines"


@pytest.fixture
def pack(tmp_path: Path) -> Pack:
    folder = tmp_path / "pack"
    folder.mkdir()
    for path in (SHIPPED / "demo").iterdir():
        (folder / path.name).symlink_to(path)
    return Pack.open(folder)


@pytest.fixture
def make_task(tmp_path: Path, pack: Pack) -> Callable[..., Task]:
    storage = LocalStorage(tmp_path / "store")

    def make(engine: str, content: bytes = VCF, sha256: str | None = None) -> Task:
        stored = storage.put("in", [content])
        return Task(
            job="out",
            input_key="in",
            input_sha256=sha256 or stored.sha256,
            output_prefix="out/1",
            pack=pack,
            engine=f"{ENGINES}:{engine}",
            storage=storage,
        )

    return make


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Settings:
    root = Path(__file__).parents[2]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(root), str(root / "src")]))
    return get_settings().model_copy(update={"data_dir": tmp_path / "data"})


def no_leftovers(settings: Settings, task: Task) -> bool:
    return not list(settings.scratch_dir.iterdir()) and not list(task.storage.list("out/"))


def test_a_run_stores_its_files(settings: Settings, make_task: Callable[..., Task]) -> None:
    task = make_task("NoopEngine")
    seen: list[float] = []
    outcome = ChildRunner(settings).run(task, seen.append)
    assert [file["name"] for file in outcome.files] == [
        "annotated.vcf.gz",
        "annotated.vcf.gz.tbi",
        "findings.json",
        "summary.json",
        "summary_mqc.json",
    ]
    for file in outcome.files:
        stored = task.storage.stat(f"out/1/{file['name']}")
        assert (stored.size_bytes, stored.sha256) == (file["size_bytes"], file["sha256"])
    assert outcome.summary["records"] == 1
    assert seen[0] == 0.0
    assert seen[-1] == 1.0
    assert list(settings.scratch_dir.iterdir()) == []


def test_bad_input_is_an_error_with_its_place(
    settings: Settings, make_task: Callable[..., Task]
) -> None:
    task = make_task("NoopEngine", content=b"this is no VCF\n")
    with pytest.raises(GasError) as caught:
        ChildRunner(settings).run(task, lambda _progress: None)
    assert caught.value.permanent
    assert caught.value.code == InputError.code
    assert caught.value.line == 1
    assert no_leftovers(settings, task)


def test_a_crash_is_an_error_and_not_the_workers_end(
    settings: Settings, make_task: Callable[..., Task]
) -> None:
    task = make_task("CrashEngine")
    with pytest.raises(EngineError, match="SIGSEGV"):
        ChildRunner(settings).run(task, lambda _progress: None)
    assert no_leftovers(settings, task)


def test_a_changed_input_is_refused(settings: Settings, make_task: Callable[..., Task]) -> None:
    task = make_task("NoopEngine", sha256="0" * 64)
    with pytest.raises(ObjectCorrupt):
        ChildRunner(settings).run(task, lambda _progress: None)


def test_keep_stops_a_run_that_hangs(
    settings: Settings, make_task: Callable[..., Task], pack: Pack
) -> None:
    (pack.path / "hold").touch()
    task = make_task("HeldEngine")
    children: list[int] = []

    def keep(_progress: float) -> None:
        for path in pack.path.glob("held-*"):
            children.append(int(path.name.removeprefix("held-")))
            raise Cancelled

    with pytest.raises(Cancelled):
        ChildRunner(settings).run(task, keep)
    assert no_leftovers(settings, task)
    with pytest.raises(ProcessLookupError):
        os.kill(children[0], 0)
