"""A run's summary as lines for a person to read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from gas.annotate.fit import REASONS


def summary_lines(report: Mapping[str, Any]) -> Iterator[str]:
    """``report``: as ``gas.annotate.run.Report.to_json`` gives it."""
    engine, reference = report["engine"], report["reference"]
    yield (
        f"{report['records']:,} records, {report['alleles']:,} alleles; {engine['version']}; "
        f"reference {reference['name']} ({reference['assembly']})"
    )
    yield f"  annotated              {report['annotated']:>12,}"
    if report["unaffected"]:
        yield f"  no gene touched        {report['unaffected']:>12,}"
    for reason, count in report["skipped"].items():
        yield f"  passed through: {REASONS.get(reason, reason)}  {count:,}"
    yield "By impact (most severe per record)"
    yield from _table(report["impact"])
    yield "By consequence (most severe per record)"
    yield from _table(report["consequences"]["most_severe"])
    ratio = report["titv"]["ratio"]
    if ratio is not None:
        yield f"Transitions per transversion: {ratio:.2f}"
    if report["examples"]:
        yield "Most severe"
        for example in report["examples"]:
            yield "  " + example_line(example)
    yield from (f"Note: {note}" for note in report["notes"])


def example_line(example: Mapping[str, Any]) -> str:
    """One finding: gene, consequence, transcript and change, and the variant."""
    columns = ("gene", "consequence", "transcript", "change", "variant")
    return "  ".join(str(example[name]) for name in columns if example[name])


def _table(counts: Mapping[str, int]) -> Iterator[str]:
    width = max(map(len, counts), default=0)
    for name, count in counts.items():
        yield f"  {name:<{width}}  {count:>12,}"
