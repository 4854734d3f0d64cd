"""What many tests share: services with fakes, a user, a job."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gas.storage.s3 import S3Storage
from tests import s3
from tests.fakes import FakeClock, FakeCold, FakeMailer, FakeRunner, FakeShardRunner

if TYPE_CHECKING:
    from gas.accounts.models import User
    from gas.jobs.models import Job, Upload
    from gas.wiring import Services

VCF = (
    b"##fileformat=VCFv4.2\n"
    b"#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
    b"20\t68399\t.\tG\tA\t.\t.\t.\n"
)


@pytest.fixture(scope="session")
def seaweedfs_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real S3 server, one for a session of tests."""
    with s3.seaweedfs(tmp_path_factory.mktemp("seaweedfs")) as url:
        yield url


@pytest.fixture
def s3_store(seaweedfs_url: str) -> S3Storage:
    """An empty store on SeaweedFS, of this test's own."""
    client = s3.make_client(endpoint_url=seaweedfs_url, **s3.KEYS)
    return S3Storage(client, s3.BUCKET, f"{secrets.token_hex(4)}/", part_bytes=5 << 20)


@pytest.fixture(scope="session")
def django_db_modify_db_settings(postgres: object) -> None:
    """pytest-django asks for this before it connects."""


@pytest.fixture(autouse=True)
def _empty_queue(request: pytest.FixtureRequest) -> Iterator[None]:
    """Tests that commit leave messages behind: procrastinate's tables are not Django's to flush."""
    yield
    marker = request.node.get_closest_marker("django_db")
    commits = marker is not None and marker.kwargs.get("transaction", False)
    if commits or "transactional_db" in request.fixturenames:
        from django.db import connection

        with request.getfixturevalue("django_db_blocker").unblock(), connection.cursor() as cursor:
            cursor.execute("TRUNCATE procrastinate_jobs CASCADE")


@pytest.fixture(autouse=True, scope="session")
def _quick_passwords() -> None:
    """A slow hash is right for people and wrong for a hundred tests."""
    from django.conf import settings

    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def runner() -> FakeRunner:
    return FakeRunner()


@pytest.fixture
def shard_runner() -> FakeShardRunner:
    return FakeShardRunner()


@pytest.fixture
def mailer() -> FakeMailer:
    return FakeMailer()


@pytest.fixture
def cold(clock: FakeClock) -> FakeCold:
    return FakeCold(clock)


@pytest.fixture
def svc(
    tmp_path: Path,
    clock: FakeClock,
    runner: FakeRunner,
    shard_runner: FakeShardRunner,
    mailer: FakeMailer,
    cold: FakeCold,
    monkeypatch: pytest.MonkeyPatch,
) -> Services:
    """Services with fakes, and a store of this test's own. The pages and the API use them too."""
    from gas import wiring
    from gas.billing.test import TestProvider
    from gas.config import get_settings
    from gas.storage.local import LocalStorage
    from gas.storage.local_parts import LocalParts
    from gas.storage.signed import UrlSigner

    storage = LocalStorage(tmp_path / "objects")
    services = wiring.Services(
        settings=get_settings(),
        clock=clock,
        storage=storage,
        parts=LocalParts(
            storage, tmp_path / "incoming", UrlSigner(wiring.PARTS_PATH, b"k" * 32, clock)
        ),
        runner=runner,
        shard_runner=shard_runner,
        mailer=mailer,
        cold=cold,
        billing=TestProvider(get_settings(), clock),
    )
    monkeypatch.setattr(wiring, "_services", services)
    return services


@pytest.fixture
def make_user(db: None) -> Callable[..., User]:
    from gas.accounts.models import User

    def make(email: str = "ada@example.org", **more: str) -> User:
        return User.objects.create_user(email, "correct horse", name="Ada Lovelace", **more)

    return make


@pytest.fixture
def user(make_user: Callable[..., User]) -> User:
    return make_user()


@pytest.fixture
def make_upload(svc: Services) -> Callable[..., Upload]:
    from gas.jobs import uploads

    def make(user: User, content: bytes = VCF, filename: str = "sample.vcf") -> Upload:
        upload = uploads.create(svc, user, filename, len(content))
        uploads.receive(svc, upload, [content])
        return uploads.complete(svc, upload)

    return make


@pytest.fixture
def make_job(svc: Services, make_upload: Callable[..., Upload]) -> Callable[..., Job]:
    from gas.jobs import lifecycle

    def make(user: User, **more: object) -> Job:
        return lifecycle.submit(svc, user, make_upload(user, **more))

    return make


@pytest.fixture
def job(user: User, make_job: Callable[..., Job]) -> Job:
    return make_job(user)
