"""What a run refuses, what it passes through, and what it puts in order."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pysam
import pytest

from gas.annotate import sorting, vcf
from gas.annotate.pack import Pack
from gas.annotate.run import Report, annotate
from gas.annotate.strip import strip
from gas.errors import InputError
from tests.annotation import COURSE, HEADER, record, ref_at, text_of

ECHO = "tests.annotation:EchoEngine"
ODD = [b"1\t9\t.\tA\n", b"\n", b"1\tx\t.\tA\tC\t.\t.\t.\n", b"##late=1\n", b"=cmd()\t7\n"]


def run(folder: Path, body: bytes, pack: Pack, engine: str = ECHO, **more: Any) -> Report:
    path = folder / "in.vcf"
    path.write_bytes(HEADER + body)
    (folder / "out").mkdir(exist_ok=True)
    return annotate(path, folder / "out" / "out.vcf.gz", pack, engine, **more)


def at(pos: int, contig: str = "1", info: str = ".") -> bytes:
    ref = ref_at(pos)
    return record(pos, ref, "A" if ref != "A" else "C", info, contig)


@pytest.mark.parametrize("engine", [ECHO, "gas", "csq"])
@pytest.mark.parametrize("workers", [1, 2])
def test_lines_that_are_no_records_pass_through_in_place(
    tmp_path: Path, tiny: Pack, engine: str, workers: int
) -> None:
    lines = [line for i, odd in enumerate(ODD) for line in (at(100 + i), odd)] + [at(340)]
    report = run(tmp_path, b"".join(lines), tiny, engine, workers=workers)
    assert b"".join(strip(report.output)) == HEADER + b"".join(lines)
    assert report.rejected is not None
    told = report.rejected.read_text().splitlines()
    assert [line.split("\t")[0] for line in told] == ["line", "4", "6", "8", "10", "12"]
    assert all(line.count("\t") == 1 for line in told)
    assert report.summary.records == 11
    assert report.summary.annotated in (5, 6)  # bcftools has nothing to say of one
    assert report.summary.skipped["rejected"] == 5
    findings = json.loads(report.findings.read_text())
    assert findings["rejected"] == 5
    assert findings["counts"]["record-columns"] >= 2


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("positions", [range(100, 140), range(140, 100, -1)])
def test_a_byte_order_mark_is_left_out_with_a_word(
    tmp_path: Path, tiny: Pack, positions: range, workers: int
) -> None:
    path = tmp_path / "in.vcf"
    lines = [at(pos) for pos in positions]
    path.write_bytes(vcf.BOM + HEADER + b"".join(lines))
    report = annotate(path, tmp_path / "out.vcf.gz", tiny, "gas", workers=workers)
    assert b"".join(strip(report.output)) == HEADER + b"".join(sorted(lines))
    assert report.summary.annotated == 40
    findings = json.loads(report.findings.read_text())
    assert findings["findings"][0]["rule"] == "file-bom"
    assert findings["findings"][0]["severity"] == "warning"
    assert findings["valid"]


def test_a_byte_order_mark_makes_no_web_page_a_vcf(tmp_path: Path, tiny: Pack) -> None:
    path = tmp_path / "in.vcf"
    path.write_bytes(vcf.BOM + b"<html>\n")
    with pytest.raises(InputError, match="not a VCF"):
        annotate(path, tmp_path / "out.vcf.gz", tiny, "gas")


def test_who_reads_a_region_never_meets_an_odd_line(tmp_path: Path, tiny: Pack) -> None:
    odd = b"1\tx\t.\tA\tC\t.\t.\t.\n"
    body = b"".join(line for i in range(50) for line in (at(100 + i), odd))
    output = run(tmp_path, body, tiny).output
    with pysam.TabixFile(str(output)) as file:
        assert [int(line.split("\t")[1]) for line in file.fetch("1", 99, 130)] == [*range(100, 131)]


def test_very_many_odd_lines_are_kept_as_well(tmp_path: Path, tiny: Pack) -> None:
    body = b"\n" + b"".join(line for i in range(800) for line in (at(100 + i), b"\n"))
    report = run(tmp_path, body, tiny)
    assert b"".join(strip(report.output)) == HEADER + body
    assert report.summary.records == 1601


def test_a_record_that_the_rules_reject_is_not_annotated(tmp_path: Path, tiny: Pack) -> None:
    body = at(100) + record(101, ref_at(101), "A,?") + at(102)
    report = run(tmp_path, body, tiny)
    assert b"".join(strip(report.output)) == HEADER + body
    assert text_of(report.output).count(b"ECHO=") == 2
    assert report.rejected is not None
    assert report.rejected.read_text().startswith("line\treason\n4\t")


def test_a_clean_file_has_findings_and_no_rejects(tmp_path: Path, tiny: Pack) -> None:
    assert run(tmp_path, at(100) + b"1\n", tiny).rejected is not None
    report = run(tmp_path, at(100), tiny)
    assert report.rejected is None
    names = {path.name for path in report.output.parent.iterdir()}
    assert names == {"out.vcf.gz", "out.vcf.gz.tbi", "out.findings.json"}
    assert report.intake["rejected"] == 0


def test_non_ref_blocks_and_unknown_contigs_pass(tmp_path: Path, tiny: Pack) -> None:
    body = record(100, ref_at(100), "<NON_REF>", "END=120") + at(121) + at(5, contig="GL9")
    report = run(tmp_path, body, tiny, "gas")
    assert b"".join(strip(report.output)) == HEADER + body
    assert report.rejected is None
    assert json.loads(report.findings.read_text())["reference"]["unknown_contigs"] == {"GL9": 1}


@pytest.mark.parametrize("engine", [ECHO, "gas", "csq"])
@pytest.mark.parametrize("memory", [1, 2_000, sorting.MEMORY_BYTES])
def test_an_unsorted_input_is_sorted_stably(
    tmp_path: Path, tiny: Pack, monkeypatch: pytest.MonkeyPatch, engine: str, memory: int
) -> None:
    if memory == 1 and engine != ECHO:
        pytest.skip("one engine will do for the many runs")
    monkeypatch.setattr(sorting.sort, "__kwdefaults__", {
        **(sorting.sort.__kwdefaults__ or {}), "memory_bytes": memory
    })  # fmt: skip
    monkeypatch.setattr(vcf, "SLICE_BYTES", 500)
    rng = random.Random(3)
    lines = [
        at(rng.randrange(100, 150), rng.choice(["1", "MT"]), f"N={number}") for number in range(60)
    ]
    lines[7] = b"1\n"
    body = b"".join(lines).removesuffix(b"\n")
    report = run(tmp_path, body, tiny, engine)
    ranks = list(dict.fromkeys(line.split(b"\t")[0] for line in lines if line != b"1\n"))
    good = sorted(
        (line for line in lines if line != b"1\n"),
        key=lambda line: (ranks.index(line.split(b"\t")[0]), int(line.split(b"\t")[1])),
    )
    assert b"".join(strip(report.output)) == HEADER + b"".join([*good, b"1\n"])
    assert "GAS sorted it" in report.notes[0]
    assert report.rejected is not None
    assert report.rejected.read_text().splitlines()[1].startswith("10\t")
    findings = json.loads(report.findings.read_text())
    assert findings["sorted"]
    assert findings["counts"]["record-order"] > 0
    by_line = dict(enumerate(lines, 3))
    for example in report.summary.examples:
        assert example.variant.split(":")[1].split()[0] in by_line[example.line].decode()
    with pysam.TabixFile(str(report.output)) as file:
        assert len(list(file.fetch("MT"))) == sum(line.startswith(b"MT") for line in lines)


def test_workers_agree_on_an_unsorted_input(tmp_path: Path, tiny: Pack) -> None:
    body = b"".join(at(pos) for pos in (300, 200, 250, 100))
    one = run(tmp_path, body, tiny, "gas").output.read_bytes()
    assert run(tmp_path, body, tiny, "gas", workers=2).output.read_bytes() == one


def test_another_assembly_is_refused_before_the_engine_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.annotation import EchoEngine, demo_pack

    opened: list[object] = []
    monkeypatch.setattr(vcf, "SLICE_BYTES", 8 << 20)
    monkeypatch.setattr(EchoEngine, "open", lambda *_: opened.append(1))
    premium_3 = next(path for path in COURSE if path.name.startswith("premium_3"))
    out = tmp_path / "out.vcf.gz"
    with pytest.raises(InputError, match="not GRCh37: 78 of 102 REF bases differ") as refused:
        annotate(premium_3, out, demo_pack(), ECHO, offers=["demo (GRCh37)", "b36 (NCBI36)"])
    assert "on offer: demo (GRCh37), b36 (NCBI36)" in refused.value.hint
    assert not opened
    assert not list(tmp_path.iterdir())
