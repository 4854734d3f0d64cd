"""Settings of payments: what depends on each other, and secrets that come from files."""

from __future__ import annotations

from pathlib import Path

import pytest

from gas.config import Settings, SettingsError, get_settings

PRODUCTION = {
    "GAS_ENV": "production",
    "GAS_BASE_URL": "https://gas.example",
    "GAS_MAIL": "smtp",
}
STRIPE = {
    "GAS_BILLING": "stripe",
    "GAS_STRIPE_SECRET_KEY": "sk_live_x",
    "GAS_STRIPE_WEBHOOK_SECRET": "whsec_x",
}


def settings_of(monkeypatch: pytest.MonkeyPatch, values: dict[str, str]) -> Settings:
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    return get_settings.__wrapped__()


def test_production_refuses_the_test_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match="GAS_BILLING=test"):
        settings_of(monkeypatch, PRODUCTION)
    with pytest.raises(SettingsError, match="GAS_BILLING=test"):
        settings_of(monkeypatch, {**PRODUCTION, "GAS_BILLING": "test"})


@pytest.mark.parametrize("billing", [STRIPE, {"GAS_BILLING": "none"}])
def test_production_with_payments_or_without(
    monkeypatch: pytest.MonkeyPatch, billing: dict[str, str]
) -> None:
    assert settings_of(monkeypatch, {**PRODUCTION, **billing}).env == "production"


@pytest.mark.parametrize("missing", ["GAS_STRIPE_SECRET_KEY", "GAS_STRIPE_WEBHOOK_SECRET"])
def test_stripe_needs_its_secrets(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    with pytest.raises(SettingsError, match=missing):
        settings_of(monkeypatch, {k: v for k, v in STRIPE.items() if k != missing})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GAS_STRIPE_API_BASE", "http://api.stripe.com"),
        ("GAS_STRIPE_API_BASE", "api.stripe.com"),
        ("GAS_STRIPE_PAGE_HOSTS", '["https://pay.example; script-src *"]'),
        ("GAS_STRIPE_PAGE_HOSTS", '["https://pay.example/path"]'),
        ("GAS_PREMIUM_CURRENCY", "USD"),
    ],
)
def test_a_bad_value_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        settings_of(monkeypatch, {name: value})


def test_secrets_come_from_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    values = {"GAS_BILLING": "stripe"}
    for name in ("GAS_STRIPE_SECRET_KEY", "GAS_STRIPE_WEBHOOK_SECRET"):
        (tmp_path / name).write_text(f"of-the-file-{name}\n")
        values[f"{name}_FILE"] = str(tmp_path / name)
    settings = settings_of(monkeypatch, values)
    assert settings.stripe_secret_key is not None
    assert settings.stripe_secret_key.get_secret_value() == "of-the-file-GAS_STRIPE_SECRET_KEY"
    assert "of-the-file" not in repr(settings)


def test_a_secrets_file_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match="GAS_STRIPE_SECRET_KEY_FILE"):
        settings_of(monkeypatch, {"GAS_STRIPE_SECRET_KEY_FILE": "/nowhere"})


def test_each_provider_has_its_line() -> None:
    from typing import get_args

    from gas.wiring import BILLING, make_billing

    assert {*BILLING, "none"} == set(get_args(Settings.model_fields["billing"].annotation))
    for name in (*BILLING, "none"):
        provider = make_billing(get_settings().model_copy(update={"billing": name}))
        assert (provider.name if provider else "none") == name
