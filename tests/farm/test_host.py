"""The two programs on every host in AWS, against a metadata service and APIs on loopback."""

from __future__ import annotations

import importlib.util
import json
import os
import stat
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import parse_qsl

import boto3
import pytest

from gas.settings import _database
from tests.s3 import moto

HOST = Path(__file__).parents[2] / "deploy" / "aws" / "host"


def program(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, HOST / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Metadata(BaseHTTPRequestHandler):
    """IMDSv2: says nothing to who has no token. Also the web part's /readyz, and the scaling
    group's API, which moto's has no lifecycle actions in."""

    says: dict[str, str]
    ready = 200
    #: What the group's API was asked, and the error that it answers with.
    asked: list[dict[str, str]]
    refusal = ""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.asked.append(dict(parse_qsl(body)))
        if self.refusal:
            self.answer(
                400, f"<ErrorResponse><Error><Code>{self.refusal}</Code></Error></ErrorResponse>"
            )
        else:
            self.answer(200, "<Response><CompleteLifecycleActionResult/></Response>")

    def do_PUT(self) -> None:
        self.answer(200, "token")

    def do_GET(self) -> None:
        if self.path == "/readyz":
            self.answer(self.ready if self.headers["Host"] == "localhost" else 400, "")
        elif self.headers["X-aws-ec2-metadata-token"] != "token":
            self.answer(401, "")
        else:
            value = self.says.get(self.path.removeprefix("/latest/meta-data/"))
            self.answer(404 if value is None else 200, value or "")

    def answer(self, status: int, text: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def aws() -> Iterator[str]:
    with moto() as url:
        yield url


@pytest.fixture
def metadata(aws: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Metadata]]:
    handler = type("Handler", (Metadata,), {"says": {"instance-id": "i-1"}, "asked": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    here = f"http://127.0.0.1:{server.server_port}"
    for name, value in {
        "IMDS": here,
        "READY": f"{here}/readyz",
        "ROLE": "web",
        "REGION": "eu-central-1",
        "GROUP": "Gas-web",
        "DATABASE_NAME": "gas",
        "AWS_ENDPOINT_URL": aws,
        "AWS_ENDPOINT_URL_AUTO_SCALING": here,
        "AWS_ACCESS_KEY_ID": "tests",
        "AWS_SECRET_ACCESS_KEY": "tests",
    }.items():
        monkeypatch.setenv(name, value)
    yield handler
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def systemctl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """What systemctl was asked for; it agrees to everything."""
    told = tmp_path / "told"
    told.touch()
    command = tmp_path / "systemctl"
    command.write_text(f'#!/bin/sh\necho "$@" >> {told}\n')
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return lambda: told.read_text().splitlines()


@pytest.fixture
def lifecycle(
    metadata: type[Metadata], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> ModuleType:
    module = program("lifecycle")
    wants = tmp_path / "wants"
    wants.mkdir()
    (wants / "gas-web.service").touch()
    monkeypatch.setattr(module, "WANTS", wants)
    monkeypatch.setattr(module, "LOOK_S", 0.01)
    return module


def test_the_state_is_what_the_group_says(lifecycle: ModuleType, metadata: type[Metadata]) -> None:
    assert lifecycle.look() == lifecycle.UNKNOWN
    metadata.says["autoscaling/target-lifecycle-state"] = "InService"
    assert lifecycle.look() == "InService"


def test_in_service_it_starts_and_is_ready_when_the_pages_are(
    lifecycle: ModuleType, metadata: type[Metadata], systemctl: Callable[[], list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    told: list[str] = []
    monkeypatch.setattr(lifecycle, "tell", lambda hook: told.append(hook) or True)
    metadata.ready = 503
    monkeypatch.setattr(lifecycle, "READY_S", 0.3)
    assert not lifecycle.act("InService"), "not ready: tried again"
    assert told == []
    metadata.ready = 200
    assert lifecycle.act("InService")
    assert told == ["launching"]
    assert systemctl()[0] == "start --no-block gas.target gas-web.service"
    assert systemctl()[1] == "is-active --quiet gas-web.service"


def test_in_the_warm_pool_nothing_is_started(
    lifecycle: ModuleType, systemctl: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(lifecycle, "tell", lambda hook: told.append(hook) or True)
    for state in ("Warmed:Stopped", "Warmed:Running", "Warmed:Hibernated", "Warmed:Terminated"):
        assert lifecycle.act(state)
    assert systemctl() == []
    assert told == ["launching"] * 3 + ["terminating"]


def test_terminated_it_stops_before_it_says_so(
    lifecycle: ModuleType, systemctl: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    monkeypatch.setattr(lifecycle, "tell", lambda hook: order.extend([*systemctl(), hook]) or True)
    assert lifecycle.act("Terminated")
    assert order == ["stop gas.target", "terminating"]


def test_other_states_are_left_alone(
    lifecycle: ModuleType, systemctl: Callable[[], list[str]]
) -> None:
    assert lifecycle.act("Standby")
    assert systemctl() == []


def test_the_group_is_told_which_hook_of_which_instance_is_over(
    lifecycle: ModuleType, metadata: type[Metadata]
) -> None:
    assert lifecycle.tell("launching")
    (asked,) = metadata.asked
    assert (
        asked.items()
        >= {
            "Action": "CompleteLifecycleAction",
            "AutoScalingGroupName": "Gas-web",
            "LifecycleHookName": "launching",
            "InstanceId": "i-1",
            "LifecycleActionResult": "CONTINUE",
        }.items()
    )


def test_a_hook_that_does_not_wait_is_no_error_and_other_refusals_are(
    lifecycle: ModuleType, metadata: type[Metadata], monkeypatch: pytest.MonkeyPatch
) -> None:
    metadata.refusal = "ValidationError"
    assert lifecycle.tell("launching"), "no hook waits: nothing to tell"
    metadata.refusal = "AccessDenied"
    assert not lifecycle.tell("launching"), "to be tried again"
    monkeypatch.setenv("AWS_ENDPOINT_URL_AUTO_SCALING", "http://127.0.0.1:1")
    assert not lifecycle.tell("launching"), "to be tried again"


# -- secrets -----------------------------------------------------------------------------------


def kept(**values: str) -> dict[str, str]:
    """Setting -> ARN of the secret with its value."""
    client = boto3.client("secretsmanager", region_name="eu-central-1")
    return {
        name: client.create_secret(Name=f"{name}-{os.urandom(4).hex()}", SecretString=value)["ARN"]
        for name, value in values.items()
    }


def test_secrets_become_files_for_gas_alone(metadata: type[Metadata], tmp_path: Path) -> None:
    rds = {"host": "db.example.org", "port": 5432, "username": "gas", "password": "p@ss/w:rd?#%"}
    arns = tmp_path / "secrets.json"
    arns.write_text(json.dumps(kept(GAS_SECRET_KEY="hush", DATABASE_URL=json.dumps(rds))))
    folder = tmp_path / "run"
    folder.mkdir()
    program("fetch_secrets").main(arns, folder)
    program("fetch_secrets").main(arns, folder)  # as after a restart
    assert (folder / "GAS_SECRET_KEY").read_text() == "hush"
    files = sorted(path.name for path in folder.iterdir())
    assert files == ["DATABASE_URL", "GAS_SECRET_KEY", "files.env"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o400}
    named = dict(line.split("=", 1) for line in (folder / "files.env").read_text().splitlines())
    assert named == {f"{name}_FILE": str(folder / name) for name in files[:2]}
    database = _database((folder / "DATABASE_URL").read_text())
    assert (database["HOST"], database["PASSWORD"]) == ("db.example.org", rds["password"])
    options = database["OPTIONS"]
    assert isinstance(options, dict)
    assert options["sslmode"] == "verify-full"
    assert options["sslrootcert"] == "/etc/gas/rds-ca.pem"


def test_a_secret_that_was_never_filled_is_named(metadata: type[Metadata], tmp_path: Path) -> None:
    client = boto3.client("secretsmanager", region_name="eu-central-1")
    arn = client.create_secret(Name=f"empty-{os.urandom(4).hex()}")["ARN"]
    arns = tmp_path / "secrets.json"
    arns.write_text(json.dumps({"GAS_STRIPE_SECRET_KEY": arn}))
    with pytest.raises(SystemExit, match=r"GAS_STRIPE_SECRET_KEY: .* never filled"):
        program("fetch_secrets").main(arns, tmp_path)
