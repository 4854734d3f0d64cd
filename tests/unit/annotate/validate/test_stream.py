from __future__ import annotations

import gzip
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from gas.annotate.validate import Validator, glance, stream, validate_file
from gas.annotate.validate.stream import Record
from tests.annotation import COURSE, NA12878, REAL
from tests.unit.annotate.validate.help import advised, broken, run, vcf

RECORD = "1 5 . A C . . ."


@pytest.mark.parametrize("path", [*COURSE, *REAL], ids=lambda path: path.name)
def test_real_files_pass_the_default_mode(path: Path) -> None:
    report = validate_file(path)
    assert report.valid
    assert report.complete
    assert report.records > 100
    assert report.rejected == 0


def test_a_right_real_file_passes_the_strict_mode() -> None:
    report = validate_file(NA12878, strict=True)
    assert (report.records, dict(report.counts)) == (4591, {})


@pytest.mark.parametrize(
    ("what", "rule", "is_valid"),
    [
        (b"1\t6\t.\tA\tC\t.\t.\tX=\0\n", "file-nul", False),
        (b"1\t6\t.\tA\tC\t.\t.\tX=\xff\n", "file-encoding", False),
        (b"1\t6\t.\tA\tC\t.\t.\tX=\x1b[31m\n", "file-control-character", True),
        (b"1\t6\t.\tA\tC\t.\t.\tX=\r1\n", "file-control-character", True),
        (b"1\t6\t.\tA\tC\t.\t.\tX=1\r\n", "file-crlf", True),
        (b"1\t6\t.\tA\tC\t.\t.\tX=1", "file-last-line", True),
    ],
)
def test_the_text_itself(what: bytes, rule: str, is_valid: bool) -> None:
    report = run(vcf(RECORD) + what, strict=False)
    assert rule in report.counts
    assert report.valid == is_valid
    found = [f.line for f in report.findings if f.rule == rule]
    assert found == [4]


def test_right_records_are_taken_together(monkeypatch: pytest.MonkeyPatch) -> None:
    one_by_one: list[int] = []
    each = Validator._each

    def counted(self: Validator, batch: Sequence[Record], *rest: Any) -> None:
        one_by_one.append(len(batch))
        each(self, batch, *rest)

    monkeypatch.setattr(Validator, "_each", counted)
    odd = 3 * glance.RECORDS + 7
    records = [f"1 {at} rs{at} A {'C,G' if at % 5 else 'T'} {at}.5 PASS ." for at in range(1, 2001)]
    records[odd] = records[odd].replace("PASS", "0")
    report = run(vcf(*records), strict=False)
    assert (report.records, dict(report.counts)) == (2000, {"filter-zero": 1})
    assert (
        one_by_one == [glance.RECORDS] * 2
    )  # the first, which is on a new contig, and the odd one


@pytest.mark.parametrize("together", [1, 100])
def test_sequences_of_keys_that_change_are_told_apart(
    monkeypatch: pytest.MonkeyPatch, together: int
) -> None:
    monkeypatch.setattr(glance, "RECORDS", together)
    header = [f'##INFO=<ID={key},Number=1,Type=Integer,Description="d">' for key in "ABC"]
    infos = ["A=1", "A=1;B=2", "B=2;A=1", ".", "A=1;B=2;C=3", "C=3", "B=2", "A=x", "A=1;A=1"]
    records = [f"1 {at} . A C . . {infos[at % len(infos)]}" for at in range(1, 1001)]
    report = run(vcf(*records, header=header), strict=False)
    assert dict(report.counts) == {"info-type": 111, "info-repeated": 111}


def test_a_fatal_fault_is_an_error_that_a_job_can_end_with() -> None:
    validator = Validator()
    validator.header(vcf().removesuffix(b"\n").split(b"\n"))
    assert validator.refusal() is None
    validator.text(b"1\t5\t.\tA\tC\t.\t.\tX=\xff\n", 3)
    refusal = validator.refusal()
    assert refusal is not None
    assert (refusal.line, refusal.code) == (3, "bad-input")
    assert "UTF-8" in str(refusal)


def test_a_missing_last_line_break_depends_on_the_version() -> None:
    for version in ("4.1", "4.2", "4.5"):
        report = run(vcf(RECORD, version=version).rstrip(b"\n"))
        assert broken(report) == set()
        assert "file-last-line-other" in advised(report)
    assert broken(run(vcf(RECORD).rstrip(b"\n"))) == {"file-last-line"}


def test_batches_may_be_cut_anywhere() -> None:
    records = [f"1 {pos} . A C x . DP=1" for pos in range(1, 60)]
    whole = run(vcf(*records))
    validator = Validator(strict=True)
    lines = vcf(*records).removesuffix(b"\n").split(b"\n")
    validator.header(lines[:2])
    for at in range(2, len(lines), 7):
        validator.records([line.split(b"\t", 8) for line in lines[at : at + 7]], at + 1)
    assert validator.finish().as_dict() == whole.as_dict()


def test_compressed_files_and_progress(tmp_path: Path) -> None:
    path = tmp_path / "a.vcf.gz"
    path.write_bytes(gzip.compress(vcf(RECORD)))
    seen: list[tuple[int, int]] = []
    report = validate_file(path, strict=True, progress=lambda done, size: seen.append((done, size)))
    assert report.valid
    assert seen[-1][1] == path.stat().st_size


@pytest.mark.parametrize("cut", [1, 9, 30])
def test_a_truncated_file_is_refused(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "a.vcf.gz"
    path.write_bytes(gzip.compress(vcf(RECORD))[:-cut])
    report = validate_file(path)
    assert not report.valid
    assert not report.complete
    assert report.counts["file-unreadable"] == 1


def test_a_file_that_is_not_there_is_no_report(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        validate_file(tmp_path / "no.vcf")


def test_hostile_values_cost_no_more_than_their_length() -> None:
    """Each would take for ever in a regex that backtracks."""
    header = [
        '##INFO=<ID=S,Number=.,Type=String,Description="d">',
        '##INFO=<ID=F,Number=.,Type=Float,Description="d">',
    ]
    dots, digits = ",".join(["."] * 200_000), "1" * 500_000
    infos = [f"S={dots},\x01", f"F={dots},x", f"F={digits}x", ";".join(["DP=."] * 100_000) + "x"]
    records = [f"1 {pos} . A C . . {info}" for pos, info in enumerate(infos * 2, 1)]
    records += [f"1 50 . A {'C,' * 100_000}x . . .", f"1 60 . A {'<' * 500_000} . . ."]
    records += [f"1 70 . A A[{':1' * 200_000} . . .", f"1 80 {'a;' * 200_000} A C . q;{digits} ."]
    report = run(vcf(*records, header=header))
    assert report.counts["info-type"] >= 4
    sample = "1 5 . A C . . . GT:GL " + "/".join(["0"] * 100_000) + ":" + dots + ",x"
    assert not run(vcf(sample, samples=1)).valid


@pytest.mark.parametrize("code", range(256))
def test_long_texts_hold_the_same_characters_as_short_ones(
    code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for text in (bytes([code]), b"ab\t" * 9 + bytes([code]) + b"~ \n" * 7):
        short = stream._is_plain(text)
        with monkeypatch.context() as patch:
            patch.setattr(stream, "_LONG_TEXT_BYTES", 1)
            assert stream._is_plain(text) is short
            patch.setattr(stream, "_LONG_TEXT_BYTES", 20)
            assert stream._is_plain(text) is short


@pytest.mark.parametrize(("samples", "looked_into"), [(1, 1000), (2_500, 101), (300_000, 1)])
def test_of_many_samples_fewer_records_are_looked_into(samples: int, looked_into: int) -> None:
    names = b"".join(b"\tS%d" % number for number in range(samples))
    head = [
        b"##fileformat=VCFv4.2",
        b"#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT" + names,
    ]
    validator = stream.Validator()
    validator.header(head)
    assert validator._inside_records == looked_into
