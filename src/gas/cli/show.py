"""What a person sees of a run: its summary as lines, its progress as a bar."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from gas.annotate.fit import REASONS
from gas.config import on_terminal

#: Lines of a table that may have very many.
_MOST = 25


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
    yield "By class (alternate alleles)"
    yield from _table(report["classes"])
    if report["biotypes"]:
        yield "By biotype of the transcripts (records)"
        yield from _table(report["biotypes"], _MOST)
    yield "By chromosome (records)"
    yield from _table(report["chromosomes"], _MOST)
    if report["known"] is not None:
        yield f"Known to an allele source: {report['known']:,}; novel: {report['novel']:,}"
    ratio = report["titv"]["ratio"]
    if ratio is not None:
        yield f"Transitions per transversion: {ratio:.2f}"
    if report["genes"]:
        yield "Genes most hit (records of HIGH and of MODERATE impact)"
        width = max(len(gene["gene"]) for gene in report["genes"])
        for gene in report["genes"]:
            yield f"  {gene['gene']:<{width}}  {gene['high']:>6,} {gene['moderate']:>6,}"
    if report["examples"]:
        yield "Most severe"
        for example in report["examples"]:
            yield "  " + example_line(example)
    yield from (f"Note: {note}" for note in report["notes"])


def example_line(example: Mapping[str, Any]) -> str:
    """One finding: gene, consequence, transcript and change, and the variant."""
    columns = ("gene", "consequence", "transcript", "change", "variant")
    return "  ".join(str(example[name]) for name in columns if example[name])


def _table(counts: Mapping[str, int], most: int | None = None) -> Iterator[str]:
    """The first ``most`` counts, and how many more there are."""
    shown = dict(list(counts.items())[:most])
    width = max(map(len, shown), default=0)
    for name, count in shown.items():
        yield f"  {name:<{width}}  {count:>12,}"
    if len(counts) > len(shown):
        yield f"  and {len(counts) - len(shown):,} more (summary.json)"


@contextmanager
def progress_line(title: str) -> Iterator[Callable[[Mapping[str, Any]], None]]:
    """A bar on the terminal, if there is one; its value is called with a job as the API gives it
    and shows how far that is."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[status]}"),
        TimeElapsedColumn(),
    )
    bar = Progress(
        *columns, console=Console(stderr=True), disable=not on_terminal(), transient=True
    )
    with bar:
        task = bar.add_task(title, total=1.0, status="")

        def look(job: Mapping[str, Any]) -> None:
            bar.update(task, completed=job["progress"], status=job["status"].lower())

        yield look
