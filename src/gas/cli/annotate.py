"""``gas annotate``: annotate a file right here, without the service."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from gas.annotate.engines import DEFAULT
from gas.errors import EngineError

if TYPE_CHECKING:
    from gas.annotate.run import Progress


def annotate(
    input: Path = typer.Argument(
        metavar="IN.vcf[.gz]", help="VCF to annotate: plain, gzip or BGZF."
    ),
    output: Path = typer.Option(
        ..., "-o", "--output", help="Where to write the annotated VCF (BGZF, name it .vcf.gz)."
    ),
    reference: str = typer.Option(
        ..., "-r", "--reference", help="Name of the reference; see `gas reference list`."
    ),
    engine: str = typer.Option(
        DEFAULT,
        "-e",
        "--engine",
        help="What annotates: gas (as Ensembl VEP), csq (bcftools), vep (a VEP cache).",
    ),
    workers: int = typer.Option(
        1, "-w", "--workers", min=1, help="Processes to use. The result is the same for any number."
    ),
    fields: str = typer.Option(
        "", "--fields", help="Columns of CSQ and their order, joined by commas; engine gas."
    ),
    pick: bool = typer.Option(
        False, "--pick", help="One row per record, by VEP's order of choice; engine gas."
    ),
    per_gene: bool = typer.Option(
        False, "--per-gene", help="One row per gene, by the same order; engine gas."
    ),
    flag_pick: bool = typer.Option(
        False,
        "--flag-pick",
        help="All rows, the one of --pick marked in a column PICK; engine gas.",
    ),
    distance: int | None = typer.Option(
        None,
        "--distance",
        min=0,
        help="Reach of up- and downstream, in bases; engine gas.",
        show_default="5000",
    ),
    fill_id: bool = typer.Option(
        False,
        "--fill-id",
        help="Fill an ID that is . with the reference's rs ids of the alleles; engine gas.",
    ),
    as_json: bool = typer.Option(
        False, "--json", help="Print the summary as JSON on standard output."
    ),
) -> None:
    """Say what every variant of a VCF does to every gene.

    Writes OUTPUT, compressed as BGZF, and its index OUTPUT.tbi. Every record, INFO value and sample
    column of the input is kept byte for byte, and so is ID without --fill-id; annotation INFO keys
    and three header lines are added. Records that cannot be annotated (unknown contig, symbolic
    allele, REF that differs from the reference) are kept as they are and counted.

    Under OUTPUT's name without its ending come .summary.json and, for MultiQC, .summary_mqc.json,
    what was found in the input as .findings.json, and lines that are no records as .rejected.tsv.
    An unsorted input is sorted; a file of another assembly than the reference's is refused.

    Nothing is left under OUTPUT's name where the run fails or is stopped.
    """
    from gas.annotate import summary_files
    from gas.annotate.result import FINDINGS
    from gas.annotate.run import annotate as run
    from gas.cli.show import summary_lines
    from gas.config import get_settings, on_terminal
    from gas.reference import packs

    roots = packs.roots(get_settings().references_dir)
    pack = packs.find(reference, roots)
    with _until_stopped() as check_cancelled, _progress(input.name, on_terminal()) as progress:
        report = run(
            input,
            output,
            pack,
            engine,
            _options(fields, pick, per_gene, flag_pick, distance, fill_id),
            workers=workers,
            progress=progress,
            check_cancelled=check_cancelled,
            offers=[f"{other.name} ({other.assembly})" for other in packs.available(roots)],
        )
    before = report.findings.name.removesuffix(FINDINGS)
    summary = report.to_json()
    summary_files.write(summary, report.output.parent, before, before.rstrip("."))
    values = {"output": str(report.output), "index": str(report.index), **summary}
    if as_json:
        typer.echo(json.dumps(values, indent=2))
        return
    for line in summary_lines(values):
        typer.echo(line)
    typer.echo(f"\n{report.output} and {report.index.name} are written.")


@contextmanager
def _until_stopped() -> Iterator[Callable[[], None]]:
    """A check that raises once SIGTERM came; Ctrl-C raises by itself."""
    from gas.errors import Cancelled

    stopped = False

    def stop(number: int, frame: object) -> None:
        nonlocal stopped
        stopped = True

    def check() -> None:
        if stopped:
            raise Cancelled

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield check
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _progress(title: str, is_shown: bool) -> Iterator[Progress | None]:
    """A bar on standard error."""
    if not is_shown:
        yield None
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%  {task.fields[records]:,} records"),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as bar:
        task = bar.add_task(escape(title), total=None, records=0)

        def show(records: int, bytes_read: int, bytes_total: int) -> None:
            bar.update(task, completed=bytes_read, total=bytes_total, records=records)

        yield show


def _options(
    fields: str, pick: bool, per_gene: bool, flag_pick: bool, distance: int | None, fill_id: bool
) -> dict[str, str]:
    """What was asked of the engine, as it takes it. Raises EngineError where two ways of picking
    were chosen."""
    ways = {"pick": pick, "per-gene": per_gene, "flag-pick": flag_pick}
    chosen = [way for way, wanted in ways.items() if wanted]
    if len(chosen) > 1:
        raise EngineError(f"--{' and --'.join(chosen)} exclude each other.", hint="Choose one.")
    options = {"fields": fields, "pick": "".join(chosen), "fill-id": "yes" if fill_id else ""}
    if distance is not None:
        options["distance"] = str(distance)
    return {name: value for name, value in options.items() if value}
