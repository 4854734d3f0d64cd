"""gunicorn's configuration: what its master says to the supervisor."""

from __future__ import annotations

import os
from pathlib import Path

from gas import procs
from gas.config import get_settings


def nworkers_changed(server: object, new: int, old: int | None) -> None:
    """Called by gunicorn's master: it wants ``new`` workers from now on."""
    procs.replace_file(workers_file(get_settings().run_dir, os.getpid()), str(new))


def on_exit(server: object) -> None:
    """Called by gunicorn's master when it ends."""
    workers_file(get_settings().run_dir, os.getpid()).unlink(missing_ok=True)


def workers_file(run_dir: Path, master: int) -> Path:
    """Where the gunicorn of process id ``master`` says how many workers it wants."""
    return run_dir / f"gunicorn-{master}.workers"
