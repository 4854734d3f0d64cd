"""``gas simulate``: how the farm grows and shrinks, by simulation."""

from __future__ import annotations

from pathlib import Path

import typer


def simulate(
    seeds: int = typer.Option(40, min=1, max=1000, help="Runs of each experiment, all different."),
    docs: Path | None = typer.Option(
        None,
        help="Also write scaling.md and images/*.svg into this folder.",
        show_default="write nothing",
    ),
) -> None:
    """Simulate the farm under load: the original's two experiments, on each platform.

    300 web users at 30 a second, and one annotation job every 5 seconds; under the original's
    alarms, on one machine (with the very policy that `gas up` runs), on AWS and on Kubernetes.
    Prints when the farms were out and back, in minutes. Takes some seconds; no service is needed.
    """
    from gas.farm.simulate import report

    results = report.simulate(seeds)
    for line in report.text(results):
        typer.echo(line)
    if docs is not None:
        for path in report.write(results, docs):
            typer.echo(f"Wrote {path}")
