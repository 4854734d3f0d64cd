"""The web part as one process of gunicorn's: how it is started, here and on a host of its own."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

from gas.config import Settings
from gas.farm import first_start
from gas.farm.bounds import Bounds

#: How long an idle connection is kept for whoever comes straight to us.
KEEP_ALIVE_S = 15
#: Behind a proxy or load balancer: longer than it keeps its own idle connections (a minute to ten,
#: as they come), else it may send a request into one that we close at that moment.
PROXIED_KEEP_ALIVE_S = 620


def gunicorn_command(settings: Settings, bind: str, workers: int) -> list[str]:
    """The command line that serves on ``bind`` (``host:port``, ``[host]:port`` or ``fd://N``) with
    so many worker processes."""
    keep_alive_s = PROXIED_KEEP_ALIVE_S if settings.trust_proxy else KEEP_ALIVE_S
    return [
        sys.executable, "-m", "gunicorn", "gas.wsgi:application", "--name", "gas-web",
        "--config", "python:gas.farm.web_conf",
        "--bind", bind, "--worker-class", "gas.farm.web.Worker",
        "--workers", str(workers),
        "--threads", str(settings.web_threads), "--keep-alive", str(keep_alive_s),
        "--graceful-timeout", str(round(settings.web_grace_s)),
        "--timeout", "60", "--no-control-socket",
        "--worker-tmp-dir", str(settings.scratch_dir),
        # Our own log line for each request names its user, route and time.
        "--log-level", "warning",
    ]  # fmt: skip


def serve(settings: Settings) -> NoReturn:
    """Become gunicorn, on the host and port that are set, with the least number of workers that is
    set: who starts this scales by hosts. Raises NoDataFolder."""
    first_start.prepare_folders(settings)
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    workers = Bounds.parse(settings.web_workers).minimum
    command = gunicorn_command(settings, f"{host}:{settings.port}", workers)
    os.execv(command[0], command)  # noqa: S606 - no shell: the signals are gunicorn's own
