"""One suite for every engine: what the engine port promises (``gas.annotate.engines``).

A new engine is one line in ``ENGINES``; its reference and input are the demo's, where it needs
others ``CASES`` says so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from gas.annotate.engines import ENGINES, load
from gas.annotate.header import declared, source_fields
from gas.annotate.pack import Pack
from gas.annotate.run import annotate
from gas.annotate.strip import strip
from gas.annotate.vcf import VcfFile
from gas.errors import Cancelled, GasError, PackError
from tests import vep
from tests.annotation import COURSE, NA12878, demo_pack, records_of, text_of
from tests.vep import vep_pack


@dataclass(frozen=True)
class Case:
    """A reference, and two inputs that an engine finds something in."""

    pack: Pack
    inputs: tuple[Path, ...]


def case_of(engine: str) -> Case:
    free_1 = next(path for path in COURSE if path.name == "free_1.vcf.gz")
    own = CASES.get(engine)
    return own() if own is not None else Case(demo_pack(), (NA12878, free_1))


#: engine -> its own case, where the demo's does not do.
CASES: dict[str, Callable[[], Case]] = {"vep": lambda: Case(vep_pack(), vep.INPUTS)}
#: engine -> what it needs to be tested.
NEEDS = {"vep": vep.needs_vepyr}


@pytest.fixture(params=[pytest.param(e, marks=NEEDS.get(e, ())) for e in sorted(ENGINES)])
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder / "out.vcf.gz"


def test_every_record_is_kept_in_order_and_byte_for_byte(engine: str, out: Path) -> None:
    case = case_of(engine)
    for path in case.inputs:
        report = annotate(path, out, case.pack, engine)
        assert b"".join(strip(out)) == text_of(path)
        before, after = records_of(path), records_of(out)
        assert [rec[:7] + rec[8:] for rec in after] == [rec[:7] + rec[8:] for rec in before]
        assert report.summary.records == len(before)
        assert report.summary.annotated > 0


def test_the_header_declares_what_the_records_have(engine: str, out: Path) -> None:
    case = case_of(engine)
    report = annotate(case.inputs[0], out, case.pack, engine)
    header = VcfFile(out).header
    info = load(engine).info()
    sources = {field.info for field in source_fields(load(engine), case.pack)}
    ours = {info.key, "GAS_WARN"} | sources
    assert declared(header) == declared(VcfFile(case.inputs[0]).header) | ours
    line = next(line for line in header if line.startswith(b"##INFO=<ID=" + info.key.encode()))
    assert f"Format: {'|'.join(info.columns)}".encode() in line
    made_by = header[-2].decode()
    assert f'EngineVersion="{load(engine).version()}"' in made_by
    assert case.pack.digest in made_by
    width = len(info.columns)
    for rec in records_of(out):
        for part in rec[7].split(b";"):
            if part.startswith(info.key.encode() + b"="):
                assert all(entry.count(b"|") < width for entry in part.split(b","))
    assert report.engine_version == load(engine).version()


def test_the_result_does_not_depend_on_workers_or_time(engine: str, tmp_path: Path) -> None:
    case = case_of(engine)
    paths = [tmp_path / f"{workers}.vcf.gz" for workers in (1, 2)]
    reports = [
        annotate(case.inputs[0], path, case.pack, engine, workers=workers)
        for workers, path in enumerate(paths, 1)
    ]
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert reports[0].summary.to_json() == reports[1].summary.to_json()


def test_progress_rises_to_the_whole(engine: str, out: Path) -> None:
    case = case_of(engine)
    seen: list[tuple[int, int, int]] = []
    annotate(case.inputs[0], out, case.pack, engine, progress=lambda *now: seen.append(now))
    assert seen == sorted(seen)
    records, read, total = seen[-1]
    assert records == len(records_of(case.inputs[0]))
    assert read == total > 0


@pytest.mark.parametrize("after", [0, 1])
def test_a_cancelled_run_stops_and_leaves_nothing(engine: str, out: Path, after: int) -> None:
    case = case_of(engine)
    calls = 0

    def check() -> None:
        nonlocal calls
        calls += 1
        if calls > after:
            raise Cancelled

    with pytest.raises(Cancelled):
        annotate(case.inputs[0], out, case.pack, engine, check_cancelled=check)
    assert not list(out.parent.iterdir())


def test_a_damaged_reference_is_a_gas_error(engine: str, tmp_path: Path, out: Path) -> None:
    case = case_of(engine)
    folder = tmp_path / "pack"
    folder.mkdir()
    (folder / "manifest.json").write_bytes((case.pack.path / "manifest.json").read_bytes())
    with pytest.raises(GasError) as caught:
        annotate(case.inputs[0], out, Pack.open(folder), engine)
    assert caught.value.message
    assert not list(out.parent.iterdir())
    with pytest.raises(PackError):
        Pack.open(tmp_path)


@pytest.mark.parametrize("name", ["nope", "nope.nowhere:Engine", "gas.annotate.vcf:Nope", ":"])
def test_an_engine_that_is_not_there_is_named(name: str) -> None:
    with pytest.raises(GasError, match=r"There is no engine .*csq"):
        load(name)
