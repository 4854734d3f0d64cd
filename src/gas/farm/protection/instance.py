"""The protection of an instance (a machine, a container) that several workers may share.

    a worker protects   it takes the instance's lock together with others, then asks the cloud
    a worker releases   if no other has the lock, it asks the cloud, and keeps others off meanwhile

So the last one to be idle gives the instance free, and never under the hands of another. What the
cloud was asked for is not asked again at every job, but now and then: some protections expire.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable
from pathlib import Path

from gas.farm.protection import Protection, ProtectionFailed

#: So long it counts on what the cloud said. Protections last for hours at least.
RENEW_S = 3600.0


class InstanceProtection:
    """``cloud`` is asked on behalf of all workers that share the lock file ``path``."""

    def __init__(
        self, cloud: Protection, path: Path, clock: Callable[[], float] = time.monotonic
    ) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._cloud, self._clock = cloud, clock
        self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        #: When the cloud last said yes; None while this worker does not hold the lock.
        self._asked_s: float | None = None

    def protect(self) -> None:
        now = self._clock()
        if self._asked_s is not None and now - self._asked_s < RENEW_S:
            return
        # Waits while another one releases: for one call to the cloud.
        fcntl.flock(self._handle, fcntl.LOCK_SH)
        try:
            self._cloud.protect()
        except ProtectionFailed:
            self._asked_s = None
            fcntl.flock(self._handle, fcntl.LOCK_UN)
            raise
        self._asked_s = now

    def release(self) -> None:
        self._asked_s = None
        try:
            # From shared to alone: where that fails, others work and the instance stays protected.
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pass
        else:
            self._cloud.release()
        finally:
            fcntl.flock(self._handle, fcntl.LOCK_UN)
