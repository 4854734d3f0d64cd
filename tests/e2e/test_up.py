"""`gas up` itself: starting, stopping, being killed, and mending what dies."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from aiosmtpd.controller import Controller

from gas.demo.run import INPUT
from gas.farm.postgres import EmbeddedPostgres
from gas.farm.postgres import stop as stop_postgres
from tests.e2e.service import Service, alive, running, service_folder, wait_for


@pytest.fixture
def service() -> Iterator[Service]:
    with running() as up:
        yield up


@pytest.fixture(scope="module")
def lasting() -> Iterator[Service]:
    """One for all tests that leave it as it was."""
    with running() as up:
        yield up


@pytest.fixture(scope="module")
def impatient() -> Iterator[Service]:
    with running(GAS_CLIENT_PATIENCE_S="0.5") as up:
        yield up


PARTS = (
    "postgres",
    "web",
    "annotator-1",
    "annotator-2",
    "notify",
    "archive",
    "restore",
    "reap",
)


def gone(pids: set[int], timeout_s: float = 20.0) -> None:
    wait_for(
        lambda: not any(map(alive, pids)), timeout_s, f"left behind: {list(filter(alive, pids))}"
    )


def test_start_stop_and_start_again_keeps_everything() -> None:
    with service_folder() as folder:
        service = Service(folder).start()
        first = "\n".join(service.lines)
        assert "Operator's account: operator@localhost" in first
        for part in PARTS:
            assert alive(service.pid_of(part))
        client = service.sign_up()
        job = client.wait(client.submit(client.upload(INPUT))["id"])
        private = service.data / "service"
        assert private.stat().st_mode & 0o777 == 0o700
        for secret in (private / "secrets").iterdir():
            assert secret.stat().st_mode & 0o777 == 0o600
            assert secret.read_text().strip() not in first
        everyone = service.descendants()
        assert service.stop(signal.SIGINT) == 0
        gone(everyone)
        assert service.lines[-1] == "Stopped."

        service.start()
        assert "Operator's account" not in "\n".join(service.lines), "shown once"
        client._http.base_url = service.url  # another free port
        assert client.job(job["id"])["status"] == "COMPLETED"
        everyone = service.descendants()
        assert service.stop(signal.SIGTERM) == 0
        gone(everyone)


@pytest.mark.long
def test_kill_9_leaves_no_orphan(service: Service) -> None:
    client = service.sign_up()
    everyone = service.descendants()
    assert len(everyone) > 8
    service.process.kill()
    service.process.wait()
    gone(everyone)
    service.start()  # nothing stands in the way of the next start
    client._http.base_url = service.url
    assert client.wait(client.submit(client.upload(INPUT))["id"])["status"] == "COMPLETED"


@pytest.mark.parametrize("part", ["postgres", "web", "annotator-1", "notify"])
def test_what_dies_is_started_again(lasting: Service, part: str) -> None:
    service = lasting
    client = service.sign_up(f"{part}@example.org")
    victim = service.pid_of(part)
    os.kill(victim, signal.SIGKILL)
    wait_for(lambda: service.pid_of(part) != victim, why="it is not started again")

    def answers() -> bool:
        try:
            return httpx.get(f"{service.url}/readyz", timeout=5).status_code == 200
        except httpx.HTTPError:
            return False

    wait_for(answers, why="it does not recover")
    job = client.wait(client.submit(client.upload(INPUT))["id"])
    assert job["status"] == "COMPLETED", job["failure"]
    wait_for(lambda: [m for m in service.mails() if job["id"] in m.name], why="no mail")


@pytest.mark.long
@pytest.mark.parametrize(
    "half",
    [
        b"GET /healthz HTT",
        b"POST /accounts/login/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n"
        b"Content-Type: application/x-www-form-urlencoded\r\n\r\nlogin=",
        b"GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n",
    ],
    ids=["in-the-headers", "in-the-body", "before-the-end"],
)
def test_clients_that_stop_in_the_middle_take_no_thread_for_good(
    impatient: Service, half: bytes
) -> None:
    port = int(impatient.url.rpartition(":")[2])
    with contextlib.ExitStack() as stack:
        for _ in range(40):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            client.sendall(half)
        for _ in range(8):
            answer = httpx.get(f"{impatient.url}/healthz", timeout=15)
            assert answer.status_code == 200
    assert "Traceback" not in (impatient.data / "service" / "logs" / "web.log").read_text()


def test_one_data_folder_has_one_service(lasting: Service) -> None:
    service = lasting
    second = subprocess.run(
        service.gas("up", "--port", "0", "--data", str(service.data)),
        env=service.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert second.returncode == 1
    assert f"already (pid {service.process.pid})" in second.stderr
    assert "Traceback" not in second.stderr


def test_a_port_in_use_is_said() -> None:
    with service_folder() as folder, socket.create_server(("127.0.0.1", 0)) as taken:
        service = Service(folder)
        done = subprocess.run(
            service.gas("up", "--port", str(taken.getsockname()[1]), "--data", str(service.data)),
            env=service.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 1
        assert "Address already in use" in done.stderr
        assert "--port" in done.stderr
        assert "Traceback" not in done.stderr
        gone(_running_on(str(service.data)))


def _running_on(data: str) -> set[int]:
    found = subprocess.run(["pgrep", "-f", data], capture_output=True, text=True, check=False)
    return {int(pid) for pid in found.stdout.split()}


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("GAS_PORT", "many"),
        ("GAS_MAIL", "pigeon"),
        ("GAS_LEASE_S", "0.1"),
        ("GAS_BASE_URL", "x"),
        ("GAS_ENV", "production"),
    ],
)
def test_a_bad_setting_stops_the_start_with_its_name(variable: str, value: str) -> None:
    with service_folder() as folder:
        service = Service(folder, **{variable: value})
        done = subprocess.run(
            service.gas("up", "--data", str(service.data)),
            env=service.environment,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert variable in done.stderr
    assert "Traceback" not in done.stderr


class _Sink:
    def __init__(self) -> None:
        self.mails: list[bytes] = []

    async def handle_DATA(self, _server: object, _session: object, envelope: Any) -> str:
        self.mails.append(envelope.content)
        return "250 taken"


@pytest.mark.long
def test_another_postgresql_and_a_mail_server_by_setting() -> None:
    """DATABASE_URL and GAS_MAIL: the same service without its own parts for these."""
    sink = _Sink()
    with service_folder() as folder, socket.create_server(("127.0.0.1", 0)) as free:
        smtp = Controller(sink, hostname="127.0.0.1", port=free.getsockname()[1])
        free.close()
        smtp.start()
        database = folder / "elsewhere"
        server = EmbeddedPostgres(database, database, "secret-there", durable=False).start()
        service = Service(
            folder,
            DATABASE_URL=f"postgresql://gas:secret-there@{quote(str(database), safe='')}/gas",
            GAS_MAIL="smtp",
            GAS_SMTP_HOST="127.0.0.1",
            GAS_SMTP_PORT=str(smtp.port),
        )
        try:
            service.start()
            assert not any(line.startswith("  postgres") for line in service.lines)
            client = service.sign_up()
            job = client.wait(client.submit(client.upload(INPUT))["id"])
            assert job["status"] == "COMPLETED", job["failure"]
            wait_for(lambda: sink.mails, why="no mail")
            assert f"/jobs/{job['id']}/".encode() in sink.mails[0]
            assert service.stop() == 0
        finally:
            if service.process.poll() is None:
                service.process.kill()
            smtp.stop()
            stop_postgres(server)
        logs = "".join(p.read_text() for p in (service.data / "service" / "logs").iterdir())
        assert "secret-there" not in logs
        assert service.token not in logs
