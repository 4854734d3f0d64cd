from __future__ import annotations

import pytest

from tests.unit.annotate.validate.help import advised, broken, run, vcf


def _broken(columns: str, alt: str = "C", version: str = "4.3", *header: str) -> set[str]:
    samples = columns.count(" ")
    record = f"1 5 . A {alt} . . . {columns}"
    return broken(run(vcf(record, header=header, version=version, samples=samples)))


@pytest.mark.parametrize(
    ("columns", "rules"),
    [
        ("GT 0/1 0|0", set()),
        ("GT:DP:AD 0/1:12:3,9 ./.", set()),
        ("GT:PL 0/1:1,2,3 1:4,5 0/0/1:1,2,3,4 .:.", set()),
        ("GT:GL 0/1:-1,-2.5,0 .:-1,0", set()),
        ("GL -1,-2.5,0 .", set()),
        ("DP 1 .", set()),
        ("GT:DP . .:5", set()),
        ("GT::DP 0/1:.:5", {"format-syntax"}),
        ("GT:D-P 0/1:5", {"format-syntax"}),
        ("DP:GT 5:0/1", {"format-gt-first"}),
        ("GT:DP:DP 0/1:5:5", {"format-repeated"}),
        ("GT:DP 0/1:5:6", {"sample-fields"}),
        ("GT:DP:GQ 0/1::6", {"sample-empty"}),
        ("GT 0/", {"sample-gt"}),
        ("GT 0\\1", {"sample-gt"}),
        ("GT /0/1", {"sample-gt"}),
        ("GT:DP ~:5", {"sample-gt"}),
        ("GT 0/2", {"sample-gt-allele"}),
        ("GT:PL 0/1:1,2", {"sample-count"}),
        ("GT:PL 1:1,2,3", {"sample-count"}),
        ("GT:HQ 0|1:1", {"sample-count"}),
        ("GT:DP 0/1:x", {"sample-type"}),
        ("GT:GL 0/1:a,b,c", {"sample-type"}),
        ("GT:DP 0/1:2147483648", {"sample-range"}),
        ("GT:DP 0/1:-5", {"sample-value"}),
        ("GT:GP 0/1:0.1,1.5,0", {"sample-value"}),
    ],
)
def test_samples(columns: str, rules: set[str]) -> None:
    assert _broken(columns) == rules


def test_alleles_and_ploidy_set_the_counts() -> None:
    assert _broken("GT:PL:AD 0/2:1,2,3,4,5,6:1,2,3", "C,G") == set()
    assert _broken("GT:PL 2:1,2,3", "C,G") == set()
    assert _broken("PL 1,2,3 1,2,3,4,5,6", "C,G") == {"sample-count"}
    assert _broken("GT:PL 0/2:1,2,3", "C,G") == {"sample-count"}
    assert _broken("GT:PL 0/0:1", ".") == set()
    assert _broken("GT:PL 0/0:1,2,3", ".") == set()
    assert _broken("GT:PL " + "/".join("0" * 70) + ":1", "C") == set()


def test_declared_numbers_hold() -> None:
    header = '##FORMAT=<ID=X,Number=2,Type=Character,Description="d">'
    assert _broken("GT:X 0/1:a,b", "C", "4.3", header) == set()
    assert _broken("GT:X 0/1:a", "C", "4.3", header) == {"sample-count"}
    assert _broken("GT:X 0/1:a,bc", "C", "4.3", header) == {"sample-type"}


def test_what_versions_differ_in() -> None:
    assert _broken("GT:G_S 0/1:5", "C", "4.2") == {"format-syntax"}
    assert _broken("GT:DP:DP 0/1:5:5", "C", "4.2") == set()
    assert _broken("GT |0/1", "C", "4.4") == set()
    assert _broken("GT:PS:PSL 0|1:5:.,a", "C", "4.4") == {"sample-phase"}
    assert _broken("GT:PSL |0/1:a,.", "C", "4.4") == set()
    assert _broken("GT:PSL 0|1:a", "C", "4.4") == {"sample-count"}


@pytest.mark.parametrize(
    ("columns", "rules"),
    [
        ("GT:LAA:LAD:LPL 2/4:2,4:20,30,10:90,80,0,100,110,120", set()),
        ("GT:LAA:LAD:LPL 0/3:3:15,25:40,0,80", set()),
        ("GT:LAA:LAD:LPL 0/0::30:0", set()),
        ("LAA:LEC :.", set()),
        ("LAA:LEC .", set()),
        ("LAA:LEC .:", set()),
        ("LEC:LAA 1:1", {"format-laa"}),
        ("GT:LAA 0/1:5", {"sample-laa"}),
        ("GT:LAA 0/1:2,2", {"sample-laa"}),
        ("GT:LAA:LAD 0/1:2:1", {"sample-count"}),
        ("GT:LAA:LPL 0/1:2:1,2", {"sample-count"}),
        ("GT:M5mC:DPM5mC 0/0:0.5:2", set()),
        ("GT:M5mC 0/0:x", {"sample-type"}),
        ("GT:LEN 0/0:14", set()),
    ],
)
def test_local_alleles_and_base_modifications(columns: str, rules: set[str]) -> None:
    assert _broken(columns, "C,G,T,<*>", "4.5") == rules


def test_columns_must_match_the_header() -> None:
    assert broken(run(vcf("1 5 . A C . . . GT 0/1", samples=2))) == {"record-sample-columns"}
    assert broken(run(vcf("1 5 . A C . . .", samples=2))) == {"record-sample-columns"}


def test_the_default_mode_looks_into_the_first_records_only() -> None:
    records = [f"1 {pos} . A C . . . GT 0/5" for pos in range(1, 1201)]
    report = run(vcf(*records, samples=1), strict=False)
    assert report.counts["sample-gt-allele"] == 1000
    assert run(vcf(*records, samples=1)).counts["sample-gt-allele"] == 1200
    assert advised(report) == {"format-undeclared"}
