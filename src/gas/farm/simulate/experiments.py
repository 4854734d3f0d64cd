"""The original's two experiments, on any platform, many times with other seeds.

    web         300 users come at 30 a second
    annotators  one job every 5 s

The load ends when the number that the original reached (7 web, 6 annotators) is in service and
``LOAD_S`` have gone by, and the run when the farm is back at its least.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from gas.farm.policy import Rules
from gas.farm.simulate.farms import AnnotatorFarm, Farm, WebFarm
from gas.farm.simulate.loop import Loop
from gas.farm.simulate.original import original
from gas.farm.simulate.scalers import (
    ANNOTATOR_TARGET,
    KUBERNETES_WEB_TARGET,
    WEB_TARGET,
    Aws,
    Gauge,
    Kubernetes,
    Local,
)

WEB, ANNOTATORS = "web", "annotators"
REACH = {WEB: 7, ANNOTATORS: 6}
LOAD_S = 15 * 60.0
LONGEST_S = 24 * 3600.0


def _between(low_s: float, high_s: float) -> Callable[[random.Random], float]:
    return lambda rng: rng.uniform(low_s, high_s)


@dataclass(frozen=True)
class Platform:
    """Where a farm runs: who scales it, and how long an instance boots."""

    name: str
    title: str
    boot_s: Callable[[random.Random], float]
    scale: Callable[[Farm], None]


def _original(farm: Farm) -> None:
    original(farm).start()


def _local(farm: Farm) -> None:
    web = isinstance(farm, WebFarm)
    Local(farm, Rules(requests_per_s_per_instance=WEB_TARGET if web else None)).start()


def gauge(farm: Farm) -> Gauge:
    return Gauge(farm, WEB_TARGET if isinstance(farm, WebFarm) else ANNOTATOR_TARGET)


def _aws(farm: Farm) -> None:
    Aws(gauge(farm)).start()


def _aws_surge(farm: Farm) -> None:
    Aws(gauge(farm), surge=True).start()


def _kubernetes(farm: Farm) -> None:
    web = isinstance(farm, WebFarm)
    Kubernetes(Gauge(farm, KUBERNETES_WEB_TARGET if web else ANNOTATOR_TARGET)).start()


#: Seconds from order to service.
BOOTS = {
    "process": _between(1, 3),
    "pod": _between(5, 20),
    "warm": _between(20, 40),
    "cold": _between(90, 150),
}
PLATFORMS = (
    Platform("original", "the original (AWS, steps of one)", BOOTS["cold"], _original),
    Platform("local", "one machine (the supervisor)", BOOTS["process"], _local),
    Platform("aws", "AWS, target tracking", BOOTS["cold"], _aws),
    Platform("aws-warm", "AWS, target tracking, warm pool", BOOTS["warm"], _aws),
    Platform("aws-surge", "AWS, and a surge alarm", BOOTS["cold"], _aws_surge),
    Platform("aws-surge-warm", "AWS, surge alarm, warm pool", BOOTS["warm"], _aws_surge),
    Platform("kubernetes", "Kubernetes, room on the nodes", BOOTS["pod"], _kubernetes),
    Platform("kubernetes-nodes", "Kubernetes, nodes are added", BOOTS["cold"], _kubernetes),
)


@dataclass(frozen=True)
class Run:
    """One run. Times in seconds; infinite where it did not happen within a day."""

    first_out_s: float
    reached_s: float
    most: int
    #: After the load's end: until the first instance goes, and until the least is in service.
    first_in_s: float
    back_s: float
    #: 95th percentile of the jobs' waits; 0 for web.
    wait_p95_s: float
    load_ended_s: float
    series: tuple[tuple[float, int], ...]


def run(experiment: str, platform: Platform, seed: int) -> Run:
    """One run of ``experiment`` (WEB or ANNOTATORS); the same seed gives the same run."""
    loop = Loop()
    kind = WebFarm if experiment == WEB else AnnotatorFarm
    # A string, so that experiments and platforms differ in their luck.
    rng = random.Random(f"{experiment} {platform.name} {seed}")  # noqa: S311 - no secret
    farm = kind(loop, rng, platform.boot_s)
    platform.scale(farm)
    # Any second of a minute, so that no platform's clock is in step with the load.
    least_s = LOAD_S + rng.uniform(0, 60)
    loop.every(1.0, lambda: _end_load(farm, least_s, REACH[experiment]), least_s)
    loop.run(LONGEST_S, lambda: not farm.loaded and farm.in_service == farm.minimum)
    return _measure(experiment, farm)


def _end_load(farm: Farm, least_s: float, reach: int) -> None:
    if farm.loaded and farm.loop.now_s >= least_s and farm.in_service >= reach:
        farm.stop_load()


def _measure(experiment: str, farm: Farm) -> Run:
    series, end = farm.series, farm.load_ended_s
    after = [(at, count) for at, count in series if at > end]
    falls = [at for (_, was), (at, count) in pairwise(series) if count < was]
    waits = farm.waits if isinstance(farm, AnnotatorFarm) else []
    return Run(
        first_out_s=_first(at for at, count in series if count > farm.minimum),
        reached_s=_first(at for at, count in series if count >= REACH[experiment]),
        most=max(count for _, count in series),
        first_in_s=_first(at for at in falls if at > end) - end,
        back_s=_first(at for at, count in after if count <= farm.minimum) - end,
        wait_p95_s=percentile(waits, 0.95) if waits else 0.0,
        load_ended_s=end,
        series=tuple(series),
    )


def _first(times: Iterable[float]) -> float:
    return next(iter(times), math.inf)


def runs(experiment: str, platform: Platform, seeds: int) -> list[Run]:
    return [run(experiment, platform, seed) for seed in range(seeds)]


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that ``share`` of all values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def middle(values: Sequence[float]) -> float:
    return median(values)
