"""The database backend that ``settings.DATABASES`` names: Django's own, but for one question.

Django asks each connection ``SELECT 1`` before a request's first query. What that tells, the socket
tells as well: a server that closed the connection has sent its end, and one that did not has sent
nothing.
"""

from __future__ import annotations

import select

from django.db.backends.postgresql import base
from psycopg import Connection, pq


class DatabaseWrapper(base.DatabaseWrapper):
    def is_usable(self) -> bool:
        """Whether the connection can take a query. Only where something came in unasked (a notice,
        an end) is the server asked what Django would ask of it."""
        if self.connection is not None and _is_quiet(self.connection):
            return True
        return super().is_usable()


def _is_quiet(connection: Connection[object]) -> bool:
    """Whether the connection stands, and nothing waits to be read from it."""
    if connection.pgconn.status != pq.ConnStatus.OK:
        return False
    socket = select.poll()
    socket.register(connection.pgconn.socket, select.POLLIN)
    return not socket.poll(0)
