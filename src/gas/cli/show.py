"""What a person sees of a run: its summary as lines, its progress as a bar."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from gas.annotate.fit import REASONS
from gas.config import on_terminal


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
