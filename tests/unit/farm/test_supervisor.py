"""The supervisor's own habits; tests/e2e/test_up.py runs it with all its parts."""

from __future__ import annotations

import subprocess
import threading
import time
from pathlib import Path

import pytest

from gas.config import get_settings
from gas.farm import supervisor
from gas.farm.supervisor import Supervisor


@pytest.fixture
def one(tmp_path: Path) -> Supervisor:
    settings = get_settings().model_copy(update={"data_dir": tmp_path})
    settings.logs_dir.mkdir(parents=True)
    return Supervisor(settings, lambda _line: None)


def test_a_second_ctrl_c_does_not_wait(one: Supervisor) -> None:
    stubborn = subprocess.Popen(["sleep", "60"], start_new_session=True)
    one._stopping = 1

    def press_again() -> None:
        one._stopping += 1

    threading.Timer(0.2, press_again).start()
    begun = time.monotonic()
    one._stop(stubborn, grace_s=60)
    assert time.monotonic() - begun < 10
    assert stubborn.returncode == -9


def test_a_part_that_ends_in_time_is_not_killed(one: Supervisor) -> None:
    part = subprocess.Popen(["sleep", "0.1"], start_new_session=True)
    one._stopping = 1
    one._stop(part, grace_s=60)
    assert part.returncode == 0


def test_a_log_that_is_being_written_is_kept_small(
    one: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "LOG_LIMIT_BYTES", 100)
    with one._log("web") as log:
        log.write(b"old\n" * 50)
        log.flush()
        one._mend()
        log.write(b"new\n")
    logs = one.settings.logs_dir
    assert (logs / "web.log").read_bytes() == b"new\n", "appended, without a hole before it"
    assert (logs / "web.log.1").read_bytes() == b"old\n" * 50
