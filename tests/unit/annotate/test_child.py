from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from typing import Any

import pytest

from gas.annotate.pack import Pack
from tests.annotation import HEADER, NA12878, demo_pack, record

CHILD = [sys.executable, "-m", "gas.annotate.child"]
HELD = "tests.engines:HeldEngine"


def ask(request: dict[str, object]) -> tuple[int, list[Any]]:
    done = subprocess.run(
        CHILD, input=json.dumps(request), capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


def request_for(input: Path, output: Path, pack: Pack, **more: object) -> dict[str, object]:
    return {"input": str(input), "output": str(output), "pack": str(pack.path), **more}


def test_a_result_is_the_last_line_after_progress(out: Path) -> None:
    code, lines = ask(request_for(NA12878, out, demo_pack(), engine="csq"))
    assert code == 0
    *progress, last = lines
    assert progress
    steps = [line["progress"] for line in progress]
    assert all(step["bytes_read"] <= step["bytes_total"] for step in steps)
    assert progress[-1]["progress"]["records"] == 4591
    assert last["result"]["output"] == str(out)
    assert last["result"]["index"] == f"{out}.tbi"
    assert last["result"]["summary"]["records"] == 4591
    assert out.exists()


def test_a_plan_its_shards_and_the_join_come_to_the_same(tmp_path: Path, out: Path) -> None:
    about = {"pack": str(demo_pack().path), "engine": "gas"}
    code, lines = ask(request_for(NA12878, out, demo_pack(), engine="gas"))
    assert code == 0
    whole = {path.name: path.read_bytes() for path in out.parent.iterdir()}
    planned = {"input": str(NA12878), "folder": str(tmp_path), "shard_bytes": 1 << 30, **about}
    code, lines = ask({"do": "plan", **planned})
    assert (code, lines[-1]) == (0, {"result": {}})
    (shard,) = [line["shard"] for line in lines if "shard" in line]
    assert (shard["number"], shard["read"]) == (0, 1)
    code, lines = ask({"do": "work", "text": shard["text"], "cuts": shard["cuts"],
                       "folder": str(tmp_path), **about})  # fmt: skip
    assert code == 0
    done = lines[-1]["result"]
    for path in out.parent.iterdir():
        path.unlink()
    head, found = str(tmp_path / "head.vcf"), str(tmp_path / "found.json")
    code, lines = ask({"do": "join", "head": head, "found": found, "output": str(out),
                       "shards": [[done["blocks"], done["about"]]], **about})  # fmt: skip
    assert code == 0
    assert lines[-1]["result"]["summary"]["records"] == 4591
    assert {path.name: path.read_bytes() for path in out.parent.iterdir()} == whole


def test_an_error_is_a_sentence_with_its_place(tiny: Pack, tmp_path: Path, out: Path) -> None:
    path = tmp_path / "in.vcf"
    path.write_bytes(HEADER + record(5, "A", "C") + b"\0\n")
    code, lines = ask(request_for(path, out, tiny))
    assert code == 1
    assert lines[-1]["error"] == {
        "code": "bad-input",
        "message": "The file holds a NUL byte, so it is not text.",
        "hint": "It may be damaged or binary; upload the VCF again.",
        "line": 4,
        "column": None,
        "permanent": True,
    }
    assert not list(out.parent.iterdir())


def test_limits_can_be_given(tiny: Pack, tmp_path: Path, out: Path) -> None:
    path = tmp_path / "in.vcf"
    path.write_bytes(HEADER + record(5, "A", "C") * 1000)
    asked = request_for(path, out, tiny, limits={"uncompressed_bytes": 1000})
    _, lines = ask(asked)
    assert "more than 1,000 bytes" in str(lines[-1]["error"]["message"])


def test_a_request_that_is_none_is_an_error_line() -> None:
    code, lines = ask({"input": "x"})
    assert code == 1
    assert lines[-1]["error"]["permanent"] is False


def start_held(pack: Pack, out: Path) -> subprocess.Popen[str]:
    """A child that works until it is told to stop."""
    (pack.path / "hold").touch()
    child = subprocess.Popen(CHILD, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdin is not None
    child.stdin.write(json.dumps(request_for(NA12878, out, pack, engine=HELD)))
    child.stdin.close()
    wait_for_held(pack, child.pid)
    return child


def wait_for_held(pack: Pack, pid: int) -> None:
    """Until the engine says that it is at work; another process tells by a file."""
    pause = threading.Event()
    for _ in range(1500):
        if (pack.path / f"held-{pid}").exists():
            return
        pause.wait(0.02)
    pytest.fail("the child did not get to work")


@pytest.fixture
def held_pack(tiny: Pack, tmp_path: Path) -> Pack:
    folder = tmp_path / "held"
    folder.mkdir()
    for file in tiny.path.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    return Pack.open(folder)


def test_sigterm_cancels_and_cleans_up(held_pack: Pack, out: Path) -> None:
    child = start_held(held_pack, out)
    assert [p.name for p in out.parent.iterdir()] != []  # at work in its private folder
    child.send_signal(signal.SIGTERM)
    assert child.stdout is not None
    with child.stdout:
        said = child.stdout.read()
    assert child.wait(30) == 1
    assert json.loads(said.splitlines()[-1])["error"]["code"] == "cancelled"
    assert not list(out.parent.iterdir())


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's help is Linux's")
def test_the_child_does_not_outlive_its_parent(held_pack: Pack, out: Path) -> None:
    (held_pack.path / "hold").touch()
    request = json.dumps(request_for(NA12878, out, held_pack, engine=HELD))
    parent_code = f"""
        import subprocess, sys
        child = subprocess.Popen({CHILD!r}, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        child.stdin.write({request!r}.encode()); child.stdin.close()
        print(child.pid, flush=True)
        child.wait()
    """
    parent = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(parent_code)], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    wait_for_held(held_pack, pid)
    watch = os.pidfd_open(pid)
    parent.kill()
    parent.communicate()
    poll = select.poll()
    poll.register(watch, select.POLLIN)
    assert poll.poll(30_000), "the child is still there"
    os.close(watch)
    assert not list(out.parent.iterdir())


def test_starting_is_light() -> None:
    code = (
        "import sys, gas.annotate.child; "
        "print([m for m in ('pysam', 'numpy', 'django', 'pydantic', 'httpx') if m in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"
