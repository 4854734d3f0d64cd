"""What a process of one purpose does: the same again and again, until it is told to stop."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable

from django.db import close_old_connections


def repeat(step: Callable[[], float]) -> None:
    """Call ``step`` until SIGTERM or SIGINT; it says for how many seconds to wait. A connection to
    the database that broke meanwhile is not used again."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stop.set())
    while not stop.is_set():
        close_old_connections()
        stop.wait(step())
