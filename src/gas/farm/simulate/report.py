"""What the simulation found, as a table for a terminal, as docs/scaling.md and its pictures."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from gas.farm.simulate import capacity, queues
from gas.farm.simulate.experiments import (
    ANNOTATORS,
    PLATFORMS,
    REACH,
    WEB,
    Platform,
    Run,
    middle,
    percentile,
    runs,
)
from gas.farm.simulate.protection import ScaleIns, scale_ins
from gas.farm.simulate.svg import Chart, Line
from gas.farm.simulate.targets import Trial, trials

SCALE_INS = 10_000
DATABASE_FARMS = (10, 100, 300, 1_000, 3_000)
SHOWN = ("original", "local", "aws", "aws-surge-warm", "kubernetes")
TITLES = {
    WEB: "Web farm: 300 users, 30 of them coming each second",
    ANNOTATORS: "Annotator farm: one job every 5 seconds",
}


@dataclass(frozen=True)
class Results:
    """All runs by experiment and platform, and the two orders of protection."""

    seeds: int
    runs: Mapping[tuple[str, str], Sequence[Run]]
    safe: ScaleIns
    unsafe: ScaleIns
    database: Sequence[capacity.Load]
    waits: Sequence[queues.Wait]
    trials: Sequence[Trial]


def simulate(seeds: int, scale_in_count: int = SCALE_INS) -> Results:
    """Everything. 40 seeds take a few seconds."""
    return Results(
        seeds=seeds,
        runs={
            (experiment, platform.name): runs(experiment, platform, seeds)
            for experiment in (WEB, ANNOTATORS)
            for platform in PLATFORMS
        },
        safe=scale_ins(scale_in_count),
        unsafe=scale_ins(scale_in_count, protect_first=False),
        database=[
            capacity.simulate_database(number, listening=listening)
            for listening in (True, False)
            for number in DATABASE_FARMS
        ],
        waits=list(queues.waits()),
        trials=list(trials(seeds)),
    )


def rows(results: Results, experiment: str) -> Iterator[tuple[str, ...]]:
    """A head, then a row for each platform. Times in minutes, each "median / p95"."""
    reach = REACH[experiment]
    yield ("platform", "first out", f"{reach} in service", "most", "first in*", "back at 2*",
           *(["jobs' waits, p95"] if experiment == ANNOTATORS else []))  # fmt: skip
    for platform in PLATFORMS:
        found = results.runs[experiment, platform.name]
        yield (
            platform.title,
            _minutes([run.first_out_s for run in found]),
            _minutes([run.reached_s for run in found]),
            f"{middle([run.most for run in found]):g}",
            _minutes([run.first_in_s for run in found]),
            _minutes([run.back_s for run in found]),
            *([_minutes([run.wait_p95_s for run in found])] if experiment == ANNOTATORS else []),
        )


def _minutes(seconds: Sequence[float]) -> str:
    both = (middle(seconds) / 60, percentile(seconds, 0.95) / 60)
    return " / ".join("never" if math.isinf(value) else f"{value:.1f}" for value in both)


def text(results: Results) -> Iterator[str]:
    """Lines for a terminal."""
    for experiment, title in TITLES.items():
        yield title
        table = list(rows(results, experiment))
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        for row in table:
            yield "  " + "  ".join(
                cell.ljust(width) for cell, width in zip(row, widths, strict=True)
            )
        yield ""
    yield "Minutes, median / p95.  * after the load's end"
    yield protection_line(results)


def protection_line(results: Results) -> str:
    safe, unsafe = results.safe, results.unsafe
    return (
        f"Busy annotators killed in {safe.done:,} scale-ins: {safe.busy_kills} when a worker "
        f"protects itself before it receives, {unsafe.busy_kills:,} when it receives first."
    )


def chart(results: Results, experiment: str) -> Chart:
    """Instances over time, of each platform's run whose way out is the median one."""
    lines = [
        Line(platform.title, [(at / 60, count) for at, count in _typical(results, experiment,
                                                                         platform).series])
        for platform in PLATFORMS
        if platform.name in SHOWN
    ]  # fmt: skip
    ended = max(
        _typical(results, experiment, platform).load_ended_s / 60
        for platform in PLATFORMS
        if platform.name in SHOWN[1:]
    )
    return Chart(
        title=TITLES[experiment],
        described="Instances in service over time for " + ", ".join(line.label for line in lines)
        + ". The original takes its steps one by one; the others are out in a few minutes.",
        x_label="minutes since the load began",
        y_label="instances in service",
        x_max=60,
        y_max=10,
        lines=lines,
        marks=[(ended, "load ends (original: at its last step out)")],
    )  # fmt: skip


def _typical(results: Results, experiment: str, platform: Platform) -> Run:
    found = sorted(results.runs[experiment, platform.name], key=lambda run: run.reached_s)
    return found[len(found) // 2]


def write(results: Results, folder: Path) -> list[Path]:
    """``folder``/scaling.md and its pictures in ``folder``/images; returns what was written."""
    images = folder / "images"
    images.mkdir(parents=True, exist_ok=True)
    written = []
    for experiment in TITLES:
        written.append(images / f"scaling-{experiment}.svg")
        written[-1].write_text(chart(results, experiment).svg(), encoding="utf-8")
    written.append(folder / "scaling.md")
    written[-1].write_text(markdown(results), encoding="utf-8")
    return written


def markdown(results: Results) -> str:
    """The page: our words (scaling.md beside this module) with the tables put in."""
    page = files(__package__).joinpath("scaling.md").read_text(encoding="utf-8")
    for name, content in {
        "seeds": str(results.seeds),
        "web": _table(rows(results, WEB)),
        "annotators": _table(rows(results, ANNOTATORS)),
        "protection": protection_line(results),
        "targets": _table(_targets(results)),
        "figures": _table(_figures()),
        "paper": _table(_paper()),
        "queues": _table(_queues(results)),
        "database": _table(_database(results)),
    }.items():
        page = page.replace("{{" + name + "}}", content)
    return page


def _table(lines: Iterator[tuple[str, ...]]) -> str:
    head, *body = lines
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *body])


def _targets(results: Results) -> Iterator[tuple[str, ...]]:
    yield ("farm", "target", "reached, p95 (min)", "most", "settles at", "jobs' waits, p95 (min)")
    for trial in results.trials:
        web = trial.experiment == WEB
        yield (
            f"{'web' if web else 'annotators'}, {trial.platform}", f"{trial.target:g}",
            f"{trial.reached_p95_s / 60:.1f}", f"{trial.most:g}", f"{trial.settled:g}",
            "" if web else f"{trial.wait_p95_s / 60:.1f}",
        )  # fmt: skip


def _figures() -> Iterator[tuple[str, ...]]:
    yield ("figure", "what it is", "from")
    for figure in capacity.FIGURES.values():
        yield (f"{_number(figure.value)} {figure.unit}".strip(), figure.what, figure.source)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _paper() -> Iterator[tuple[str, ...]]:
    yield ("part", "sum", "mean", "peak", "limit", "full at (jobs a day)", "what to change then")
    for part in sorted(capacity.paper(), key=lambda one: one.saturates_at_jobs_per_day):
        yield (
            part.name, part.sum, _number(part.mean), _number(part.peak),
            f"{part.limit:,g} {part.unit}", f"{part.saturates_at_jobs_per_day / 1e6:,.2g} million",
            part.then,
        )  # fmt: skip


def _queues(results: Results) -> Iterator[tuple[str, ...]]:
    yield ("jobs a day", *(f"{number / 1e6:g} million" for number in queues.JOBS_PER_DAY))
    for name in dict.fromkeys(wait.part for wait in results.waits):
        yield (name, *(_wait(wait) for wait in results.waits if wait.part == name))


def _wait(wait: queues.Wait) -> str:
    if wait.utilisation >= 1:
        return f"grows without end ({wait.utilisation:,.0%})"
    return f"{wait.p95_ms:,.1f} ms ({wait.utilisation:.0%})"


def _database(results: Results) -> Iterator[tuple[str, ...]]:
    yield ("annotators", "jobs/s", "told of jobs by", "CPU of 4 cores", "wait for a core, p95")
    for load in results.database:
        full = load.utilisation >= 1
        yield (
            f"{load.annotators:,}", f"{load.jobs_per_s:,.3g}",
            "NOTIFY" if load.listening else "polling every 5 s", f"{load.utilisation:.0%}",
            "grows without end" if full else f"{load.wait_p95_ms:.1f} ms",
        )  # fmt: skip
