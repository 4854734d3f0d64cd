"""A job every five seconds, as the original's script sent them, until enough annotators run."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from gas.client import Client

EVERY_S = 5.0


@dataclass
class Load:
    """What was sent, and from when to when (UNIX time)."""

    begun_at: float
    ended_at: float = 0.0
    jobs: list[str] = field(default_factory=list)


def run(
    client: Client,
    file: Path,
    engine: str,
    *,
    instances: Callable[[], int],
    until: int,
    least_s: float,
    longest_s: float,
) -> Load:
    """Send ``file`` every EVERY_S seconds until ``until`` instances have been seen and ``least_s``
    are over, or ``longest_s`` are. Raises ServerError where the service refuses one."""
    load, reached = Load(time.time()), False
    begun = time.monotonic()
    while (passed := time.monotonic() - begun) < longest_s:
        reached = reached or instances() >= until
        if reached and passed >= least_s:
            break
        load.jobs.append(client.submit(client.upload(file), engine=engine)["id"])
        time.sleep(max(0.0, begun + len(load.jobs) * EVERY_S - time.monotonic()))
    load.ended_at = time.time()
    return load


def failures(client: Client, jobs: list[str]) -> list[str]:
    """Wait for all of them; a sentence for each that did not complete."""
    ends = [client.wait(job_id) for job_id in jobs]
    return [
        f"{job['id']}: {job['status']} {job['failure']}"
        for job in ends
        if job["status"] != "COMPLETED"
    ]
