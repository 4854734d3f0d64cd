"""Real S3 servers for the tests, on free loopback ports.

SeaweedFS checks signatures and checksums. Moto knows storage classes and RestoreObject, but takes
any signature and thaws at once: ``SlowGlacier`` puts time and refusals in front of it.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from gas.storage.s3 import make_client

ACCESS, SECRET = "gas-tests", "gas-tests-secret"
KEYS = {"region": "us-east-1", "access_key_id": ACCESS, "secret_access_key": SECRET}
BUCKET = "gas-tests"


def free_ports(count: int, ip: str = "127.0.0.1") -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind((ip, 0))
        return [one.getsockname()[1] for one in sockets]


def _weed() -> str:
    beside = Path(sys.executable).parent / "weed"
    return str(beside) if beside.exists() else shutil.which("weed") or "weed"


@contextlib.contextmanager
def seaweedfs(folder: Path, ip: str = "127.0.0.1") -> Iterator[str]:
    """The address of a SeaweedFS that keeps its data in ``folder``, with an empty BUCKET."""
    for last in (False, False, True):
        server, url = _start_seaweedfs(folder / secrets.token_hex(4), ip)
        try:
            _await_bucket(url, server)
            break
        except (BotoCoreError, ClientError):  # mostly: one of its ports was taken meanwhile
            _end(server)
            if last:
                raise
    try:
        yield url
    finally:
        _end(server)


def _end(server: subprocess.Popen[bytes]) -> None:
    server.kill()
    server.wait()


def _start_seaweedfs(folder: Path, ip: str) -> tuple[subprocess.Popen[bytes], str]:
    (folder / "data").mkdir(parents=True)
    rights = ["Admin", "Read", "Write", "List", "Tagging"]
    user = {
        "name": "gas",
        "credentials": [{"accessKey": ACCESS, "secretKey": SECRET}],
        "actions": rights,
    }
    (folder / "s3.json").write_text(json.dumps({"identities": [user]}))
    names = [
        f"{part}.port{kind}"
        for part in ("master", "volume", "filer", "s3")
        for kind in ("", ".grpc")
    ]
    ports = dict(zip(names, free_ports(len(names), ip), strict=True))
    command = [
        _weed(), "-logtostderr=true", "server", f"-dir={folder / 'data'}",
        f"-ip={ip}", f"-ip.bind={ip}", "-master.telemetry=false",
        "-master.volumeSizeLimitMB=64", "-volume.max=50", "-filer", "-s3",
        f"-s3.config={folder / 's3.json'}", "-s3.iam=false", "-s3.port.iceberg=0",
        "-s3.port.lance=0", *(f"-{name}={port}" for name, port in ports.items()),
    ]  # fmt: skip
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    return server, f"http://{ip}:{ports['s3.port']}"


def _await_bucket(url: str, server: subprocess.Popen[bytes]) -> None:
    client = make_client(endpoint_url=url, **KEYS)
    deadline = time.monotonic() + 30
    while True:
        try:
            client.create_bucket(Bucket=BUCKET)
            # A write succeeds only once a volume has been assigned.
            client.put_object(Bucket=BUCKET, Key="up", Body=b"?")
            client.delete_object(Bucket=BUCKET, Key="up")
            return
        except ClientError as error:
            if "AlreadyOwnedByYou" in str(error) or "AlreadyExists" in str(error):
                client.delete_bucket(Bucket=BUCKET)
            if server.poll() is not None or time.monotonic() > deadline:
                raise
        except BotoCoreError:
            if server.poll() is not None or time.monotonic() > deadline:
                raise


@contextlib.contextmanager
def moto() -> Iterator[str]:
    """The address of a moto server in a thread of this process, with an empty BUCKET."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    try:
        make_client(endpoint_url=url, **KEYS).create_bucket(Bucket=BUCKET)
        yield url
    finally:
        server.stop()


class SlowGlacier:
    """A client whose archive classes take their time and refuse, as Amazon's do.

    What was asked for is ready ``takes`` after it was asked, by the test's clock. ``refusals``
    are the codes that RestoreObject answers next; ``asked`` the ways it was asked for.
    """

    def __init__(self, client: Any, clock: Callable[[], datetime], takes: timedelta) -> None:
        self._client = client
        self._clock = clock
        self._takes = takes
        self._ready: dict[str, datetime] = {}
        self.refusals: list[str] = []
        self.asked: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def _thaws(self, key: str) -> bool:
        return key in self._ready and self._ready[key] > self._clock()

    def put_object(self, **request: Any) -> Any:
        self._ready.pop(request["Key"], None)
        return self._client.put_object(**request)

    def head_object(self, **request: Any) -> Any:
        answer = self._client.head_object(**request)
        if self._thaws(request["Key"]):
            answer["Restore"] = 'ongoing-request="true"'
        return answer

    def get_object(self, **request: Any) -> Any:
        if self._thaws(request["Key"]):
            raise error("InvalidObjectState", 403, "GetObject")
        return self._client.get_object(**request)

    def restore_object(self, **request: Any) -> Any:
        self.asked.append(request["RestoreRequest"]["GlacierJobParameters"]["Tier"])
        if self.refusals and (code := self.refusals.pop(0)):
            raise error(code, 503, "RestoreObject")
        if self._thaws(request["Key"]):
            raise error("RestoreAlreadyInProgress", 409, "RestoreObject")
        self._ready[request["Key"]] = self._clock() + self._takes
        return self._client.restore_object(**request)


def error(code: str, status: int, operation: str) -> ClientError:
    """What botocore raises when S3 answers ``code``."""
    answer: Any = {
        "Error": {"Code": code, "Message": code},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(answer, operation)
