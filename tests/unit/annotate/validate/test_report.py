from __future__ import annotations

from gas.annotate.validate import RULES, Report
from gas.annotate.validate.report import CAP_PER_RULE, show
from tests.unit.annotate.validate.help import run, vcf


def test_findings_are_capped_and_the_rest_counted() -> None:
    records = [f"1 {pos} . A C x . ." for pos in range(1, 101)]
    report = run(vcf(*records))
    assert report.counts["qual-number"] == 100
    assert len(report.findings) == CAP_PER_RULE
    assert report.unlisted == {"qual-number": 100 - CAP_PER_RULE}
    assert report.errors == 100


def test_a_finding_says_where_what_and_what_to_do() -> None:
    report = run(vcf("1 5 . A C x . .", header=["##contig=<ID=1>"]))
    (finding,) = report.ordered()
    assert (finding.severity, finding.line, finding.column) == ("error", 4, 6)
    assert (finding.field, finding.rule) == ("QUAL", "qual-number")
    assert finding.message == 'QUAL is "x".'
    assert finding.fix == RULES["qual-number"].fix
    assert report.as_dict()["errors"] == 1


def test_the_default_mode_warns_where_the_strict_one_refuses() -> None:
    text = vcf("1 5 . A C x . .")
    assert not run(text).valid
    lenient = run(text, strict=False)
    assert lenient.valid
    assert [f.severity for f in lenient.findings] == ["warning"]


def test_values_are_shown_inert() -> None:
    assert show(b"\x1b[31m") == r"\x1b[31m"
    assert show("a\u202eb\u2066c".encode()) == r"a\u202eb\u2066c"
    assert show(b"a\r\nb\xff") == r"a\r\nb\xff"
    assert show(b"x" * 500) == "x" * 59 + "…"
    assert show("é".encode()) == "é"


def test_an_empty_report_is_valid() -> None:
    assert Report(strict=True).valid
