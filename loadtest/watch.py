"""Looks on once a second: instances of each farm, jobs, and who uses the CPU."""

from __future__ import annotations

import contextlib
import csv
import os
import threading
import time
from dataclasses import asdict, fields
from pathlib import Path

from gas.errors import GasError
from gas.farm import status
from loadtest.report import Look

EVERY_S = 1.0
_TICKS = os.sysconf("SC_CLK_TCK")


class Watch:
    """Writes each look as a line of ``path``, in a thread of its own. ``generator``: the process
    whose CPU is told, while there is one."""

    def __init__(self, run_dir: Path, path: Path) -> None:
        self.looks: list[Look] = []
        self.generator: int | None = None
        self._run_dir, self._path = run_dir, path
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    @property
    def last(self) -> Look | None:
        return self.looks[-1] if self.looks else None

    def _run(self) -> None:
        with self._path.open("w", newline="", buffering=1) as file:
            lines = csv.DictWriter(file, [field.name for field in fields(Look)])
            lines.writeheader()
            clock = _Clock()
            while not self._end.wait(EVERY_S):
                with contextlib.suppress(GasError):  # the supervisor did not answer this second
                    look = self._look(*clock.cores(self.generator))
                    self.looks.append(look)
                    lines.writerow(asdict(look))

    def _look(self, generator_cpu: float, machine_cpu: float) -> Look:
        farm = status.read(self._run_dir)
        return Look(
            at=round(time.time(), 3),
            web=farm.web.running,
            web_wanted=farm.web.desired,
            annotators=farm.annotators.running,
            annotators_wanted=farm.annotators.desired,
            backlog=farm.queue.backlog if farm.queue else 0,
            in_flight=farm.queue.in_flight if farm.queue else 0,
            generator_cpu=round(generator_cpu, 3),
            machine_cpu=round(machine_cpu, 3),
        )


class _Clock:
    """CPU time of a process and of the machine, between one call and the next."""

    def __init__(self) -> None:
        self._at = time.monotonic()
        self._machine = _machine_s()
        self._process: tuple[int | None, float] = (None, 0.0)

    def cores(self, process: int | None) -> tuple[float, float]:
        at, machine = time.monotonic(), _machine_s()
        used = _process_s(process) if process is not None else 0.0
        before, passed = self._process, at - self._at
        own = (used - before[1]) / passed if before[0] == process else 0.0
        all_ = (machine - self._machine) / passed
        self._at, self._machine, self._process = at, machine, (process, used)
        return max(0.0, own), all_


def _machine_s() -> float:
    """Seconds that all cores were busy: user, nice, system, irq, softirq."""
    numbers = [int(word) for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
    return sum(numbers[i] for i in (0, 1, 2, 5, 6)) / _TICKS


def _process_s(process: int) -> float:
    try:
        words = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(words[11]) + int(words[12])) / _TICKS
