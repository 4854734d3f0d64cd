"""What the settings refuse, and what follows from them."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from gas.config import Settings, SettingsError, get_settings
from gas.farm.first_start import NoDataFolder, prepare_folders


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment in which nothing is set."""
    for name in list(os.environ):
        if name.startswith("GAS_") or name.startswith("DATABASE_URL"):
            monkeypatch.delenv(name)
    return monkeypatch


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "nonsense"),
        ("DATABASE_URL", "mysql://gas:hush@db/gas"),
        ("DATABASE_URL", "postgresql://gas:hush@db:many/gas"),
        ("DATABASE_URL", "postgresql://gas:hush@db"),
        ("GAS_BASE_URL", "gas.example.org"),
        ("GAS_BASE_URL", "https://"),
        ("GAS_BASE_URL", "https://example.org/gas"),
        ("GAS_MAIL_FROM", "nobody"),
        ("GAS_MAIL_FROM", "GAS <gas@example.org>\nBcc: all@example.org"),
        ("GAS_PORT", "65536"),
    ],
)
def test_a_bad_value_is_refused_by_its_name(
    fresh: pytest.MonkeyPatch, name: str, value: str
) -> None:
    fresh.setenv(name, value)
    get_settings.cache_clear()
    try:
        with pytest.raises(SettingsError, match=name) as refused:
            get_settings()
    finally:
        get_settings.cache_clear()
    assert "hush" not in str(refused.value), "no secret in a message"


def test_an_empty_variable_is_as_if_unset(fresh: pytest.MonkeyPatch) -> None:
    fresh.setenv("DATABASE_URL", "")
    fresh.setenv("GAS_BASE_URL", "")
    assert Settings().database_url is None
    assert Settings().public_url == "http://127.0.0.1:8000"


def test_an_ipv6_address_is_written_in_brackets(fresh: pytest.MonkeyPatch) -> None:
    fresh.setenv("GAS_HOST", "2001:db8::1")
    assert Settings().public_url == "http://[2001:db8::1]:8000"
    assert "[2001:db8::1]" in Settings().hosts


def test_the_parameters_of_a_database_url_are_decoded() -> None:
    from gas.settings import _database

    url = "postgresql://u%40x:p%2Fw@db.example.org:6432/gas?sslmode=verify-full&sslrootcert=%2Fetc%2Fa+b.pem"
    read = _database(url)
    options = read.pop("OPTIONS")
    assert isinstance(options, dict)
    assert read | {"ENGINE": ""} == {
        "ENGINE": "",
        "NAME": "gas",
        "USER": "u@x",
        "PASSWORD": "p/w",
        "HOST": "db.example.org",
        "PORT": "6432",
        "CONN_MAX_AGE": 600,
        "CONN_HEALTH_CHECKS": True,
    }
    assert options["sslmode"] == "verify-full"
    assert options["sslrootcert"] == "/etc/a+b.pem"
    assert "-c tcp_keepalives_idle=10 " in options["options"]


def test_a_database_url_has_the_last_word() -> None:
    from gas.settings import _database

    options = _database("postgresql://u:p@pgbouncer/gas?options=&keepalives_idle=60")["OPTIONS"]
    assert isinstance(options, dict)
    assert (options["options"], options["keepalives_idle"]) == ("", "60")


def test_a_strict_umask_does_not_lock_root_s_postgresql_out(
    fresh: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fresh.setenv("GAS_DATA_DIR", str(tmp_path / "data"))
    settings, before = Settings(), os.umask(0o077)
    try:
        prepare_folders(settings)
    finally:
        os.umask(before)
    assert stat.S_IMODE(settings.data_dir.stat().st_mode) == 0o711
    assert stat.S_IMODE(settings.references_dir.stat().st_mode) == 0o755
    assert stat.S_IMODE(settings.service_dir.stat().st_mode) == 0o700


def test_a_folder_that_is_there_keeps_its_mode(fresh: pytest.MonkeyPatch, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    fresh.setenv("GAS_DATA_DIR", str(data))
    prepare_folders(Settings())
    assert stat.S_IMODE(data.stat().st_mode) == 0o700


def test_a_data_folder_that_cannot_be_made(fresh: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    fresh.setenv("GAS_DATA_DIR", str(tmp_path / "file" / "data"))
    with pytest.raises(NoDataFolder, match="cannot be the data folder"):
        prepare_folders(Settings())


def test_a_database_that_does_not_answer_is_said_in_a_sentence(tmp_path: Path) -> None:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("GAS_", "DATABASE_URL"))}
    done = subprocess.run(
        [sys.executable, "-m", "gas", "up", "--port", "0", "--data", str(tmp_path / "data")],
        env={**clean, "DATABASE_URL": "postgresql://gas:hush@127.0.0.1:1/gas"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "The database does not answer" in done.stderr
    assert "DATABASE_URL" in done.stderr
    assert "Traceback" not in done.stderr
    assert "hush" not in done.stdout + done.stderr
