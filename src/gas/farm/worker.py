"""A worker process: takes the messages of one queue, one at a time.

CPU work scales by processes, not threads, so a worker never does two things at once.

    SIGTERM   take nothing new; finish what it has within GAS_STOP_GRACE_S, else hand it back
    DRAIN     take nothing new; finish what it has, however long that takes, then end

A worker is protected while it has a job (``gas.farm.protection``).
"""

from __future__ import annotations

import asyncio
import os
import re
import signal

from gas.config import Settings
from gas.errors import GasError
from gas.farm.first_start import prepare_folders
from gas.setup import setup_django

DRAIN = signal.SIGUSR1
#: So long a worker without work keeps a protection that costs a call to somebody else's service.
LINGER_S = 15.0
#: Where one machine does everything, pages come before annotations and what follows them.
NICENESS = 10


class NoSuchQueue(GasError):
    """There is no such queue."""


class BadName(GasError):
    """A worker's name is made of small letters, digits and dashes."""


def run(queue_name: str, settings: Settings, name: str | None = None) -> None:
    """Work on ``queue_name`` until told to stop. ``name``: what a supervisor knows it by; whoever
    holds the lock of that name decides whether it may take a job.

    Raises NoSuchQueue, BadName or NoDataFolder."""
    os.nice(max(0, NICENESS - os.nice(0)))  # and so the engines that it starts
    prepare_folders(settings)  # this may be a host of its own
    setup_django()
    from gas.jobs import scratch
    from gas.jobs.queue import ANNOTATE, QUEUES
    from gas.jobs.runner import ChildRunner
    from gas.telemetry import traces

    if queue_name not in QUEUES:
        raise NoSuchQueue(
            f'There is no queue "{queue_name}".', hint=f"Queues: {', '.join(QUEUES)}."
        )
    if name is not None and not re.fullmatch(r"[a-z0-9-]{1,40}", name):
        raise BadName
    if queue_name == ANNOTATE:
        scratch.sweep(settings.scratch_dir)
        ChildRunner.warm_up()
    traces.set_up(settings, queue_name)
    asyncio.run(_work(queue_name, settings, name))


async def _work(queue_name: str, settings: Settings, name: str | None) -> None:
    from procrastinate import PsycopgConnector
    from procrastinate.contrib.django import app
    from procrastinate.contrib.django.utils import connector_params
    from procrastinate.worker import Worker

    from gas.farm.protection.guard import GuardedQueue
    from gas.jobs.queue import ANNOTATE
    from gas.jobs.tasks import worker_name
    from gas.wiring import make_protection

    # One connection listens, one beats, one fetches; what tasks do goes through Django's own.
    connector = PsycopgConnector(kwargs=connector_params(), min_size=1, max_size=3)
    with app.replace_connector(connector):
        app.perform_import_paths()  # type: ignore[no-untyped-call]
        async with app.open_async():
            # Only annotators come and go with the load.
            protection = make_protection(settings, name, scaled=queue_name == ANNOTATE)
            linger_s = 0.0 if settings.protection == "none" else LINGER_S
            app.job_manager = guard = GuardedQueue(connector, protection, linger_s=linger_s)
            worker = Worker(
                app,
                queues=[queue_name],
                name=f"{queue_name}@{worker_name()}",
                concurrency=1,
                delete_jobs="successful",
                update_heartbeat_interval=settings.heartbeat_s,
                stalled_worker_timeout=settings.lease_s,
                shutdown_graceful_timeout=settings.stop_grace_s,
            )
            guard.stop = worker.stop
            asyncio.get_running_loop().add_signal_handler(DRAIN, guard.drain)
            await guard.begin()
            try:
                await worker.run()  # type: ignore[no-untyped-call]
            finally:
                await guard.end()
