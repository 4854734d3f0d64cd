"""Real S3 servers, one of each kind for a session of tests."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from datetime import timedelta

import pytest

from gas.storage.glacier import GlacierTier
from gas.storage.s3 import S3Storage
from tests import s3
from tests.fakes import FakeClock


@pytest.fixture(scope="session")
def seaweedfs_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with s3.seaweedfs(tmp_path_factory.mktemp("seaweedfs")) as url:
        yield url


@pytest.fixture(scope="session")
def moto_url() -> Iterator[str]:
    with s3.moto() as url:
        yield url


@pytest.fixture
def s3_store(seaweedfs_url: str) -> S3Storage:
    """An empty store on SeaweedFS, of this test's own."""
    client = s3.make_client(endpoint_url=seaweedfs_url, **s3.KEYS)
    return S3Storage(client, s3.BUCKET, f"{secrets.token_hex(4)}/", part_bytes=5 << 20)


@pytest.fixture
def slow(moto_url: str, clock: FakeClock) -> s3.SlowGlacier:
    """A client of moto, with thaws that take five minutes of the test's clock."""
    client = s3.make_client(endpoint_url=moto_url, **s3.KEYS)
    return s3.SlowGlacier(client, clock, timedelta(minutes=5))


@pytest.fixture
def glacier(slow: s3.SlowGlacier, clock: FakeClock) -> GlacierTier:
    """An empty cold tier in GLACIER, of this test's own."""
    return GlacierTier(slow, s3.BUCKET, f"{secrets.token_hex(4)}/", clock=clock)
