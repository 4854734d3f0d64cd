"""What workers do with a message: hand its id to the use case that it names."""

from __future__ import annotations

import os
import socket
import uuid

from procrastinate import JobContext
from procrastinate.contrib.django import app

from gas.billing import apply
from gas.jobs import erase, keeping, lifecycle, queue, shards
from gas.jobs.tidy import tidy
from gas.notify import notify
from gas.telemetry import survey
from gas.wiring import get_services

#: Seconds, then minutes ...: every ten seconds. A second reaper finds nothing to do.
EVERY_TEN_SECONDS = "* * * * * */10"
EVERY_MINUTE = "* * * * *"
EVERY_HOUR = "17 * * * *"


def worker_name() -> str:
    """Who this process is, in logs and rows: host and process id."""
    return f"{socket.gethostname()}:{os.getpid()}"


@app.task(name=queue.ANNOTATE, queue=queue.ANNOTATE, pass_context=True)
def annotate(context: JobContext, row_id: str) -> None:
    lifecycle.annotate(
        get_services(), uuid.UUID(row_id), worker=worker_name(), stopping=context.should_abort
    )


@app.task(name=queue.SHARD, queue=queue.QUEUE_OF[queue.SHARD], pass_context=True)
def work_on_shard(context: JobContext, row_id: str) -> None:
    shards.work(get_services(), int(row_id), worker=worker_name(), stopping=context.should_abort)


@app.task(name=queue.NOTIFY, queue=queue.NOTIFY)
def send_mail(row_id: str) -> None:
    notify.send(get_services(), int(row_id))


@app.task(name=queue.ARCHIVE, queue=queue.QUEUE_OF[queue.ARCHIVE])
def archive(row_id: str) -> None:
    keeping.archive(get_services(), uuid.UUID(row_id))


@app.task(name=queue.THAW, queue=queue.QUEUE_OF[queue.THAW])
def thaw(row_id: str) -> None:
    keeping.thaw(get_services(), uuid.UUID(row_id))


@app.task(name=queue.RESTORE, queue=queue.QUEUE_OF[queue.RESTORE])
def restore(row_id: str) -> None:
    keeping.restore(get_services(), uuid.UUID(row_id))


@app.task(name=queue.RESTORE_ALL, queue=queue.QUEUE_OF[queue.RESTORE_ALL])
def restore_all(row_id: str) -> None:
    keeping.restore_all(get_services(), uuid.UUID(row_id))


@app.task(name=queue.ERASE, queue=queue.QUEUE_OF[queue.ERASE])
def erase_job(row_id: str) -> None:
    erase.erase(get_services(), uuid.UUID(row_id))


@app.task(name=queue.ERASE_ACCOUNT, queue=queue.QUEUE_OF[queue.ERASE_ACCOUNT])
def erase_account(row_id: str) -> None:
    erase.erase_account(get_services(), uuid.UUID(row_id))


@app.periodic(cron=EVERY_TEN_SECONDS)
@app.task(name=queue.REAP, queue=queue.REAP, queueing_lock=queue.REAP)
def reap(timestamp: int) -> None:
    svc = get_services()
    lifecycle.reap(svc)
    shards.reap(svc)
    notify.reap(svc)
    keeping.sweep(svc)
    erase.sweep(svc)
    survey.refresh(svc)


@app.periodic(cron=EVERY_MINUTE)
@app.task(name=queue.BILLING, queue=queue.QUEUE_OF[queue.BILLING], queueing_lock=queue.BILLING)
def compare_subscriptions(timestamp: int) -> None:
    apply.sweep(get_services())


@app.periodic(cron=EVERY_HOUR)
@app.task(name=queue.TIDY, queue=queue.QUEUE_OF[queue.TIDY], queueing_lock=queue.TIDY)
def tidy_up(timestamp: int) -> None:
    tidy(get_services())
