"""A job's summary, made ready for tables. Its numbers come from ``gas.annotate.summary``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gas.annotate import terms
from gas.annotate.fit import REASONS
from gas.jobs.models import Job
from gas.web.downloads import result_files, result_name

#: What each result file is. Others are shown without a word.
ABOUT = {
    "annotated.vcf.gz": "The annotated VCF, BGZF-compressed",
    "annotated.vcf.gz.tbi": "Its index (tabix)",
    "annotated.vcf.gz.csi": "Its index (CSI)",
    "findings.json": "What was found in the input, for machines",
    "rejected.tsv": "The lines that were passed through as they came, and why",
    "summary.json": "The counts of this page, for machines",
    "summary_mqc.json": "The same for MultiQC",
}


@dataclass(frozen=True)
class Bar:
    """One line of a table of counts. ``percent``: its share of the whole file, 0 to 100."""

    name: str
    count: int
    percent: float
    impact: str = ""

    @property
    def width(self) -> str:
        """Of its bar; what is there at all is seen."""
        return f"{max(self.percent, 0.5) if self.count else 0:.2f}%"


@dataclass(frozen=True)
class File:
    name: str
    shown: str
    about: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True)
class Report:
    files: list[File]
    records: int
    annotated: int
    numbers: list[tuple[str, str]]
    impacts: list[Bar]
    consequences: list[Bar]
    classes: list[Bar]
    biotypes: list[Bar]
    skipped: list[Bar]
    genes: list[dict[str, Any]]
    examples: list[dict[str, Any]]


def report_of(job: Job) -> Report:
    """The report of a completed job. What an older summary lacks is left out."""
    summary: Mapping[str, Any] = job.summary
    records = int(summary.get("records", 0))
    impacts = _table(summary, "impact")
    most_severe = _table(_table(summary, "consequences"), "most_severe")
    return Report(
        files=[
            File(
                name=file["name"],
                shown=result_name(job, file["name"]),
                about=ABOUT.get(file["name"], ""),
                size_bytes=file["size_bytes"],
                sha256=file["sha256"],
            )
            for file in result_files(job)
        ],
        records=records,
        annotated=int(summary.get("annotated", 0)),
        numbers=_numbers(summary),
        impacts=[_bar(i, impacts[i], records, i) for i in terms.IMPACTS if i in impacts],
        consequences=[
            _bar(term, most_severe[term], records, terms.impact(term))
            for term in sorted(most_severe, key=terms.rank)
        ],
        classes=[
            _bar(k, v, int(summary.get("alleles", 0)))
            for k, v in _table(summary, "classes").items()
        ],
        biotypes=[_bar(k, v, records) for k, v in _table(summary, "biotypes").items()],
        skipped=[
            _bar(REASONS.get(k, k), v, records) for k, v in _table(summary, "skipped").items()
        ],
        genes=list(summary.get("genes", [])),
        examples=list(summary.get("examples", [])),
    )


def _table(summary: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = summary.get(name)
    return found if isinstance(found, Mapping) else {}


def _bar(name: str, count: int, total: int, impact: str = "") -> Bar:
    return Bar(name, count, 100 * count / total if total else 0.0, impact)


def _numbers(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The figures above the tables: (what, how much)."""
    numbers = [
        (label, f"{int(summary[name]):,}")
        for name, label in (
            ("records", "records"),
            ("alleles", "alternate alleles"),
            ("annotated", "records annotated"),
            ("unaffected", "without a consequence"),
            ("known", "known to an allele source"),
            ("novel", "novel"),
        )
        if summary.get(name) is not None
    ]
    ratio = _table(summary, "titv").get("ratio")
    if ratio is not None:
        numbers.append(("transitions / transversions", f"{float(ratio):.2f}"))
    return numbers
