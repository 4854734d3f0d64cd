"""One record at a time, CHROM to INFO; each with the rule that it breaks, or none."""

from __future__ import annotations

import pytest

from gas.annotate.validate import Validator
from tests.unit.annotate.validate.help import advised, broken, run, vcf


def _broken(record: str, version: str = "4.3", *header: str) -> set[str]:
    return broken(run(vcf(record, header=header, version=version)))


@pytest.mark.parametrize(
    ("record", "rules"),
    [
        ("1 5 . A C . . .", set()),
        ("1 0 . A C . . .", set()),
        ("chrUn_x.1 5 . A C . . .", set()),
        ("<ctg1> 5 . A C . . .", set()),
        ("1:2 5 . A C . . .", {"chrom-name"}),
        ("<1 5 . A C . . .", {"chrom-name"}),
        ("1 x . A C . . .", {"pos-number"}),
        ("1 -1 . A C . . .", {"pos-number"}),
        ("1 2147483648 . A C . . .", {"pos-number"}),
        ("1 5 rs1;rs2 A C . . .", set()),
        ("1 5 rs1; A C . . .", {"id-syntax"}),
        ("1 5 r~s A C . . .", {"id-syntax"}),
        ("1 5 rs1;rs1 A C . . .", {"id-repeated"}),
        ("1 5 . acgtn N . . .", set()),
        ("1 5 . R C . . .", {"ref-bases"}),
        ("1 5 . . C . . .", {"ref-bases"}),
        ("1 5 . A . . . .", set()),
        ("1 5 . A * . . .", set()),
        ("1 5 . A <*>,C . . .", set()),
        ("1 5 . A <NON_REF> . . .", set()),
        ("1 5 . A <DUP:TANDEM> . . .", set()),
        ("1 5 . A A[2:5[,]2:5]A,[2:5[A,A]2:5] . . .", set()),
        ("1 5 . A .A,AC.,.[2:5[,C[<ctg1>:7[ . . .", set()),
        ("1 5 . A R . . .", {"alt-syntax"}),
        ("1 5 . A C,,G . . .", {"alt-syntax"}),
        ("1 5 . A C,. . . .", {"alt-syntax"}),
        ("1 5 . A <DEL . . .", {"alt-syntax"}),
        ("1 5 . A <A,B> . . .", {"alt-syntax"}),
        ("1 5 . A <A:B> . . .", {"alt-symbol"}),
        ("1 5 . A <> . . .", {"alt-symbol"}),
        ("1 5 . A [2:5[ . . .", {"alt-breakend"}),
        ("1 5 . A A[2:5] . . .", {"alt-breakend"}),
        ("1 5 . A A[2[ . . .", {"alt-breakend"}),
        ("1 5 . A C,a . . .", {"alt-reference"}),
        ("1 5 . A C,C . . .", {"alt-repeated"}),
        ("1 5 . A C 1e-3 . .", set()),
        ("1 5 . A C Inf . .", set()),
        ("1 5 . A C -1 . .", {"qual-number"}),
        ("1 5 . A C ten . .", {"qual-number"}),
        ("1 5 . A C . PASS .", set()),
        ("1 5 . A C . q10;s50 .", set()),
        ("1 5 . A C . 0 .", {"filter-zero"}),
        ("1 5 . A C . q10;. .", {"filter-syntax"}),
        ("1 5 . A C . ;q10 .", {"filter-syntax"}),
        ("1 5 . A C . q10;q10 .", {"filter-repeated"}),
        ("1 5 . A C . .", {"record-columns"}),
        ("1 5 . A C . . . GT", {"record-sample-columns"}),
    ],
)
def test_fixed_columns(record: str, rules: set[str]) -> None:
    assert _broken(record) == rules


def test_an_empty_column_and_an_empty_line() -> None:
    assert "record-field-empty" in _broken("1 5  A C . . .")
    text = vcf("1 5 . A C . . .", "", "1 6 . A C . . .")
    assert broken(run(text)) == {"file-empty-line"}


@pytest.mark.parametrize(
    ("info", "rules"),
    [
        (".", set()),
        ("DP=10;DB;AC=3", set()),
        ("DB=1;H2=0", set()),
        ("AF=0.5", set()),
        ("AF=.", set()),
        ("X=a~b,c|d", set()),
        ("X=50%25", set()),
        ("CIGAR=3M1X", set()),
        ("END=5", set()),
        ('T="a=b,c"', set()),
        ("DP=10;", {"info-syntax"}),
        (";DP=10", {"info-syntax"}),
        ("=3", {"info-syntax"}),
        ("X=a=b", {"info-syntax"}),
        ("1X=3", {"info-key"}),
        ("X-Y=3", {"info-key"}),
        ("DP=1;DP=2", {"info-repeated"}),
        ("X=50%", {"info-percent"}),
        ("AC=1,2", {"info-count"}),
        ("DP", {"info-count"}),
        ("AN=1,2", {"info-count"}),
        ("DP=x", {"info-type"}),
        ("DP=1.5", {"info-type"}),
        ("AF=x", {"info-type"}),
        ("DP=", {"info-type"}),
        ("N=2147483648", {"info-range"}),
        ("N=-2147483641", {"info-range"}),
        ("N=-2147483640", set()),
        ("DB=2", {"info-flag"}),
        ("AC=-1", {"info-value"}),
        ("AF=1.5", {"info-value"}),
        ("CIGAR=3Q", {"info-value"}),
        ("END=4", {"info-end"}),
        ("R=1,2", set()),
        ("R=1", {"info-count"}),
        ("G=1,2,3,4", set()),
        ("C=ab", {"info-type"}),
        ("C=é", set()),
    ],
)
def test_info(info: str, rules: set[str]) -> None:
    header = [
        f'##INFO=<ID={name},Number={number},Type={kind},Description="d">'
        for name, number, kind in [
            ("N", ".", "Integer"),
            ("R", "R", "Float"),
            ("G", "G", "Float"),
            ("C", "1", "Character"),
            ("T", "1", "String"),
        ]
    ]
    assert _broken(f"1 5 . A C . . {info}", "4.3", *header) == rules
    again = vcf("1 4 . A C . . .", f"1 5 . A C . . {info}", f"1 6 . A C . . {info}", header=header)
    assert broken(run(again)) - {"info-end"} == rules - {"info-end"}


def test_alleles_set_the_counts() -> None:
    assert _broken("1 5 . A C,G . . AC=1,2;AF=0.1,0.2") == set()
    assert _broken("1 5 . A C,G . . AC=1") == {"info-count"}
    for count in ("AC=1", "AC=."):
        assert _broken(f"1 5 . A . . . {count}") == set()
    assert _broken("1 5 . A . . . AC=1,2") == {"info-count"}


def test_what_versions_differ_in() -> None:
    blank = "1 5 . A C . . X=a~b"
    assert _broken(blank, "4.2") == {"info-whitespace"}
    assert _broken(blank, "4.3") == set()
    assert _broken("1 5 . A C . . X=5%", "4.2") == set()
    assert _broken("1 5 rs1;rs1 A C . q;q .", "4.2") == set()
    assert advised(run(vcf("1 5 . A C . . X=1;X=2", version="4.2"))) >= {"info-repeated-4.2"}
    assert _broken("chr*1 5 . A C . . .", "4.2") == set()
    assert _broken("chr*1 5 . A C . . .", "4.3") == {"chrom-name"}
    assert _broken("HLA-A*01:01 5 . A C . . .", "4.4") == set()
    assert _broken("1 5 . A <BND> . . .", "4.4") == {"alt-bnd"}


@pytest.mark.parametrize(
    ("alt", "info", "rules"),
    [
        ("<DEL>", "SVLEN=2;SVCLAIM=DJ;EVENT=e", set()),
        ("<DUP>", "SVLEN=3;CIPOS=0,5;EVENT=e", set()),
        ("<INS>", "IMPRECISE;SVLEN=100;CILEN=-50,50;CIPOS=-10,10", set()),
        ("<CNV>,<CNV>", "SVLEN=30,30;CN=1,2", set()),
        (
            "<CNV:TR>,<CNV:TR>",
            "SVLEN=30,30;CN=3,0.9666;RUS=CAG,CAG,CA,CAG;RN=1,3;RB=90,15,2,12",
            set(),
        ),
        ("<CNV:TR>", "SVLEN=30;CN=6.5;RUS=CAG;RUC=65;CIRUC=-15,.", set()),
        (
            "<CNV:TR>",
            "SVLEN=20000;RUL=10000;RUC=5;RUB=10000,10500,11000,11500,12000",
            set(),
        ),
        ("A[1:5[", "MATEID=b;SVCLAIM=J", set()),
        ("<DEL>", "SVLEN=2;SVCLAIM=X", {"info-value"}),
        ("<INV>", "SVLEN=2;SVCLAIM=D", {"info-value"}),
        ("A[1:5[", "SVCLAIM=DJ", {"info-value"}),
        ("<INS>", "SVLEN=1;CIPOS=1,5", {"info-value"}),
        ("<INS>", "SVLEN=1;CIPOS=-1,5,0", {"info-count"}),
        ("<CNV:TR>", "SVLEN=3;RUS=CAG,CA", {"info-repeat-length"}),
        ("<CNV:TR>", "SVLEN=3;RUS=CAJ", {"info-value"}),
        ("<CNV:TR>", "SVLEN=3;RUS=CAG;RUL=2", {"info-value"}),
        ("<CNV:TR>", "SVLEN=3;RUL=2;RUC=3;RUB=2,2", {"info-repeat-length"}),
    ],
)
@pytest.mark.parametrize("version", ["4.4", "4.5"])
def test_structural_variants(alt: str, info: str, rules: set[str], version: str) -> None:
    assert _broken(f"1 5 . A {alt} . . {info}", version) == rules


def test_missing_length_and_claim_are_advice() -> None:
    report = run(vcf("1 5 . A <DEL> . . .", version="4.4"))
    assert broken(report) == set()
    assert advised(report) == {"info-sv-length", "info-sv-claim"}


def test_undeclared_names_are_told_once() -> None:
    report = run(vcf("1 5 . A C . q1 X=1", "1 6 . A C . q1 X=2", header=["##contig=<ID=2>"]))
    assert report.valid
    assert {rule: report.counts[rule] for rule in advised(report)} == {
        "info-undeclared": 1,
        "filter-undeclared": 1,
        "chrom-undeclared": 1,
    }


def test_records_that_cannot_be_annotated_are_named() -> None:
    validator = Validator()
    validator.header(vcf().removesuffix(b"\n").split(b"\n"))
    lines = ["1 5 . A C . . .", "1 x . A C . . .", "1 6 . R C . . .", "1 7 . A ? . . .", "1 8"]
    batch = [line.encode().split(b" ", 8) for line in lines]
    rejected = validator.records(batch, 3)
    assert rejected == {
        1: 'POS is "x".',
        2: 'REF is "R".',
        3: 'An allele in ALT is "?".',
        4: "There are 2 columns.",
    }
    report = validator.finish()
    assert (report.records, report.rejected, report.valid) == (5, 4, True)
