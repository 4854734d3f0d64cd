"""Fakes for what a use case takes from outside, so that tests decide what happens when."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from gas.jobs.runner import Outcome, Task
from gas.notify.mailer import Letter

SUMMARY = {"records": 3, "impact": {"HIGH": 1, "LOW": 0}, "a": None}
Step = Callable[[Task, Callable[[float], None]], None]


class FakeClock:
    """Stands still until it is told to go on."""

    def __init__(self) -> None:
        self.time = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.time

    def advance(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


@dataclass
class FakeRunner:
    """Writes a result of fixed bytes. Before that it does the next of ``steps``, which may raise,
    call ``keep``, or let something else happen in the meantime."""

    steps: list[Step] = field(default_factory=list)
    runs: int = 0

    def run(self, task: Task, keep: Callable[[float], None]) -> Outcome:
        self.runs += 1
        step = self.steps.pop(0) if self.steps else None
        text = f"result of {task.output_prefix}".encode()
        stored = task.storage.put(f"{task.output_prefix}/annotated.vcf.gz", [text])
        if step is not None:
            step(task, keep)
        keep(1.0)
        file = {
            "name": "annotated.vcf.gz",
            "size_bytes": stored.size_bytes,
            "sha256": stored.sha256,
        }
        return Outcome([file], dict(SUMMARY))


@dataclass
class FakeMailer:
    """Keeps what it is given. ``errors`` are raised first, one for each call."""

    sent: list[Letter] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)

    def send(self, letter: Letter) -> None:
        if self.errors:
            raise self.errors.pop(0)
        self.sent.append(letter)


def raising(error: Exception) -> Step:
    def step(_task: Task, _keep: Callable[[float], None]) -> None:
        raise error

    return step
