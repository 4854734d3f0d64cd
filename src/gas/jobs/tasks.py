"""What workers do with a message: hand its id to the use case that it names."""

from __future__ import annotations

import os
import socket
import uuid

from procrastinate import JobContext
from procrastinate.contrib.django import app

from gas.jobs import lifecycle, queue
from gas.notify import notify
from gas.wiring import get_services

#: Seconds, then minutes ...: every ten seconds. A second reaper finds nothing to do.
EVERY_TEN_SECONDS = "* * * * * */10"


def worker_name() -> str:
    """Who this process is, in logs and rows: host and process id."""
    return f"{socket.gethostname()}:{os.getpid()}"


@app.task(name=queue.ANNOTATE, queue=queue.ANNOTATE, pass_context=True)
def annotate(context: JobContext, row_id: str) -> None:
    lifecycle.annotate(
        get_services(), uuid.UUID(row_id), worker=worker_name(), stopping=context.should_abort
    )


@app.task(name=queue.NOTIFY, queue=queue.NOTIFY)
def send_mail(row_id: str) -> None:
    notify.send(get_services(), int(row_id))


@app.periodic(cron=EVERY_TEN_SECONDS)
@app.task(name=queue.REAP, queue=queue.REAP, queueing_lock=queue.REAP)
def reap(timestamp: int) -> None:
    svc = get_services()
    lifecycle.reap(svc)
    notify.reap(svc)
