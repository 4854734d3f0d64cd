"""A worker process: takes the messages of one queue, one at a time.

CPU work scales by processes, not threads, so a worker never does two things at once. On SIGTERM it
takes nothing new, and may finish what it has for a while before it hands it back.
"""

from __future__ import annotations

from gas.config import Settings
from gas.errors import GasError
from gas.farm.first_start import prepare_folders
from gas.setup import setup_django


class NoSuchQueue(GasError):
    """There is no such queue."""


def run(queue_name: str, settings: Settings) -> None:
    """Work on ``queue_name`` until told to stop. Raises NoSuchQueue or NoDataFolder."""
    prepare_folders(settings)  # this may be a host of its own
    setup_django()
    from procrastinate import PsycopgConnector
    from procrastinate.contrib.django import app
    from procrastinate.contrib.django.utils import connector_params

    from gas.jobs import scratch
    from gas.jobs.queue import ANNOTATE, QUEUES
    from gas.jobs.runner import ChildRunner
    from gas.jobs.tasks import worker_name

    if queue_name not in QUEUES:
        raise NoSuchQueue(
            f'There is no queue "{queue_name}".', hint=f"Queues: {', '.join(QUEUES)}."
        )
    if queue_name == ANNOTATE:
        scratch.sweep(settings.scratch_dir)
        ChildRunner.warm_up()
    # One connection listens, one beats, one fetches; what tasks do goes through Django's own.
    connector = PsycopgConnector(kwargs=connector_params(), min_size=1, max_size=3)
    with app.replace_connector(connector):
        app.run_worker(
            queues=[queue_name],
            name=f"{queue_name}@{worker_name()}",
            concurrency=1,
            delete_jobs="successful",
            update_heartbeat_interval=settings.heartbeat_s,
            stalled_worker_timeout=settings.lease_s,
            shutdown_graceful_timeout=settings.stop_grace_s,
        )
