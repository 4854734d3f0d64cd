"""A real server of S3's archive classes, one for a session of tests."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from datetime import timedelta

import pytest

from gas.storage.glacier import GlacierTier
from tests import s3
from tests.fakes import FakeClock


@pytest.fixture(scope="session")
def moto_url() -> Iterator[str]:
    with s3.moto() as url:
        yield url


@pytest.fixture
def slow(moto_url: str, clock: FakeClock) -> s3.SlowGlacier:
    """A client of moto, with thaws that take five minutes of the test's clock."""
    client = s3.make_client(endpoint_url=moto_url, **s3.KEYS)
    return s3.SlowGlacier(client, clock, timedelta(minutes=5))


@pytest.fixture
def glacier(slow: s3.SlowGlacier, clock: FakeClock) -> GlacierTier:
    """An empty cold tier in GLACIER, of this test's own."""
    return GlacierTier(slow, s3.BUCKET, f"{secrets.token_hex(4)}/", clock=clock)
