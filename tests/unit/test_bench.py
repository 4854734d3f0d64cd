"""The table of `make bench` and its bars. (What is measured is no matter of the tests.)"""

from __future__ import annotations

import sys
from types import ModuleType

import bench.__main__ as bench
import pytest
from bench.table import Bar, Row, missed, show

ROWS = [
    Row("plain", 12.0, "s"),
    Row("fast", 90.0, "records/s", "slow", 50.0, Bar(1.7, of_ratio=True)),
    Row("lean", 500.0, "MiB", bar=Bar(500, most=True)),
    Row("strict", 61_000.0, "records/s", "slow", 70_000.0, Bar(60_000)),
]


@pytest.mark.parametrize(
    ("row", "shown"),
    [
        (Row("ratio", 84.0, "jobs/s", "one", 50.0, Bar(1.7, of_ratio=True)), ">= 1.7x MISSED"),
        (Row("value", 59_999.0, "records/s", "one", 1.0, Bar(60_000)), ">= 60,000 MISSED"),
        (Row("most", 1536.5, "MiB", bar=Bar(1536, most=True)), "<= 1,536 MISSED"),
        (Row("no number", float("nan"), "MiB", bar=Bar(150, most=True)), "<= 150 MISSED"),
        (Row("no baseline", 9.0, "jobs/s", "one", 0.0, Bar(1.7, of_ratio=True)), "1.7x MISSED"),
    ],
)
def test_a_bar_that_is_missed_is_marked_and_named(row: Row, shown: str) -> None:
    assert shown in show([*ROWS, row])
    (fault,) = missed([*ROWS, row])
    assert fault.startswith(f"MISSED: {row.what}: ")
    assert str(row.bar) in fault


def test_a_bar_that_is_held_is_shown_and_no_fault() -> None:
    table = show(ROWS).splitlines()
    assert [line.split()[0] for line in table] == ["measured", "plain", "fast", "lean", "strict"]
    assert table[2].split()[-4:] == ["1.80x", ">=", "1.7x", "slow"]
    assert missed(ROWS) == []


@pytest.mark.parametrize(("limit", "status"), [(100.0, 0), (100.1, 1)])
def test_the_exit_status_tells_whether_a_bar_was_missed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], limit: float, status: int
) -> None:
    module = ModuleType("measured_elsewhere")
    module.rows = lambda: iter([*ROWS, Row("own", 100.0, "MB/s", bar=Bar(limit))])  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(bench, "BENCHES", {"elsewhere": module.__name__})
    assert bench.main([]) == status
    told = capsys.readouterr().out.splitlines()
    assert [line for line in told if line.startswith("MISSED")] == (
        ["MISSED: own: 100.0 MB/s; the bar is >= 100.1."] if status else []
    )


def test_an_unknown_name_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.main(["nothing"]) == 2
    assert "no nothing" in capsys.readouterr().out
