from __future__ import annotations

from pathlib import Path

import pytest
from bench.concordance import BARS, Tally, compare

from tests.annotation import demo_pack

GOLDEN = Path(__file__).parent / "vep" / "chr20.vep115.vcf.gz"


@pytest.fixture(scope="module")
def tally() -> Tally:
    return compare(demo_pack(), GOLDEN)


def test_no_row_is_missing_and_none_is_made_up(tally: Tally) -> None:
    assert tally.seen["all", "rows"] > 5000
    assert tally.same["all", "rows"] == tally.seen["all", "rows"]


@pytest.mark.parametrize("key", [k for k in BARS if k != ("all", "HGVSp")])
def test_every_bar_is_held(tally: Tally, key: tuple[str, str]) -> None:
    assert tally.seen[key] > 100
    assert tally.percent(key) >= BARS[key]


def test_what_differs_is_explained(tally: Tally) -> None:
    """The sample is dense in what is rare, so the bar for HGVSp does not apply to it: all that may
    differ is the distance to a stop behind the annotated one."""
    classes = {(column, name.split(":")[0]) for column, name in tally.classes}
    assert classes <= {
        ("HGVSp", "distance to the new stop"),
        ("Consequence", "start kept or lost"),
    }
    assert tally.percent(("all", "HGVSp")) > 97
