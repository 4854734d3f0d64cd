from __future__ import annotations

from pathlib import Path

import pytest

from gas.annotate.builds import Reference
from gas.annotate.genome import Genome
from gas.annotate.intake import Intake, Result, rejected_line
from gas.annotate.vcf import VcfFile
from gas.errors import InputError
from tests.annotation import COURSE, NA12878, demo_pack
from tests.unit.annotate.validate.help import vcf


def _pass(path: Path) -> tuple[Result, dict[int, str]]:
    pack = demo_pack()
    source = VcfFile(path)
    rejected: dict[int, str] = {}
    with Genome(pack.fasta) as genome:
        reference = Reference(pack.name, pack.assembly, pack.contigs, genome.bases)
        intake = Intake(source, reference, ["demo (GRCh37)"])
        for piece in source.slices():
            for at, why in intake.take(piece).items():
                rejected[piece.first_line + at] = why
        return intake.finish(), rejected


def _file(path: Path, *records: str, samples: int = 0) -> Path:
    path.write_bytes(vcf(*records, samples=samples))
    return path


def test_a_file_that_fits_passes() -> None:
    result, rejected = _pass(NA12878)
    assert result.report.valid
    assert result.verdict is not None
    assert result.verdict.differing == 0
    assert rejected == {}
    assert result.as_dict()["records"] == 4591


def test_rejected_records_are_handed_out_with_their_line(tmp_path: Path) -> None:
    path = _file(tmp_path / "a.vcf", "20 68399 . G A . . .", "20 x . G A . . .", "20 7 . ? A . . .")
    result, rejected = _pass(path)
    assert rejected == {4: 'POS is "x".', 5: 'REF is "?".'}
    assert (result.report.records, result.report.rejected) == (3, 2)


def test_another_assembly_is_refused_at_the_end() -> None:
    premium_3 = next(path for path in COURSE if path.name.startswith("premium_3"))
    with pytest.raises(InputError, match="not GRCh37: 78 of 102 REF bases differ"):
        _pass(premium_3)


def test_what_cannot_be_read_safely_is_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "a.vcf"
    path.write_bytes(vcf("20 5 . A C . . .") + b"20\t6\t.\tA\tC\t.\t.\tX=\xff\n")
    with pytest.raises(InputError, match="line 4: The line is not UTF-8") as refused:
        _pass(path)
    assert refused.value.line == 4


def test_a_rejected_line_is_one_inert_line() -> None:
    assert rejected_line(7, 'POS is "x".') == b'7\tPOS is "x".\n'
    assert rejected_line(7, "a\tb\r\n\x1b[0m\u202e").count(b"\n") == 1
    assert rejected_line(7, "a\tb").count(b"\t") == 1
