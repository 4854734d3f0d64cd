from __future__ import annotations

from gas.annotate.validate.order import normal
from tests.unit.annotate.validate.help import advised, broken, run, vcf


def test_order_and_contiguity() -> None:
    assert broken(run(vcf("1 5 . A C . . .", "1 5 . A G . . .", "2 1 . A C . . ."))) == set()
    report = run(vcf("1 5 . A C . . .", "1 4 . A G . . .", "1 6 . A G . . ."))
    assert [(f.rule, f.line) for f in report.findings] == [("record-order", 4)]
    report = run(vcf("1 5 . A C . . .", "2 4 . A G . . .", "1 6 . A G . . ."))
    assert [(f.rule, f.line) for f in report.findings] == [("record-contiguous", 5)]
    assert broken(run(vcf("1 5 . A C . . .", "<1> 6 . A C . . .", "1 7 . A C . . ."))) == set()


def test_positions_end_one_beyond_the_contig() -> None:
    header = ["##contig=<ID=1,length=10>"]
    assert broken(run(vcf("1 10 . A C . . .", "1 11 . A C . . .", header=header))) == set()
    assert broken(run(vcf("1 12 . A C . . .", header=header))) == {"pos-range"}


def test_a_variant_given_twice() -> None:
    def twice(*records: str) -> bool:
        return broken(run(vcf(*records))) == {"record-duplicate"}

    assert twice("1 5 . A C . . .", "1 5 . A C . . .")
    assert twice("1 5 . A C . . .", "1 5 . a c . . .")
    assert twice("1 5 . TAT TGT . . .", "1 6 . A G . . .")
    assert twice("1 5 . AT AAT,AA . . .", "1 6 . T A . . .")
    assert not twice("1 5 . A C . . .", "1 5 . A G . . .")
    assert not twice("1 5 . A C . . .", "2 5 . A C . . .")
    assert not twice("1 5 . A <INS> . . .", "1 5 . A <INS> . . .")
    assert advised(run(vcf("1 5 . A C . . .", "1 5 . A C . . .", version="4.5"))) == {
        "record-duplicate-4.5"
    }


def test_normal() -> None:
    assert normal(5, b"TAT", b"TGT") == (6, b"A", b"G")
    assert normal(5, b"CA", b"CAA") == (5, b"C", b"CA")
    assert normal(5, b"A", b"A") == (5, b"A", b"A")
    assert normal(5, b"GCACA", b"GCA") == (5, b"GCA", b"G")
    assert len(normal(5, b"A", b"C" * 1_000_000)[2]) == 24
