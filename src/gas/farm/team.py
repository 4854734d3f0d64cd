"""The parts that run: they are started, missed when they end, and started again.

What ends is started again after a wait that grows, unless it was told to leave.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from gas import procs
from gas.errors import GasError
from gas.farm.parts import ANNOTATOR, WEB, Maker, Part

#: A part that lived so long has recovered: its next end is a first one again.
STABLE_S = 60.0
BACKOFF_S = (0.5, 1.0, 2.0, 5.0, 15.0, 30.0)


@dataclass
class Team:
    """``say`` prints one line for a person."""

    maker: Maker
    say: Callable[[str], None]
    parts: list[Part] = field(default_factory=list)

    def add(self, part: Part) -> Part:
        """Start it. Raises GasError where it does not start."""
        begun = time.monotonic()
        part.start()
        self.parts.append(part)
        self.say(f"  {part.name:<12} started   pid {part.pid:<7} {time.monotonic() - begun:.1f} s")
        return part

    def add_worker(self, kind: str) -> Part:
        """A worker more; annotators get the lowest number that is free. One that cannot be
        started now is tried again like one that ended."""
        part = self.maker.worker(self._free_name(kind), kind)
        self.parts.append(part)
        self._start(part)
        return part

    def _free_name(self, kind: str) -> str:
        if kind != ANNOTATOR:
            return kind
        taken = {part.name for part in self.parts}
        number = next(n for n in range(1, len(taken) + 2) if f"{ANNOTATOR}-{n}" not in taken)
        return f"{ANNOTATOR}-{number}"

    def staying(self, kind: str) -> list[Part]:
        """The parts of ``kind`` that were not told to leave, the oldest first."""
        return [part for part in self.parts if part.kind == kind and not part.leaving]

    @property
    def web(self) -> Part | None:
        """The web part that is to stay."""
        return next(iter(self.staying(WEB)), None)

    def mend(self) -> None:
        """Notice what ended; start again what is to stay, when its wait is over."""
        now = time.monotonic()
        for part in list(self.parts):
            if part.process is not None and part.process.poll() is not None:
                self._note_end(part, now)
            elif part.leaving and part.leave_by is not None and now > part.leave_by and part.pid:
                procs.kill_group(part.pid)  # it had its time
            if part.leaving and part.process is None:
                part.ended()
                self.parts.remove(part)
            elif part.restart_at is not None and now >= part.restart_at:
                self._start(part)

    def _note_end(self, part: Part, now: float) -> None:
        assert part.process is not None
        how = describe(part.process.returncode)
        part.ended()
        if part.leaving:
            self.say(f"  {part.name:<12} left")
            return
        part.failures = 1 if now - part.started_at > STABLE_S else part.failures + 1
        part.restart_at = now + self._wait_s(part)
        self.say(f"  {part.name:<12} ended ({how}), again in {self._wait_s(part):g} s")

    def _start(self, part: Part) -> None:
        try:
            part.start()
        except GasError as error:
            part.failures += 1
            part.restart_at = time.monotonic() + self._wait_s(part)
            self.say(f"  {part.name:<12} {error} Again in {self._wait_s(part):g} s.")
        else:
            self.say(f"  {part.name:<12} started   pid {part.pid}")

    @staticmethod
    def _wait_s(part: Part) -> float:
        return BACKOFF_S[min(part.failures, len(BACKOFF_S)) - 1]


def describe(code: int | None) -> str:
    """How a process ended, for a person."""
    if code is not None and code < 0:
        return signal.Signals(-code).name
    return f"exit status {code}"
