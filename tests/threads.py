"""Several things at once, over real connections."""

from __future__ import annotations

import threading
from collections.abc import Callable

from django.db import close_old_connections, connections


def at_once(deeds: list[Callable[[], object]]) -> list[object]:
    """Do all of ``deeds`` in threads that start together; what they returned or raised."""
    barrier, results = threading.Barrier(len(deeds)), [None] * len(deeds)  # type: ignore[var-annotated]

    def do(index: int) -> None:
        barrier.wait()
        try:
            results[index] = deeds[index]()  # type: ignore[call-overload]
        except Exception as error:  # noqa: BLE001 - the test looks at it
            results[index] = error  # type: ignore[call-overload]
        finally:
            connections.close_all()

    threads = [threading.Thread(target=do, args=(n,)) for n in range(len(deeds))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    close_old_connections()
    return results
