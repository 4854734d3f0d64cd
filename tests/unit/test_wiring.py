"""The settings choose the stores, and what protects a worker."""

from __future__ import annotations

import subprocess
import sys
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
from gas.storage.local_parts import LocalParts
from gas.storage.parts import PartUploads
from gas.storage.proxied_parts import ProxiedParts
from gas.storage.s3 import S3Storage, browser_origin, make_client
from gas.storage.s3_parts import S3Parts
from gas.wiring import make_cold, make_parts, make_protection, make_storage, system_clock


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
    ("endpoint", "region", "bucket", "origin"),
    [
        (None, "eu-north-1", "hot", "https://hot.s3.eu-north-1.amazonaws.com"),
        (None, "us-east-1", "hot", "https://hot.s3.us-east-1.amazonaws.com"),
        (None, "eu-west-1", "hot.results", "https://s3.eu-west-1.amazonaws.com"),
        ("http://127.0.0.1:8333", "us-east-1", "hot", "http://127.0.0.1:8333"),
    ],
)
def test_the_origin_that_pages_may_connect_to_is_that_of_signed_addresses(
    endpoint: str | None, region: str, bucket: str, origin: str
) -> None:
    assert browser_origin(bucket, endpoint_url=endpoint, region=region) == origin
    client = make_client(
        endpoint_url=endpoint, region=region, access_key_id="k", secret_access_key="s"
    )
    store = S3Storage(client, bucket)
    part = S3Parts(store).sign_part("k", "upload", 1, 5, 60)
    for url in (part, store.sign_get("k", "k.vcf", "text/plain", 60)):
        assert str(url).startswith(origin + "/")


@pytest.mark.parametrize(("direct", "allowed"), [("true", True), ("false", False)])
def test_pages_may_connect_to_the_store_where_it_is_direct(
    settings: pytest.MonkeyPatch, tmp_path: Path, direct: str, allowed: bool
) -> None:
    use_s3(settings, tmp_path)
    settings.setenv("GAS_S3_DIRECT", direct)
    show = (
        "from gas.setup import setup_django; setup_django()\n"
        "from django.conf import settings\n"
        "print(settings.CONTENT_SECURITY_POLICY['DIRECTIVES']['connect-src'])"
    )
    done = subprocess.run([sys.executable, "-c", show], capture_output=True, text=True, check=True)
    assert ("https://hot.s3.eu-north-1.amazonaws.com" in done.stdout) is allowed
    assert "'self'" in done.stdout


def test_parts_go_where_the_store_is(settings: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def parts() -> PartUploads:
        return make_parts(read(), make_storage(read()), system_clock)

    assert isinstance(parts(), LocalParts)
    use_s3(settings, tmp_path)
    assert isinstance(parts(), S3Parts)
    settings.setenv("GAS_S3_DIRECT", "false")
    assert isinstance(parts(), ProxiedParts)
    store = make_storage(read())
    assert store.sign_get("k", "k.vcf", "text/plain", 60) is None


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
