"""``gas validate``: is this a VCF, and of the assembly that it should be of?"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from gas.annotate.builds import BuildCheck, Reference, Verdict
    from gas.annotate.validate import Report
    from gas.annotate.validate.header import Header
    from gas.annotate.validate.stream import Record

VALID, INVALID, COULD_NOT_RUN = 0, 1, 2


def validate(
    files: list[Path] = typer.Argument(metavar="FILE…", help="VCF: plain, gzip or BGZF."),
    strict: bool = typer.Option(
        False, "--strict", help="Hold the file to every rule of its version's specification."
    ),
    as_json: bool = typer.Option(
        False, "--json", help="Print the reports as one JSON list on standard output."
    ),
    reference: str = typer.Option(
        "",
        "-r",
        "--reference",
        help="Check also that the file is of this reference's assembly; see `gas reference list`.",
    ),
) -> None:
    """Say what is wrong with VCF files, line by line, and what to do about it.

    The default mode is what an upload gets: a file is refused only where it cannot be read safely;
    everything else is reported as a warning. With --strict the file is held to the VCF
    specification, versions 4.1 to 4.5. Every rule is listed in docs/validation.md.

    Exit code: 0 every file is valid, 1 a file is not, 2 a file or the reference cannot be read.
    """
    from gas.errors import GasError

    codes = [VALID]
    documents: list[dict[str, object]] = []
    with ExitStack() as stack:
        try:
            target, others = _reference(reference, stack)
        except GasError as error:
            typer.echo(f"gas: {error}", err=True)
            raise typer.Exit(COULD_NOT_RUN) from None
        for path in files:
            try:
                report, verdict = _run(path, strict, target, others)
            except (GasError, OSError) as error:
                typer.echo(f"gas: {_name(path)}: {_reason(error)}", err=True)
                codes.append(COULD_NOT_RUN)
                continue
            fits = verdict is None or verdict.fits
            codes.append(VALID if report.valid and fits else INVALID)
            if as_json:
                documents.append(_document(path, report, verdict))
            else:
                for line in _lines(path, report, verdict):
                    typer.echo(line)
    if as_json:
        typer.echo(json.dumps(documents, indent=2))
    raise typer.Exit(max(codes))


def _reference(name: str, stack: ExitStack) -> tuple[Reference | None, list[str]]:
    """The reference to compare with, open until ``stack`` closes, and the names of all."""
    if not name:
        return None, []
    from gas.annotate.builds import Reference
    from gas.annotate.genome import Genome
    from gas.config import get_settings
    from gas.reference import packs

    folders = packs.roots(get_settings().references_dir)
    pack = packs.find(name, folders)
    genome = stack.enter_context(Genome(pack.fasta))
    offered = [f"{one.name} ({one.assembly})" for one in packs.available(folders)]
    return Reference(pack.name, pack.assembly, pack.contigs, genome.bases), offered


def _run(
    path: Path, strict: bool, target: Reference | None, others: list[str]
) -> tuple[Report, Verdict | None]:
    from gas.annotate.validate import validate_file

    checks: list[BuildCheck] = []

    def watch(header: Header) -> Callable[[Sequence[Record]], None]:
        from gas.annotate.builds import BuildCheck

        assert target is not None
        checks.append(BuildCheck(target, header, others))
        return checks[0].add

    with _progress(_name(path)) as progress:
        report = validate_file(
            path, strict=strict, progress=progress, watch=None if target is None else watch
        )
    return report, checks[0].verdict() if checks and report.complete else None


def _lines(path: Path, report: Report, verdict: Verdict | None) -> Iterator[str]:
    """A report for people."""
    word = "valid" if report.valid else "not valid"
    if report.valid and verdict is not None and not verdict.fits:
        word = "valid, and not of this reference"
    about = ", ".join(
        [
            report.version or "no version",
            f"{report.records:,} records",
            f"{report.errors:,} errors",
            f"{report.warnings:,} warnings",
        ]
    )
    yield f"{_name(path)}: {word} ({about})"
    for finding in report.ordered():
        yield f"  {finding}"
    for rule, count in report.unlisted.items():
        yield f"  and {count:,} more [{rule}]"
    if report.rejected:
        yield f"  {report.rejected:,} records could not be annotated"
    if verdict is not None:
        yield from (f"  warning: {text}" for text in verdict.warnings)
        if not verdict.fits:
            yield f"  error: {verdict.sentence} {verdict.hint}".rstrip()


def _document(path: Path, report: Report, verdict: Verdict | None) -> dict[str, object]:
    document: dict[str, object] = {"file": _name(path), **report.as_dict()}
    if verdict is not None:
        document["reference"] = verdict.as_dict()
        document["valid"] = report.valid and verdict.fits
    return document


def _name(path: Path) -> str:
    """The file's name, inert on a terminal."""
    from gas.annotate.validate.report import show

    return show(os.fsencode(path), 200)


def _reason(error: Exception) -> str:
    return str(error.strerror or error) if isinstance(error, OSError) else str(error)


@contextmanager
def _progress(title: str) -> Iterator[Callable[[int, int], None] | None]:
    """A bar on standard error, on a terminal."""
    from gas.config import on_terminal

    if not on_terminal():
        yield None
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(escape(title), total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
