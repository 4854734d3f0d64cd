from __future__ import annotations

import pytest

from gas.config import Settings, SettingsError, get_settings
from gas.farm.bounds import MOST, Bounds
from gas.farm.parts import OF_A_WORKER, connections


@pytest.mark.parametrize(
    ("text", "minimum", "maximum"),
    [("2..10", 2, 10), ("3", 3, 3), (" 1..64 ", 1, 64), ("4..4", 4, 4)],
)
def test_a_number_or_a_range(text: str, minimum: int, maximum: int) -> None:
    assert Bounds.parse(text) == Bounds(minimum, maximum)
    assert Bounds.parse(str(Bounds(minimum, maximum))) == Bounds(minimum, maximum)


@pytest.mark.parametrize(
    "text", ["", "0", "0..3", "10..2", "2..", "..10", "2...10", "2-10", "65", "-1", "two", "²"]
)
@pytest.mark.parametrize("variable", ["GAS_ANNOTATORS", "GAS_WEB_WORKERS"])
def test_anything_else_is_refused_by_the_setting_s_name(
    monkeypatch: pytest.MonkeyPatch, variable: str, text: str
) -> None:
    monkeypatch.setenv(variable, text)
    get_settings.cache_clear()
    try:
        with pytest.raises(SettingsError, match=variable):
            get_settings()
    finally:
        get_settings.cache_clear()


def test_the_database_has_a_connection_for_every_farm_within_the_bounds() -> None:
    usual = Settings(secret_key="x" * 50, annotators="2..10", web_workers="2..10")
    assert connections(usual) == 212
    most = f"1..{MOST}"
    largest = Settings(secret_key="x" * 50, annotators=most, web_workers=most, web_threads=8)
    assert connections(largest) >= MOST * OF_A_WORKER + MOST * 8 + 100
