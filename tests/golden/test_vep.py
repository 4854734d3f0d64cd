from __future__ import annotations

from pathlib import Path

import pytest
from bench.concordance import BARS, ROWS, Tally, compare

from tests.annotation import demo_pack

GOLDEN = Path(__file__).parent / "vep" / "chr20.vep115.vcf.gz"
TRUTH = Path(__file__).parents[2] / "bench" / "data" / "sim30k.vep115.chr20.vcf.gz"


@pytest.fixture(scope="module")
def tally() -> Tally:
    return compare(demo_pack(), GOLDEN)


@pytest.mark.parametrize("rows", ROWS)
def test_no_row_is_missing_and_none_is_made_up(tally: Tally, rows: str) -> None:
    assert tally.seen["all", rows] > 5000
    assert tally.same["all", rows] == tally.seen["all", rows]


@pytest.mark.parametrize("key", [k for k in BARS if k != ("all", "HGVSp")])
def test_every_bar_is_held(tally: Tally, key: tuple[str, str]) -> None:
    assert tally.seen[key] > 100
    assert tally.percent(key) >= BARS[key]


def _differences(tally: Tally) -> set[tuple[str, str, bool]]:
    """Column, class, and whether the sequence says that the engine is right."""
    return {
        (column, name.split(":")[0], name.endswith("by the spliced sequence GAS is right"))
        for column, name in tally.classes
    }


#: All that may differ: see ``bench/concordance.py``.
EXPLAINED = {
    ("HGVSp", "distance to the new stop", True),
    ("Consequence", "start kept or lost", True),
}


def test_what_differs_is_explained(tally: Tally) -> None:
    """The sample is dense in what is rare, so the bar for HGVSp does not apply to it: all that may
    differ is the distance to a stop behind the annotated one."""
    assert _differences(tally) <= EXPLAINED
    assert tally.percent(("all", "HGVSp")) > 97


@pytest.mark.long
def test_the_whole_truth_holds_every_bar_and_what_differs_is_explained() -> None:
    """30,000 simulated variants of chromosome 20; HGVSp is judged here, as the sample cannot."""
    tally = compare(demo_pack(), TRUTH)
    assert min(tally.seen[key] for key in BARS) > 1000
    assert {key: tally.percent(key) for key in BARS if tally.percent(key) < BARS[key]} == {}
    assert [tally.percent(("all", rows)) for rows in ROWS] == [100, 100]
    assert _differences(tally) == EXPLAINED
