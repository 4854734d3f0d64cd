"""`gas farm` and `gas reload`: look at the running farm, and have it go over to new code."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gas.cli.service import say
from gas.config import get_settings, override_environment
from gas.errors import GasError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from gas.farm.status import Size, Status

DATA = typer.Option(help="Data folder.", show_default="GAS_DATA_DIR")
LOOK_S = 1.0
RELOAD_POLL_S = 0.2
#: Each new process has two minutes; a few of them may take that on a busy machine, not all.
RELOAD_TIMEOUT_S = 900.0
SHOWN_DECISIONS = 8


class ReloadFailed(GasError):
    """The reload did not succeed."""


def farm(
    data: Annotated[Path | None, DATA] = None,
    once: Annotated[bool, typer.Option("--once", help="Print it once, and end.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Once, as JSON.")] = False,
) -> None:
    """Show the farm of a running `gas up`: instances, backlog, rates, decisions and why.

    A live table until Ctrl-C; without a terminal, or with --once, it is printed one time.
    """
    from gas.farm import status

    folder = _run_dir(data)
    if as_json:
        typer.echo(status.read(folder).model_dump_json(indent=2))
        return
    from rich.console import Console
    from rich.live import Live

    console = Console()
    if once or not console.is_terminal:
        console.print(_table(status.read(folder)))
        return
    with Live(_table(status.read(folder)), console=console, auto_refresh=False) as live:
        while True:
            time.sleep(LOOK_S)
            live.update(_table(status.read(folder)), refresh=True)


def reload(data: Annotated[Path | None, DATA] = None) -> None:
    """Go over to newly installed code, without a dropped request or a job begun anew.

    Migrates the database; starts new web workers beside the old ones and has the old ones finish;
    then replaces one worker after the other, each when it has finished its job. Where the new code
    does not start, the old one goes on, and this says so and exits 1.
    """
    from gas.farm import status

    folder = _run_dir(data)
    number = secrets.token_hex(8)
    status.read(folder)
    status.ask_for_reload(folder, number)
    shown = 0
    end = time.monotonic() + RELOAD_TIMEOUT_S
    while time.monotonic() < end:
        state = status.read(folder).reload
        if state is not None and state.number == number:
            failed = state.state == "failed"
            for step in state.steps[shown:-1] if failed else state.steps[shown:]:
                say(step)
            shown = len(state.steps)
            if failed:
                raise ReloadFailed(state.steps[-1])
            if state.state == "done":
                return
        time.sleep(RELOAD_POLL_S)
    raise ReloadFailed("The reload takes too long.", hint="Look at `gas farm` and at the logs.")


def _run_dir(data: Path | None) -> Path:
    if data is not None:
        override_environment(GAS_DATA_DIR=str(data.absolute()))
    return get_settings().run_dir


# -- the table -----------------------------------------------------------------------------------


def _table(status: Status) -> RenderableType:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    farms = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("farm", "of", "wanted", "runs", "busy", "leaves", "why"):
        farms.add_column(title, justify="left" if title in ("farm", "why") else "right")
    for name, size in (("annotators", status.annotators), ("web", status.web)):
        farms.add_row(*_farm_row(name, size))
    instances = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("instance", "pid", "state", "for"):
        instances.add_column(title, justify="right" if title == "pid" else "left")
    for row in _instance_rows(status):
        instances.add_row(*row)
    lines = [Text(line) for line in _decision_lines(status)]
    head = Text(f"{status.at:%Y-%m-%d %H:%M:%S} UTC   supervisor {status.pid}")
    return Group(
        head, Text(), farms, Text(), Text(_queue_line(status)), Text(_request_line(status)),
        Text(), instances, Text(), Text("decisions", style="bold"), *lines,
    )  # fmt: skip


def _farm_row(name: str, size: Size) -> Iterator[str]:
    yield name
    yield size.bounds
    yield from (str(count) for count in (size.desired, size.running, size.busy, size.leaving))
    yield size.reason


def _queue_line(status: Status) -> str:
    queue = status.queue
    if queue is None:
        return "jobs        the database does not answer"
    took = "none has ended lately" if queue.service_s is None else f"{queue.service_s:.1f} s each"
    return (
        f"jobs        {queue.backlog:,} wait, the oldest for {_span(queue.oldest_age_s)}; "
        f"{queue.in_flight:,} run; {queue.arrivals_per_s:.2f} a second arrive; {took}"
    )


def _request_line(status: Status) -> str:
    seen = status.requests
    return (
        f"requests    {seen.requests_per_s:.1f} a second, {seen.open_requests:.1f} in progress "
        "(the mean of 30 seconds)"
    )


def _instance_rows(status: Status) -> Iterator[tuple[str, str, str, str]]:
    for one in status.instances:
        yield one.name, str(one.pid or ""), one.state, _span(one.age_s) if one.pid else ""
    for worker in status.web_workers:
        did = f"{worker.served:,} answered, {worker.open} in progress"
        yield "  web worker", str(worker.pid), worker.state, did


def _decision_lines(status: Status) -> Iterator[str]:
    if not status.decisions:
        yield "none yet"
    for made in reversed(status.decisions[-SHOWN_DECISIONS:]):
        yield f"{made.at:%H:%M:%S}  {made.farm:<10}  {made.reason}"


def _span(seconds: float) -> str:
    """A time for a person: 12 s, 3 min 20 s, 2 h 5 min."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
