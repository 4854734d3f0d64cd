"""What the two loads showed: numbers, pictures, and whether it is good enough."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from gas.farm.simulate.svg import Chart, Line

#: What people see while they browse; signing in and sending a file are measured beside it.
PAGES = frozenset({"list", "job", "poll", "upload form", "result file"})
#: The bar: pages of many people take at most so many times as long as those of few (p95).
WORST_RATIO = 2.0
#: A generator that is busier than this measures itself.
MOST_GENERATOR_CPU = 0.9
WINDOW_S = 10.0


@dataclass(frozen=True)
class Look:
    """One moment of the farms, a line of ``instances.csv``. ``web`` and ``annotators``: instances
    that run; CPU in cores, since the last look."""

    at: float
    web: int
    web_wanted: int
    annotators: int
    annotators_wanted: int
    backlog: int
    in_flight: int
    generator_cpu: float
    machine_cpu: float


@dataclass(frozen=True)
class Answer:
    """A line of ``requests.csv``."""

    at: float
    phase: str
    people: int
    name: str
    ms: float
    error: str


@dataclass(frozen=True)
class Farm:
    """How one farm went. Times in seconds from the load's beginning or end; None: it did not."""

    least: int
    most: int
    first_out_s: float | None
    most_after_s: float | None
    back_after_s: float | None


@dataclass(frozen=True)
class Summary:
    people: int
    requests: int
    failures: int
    requests_per_s: float
    pages_p95_ms_few: float
    pages_p95_ms_many: float
    pages_p95_ms_while_many_sign_in: float
    sign_in_p95_ms: float
    generator_cpu: float
    web: Farm
    annotators: Farm
    #: The load went on until there were so many, or its time was over.
    annotators_until: int
    jobs: int
    jobs_failed: int

    @property
    def ratio(self) -> float:
        return self.pages_p95_ms_many / self.pages_p95_ms_few

    def faults(self) -> list[str]:
        """Where the bar was missed, a sentence each."""
        found = []
        if self.failures:
            found.append(f"{self.failures} of {self.requests} requests failed.")
        if math.isnan(self.ratio):
            found.append("One of the phases has seen no page.")
        elif self.ratio > WORST_RATIO:
            found.append(f"Pages of many took {self.ratio:.2f} times as long as those of few.")
        if self.generator_cpu > MOST_GENERATOR_CPU:
            found.append(
                f"The generator used {self.generator_cpu:.0%} of its core: it measured itself."
            )
        if self.jobs_failed:
            found.append(f"{self.jobs_failed} of {self.jobs} jobs did not complete.")
        for name, farm in (("web", self.web), ("annotators", self.annotators)):
            if farm.most <= farm.least:
                found.append(f"The {name} farm did not grow.")
            elif farm.back_after_s is None:
                found.append(f"The {name} farm did not come back to {farm.least}.")
        if self.annotators.least < self.annotators.most < self.annotators_until:
            found.append(
                f"The annotators were {self.annotators.most} at the most, "
                f"not {self.annotators_until}."
            )
        return found

    def line(self) -> str:
        """All of it in a line."""
        return (
            f"{self.people} people, {self.requests:,} requests ({self.requests_per_s:.0f}/s), "
            f"{self.failures} failures; pages' p95 {self.pages_p95_ms_few:.0f} ms of few, "
            f"{self.pages_p95_ms_many:.0f} ms of many ({self.ratio:.2f}x), "
            f"{self.pages_p95_ms_while_many_sign_in / 1000:.1f} s while they sign in, which takes "
            f"{self.sign_in_p95_ms / 1000:.0f} s (p95); "
            f"generator {self.generator_cpu:.0%} of a core; "
            f"web {_way(self.web)}; annotators {_way(self.annotators)}; "
            f"{self.jobs} jobs, {self.jobs_failed} failed"
        )


def _way(farm: Farm) -> str:
    back = "not back" if farm.back_after_s is None else f"back in {farm.back_after_s:.0f} s"
    after = "" if farm.most_after_s is None else f" in {farm.most_after_s:.0f} s"
    return f"{farm.least} → {farm.most}{after}, {back}"


def read_answers(path: Path) -> list[Answer]:
    with path.open(newline="") as file:
        return [
            Answer(float(row["at"]), row["phase"], int(row["people"]), row["name"],
                   float(row["ms"]), row["error"])
            for row in csv.DictReader(file)
        ]  # fmt: skip


def farm(looks: Sequence[Look], size: Callable[[Look], int], began: float, ended: float) -> Farm:
    """How a farm of this ``size`` went under a load from ``began`` to ``ended`` (UNIX times)."""
    least = size(looks[0])
    during = [look for look in looks if look.at >= began]
    most = max(size(look) for look in during)
    out = next((look.at - began for look in during if size(look) > least), None)
    full = next((look.at - began for look in during if size(look) == most), None)
    back = None
    if most > least and size(looks[-1]) == least:
        above = max(look.at for look in during if size(look) > least)
        back = max(0.0, above - ended)
    return Farm(least, most, out, full if most > least else None, back)


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that ``share`` of them do not exceed. NaN where there are none."""
    ordered = sorted(values)
    if not ordered:
        return float("nan")
    return ordered[max(0, math.ceil(len(ordered) * share) - 1)]


def pages(answers: Sequence[Answer], phase: str) -> list[float]:
    """Times of the pages in ``phase``, in milliseconds."""
    return [a.ms for a in answers if a.phase == phase and a.name in PAGES and not a.error]


# -- files -------------------------------------------------------------------------------------


def write(folder: Path, summary: Summary, answers: Sequence[Answer], looks: Sequence[Look]) -> None:
    """``summary.json``, ``over_time.csv`` and the pictures, beside what is there already."""
    told = {**asdict(summary), "ratio": summary.ratio, "faults": summary.faults()}
    (folder / "summary.json").write_text(json.dumps(told, indent=1) + "\n")
    windows = list(_windows(answers))
    with (folder / "over_time.csv").open("w", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(("at", "people", "requests_per_s", "p50_ms", "p95_ms", "p99_ms"))
        lines.writerows(windows)
    zero = looks[0].at
    for name, chart in _charts(zero, windows, looks).items():
        (folder / f"{name}.svg").write_text(chart.svg())


Window = tuple[float, int, float, float, float, float]


def _windows(answers: Sequence[Answer]) -> list[Window]:
    """Every ten seconds: people, requests a second, p50, p95 and p99 of all pages."""
    found: dict[int, list[Answer]] = {}
    for answer in answers:
        found.setdefault(int(answer.at // WINDOW_S), []).append(answer)
    rows: list[Window] = []
    for number, inside in sorted(found.items()):
        times = [a.ms for a in inside if a.name in PAGES and not a.error] or [0.0]
        p50, p95, p99 = (percentile(times, share) for share in (0.5, 0.95, 0.99))
        people = max(a.people for a in inside)
        rows.append((number * WINDOW_S, people, len(inside) / WINDOW_S, p50, p95, p99))
    return rows


def _charts(zero: float, windows: Sequence[Window], looks: Sequence[Look]) -> dict[str, Chart]:
    def over(column: int) -> list[tuple[float, float]]:
        ended = (windows[-1][0] + WINDOW_S - zero) / 60
        rows = [(max(0.0, (row[0] - zero) / 60), float(row[column])) for row in windows]
        return [*rows, (ended, 0.0)]  # everybody has gone

    def seen(size: Callable[[Look], float]) -> list[tuple[float, float]]:
        return [((look.at - zero) / 60, size(look)) for look in looks]

    minutes = max(1.0, (looks[-1].at - zero) / 60)
    return {
        "people": _chart(
            "People and requests", "How many people there were, and what they asked for.",
            "people, requests a second", minutes,
            Line("people", over(1)), Line("requests a second", over(2)),
        ),
        "times": _chart(
            "Time of a page", "Time to a page's last byte in ten-second windows: p50, p95, p99.",
            "milliseconds", minutes,
            Line("p50", over(3)), Line("p95", over(4)), Line("p99", over(5)),
        ),
        "instances": _chart(
            "Instances", "How many web workers and annotators ran, and how many jobs waited.",
            "instances, jobs", minutes,
            Line("web workers", seen(lambda look: look.web)),
            Line("annotators", seen(lambda look: look.annotators)),
            Line("jobs waiting", seen(lambda look: look.backlog)),
        ),
        "cpu": _chart(
            "CPU", "Cores in use: by the generator of the load, and by everything.",
            "cores", minutes,
            Line("generator", seen(lambda look: look.generator_cpu)),
            Line("everything", seen(lambda look: look.machine_cpu)),
        ),
    }  # fmt: skip


def _chart(title: str, described: str, y_label: str, minutes: float, *lines: Line) -> Chart:
    highest = max((y for line in lines for _, y in line.points), default=1.0)
    y_step = _step(highest)
    return Chart(
        title=title,
        described=described,
        x_label="minutes",
        y_label=y_label,
        x_max=minutes,
        y_max=max(y_step, -(-highest // y_step) * y_step),
        lines=[line for line in lines if line.points],
        x_step=max(1.0, round(minutes / 10)),
        y_step=y_step,
    )


def _step(highest: float) -> float:
    """A round step that makes five to ten lines."""
    size = 10.0 ** (len(str(int(max(1.0, highest)))) - 1)
    return next(step for step in (size / 5, size / 2, size, 2 * size) if highest / step <= 10)


def generator_cpu(looks: Sequence[Look]) -> float:
    """The generator's CPU in cores while it ran: its busiest tenth left out, the most."""
    busy = [look.generator_cpu for look in looks if look.generator_cpu > 0]
    return percentile(busy, 0.9) if busy else 0.0


def rate(answers: Sequence[Answer], phase: str) -> float:
    """Requests a second in ``phase``."""
    at = [a.at for a in answers if a.phase == phase]
    return len(at) / (max(at) - min(at)) if len(at) > 1 else 0.0
