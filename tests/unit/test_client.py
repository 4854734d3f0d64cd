"""The client over real HTTP, against lines that break and addresses that are refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gas import client as client_module
from gas.accounts import tokens
from gas.accounts.models import User
from gas.client import Client, ServerError
from gas.errors import TransientError
from gas.jobs import uploads
from gas.jobs.models import Upload
from gas.storage.parts import Part
from gas.storage.signed import AddressRefused
from gas.wiring import Services
from tests.conftest import VCF

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def client(
    live_server: Any, svc: Services, user: User, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Client]:
    monkeypatch.setattr(client_module, "RETRY_WAITS_S", (0, 0, 0, 0))
    client = Client(live_server.url, tokens.create_token(user, "t", svc.now()))
    yield client
    client.close()


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    path = tmp_path / "sample.vcf"
    path.write_bytes(VCF)
    return path


@pytest.fixture
def refuse(svc: Services, monkeypatch: pytest.MonkeyPatch) -> Callable[[list[Exception]], None]:
    """Have the next PUTs of parts end in these errors."""
    receive = svc.parts.receive

    def arm(errors: list[Exception]) -> None:
        def receiving(url: str, chunks: Any) -> Part:
            if errors:
                raise errors.pop(0)
            return receive(url, chunks)

        monkeypatch.setattr(svc.parts, "receive", receiving)

    return arm


def test_a_file_of_many_parts_gets_through(
    client: Client, sample: Path, svc: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "PART_BYTES", 10)
    upload = Upload.objects.get(pk=client.upload(sample))
    assert upload.part_count == -(-len(VCF) // 10) > 8, "more than come signed at once"
    assert b"".join(svc.storage.read(upload.key)) == VCF


def test_a_part_is_sent_again_where_that_may_help(
    client: Client, sample: Path, svc: Services, refuse: Callable[[list[Exception]], None]
) -> None:
    refuse([TransientError(), AddressRefused(), TransientError(), TransientError()])
    upload = Upload.objects.get(pk=client.upload(sample))
    assert b"".join(svc.storage.read(upload.key)) == VCF


def test_it_gives_up_in_the_end_with_a_sentence(
    client: Client, sample: Path, refuse: Callable[[list[Exception]], None]
) -> None:
    refuse([TransientError() for _ in range(9)])
    with pytest.raises(ServerError, match=r"Part 1 of .* did not get through") as caught:
        client.upload(sample)
    assert "signature" not in str(caught.value)


def test_what_no_other_try_mends_is_told_at_once(
    client: Client, sample: Path, refuse: Callable[[list[Exception]], None]
) -> None:
    errors: list[Exception] = [uploads.UploadGone(), TransientError()]
    refuse(errors)
    with pytest.raises(ServerError, match="is over"):
        client.upload(sample)
    assert len(errors) == 1
