"""One measured run: a fresh process on one core, its own seconds and its peak memory."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

#: What a child prints at its end. Not ru_maxrss: on Linux a child's starts with its parent's peak.
_PEAK = """
for line in open("/proc/self/status"):
    if line.startswith("VmHWM:"):
        print(line.split()[1])
"""


@dataclass(frozen=True)
class Used:
    """What a process and its children took: their own seconds (user and system), those on the
    wall; and the peak of the process's own resident memory."""

    cpu_s: float
    wall_s: float
    peak_mib: float


def run(code: str, *arguments: object, caches: Path, cores: int = 1) -> Used:
    """Run Python ``code`` with ``arguments`` on the first ``cores`` cores. ``caches``: where the
    modules' bytecode is kept from run to run, as that of an installed package is."""
    allowed = sorted(os.sched_getaffinity(0))[:cores]
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(caches)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-c", code + _PEAK, *map(str, arguments)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: os.sched_setaffinity(0, allowed),
    )
    assert process.stdout is not None
    out = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    wall_s = time.perf_counter() - start
    process.stdout.close()
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError(f"{arguments[0]}: exit status {process.returncode}")
    return Used(usage.ru_utime + usage.ru_stime, wall_s, int(out.split()[-1]) / 1024)
