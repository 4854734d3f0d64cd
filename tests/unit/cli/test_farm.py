"""What `gas farm` shows; tests/e2e/test_farm.py runs it beside a real farm."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import Console

from gas.cli.farm import SHOWN_DECISIONS, _span, _table
from gas.farm.scaler import Change
from gas.farm.seen import QueueState
from gas.farm.status import Instance, Size, Status, Web, WebWorker

AT = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)


def size(bounds: str, desired: int, reason: str) -> Size:
    return Size(bounds=bounds, desired=desired, running=3, busy=2, leaving=1, reason=reason)


def status(queue: QueueState | None, decisions: int = 0) -> Status:
    return Status(
        at=AT,
        pid=41,
        annotators=size("2..10", 4, "4 stay: 2 would do, but 4 were needed 9 s ago."),
        web=size("2", 2, "2 stay."),
        queue=queue,
        requests=Web(open_requests=1.5, requests_per_s=12.25),
        instances=[
            Instance(name="annotator-1", kind="annotator", pid=42, state="busy", age_s=200),
            Instance(name="annotator-2", kind="annotator", pid=None, state="waits", age_s=0),
        ],
        web_workers=[WebWorker(pid=43, served=1234, open=1, state="leaves")],
        decisions=[
            Change(at=AT, farm="web", before=n, after=n + 1, reason=f"out from {n} to {n + 1}")
            for n in range(decisions)
        ],
        reload=None,
    )


def shown(state: Status) -> str:
    console = Console(width=160, color_system=None)
    with console.capture() as said:
        console.print(_table(state))
    return said.get()


def test_a_person_sees_the_whole_farm() -> None:
    queue = QueueState(
        backlog=1200, in_flight=3, oldest_age_s=75, arrivals_per_s=0.2, service_s=23.04
    )
    text = shown(status(queue, decisions=20))
    assert "2026-01-01 12:00:00 UTC   supervisor 41" in text
    assert "annotators  2..10       4     3     2       1  4 stay: 2 would do" in text
    assert "1,200 wait, the oldest for 1 min 15 s; 3 run; 0.20 a second arrive; 23.0 s each" in text
    assert "12.2 a second, 1.5 in progress" in text
    rows = [line.split() for line in text.splitlines()]
    assert ["annotator-1", "42", "busy", "3", "min", "20", "s"] in rows
    assert ["annotator-2", "waits"] in rows
    assert "1,234 answered, 1 in progress" in text
    assert "out from 19 to 20" in text
    assert text.count("out from") == SHOWN_DECISIONS
    assert text.index("out from 19") < text.index("out from 18"), "the last first"


def test_a_database_that_is_away_is_said() -> None:
    text = shown(status(None))
    assert "the database does not answer" in text
    assert "none yet" in text


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0 s"), (59.4, "59 s"), (59.6, "1 min 0 s"), (3600, "1 h 0 min"), (93_784, "26 h 3 min")],
)
def test_a_span_of_time(seconds: float, said: str) -> None:
    assert _span(seconds) == said


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("nosuch",), 'no queue "nosuch"'),
        (("annotate", "--name", "../annotator-1"), "small letters, digits and dashes"),
    ],
)
def test_a_worker_says_what_it_cannot_be(
    tmp_path: Path, arguments: tuple[str, ...], says: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "gas", "worker", *arguments, "--data", str(tmp_path / "data")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert says in done.stderr
    assert "Traceback" not in done.stderr
