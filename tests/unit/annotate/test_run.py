from __future__ import annotations

import gzip
import random
from pathlib import Path
from typing import Any

import pysam
import pytest

from gas.annotate import vcf
from gas.annotate.engines import DEFAULT
from gas.annotate.pack import Pack
from gas.annotate.run import Report
from gas.annotate.run import annotate as run_annotate
from gas.annotate.strip import strip
from gas.errors import Cancelled, EngineError, GasError, InputError, TransientError
from tests.annotation import (
    COURSE,
    HEADER,
    NA12878,
    REAL,
    demo_pack,
    infos_of,
    record,
    records_of,
    text_of,
)

ECHO = "tests.annotation:EchoEngine"


def annotate(
    input: Path, output: Path, pack: Pack, engine: str = DEFAULT, **more: Any
) -> Report:  # fmt: skip
    """The pack ``names`` has the contigs of every build and the bases of none."""
    return run_annotate(input, output, pack, engine, check_build=pack.name != "names", **more)


def write(folder: Path, content: bytes, name: str = "in.vcf") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("path", [*COURSE, *REAL], ids=lambda p: p.name)
def test_taking_our_keys_away_gives_the_input_back(path: Path, names: Pack, out: Path) -> None:
    report = annotate(path, out, names, ECHO)
    assert b"".join(strip(out)) == text_of(path)
    before, after = records_of(path), records_of(out)
    assert report.summary.records == len(before) == len(after) > 0
    assert all(rec[7].endswith(b"|p." + rec[1]) for rec in after)
    assert {entry.name for entry in out.parent.iterdir()} == {
        out.name, out.name + ".tbi", "out.findings.json"
    }  # fmt: skip


def test_taking_csq_away_gives_na12878_back(out: Path) -> None:
    report = annotate(NA12878, out, demo_pack())
    assert b"".join(strip(out)) == text_of(NA12878)
    assert report.summary.records == 4591
    assert report.summary.skipped.total() == 0


def test_values_that_parsers_rewrite_are_kept(names: Pack, out: Path) -> None:
    annotate(next(p for p in COURSE if p.name == "premium_2.vcf.gz"), out, names, ECHO)
    assert b"BaseQRankSum=-Infinity;" in text_of(out)
    assert b"AF=1.00;" in text_of(out)


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (HEADER + record(5, "A", "C", "DP=1"), b"DP=1;ECHO="),
        (HEADER + record(5, "A", "C", "."), b"\tECHO="),
        (HEADER + record(5, "A", "C", ""), b"\t;ECHO="),
        (HEADER + record(5, "A", "C", "DP=1;"), b"DP=1;;ECHO="),
        ((HEADER + record(5, "A", "C", "DP=1")).replace(b"\n", b"\r\n"), b"|p.5\r\n"),
        ((HEADER + record(5, "A", "C", ".")).rstrip(b"\n"), b"|p.5"),
        ((HEADER + record(5, "A", "C", ".")).replace(b"\n", b"\r\n")[:-2], b"|p.5"),
        (HEADER.rstrip(b"\n") + b"\tFORMAT\tS\n" + record(5, "A", "C")[:-1] + b"\tGT\t0/1\n", b""),
        (HEADER, b""),
        (HEADER[:-1], b""),
    ],
)
def test_entries_are_grafted_and_line_ends_kept(
    names: Pack, tmp_path: Path, out: Path, text: bytes, lines: bytes
) -> None:
    annotate(write(tmp_path, text), out, names, ECHO)
    assert lines in text_of(out)
    assert b"".join(strip(out)) == text
    assert text_of(out).endswith(b"\n") == text.endswith(b"\n")


def test_the_header_says_what_made_it_and_nothing_else(
    names: Pack, tmp_path: Path, out: Path
) -> None:
    annotate(write(tmp_path, HEADER + record(5, "A", "C")), out, names, ECHO)
    added = text_of(out).splitlines()[1:4]
    assert added[0] == (
        b'##INFO=<ID=ECHO,Number=.,Type=String,Description="What was asked. '
        b'Format: Allele|Consequence|IMPACT|SYMBOL|Feature|HGVSp">'
    )
    assert added[1].startswith(b"##INFO=<ID=GAS_WARN,Number=.,")
    for said in (b'EngineVersion="echo 1"', b'Reference="names"', names.digest.encode()):
        assert said in added[2]
    assert str(tmp_path).encode() not in text_of(out)


@pytest.mark.parametrize("workers", [2, 3])
def test_any_number_of_workers_gives_the_same_bytes(
    names: Pack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    monkeypatch.setattr(vcf, "SLICE_BYTES", 1 << 14)
    one, many = tmp_path / "one.vcf.gz", tmp_path / "many.vcf.gz"
    first = annotate(NA12878, one, names, ECHO)
    second = annotate(NA12878, many, names, ECHO, workers=workers)
    assert one.read_bytes() == many.read_bytes()
    assert first.summary.to_json() == second.summary.to_json()


def test_the_result_has_an_index_that_htslib_uses(out: Path) -> None:
    annotate(NA12878, out, demo_pack(), "csq")
    with pysam.VariantFile(str(out)) as file:
        found = list(file.fetch("20", 62_332_637, 62_332_638))
    assert [rec.pos for rec in found] == [62_332_638]
    assert found[0].info["BCSQ"][0].startswith("frameshift|ARFRP1|")


def test_positions_beyond_the_reach_of_tbi_get_a_csi(
    names: Pack, tmp_path: Path, out: Path
) -> None:
    stale = out.with_name(out.name + ".tbi")
    stale.write_bytes(b"old")
    far = 600_000_000
    report = annotate(write(tmp_path, HEADER + record(far, "A", "C")), out, names, ECHO)
    assert report.index.suffix == ".csi"
    assert not stale.exists()
    with pysam.VariantFile(str(out)) as file:
        assert [rec.pos for rec in file.fetch("1", far - 1, far)] == [far]


def test_a_key_that_the_input_declares_is_left_alone(
    names: Pack, tmp_path: Path, out: Path
) -> None:
    declared = b'##INFO=<ID=ECHO,Number=1,Type=String,Description="theirs">\n'
    text = declared + HEADER + record(5, "A", "C", "ECHO=theirs")
    report = annotate(write(tmp_path, text), out, names, ECHO)
    assert infos_of(out)[0].startswith(b"ECHO=theirs;GAS_ECHO=")
    assert b"".join(strip(out)) == text
    assert "GAS_ECHO" in report.notes[0]
    assert report.summary.annotated == 1


@pytest.mark.parametrize("workers", [1, 2])
def test_a_key_that_only_a_record_has_is_left_alone(
    names: Pack, tmp_path: Path, out: Path, workers: int
) -> None:
    rest = b"".join(record(i, "A", "C") for i in range(6, 50))
    text = HEADER + record(5, "A", "C", "DP=1;ECHO=theirs;GAS_WARN") + rest
    report = annotate(write(tmp_path, text), out, names, ECHO, workers=workers)
    assert infos_of(out)[0].startswith(b"DP=1;ECHO=theirs;GAS_WARN;GAS_ECHO=")
    assert b"".join(strip(out)) == text
    assert report.summary.records == 45
    assert len(report.notes) == 2


def test_our_own_result_can_be_annotated_again(names: Pack, tmp_path: Path, out: Path) -> None:
    text = HEADER + record(5, "A", "C") + record(6, "A", "C", "DP=1")
    annotate(write(tmp_path, text), out, names, ECHO)
    again = out.with_name("again.vcf.gz")
    annotate(out, again, names, ECHO)
    assert b"".join(strip(again)) == text_of(out)


def test_a_header_alone_is_annotated_and_noted(names: Pack, tmp_path: Path, out: Path) -> None:
    report = annotate(write(tmp_path, HEADER), out, names, ECHO)
    assert report.summary.records == 0
    assert "no records" in report.notes[0]
    assert list(pysam.TabixFile(str(out)).fetch()) == []


def test_no_contig_in_common_is_refused_by_name(out: Path) -> None:
    path = next(p for p in COURSE if p.name == "premium_2.vcf.gz")
    with pytest.raises(InputError, match=r"the file has 1; the reference demo .* has 20, MT"):
        annotate(path, out, demo_pack())
    assert not list(out.parent.iterdir())


def test_unknown_contigs_beside_known_ones_are_passed_through(
    tmp_path: Path, out: Path, tiny: Pack
) -> None:
    text = HEADER + record(5, "A", "C", contig="GL1") + record(5, "N", "C", contig="chr1")
    report = annotate(write(tmp_path, text), out, tiny, "csq")
    assert dict(report.summary.skipped) == {"contig-unknown": 1, "ref-mismatch": 1}
    assert infos_of(out) == [b".", b"GAS_WARN=REF_MISMATCH"]


# -- what goes wrong -----------------------------------------------------------------------------


def bad_inputs() -> dict[str, bytes]:
    good = HEADER + b"".join(record(i, "A", "C") for i in range(1, 500))
    packed = gzip.compress(good)
    return {
        "empty": b"",
        "text": b"hello\n",
        "cut": packed[:-100],
        "trailing": packed + b"trailing",
        "nul": good + b"\0",
    }


@pytest.mark.parametrize("kind", bad_inputs())
@pytest.mark.parametrize("workers", [1, 2])
def test_bad_input_leaves_nothing_behind(
    names: Pack, tmp_path: Path, out: Path, kind: str, workers: int
) -> None:
    with pytest.raises(InputError):
        annotate(write(tmp_path, bad_inputs()[kind]), out, names, ECHO, workers=workers)
    assert not list(out.parent.iterdir())


@pytest.mark.parametrize("seeds", [range(20), pytest.param(range(20, 520), marks=pytest.mark.long)])
def test_cut_and_flipped_bytes_never_give_a_wrong_result(
    names: Pack, tmp_path: Path, out: Path, seeds: range
) -> None:
    whole = NA12878.read_bytes()
    text = text_of(NA12878)
    for seed in seeds:
        rng = random.Random(seed)
        broken = bytearray(whole)
        broken[rng.randrange(len(broken))] ^= 1 << rng.randrange(8)
        for content in (bytes(broken), whole[: rng.randrange(1, len(whole))]):
            try:
                annotate(write(tmp_path, content), out, names, ECHO)
            except InputError:
                assert not list(out.parent.iterdir())
            else:
                assert len(content) == len(whole)
                assert b"".join(strip(out)) == text
                for path in out.parent.iterdir():
                    path.unlink()


def test_an_earlier_result_stays_when_a_run_fails(names: Pack, tmp_path: Path, out: Path) -> None:
    annotate(write(tmp_path, HEADER + record(5, "A", "C")), out, names, ECHO)
    before = {path: path.read_bytes() for path in out.parent.iterdir()}
    with pytest.raises(InputError):
        annotate(write(tmp_path, bad_inputs()["nul"]), out, names, ECHO)
    assert {path: path.read_bytes() for path in out.parent.iterdir()} == before


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_not_the_users_fault(
    names: Pack, tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gas.annotate import result

    folder = tmp_path / "full"
    folder.mkdir()
    (folder / "part.vcf.gz").symlink_to("/dev/full")
    monkeypatch.setattr(result.tempfile, "mkdtemp", lambda **_: str(folder))
    with pytest.raises(TransientError, match="no room"):
        annotate(NA12878, out, names, ECHO)


def test_the_input_is_never_overwritten(names: Pack, tmp_path: Path) -> None:
    path = write(tmp_path, HEADER + record(5, "A", "C"))
    with pytest.raises(InputError, match="same file"):
        annotate(path, path, names, ECHO)
    assert path.read_bytes().startswith(HEADER)


def test_a_folder_that_is_not_there_is_said(names: Pack, tmp_path: Path) -> None:
    path = write(tmp_path, HEADER + record(5, "A", "C"))
    with pytest.raises(GasError, match="could not be written"):
        annotate(path, tmp_path / "nowhere" / "out.vcf.gz", names, ECHO)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_cancelled_run_leaves_nothing(names: Pack, out: Path, workers: int) -> None:
    calls = 0

    def check() -> None:
        nonlocal calls
        calls += 1
        if calls > 1:
            raise Cancelled

    with pytest.raises(Cancelled):
        annotate(NA12878, out, names, ECHO, workers=workers, check_cancelled=check)
    assert not list(out.parent.iterdir())


def test_an_engine_that_answers_too_little_is_caught(names: Pack, out: Path) -> None:
    with pytest.raises(EngineError, match="answered"):
        annotate(NA12878, out, names, "tests.annotation:BrokenEngine")


def test_a_worker_that_dies_is_a_transient_error(names: Pack, out: Path) -> None:
    with pytest.raises(TransientError, match="ended unexpectedly"):
        annotate(NA12878, out, names, "tests.engines:CrashEngine", workers=2)
    assert not list(out.parent.iterdir())


def test_strip_refuses_what_gas_did_not_make() -> None:
    with pytest.raises(InputError, match="not annotated by GAS"):
        list(strip(NA12878))
