"""What every process that GAS starts has in common: it does not outlive the one that needs it."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal as signals
import sys
from pathlib import Path

_PR_SET_PDEATHSIG = 1
# Looked up at import: nothing may be imported between fork and exec.
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def die_with_parent(signal: int = signals.SIGKILL, *, parent: int | None = None) -> None:
    """Have the kernel send ``signal`` to this process as soon as the one that started it is gone.

    Call it first thing in the child, with the starter's process id as ``parent``, or hand it to
    ``subprocess.Popen(preexec_fn=...)``. A parent that was gone before this call is noticed by its
    id, and the process ends at once. Linux only; elsewhere it does nothing, and the parent's end is
    seen by a closed pipe.

    The kernel watches the *thread* that started the process: start it from one that stays.
    """
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal, 0, 0, 0)
    if parent is not None and os.getppid() != parent:
        os._exit(1)


def kill_group(pid: int) -> None:
    """Kill the process group that ``pid`` leads, with all that it started; gone already is fine."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signals.SIGKILL)


def is_alive(pid: int) -> bool:
    """Whether there is a process ``pid``, be it another user's."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def replace_file(path: Path, text: str) -> None:
    """Write ``path`` so that a reader sees the old or the new text, never a part of one."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.write_text(text)
    part.replace(path)
