"""The times of requests, counted by several processes of a host."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

#: A web process that does what it is told on its standard input.
_PROCESS = """
import sys
from pathlib import Path
from prometheus_client import generate_latest
from gas.telemetry import http_times
http_times.share(Path(sys.argv[1]))
for line in sys.stdin:
    method, route, status, seconds = line.split()
    if method == "TELL":
        text = generate_latest(http_times.registry()).decode()
        print(*[line for line in text.splitlines() if "_count{" in line], sep="|", flush=True)
    else:
        http_times.observe(method, route, int(status), float(seconds))
        print("noted", flush=True)
"""
COUNT = 'gas_http_request_seconds_count{{method="GET",route="/jobs/",status="200"}} {:.1f}'


class Web:
    def __init__(self, root: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", _PROCESS, str(root)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def say(self, line: str) -> str:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(line, file=self.process.stdin, flush=True)
        return self.process.stdout.readline().strip()

    def note(self) -> None:
        assert self.say("GET jobs/ 200 0.02") == "noted"

    def tell(self) -> str:
        return self.say("TELL - 0 0")

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[], Web]]:
    with ExitStack() as stack:

        def begin() -> Web:
            web = Web(tmp_path)
            stack.callback(web.kill)
            return web

        yield begin


def test_whoever_is_asked_tells_of_all(start: Callable[[], Web]) -> None:
    one, other = start(), start()
    one.note()
    other.note()
    other.note()
    assert one.tell() == other.tell() == COUNT.format(3)


def test_counts_outlive_a_process_and_files_are_used_again(
    start: Callable[[], Web], tmp_path: Path
) -> None:
    one, other = start(), start()
    one.note()
    other.note()
    one.kill()
    assert other.tell() == COUNT.format(2)
    heir = start()
    heir.note()
    assert other.tell() == COUNT.format(3)
    assert len(list(tmp_path.glob("*/*.db"))) == 2


def test_files_of_an_earlier_boot_are_not_read(start: Callable[[], Web], tmp_path: Path) -> None:
    one = start()
    one.note()
    (now,) = tmp_path.iterdir()
    one.kill()
    before = now.rename(tmp_path / f"{now.name.rpartition('.')[0]}.another-boot")
    for file in before.glob("*.db"):
        file.write_bytes(b"torn")
    other = start()
    other.note()
    assert other.tell() == COUNT.format(1)
    assert not before.exists()
