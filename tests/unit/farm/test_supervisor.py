"""The supervisor's own habits; tests/e2e runs it with all its parts."""

from __future__ import annotations

import subprocess
import threading
import time
from pathlib import Path

import pytest

from gas.config import get_settings
from gas.farm import parts
from gas.farm.parts import Maker, Part
from gas.farm.supervisor import Supervisor


@pytest.fixture
def one(tmp_path: Path) -> Supervisor:
    settings = get_settings().model_copy(update={"data_dir": tmp_path})
    settings.logs_dir.mkdir(parents=True)
    return Supervisor(settings, lambda _line: None)


def sleeping(seconds: str) -> Part:
    return Part(
        "sleeper",
        "sleeper",
        lambda _: subprocess.Popen(["sleep", seconds], start_new_session=True),
        grace_s=60,
    )


def test_a_second_ctrl_c_does_not_wait() -> None:
    stubborn = sleeping("60")
    stubborn.start()
    process = stubborn.process
    pressed = threading.Event()
    threading.Timer(0.2, pressed.set).start()
    begun = time.monotonic()
    parts.stop(stubborn, pressed.is_set)
    assert time.monotonic() - begun < 10
    assert process is not None
    assert process.returncode == -9


def test_a_part_that_ends_in_time_is_not_killed() -> None:
    part = sleeping("0.1")
    part.start()
    parts.stop(part, lambda: False)
    assert part.process is not None
    assert part.process.returncode == 0


def test_a_log_that_is_being_written_is_kept_small(
    one: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "LOG_LIMIT_BYTES", 100)
    with Maker(one.settings).open_log("web") as log:
        log.write(b"old\n" * 50)
        log.flush()
        one._mend()
        log.write(b"new\n")
    logs = one.settings.logs_dir
    assert (logs / "web.log").read_bytes() == b"new\n", "appended, without a hole before it"
    assert (logs / "web.log.1").read_bytes() == b"old\n" * 50
