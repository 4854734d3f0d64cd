"""Messages: "look at this row". They carry an id and nothing else.

A message is written through Django's own connection, so that it and the row it is about are in ONE
transaction, in a worker process as well (whose procrastinate app uses another connection pool).
At most one message per row and task waits at a time (``queueing_lock``).
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, TypeVar

from django.db import IntegrityError, connection, models, transaction
from django.db.models import Exists, OuterRef, Q, Value
from django.db.models.functions import Cast, Concat
from procrastinate import sql
from procrastinate.contrib.django.django_connector import DjangoConnector
from procrastinate.contrib.django.models import ProcrastinateJob
from procrastinate.exceptions import AlreadyEnqueued, ConnectorException
from procrastinate.jobs import Status
from procrastinate.manager import JobManager
from procrastinate.tasks import configure_task

ANNOTATE = "annotate"
SHARD = "shard"
NOTIFY = "notify"
REAP = "reap"
BILLING = "billing"
ARCHIVE = "archive"
THAW = "thaw"
RESTORE = "restore"
RESTORE_ALL = "restore-all"
ERASE = "erase"
ERASE_ACCOUNT = "erase-account"
TIDY = "tidy"
#: The queue of each task.
QUEUE_OF = {
    ANNOTATE: "annotate",
    SHARD: "annotate",
    NOTIFY: "notify",
    REAP: "reap",
    BILLING: "reap",
    ARCHIVE: "archive",
    THAW: "restore",
    RESTORE: "restore",
    RESTORE_ALL: "restore",
    ERASE: "archive",
    ERASE_ACCOUNT: "archive",
    TIDY: "archive",
}
#: Every queue, and what its workers do.
QUEUES = {
    "annotate": "annotators: one job or shard at a time, in a child process",
    "notify": "mail to people",
    "archive": "free users' results to the cold tier; what people delete; tidying up",
    "restore": "thaws and restores after an upgrade",
    "reap": "what was left behind: dead workers' jobs, lost messages; compares subscriptions",
}

Row = TypeVar("Row", bound=models.Model)
_FAILED = (Status.FAILED.value, Status.ABORTED.value, Status.CANCELLED.value)


def _manager() -> JobManager:
    return JobManager(DjangoConnector())


def enqueue(task: str, row_id: object, *, at: datetime | None = None, priority: int = 0) -> bool:
    """Write the message "``task``: look at ``row_id``", to be handled now or not before ``at``.

    Of a queue's messages the one of the highest ``priority`` goes first, then the oldest. Returns
    False where such a message already waits. Part of the caller's transaction.
    """
    deferrer = configure_task(
        name=task,
        job_manager=_manager(),
        queue=QUEUE_OF[task],
        queueing_lock=f"{task}:{row_id}",
        schedule_at=at,
        priority=priority,
    )
    try:
        # A duplicate is refused by a unique index, which would poison the transaction around it:
        # the savepoint confines that.
        with transaction.atomic():
            deferrer.defer(row_id=str(row_id))
    except AlreadyEnqueued:
        return False
    return True


def enqueue_lost(task: str, rows: models.QuerySet[Any]) -> int:
    """Write the message "``task``" for each of ``rows`` that none points at; returns how many."""
    return sum(enqueue(task, row.pk) for row in lost(task, rows))


def lost(task: str, rows: models.QuerySet[Row], limit: int = 1000) -> list[Row]:
    """Those of ``rows`` that no message "``task``" points at, ``limit`` at most. One query finds
    them, however many wait in good order."""
    lock = Concat(Value(f"{task}:"), Cast(OuterRef("pk"), models.TextField()))
    mine = ProcrastinateJob.objects.filter(queueing_lock=lock)
    found = rows.filter(~Exists(mine.filter(status="todo")), ~Exists(mine.filter(status="doing")))
    return list(found[:limit])


def bring_forward(task: str, row_id: object) -> bool:
    """Have the message "``task``: look at ``row_id``" handled now, where it waits for later;
    returns whether there was one. Part of the caller's transaction."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE procrastinate_jobs SET scheduled_at = NULL "
            "WHERE queueing_lock = %s AND status = 'todo' AND scheduled_at IS NOT NULL",
            [f"{task}:{row_id}"],
        )
        return bool(cursor.rowcount)


def retry_stalled(silent_s: float, now: datetime) -> int:
    """Give the messages of workers that were silent for ``silent_s`` to others; returns how many.

    A worker that died has no row any more, or an old heartbeat.
    """
    dead = Q(worker__isnull=True) | Q(worker__last_heartbeat__lt=now - timedelta(seconds=silent_s))
    stalled = list(
        ProcrastinateJob.objects.filter(dead, status="doing").values_list("id", "queueing_lock")
    )
    for message_id, lock in stalled:
        # A successor that waits already holds the lock; two would break it.
        with suppress(IntegrityError, ConnectorException), transaction.atomic():
            if lock and ProcrastinateJob.objects.filter(queueing_lock=lock, status="todo").exists():
                _finish(message_id)
            else:
                _manager().retry_job_by_id(message_id, retry_at=now)
    return len(stalled)


def forget_failed(older_than: timedelta) -> int:
    """Remove messages that ended in a failure of ours so long ago; returns how many. The others go
    when they are done."""
    final = ProcrastinateJob.objects.filter(status__in=_FAILED)
    before = final.count()
    DjangoConnector().execute_query(
        query=sql.queries["delete_old_jobs"],
        nb_hours=int(older_than.total_seconds() // 3600),
        queue=None,
        statuses=list(_FAILED),
    )
    return max(0, before - final.count())


def _finish(message_id: int) -> None:
    DjangoConnector().execute_query(
        query=sql.queries["finish_job"],
        job_id=message_id,
        status=Status.ABORTED.value,
        delete_job=True,
    )
