"""How sizes, numbers and times are written."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from gas.web.templatetags import gas_format


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (1023, "1023 bytes"),
        (1024, "1 KB"),
        (153_600, "150 KB"),
        (1_500_000, "1.4 MB"),
        (1024**2 - 1, "1 MB"),
        (5 * 1024**3, "5 GB"),
        (3 * 1024**5, "3072 TB"),
        (None, ""),
    ],
)
def test_size(count: int | None, text: str) -> None:
    assert gas_format.size(count) == text


def test_times_are_utc() -> None:
    moment = datetime(2026, 3, 1, 1, 2, 3, tzinfo=timezone(timedelta(hours=2)))
    expected = '<time datetime="2026-02-28T23:02:03Z">2026-02-28 23:02:03 UTC</time>'
    assert gas_format.utc(moment) == expected
    assert gas_format.utc(None) == ""


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0.0 s"), (1.23, "1.2 s"), (200, "3 min 20 s"), (7500, "2 h 5 min"), (-5, "0.0 s")],
)
def test_took(seconds: float, text: str) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    assert gas_format.took(start + timedelta(seconds=seconds), start) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(1800, "30 min"), (5400, "1 h 30 min"), (604_800, "7 days"), (0, "0 s"), (None, "")],
)
def test_duration(seconds: float | None, text: str) -> None:
    assert gas_format.duration(seconds) == text


def test_shares() -> None:
    assert [gas_format.percent(x) for x in (0, 0.01, 12.34, 100)] == [
        "0.0 %",
        "<0.1 %",
        "12.3 %",
        "100.0 %",
    ]
    assert gas_format.number(1234567) == "1,234,567"
