"""The order that a worker keeps: protect, receive, work, acknowledge, release.

``GuardedQueue`` is where a worker gets its messages from. It asks for one only while the worker is
protected, and gives the protection up when it has asked in vain. A worker of concurrency 1 asks for
the next message after it has acknowledged the one before, so a protected worker stays protected
from before it receives until after it has acknowledged. tests/farm/test_guard.py holds this class
to the model that has been searched for all interleavings.

It also lets a worker drain: end as soon as it has finished what it has, however long that takes.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable

from procrastinate.connector import BaseAsyncConnector
from procrastinate.jobs import Job
from procrastinate.manager import JobManager

from gas.farm.protection import Protection, ProtectionFailed

log = logging.getLogger(__name__)

#: Waits between failed attempts to protect. The worker asks again at its next look at the queue.
BACKOFF_S = (1.0, 2.0, 5.0, 15.0, 30.0, 60.0)
_WAITS = """
SELECT EXISTS (
    SELECT 1 FROM procrastinate_jobs
    WHERE status = 'todo' AND queue_name = ANY(%(queues)s)
      AND (scheduled_at IS NULL OR scheduled_at <= now())
) AS waits"""


class GuardedQueue(JobManager):
    """Messages for one worker of concurrency 1.

    ``linger_s``: how long it stays protected without work, so that a busy farm does not call its
    cloud twice for every job. ``stop`` ends the worker. ``in_thread`` runs a call that may wait.
    """

    def __init__(
        self,
        connector: BaseAsyncConnector,
        protection: Protection,
        *,
        linger_s: float = 0.0,
        stop: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
        in_thread: Callable[[Callable[[], None]], Awaitable[None]] = asyncio.to_thread,
    ) -> None:
        super().__init__(connector)
        self.stop = stop
        self._in_thread = in_thread
        self._protection, self._linger_s, self._clock = protection, linger_s, clock
        self._protected = False
        self._worked_s = 0.0
        self._failures = 0
        self._again_s = 0.0
        #: Asks for a message, or has one.
        self._engaged = False
        self._draining = False

    async def fetch_job(self, queues: Iterable[str] | None, worker_id: int) -> Job | None:
        """The next message, if there is one and this worker is protected."""
        if self._engaged:  # it has just acknowledged the one before
            self._worked_s = self._clock()
        self._engaged = True
        job = None if self._draining else await self._receive(queues, worker_id)
        if job is None:
            self._engaged = False
            if self._draining:
                self.stop()
        return job

    def drain(self) -> None:
        """Take nothing more; end when the work at hand is done. No limit of time."""
        self._draining = True
        if not self._engaged:
            self.stop()

    async def begin(self) -> None:
        """A worker that starts holds nothing: give up what one that died here left protected."""
        await self._release()

    async def end(self) -> None:
        """The worker has ended its work."""
        await self._release()

    async def _receive(self, queues: Iterable[str] | None, worker_id: int) -> Job | None:
        if not self._protected and not await self._waits(queues):
            return None  # to protect and release every few seconds for nothing would cost calls
        if not await self._protect():
            return None
        job = await super().fetch_job(queues, worker_id)
        if job is None and self._clock() - self._worked_s >= self._linger_s:
            await self._release()
            # The worker forgets what it was told of meanwhile, and a release may take its time.
            if await self._waits(queues) and await self._protect():
                job = await super().fetch_job(queues, worker_id)
        return job

    async def _waits(self, queues: Iterable[str] | None) -> bool:
        row = await self.connector.execute_query_one_async(_WAITS, queues=list(queues or []))
        return bool(row["waits"])

    async def _protect(self) -> bool:
        """Whether this worker is protected now. Asked before each message: it costs nothing where
        it holds, and some protections have to be renewed."""
        if self._clock() < self._again_s:
            return False
        try:
            await self._in_thread(self._protection.protect)
        except ProtectionFailed as error:
            wait_s = BACKOFF_S[min(self._failures, len(BACKOFF_S) - 1)]
            self._failures += 1
            self._again_s = self._clock() + wait_s
            self._protected = False
            log.warning("not protected, takes no job", extra={"why": str(error), "wait_s": wait_s})
            return False
        self._protected, self._failures = True, 0
        return True

    async def _release(self) -> None:
        self._protected = False
        try:
            await self._in_thread(self._protection.release)
        except ProtectionFailed as error:
            log.warning("protection not given up", extra={"why": str(error)})
