"""What the supervisor tells of its farm: one small file, written anew every second.

`gas farm` and `gas reload` read it, and whoever draws the instances over time.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ValidationError

from gas import procs
from gas.errors import GasError
from gas.farm.scaler import Change
from gas.farm.seen import QueueState

State = Literal["starts", "idle", "busy", "runs", "leaves", "waits"]
#: Written by a supervisor that lives: older, and it hangs or is gone.
FRESH_S = 15.0


class NotUp(GasError):
    """GAS does not run on this data folder."""


class Instance(BaseModel):
    """A process of the farm. ``state``: `waits` is to be started again after its end."""

    name: str
    kind: str
    pid: int | None
    state: State
    #: Since its start.
    age_s: float


class WebWorker(BaseModel):
    """A worker of the web part."""

    pid: int
    served: int
    open: int
    state: Literal["runs", "leaves"]


class Size(BaseModel):
    """How large one of the two farms is, should be and may be."""

    bounds: str
    desired: int
    running: int
    busy: int
    leaving: int
    reason: str


class Web(BaseModel):
    open_requests: float
    requests_per_s: float


class Reload(BaseModel):
    """The last reload: ``number`` is that of the request, ``steps`` tell what was done."""

    number: str
    state: Literal["runs", "done", "failed"]
    steps: list[str]


class Status(BaseModel):
    """The farm at one moment."""

    at: datetime
    pid: int
    annotators: Size
    web: Size
    #: None while the database does not answer.
    queue: QueueState | None
    requests: Web
    instances: list[Instance]
    web_workers: list[WebWorker]
    decisions: list[Change]
    reload: Reload | None


def write(run_dir: Path, status: Status) -> None:
    procs.replace_file(run_dir / "farm.json", status.model_dump_json())


def remove(run_dir: Path) -> None:
    """The farm is no more."""
    (run_dir / "farm.json").unlink(missing_ok=True)


def read(run_dir: Path, now: datetime | None = None) -> Status:
    """What a supervisor said lately. Raises NotUp."""
    try:
        status = Status.model_validate_json((run_dir / "farm.json").read_text())
    except (OSError, ValidationError):
        raise NotUp(hint="Start it with `gas up`, or name its folder with --data.") from None
    if (now or datetime.now(UTC)) - status.at > timedelta(seconds=FRESH_S):
        raise NotUp(
            f"The supervisor (process {status.pid}) has said nothing since "
            f"{status.at:%Y-%m-%d %H:%M:%S} UTC.",
            hint="Start GAS with `gas up`, or name its folder with --data.",
        )
    return status


# -- asking for a reload ---------------------------------------------------------------------------


def ask_for_reload(run_dir: Path, number: str) -> None:
    """Have the supervisor roll the release; it tells how that goes under ``number``."""
    procs.replace_file(run_dir / "reload", number)


def take_request(run_dir: Path) -> str | None:
    """The number of a reload that was asked for, once."""
    path = run_dir / "reload"
    try:
        number = path.read_text()
    except FileNotFoundError:
        return None
    path.unlink()
    return number
