"""Each part on its own, as on hosts and in containers: `gas migrate`, `gas web`, `gas worker`."""

from __future__ import annotations

import contextlib
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from gas.farm.postgres import EmbeddedPostgres
from gas.farm.postgres import stop as stop_postgres
from tests.conftest import VCF
from tests.e2e.service import Service, service_folder, wait_for
from tests.s3 import free_ports


class Parts(Service):
    """Parts without a supervisor: one database, one shared data folder."""

    def __init__(self, folder: Path, database: str) -> None:
        (port,) = free_ports(1)
        super().__init__(
            folder,
            DATABASE_URL=database,
            GAS_SECRET_KEY="parts-" + "x" * 40,
            GAS_DATA_DIR=str(folder / "data"),
            GAS_PORT=str(port),
        )
        self.url = f"http://127.0.0.1:{port}"
        self.log_file = (folder / "parts.log").open("w+")

    def run(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.gas(*arguments),
            env=self.environment,
            stdout=self.log_file,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def readiness(self) -> int:
        """The status of /readyz; 0 where nobody answers."""
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(f"{self.url}/readyz", timeout=10).status_code
        return 0


@pytest.fixture
def parts() -> Iterator[Parts]:
    with service_folder() as folder:
        place = folder / "pg"
        server = EmbeddedPostgres(place, place, "parts", durable=False).start()
        parts = Parts(folder, f"postgresql://gas:parts@{str(place).replace('/', '%2F')}/gas")
        try:
            yield parts
        finally:
            parts.log_file.close()
            stop_postgres(server)


@pytest.mark.long
def test_parts_alone_make_a_service(parts: Parts, tmp_path: Path) -> None:
    started = [parts.run("web")]
    try:
        wait_for(lambda: parts.readiness() == 503, 30, "it should run, and say: no tables yet")
        both = [parts.run("migrate"), parts.run("migrate")]
        assert [one.wait(60) for one in both] == [0, 0], "they take turns"
        wait_for(lambda: parts.readiness() == 200, 30, "it should notice the tables")
        started += [parts.run("worker", "annotate"), parts.run("worker", "notify")]
        file = tmp_path / "one.vcf"
        file.write_bytes(VCF)
        client = parts.sign_up()
        job = client.submit(client.upload(file))
        job = client.wait(job["id"], lambda _job: None)
        assert job["status"] == "COMPLETED", job
        wait_for(parts.mails, 30, "a mail should come")
        for one in started:
            one.send_signal(signal.SIGTERM)
        assert [one.wait(30) for one in started] == [0, 0, 0], "told to stop, they end well"
    finally:
        for one in started:
            with contextlib.suppress(ProcessLookupError):
                one.kill()
            one.wait()


def test_a_database_that_does_not_answer_is_said_in_one_line(tmp_path: Path) -> None:
    service = Service(tmp_path, DATABASE_URL="postgresql://gas:hush@127.0.0.1:1/gas")
    service.environment |= {"GAS_SECRET_KEY": "x" * 40, "GAS_DATA_DIR": str(tmp_path / "data")}
    done = subprocess.run(
        service.gas("migrate"), env=service.environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert re.fullmatch(r"gas: The database does not answer: .*DATABASE_URL.*\n", done.stderr)
    assert "hush" not in done.stderr
