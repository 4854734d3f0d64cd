"""One suite for everything that protects a worker: a lock of this machine, an EC2 Auto Scaling
group (moto's API behind an IMDSv2 of our own), an ECS task (an agent of our own). Real HTTP."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import pytest

from gas.farm.protection import Layers, NoProtection, Protection, ProtectionFailed
from gas.farm.protection.asg import AsgProtection
from gas.farm.protection.ecs import EcsProtection
from gas.farm.protection.instance import RENEW_S, InstanceProtection
from gas.farm.protection.local import LocalProtection, is_busy, take_idle
from tests import s3

REGION = "us-east-1"


@dataclass
class Backend:
    """A protection, whether its other side counts the worker as protected, and how that side is
    made to refuse."""

    protection: Protection
    protected: Callable[[], bool]
    refusing: Callable[[], contextlib.AbstractContextManager[object]]


class _Agent(BaseHTTPRequestHandler):
    """The ECS agent's endpoint and an instance's metadata service in one."""

    state: dict[str, Any]

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path == "/latest/api/token":
            assert self.headers["X-aws-ec2-metadata-token-ttl-seconds"]
            self._answer(b"the-token")
        elif self.path != "/v3/task-protection/v1/state":
            self.send_error(404)
        elif self.state["refuses"]:
            failure = {"Arn": "task", "Reason": "TASK_NOT_VALID"}
            self._answer(json.dumps({"failure": failure}).encode())
        else:
            wanted = json.loads(body)
            assert not wanted["ProtectionEnabled"] or 1 <= wanted["ExpiresInMinutes"] <= 2880
            self.state.update(protected=wanted["ProtectionEnabled"], puts=self.state["puts"] + 1)
            self._answer(json.dumps({"protection": wanted}).encode())

    def do_GET(self) -> None:
        if self.headers["X-aws-ec2-metadata-token"] != "the-token":
            self.send_error(401)
        elif self.path in self.state["metadata"]:
            self._answer(self.state["metadata"][self.path].encode())
        else:
            self.send_error(404)

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def agent() -> Iterator[tuple[str, dict[str, Any]]]:
    state: dict[str, Any] = {"protected": False, "refuses": False, "puts": 0, "metadata": {}}
    handler = type("Agent", (_Agent,), {"state": state})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextlib.contextmanager
def _local(folder: Path) -> Iterator[Backend]:
    path = folder / "annotator-1.lock"

    @contextlib.contextmanager
    def taken_out() -> Iterator[None]:
        hold = take_idle(path)
        assert hold is not None
        yield
        hold.close()

    yield Backend(LocalProtection(path), lambda: is_busy(path), taken_out)


@contextlib.contextmanager
def _ecs(_folder: Path) -> Iterator[Backend]:
    with agent() as (url, state):

        @contextlib.contextmanager
        def refuses() -> Iterator[None]:
            state["refuses"] = True
            yield
            state["refuses"] = False

        yield Backend(EcsProtection(f"{url}/v3"), lambda: bool(state["protected"]), refuses)


@contextlib.contextmanager
def _asg(_folder: Path) -> Iterator[Backend]:
    with s3.moto() as moto, agent() as (url, state):

        def client(service: str, region: str = REGION) -> Any:
            keys = {"aws_access_key_id": s3.ACCESS, "aws_secret_access_key": s3.SECRET}
            return boto3.client(service, region_name=region, endpoint_url=moto, **keys)

        group = client("autoscaling")
        zone = f"{REGION}a"
        group.create_launch_configuration(
            LaunchConfigurationName="annotators", ImageId="ami-12c6146b", InstanceType="t3.micro"
        )
        group.create_auto_scaling_group(
            AutoScalingGroupName="annotators", LaunchConfigurationName="annotators",
            MinSize=1, MaxSize=2, DesiredCapacity=1, AvailabilityZones=[zone],
        )  # fmt: skip

        def instances() -> list[dict[str, Any]]:
            found: list[dict[str, Any]] = group.describe_auto_scaling_instances()[
                "AutoScalingInstances"
            ]
            return found

        (mine,) = instances()
        state["metadata"] = {
            "/latest/meta-data/instance-id": mine["InstanceId"],
            "/latest/meta-data/placement/region": REGION,
        }

        @contextlib.contextmanager
        def gone_from_the_group() -> Iterator[None]:
            ids = {"InstanceIds": [mine["InstanceId"]], "AutoScalingGroupName": "annotators"}
            group.detach_instances(**ids, ShouldDecrementDesiredCapacity=True)
            yield
            group.attach_instances(**ids)

        yield Backend(
            AsgProtection(url, lambda region: client("autoscaling", region)),
            lambda: any(
                one["ProtectedFromScaleIn"]
                for one in instances()
                if one["InstanceId"] == mine["InstanceId"]
            ),
            gone_from_the_group,
        )
        group.delete_auto_scaling_group(AutoScalingGroupName="annotators", ForceDelete=True)


@pytest.fixture(params=[_local, _ecs, _asg], ids=["local", "ecs", "asg"])
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Backend]:
    with request.param(tmp_path) as made:
        yield made


def test_it_is_seen_from_the_other_side(backend: Backend) -> None:
    assert not backend.protected()
    backend.protection.protect()
    assert backend.protected()
    backend.protection.release()
    assert not backend.protected()


def test_both_may_be_repeated(backend: Backend) -> None:
    backend.protection.release()
    backend.protection.protect()
    backend.protection.protect()
    assert backend.protected()
    backend.protection.release()
    backend.protection.release()
    assert not backend.protected()
    backend.protection.protect()
    assert backend.protected()


def test_a_refusal_is_said_and_ends(backend: Backend) -> None:
    with backend.refusing(), pytest.raises(ProtectionFailed) as said:
        backend.protection.protect()
    assert str(said.value)
    assert not said.value.permanent
    assert not backend.protected()
    backend.protection.protect()
    assert backend.protected()


@pytest.mark.parametrize("kind", ["ecs", "asg"])
def test_nobody_answers(kind: str) -> None:
    (port,) = s3.free_ports(1)
    url = f"http://127.0.0.1:{port}"
    kinds: dict[str, Protection] = {
        "ecs": EcsProtection(url),
        "asg": AsgProtection(url, lambda _: None),
    }
    with pytest.raises(ProtectionFailed, match="does not answer"):
        kinds[kind].protect()


def test_an_instance_in_no_group_says_so() -> None:
    with s3.moto() as moto, agent() as (url, state):
        state["metadata"] = {
            "/latest/meta-data/instance-id": "i-alone",
            "/latest/meta-data/placement/region": REGION,
        }
        keys = {"aws_access_key_id": s3.ACCESS, "aws_secret_access_key": s3.SECRET}
        alone = AsgProtection(
            url,
            lambda region: boto3.client(
                "autoscaling", region_name=region, endpoint_url=moto, **keys
            ),
        )
        with pytest.raises(ProtectionFailed, match="i-alone is in no scaling group"):
            alone.protect()


# -- several workers of one instance -------------------------------------------------------------


def test_the_last_idle_worker_gives_the_instance_free(tmp_path: Path) -> None:
    with _ecs(tmp_path) as backend:
        first, second = (
            InstanceProtection(backend.protection, tmp_path / "run" / "lock") for _ in range(2)
        )
        first.protect()
        second.protect()
        first.release()
        assert backend.protected(), "the second works"
        second.release()
        assert not backend.protected()
        first.protect()
        assert backend.protected()


def test_the_cloud_is_asked_once_an_hour_and_anew_after_a_refusal(tmp_path: Path) -> None:
    now = 0.0
    with agent() as (url, state):
        worker = InstanceProtection(EcsProtection(f"{url}/v3"), tmp_path / "lock", lambda: now)
        worker.protect()
        worker.protect()
        assert state["puts"] == 1
        now = RENEW_S
        state["refuses"] = True
        with pytest.raises(ProtectionFailed):
            worker.protect()
        state["refuses"] = False
        worker.protect()
        assert state["puts"] == 2


def test_layers_hold_together_or_not_at_all(tmp_path: Path) -> None:
    with _local(tmp_path) as near, _ecs(tmp_path) as far:
        both = Layers([near.protection, far.protection])
        both.protect()
        assert near.protected()
        assert far.protected()
        both.release()
        with far.refusing(), pytest.raises(ProtectionFailed):
            both.protect()
        assert not near.protected()


def test_no_protection_asks_nobody() -> None:
    NoProtection().protect()
    NoProtection().release()
