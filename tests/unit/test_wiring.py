"""The settings choose the stores, and what protects a worker."""

from __future__ import annotations

from pathlib import Path

import pytest

from gas.config import Settings, SettingsError, get_settings
from gas.farm.protection import NoProtection
from gas.farm.protection.asg import AsgProtection
from gas.farm.protection.ecs import EcsProtection
from gas.farm.protection.instance import InstanceProtection
from gas.farm.protection.local import LocalProtection, is_busy
from gas.storage.cold import ColdFolder
from gas.storage.glacier import GlacierTier
from gas.storage.local import LocalStorage
from gas.storage.s3 import S3Storage
from gas.wiring import make_cold, make_protection, make_storage, system_clock


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """Set GAS_... by ``setenv``; then ``read()``."""
    monkeypatch.setenv("GAS_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return monkeypatch


def read() -> Settings:
    get_settings.cache_clear()
    try:
        return get_settings()
    finally:
        get_settings.cache_clear()


def use_s3(env: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("from a file\n")
    env.setenv("GAS_STORAGE", "s3")
    env.setenv("GAS_S3_BUCKET", "hot")
    env.setenv("GAS_S3_REGION", "eu-north-1")
    env.setenv("GAS_S3_ACCESS_KEY_ID", "key")
    env.setenv("GAS_S3_SECRET_ACCESS_KEY_FILE", str(tmp_path / "secret"))


def test_by_default_all_lies_in_the_data_folder(settings: pytest.MonkeyPatch) -> None:
    assert isinstance(make_storage(read()), LocalStorage)
    assert isinstance(make_cold(read(), system_clock), ColdFolder)


def test_s3_and_glacier_by_setting(settings: pytest.MonkeyPatch, tmp_path: Path) -> None:
    use_s3(settings, tmp_path)
    settings.setenv("GAS_COLD_TIER", "glacier")
    store = make_storage(read())
    assert isinstance(store, S3Storage)
    assert store.address("k") == {"Bucket": "hot", "Key": "objects/k"}
    assert store.client.meta.region_name == "eu-north-1"
    assert isinstance(make_cold(read(), system_clock), GlacierTier)
    secret = read().s3_secret_access_key
    assert secret is not None
    assert secret.get_secret_value() == "from a file"


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ({"GAS_STORAGE": "s3"}, "GAS_S3_BUCKET"),
        ({"GAS_COLD_TIER": "glacier"}, "GAS_GLACIER_BUCKET"),
        ({"GAS_S3_PREFIX": "no-slash"}, "GAS_S3_PREFIX"),
        ({"GAS_S3_ACCESS_KEY_ID": "alone"}, "GAS_S3_SECRET_ACCESS_KEY"),
        ({"GAS_S3_ENDPOINT": "host:9000"}, "GAS_S3_ENDPOINT"),
        ({"GAS_PROTECTION": "helmet"}, "GAS_PROTECTION"),
        ({"GAS_PROTECTION": "ecs"}, "ECS_AGENT_URI"),
        ({"GAS_GLACIER_CLASS": "ICE"}, "GAS_GLACIER_CLASS"),
    ],
)
def test_what_does_not_fit_is_told_by_name(
    settings: pytest.MonkeyPatch, values: dict[str, str], names: str
) -> None:
    for name, value in values.items():
        settings.setenv(name, value)
    with pytest.raises(SettingsError, match=names):
        read()


def _layers(name: str | None, *, scaled: bool) -> list[object]:
    protection = make_protection(read(), name, scaled=scaled)
    return [
        layer._cloud if isinstance(layer, InstanceProtection) else layer
        for layer in getattr(protection, "_layers", [protection])
    ]


def test_a_worker_of_the_supervisor_is_protected_by_the_lock_of_its_name(
    settings: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (layer,) = _layers("annotator-7", scaled=True)
    assert isinstance(layer, LocalProtection)
    layer.protect()
    assert is_busy(tmp_path / "service" / "run" / "annotator-7.lock")


@pytest.mark.parametrize(("kind", "cloud"), [("asg", AsgProtection), ("ecs", EcsProtection)])
def test_a_cloud_protects_by_setting_and_only_what_it_scales(
    settings: pytest.MonkeyPatch, kind: str, cloud: type
) -> None:
    settings.setenv("GAS_PROTECTION", kind)
    settings.setenv("ECS_AGENT_URI", "http://127.0.0.1:1/v3")
    near, far = _layers("annotator-7", scaled=True)
    assert isinstance(near, LocalProtection)
    assert isinstance(far, cloud)
    assert isinstance(_layers(None, scaled=True)[0], cloud)
    assert isinstance(_layers(None, scaled=False)[0], NoProtection)
