"""Which targets to give to AWS and Kubernetes: the same experiments with other figures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gas.farm.simulate.experiments import (
    ANNOTATORS,
    BOOTS,
    WEB,
    Platform,
    Run,
    middle,
    percentile,
    runs,
)
from gas.farm.simulate.farms import Farm
from gas.farm.simulate.scalers import Aws, Gauge, Kubernetes


@dataclass(frozen=True)
class Trial:
    """A target, and what came of it."""

    platform: str
    experiment: str
    target: float
    reached_p95_s: float
    most: float
    #: Instances at the load's end, median: what the farm settles at.
    settled: float
    wait_p95_s: float


def trials(seeds: int) -> Iterator[Trial]:
    for target in (12.0, 13.0, 14.0, 15.0):
        yield _try("kubernetes", WEB, target, seeds)
    for platform in ("aws", "kubernetes"):
        for target in (0.8, 1.0, 1.5, 2.0, 3.0):
            yield _try(platform, ANNOTATORS, target, seeds)


def _try(name: str, experiment: str, target: float, seeds: int) -> Trial:
    def scale(farm: Farm) -> None:
        gauge = Gauge(farm, target)
        (Aws(gauge, surge=True) if name == "aws" else Kubernetes(gauge)).start()

    boot_s = BOOTS["warm" if name == "aws" else "pod"]
    found = runs(experiment, Platform(f"{name} {target}", name, boot_s, scale), seeds)
    return Trial(
        platform="AWS, surge alarm, warm pool" if name == "aws" else "Kubernetes",
        experiment=experiment,
        target=target,
        reached_p95_s=percentile([run.reached_s for run in found], 0.95),
        most=middle([run.most for run in found]),
        settled=middle([_at_end(run) for run in found]),
        wait_p95_s=middle([run.wait_p95_s for run in found]),
    )


def _at_end(run: Run) -> int:
    return [count for at, count in run.series if at <= run.load_ended_s][-1]
