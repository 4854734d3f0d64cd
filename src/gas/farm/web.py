"""The worker class of gunicorn's that serves the web part.

A thread serves one request at a time, and gunicorn lets a client take as long as it likes over one:
a handful of connections that stop in the middle would take every thread for good. So whoever is too
slow, in sending a request or in taking an answer, is cut off. And gunicorn lingers over the end of
a connection in the one thread that accepts new ones; here the thread that served it does. And a
connection belongs to the process that accepted it: one that is kept for long would never come to
the processes that were started because of the load, so an answer on an old one ends it.

It also counts its requests for the supervisor (``gas.farm.gauge``).
"""

from __future__ import annotations

import contextlib
import errno
import gc
import socket
import time
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

from gunicorn.workers.gthread import TConn, ThreadWorker

from gas.config import get_settings
from gas.farm.gauge import Counter

#: A slow line may take its time: what it moves at this rate is not held against it.
LEAST_BYTES_PER_S = 500
#: What is handed over at a time, so that a slow but steady reader is seen to make progress.
PIECE = 1 << 16
#: How long a client may take to close its side after the end of an answer, and how much of what it
#: still sends is waited for.
LINGER_S = 0.5
#: An answer on a connection as old as this ends it (``Connection: close``).
OLD_S = 10.0
LINGER_PIECES = 16

T = TypeVar("T")


class ImpatientSocket(socket.socket):
    """A connection to a client. In each request it waits ``patience_s`` for the client in all,
    beside what its bytes take at the least rate; then it is as if the client had gone:
    ConnectionResetError."""

    patience_s = 30.0
    opened_at = 0.0
    _waited_s = 0.0
    _moved_bytes = 0

    def begin_request(self) -> None:
        """What the client did before does not count; nor does what it does between requests."""
        self._waited_s, self._moved_bytes = 0.0, 0

    def setblocking(self, flag: bool) -> None:
        self.settimeout(None if flag else 0)

    def settimeout(self, value: float | None) -> None:
        super().settimeout(self.patience_s if value is None else min(value, self.patience_s))

    def recv(self, size: int, flags: int = 0) -> bytes:
        data = self._timed(lambda: super(ImpatientSocket, self).recv(size, flags))
        self._moved_bytes += len(data)
        return data

    def sendall(self, data: Any, flags: int = 0) -> None:
        rest = memoryview(data).cast("B")
        while rest:
            piece = rest[:PIECE]
            sent = self._timed(lambda piece=piece: self.send(piece, flags))  # type: ignore[misc]
            self._moved_bytes += sent
            rest = rest[sent:]

    def linger(self) -> None:
        """Let the client take the end of the answer: a close while it still sends would drop that
        (RFC 9112, section 9.6). Whoever closes the socket afterwards has nothing to wait for."""
        with contextlib.suppress(OSError):
            self.shutdown(socket.SHUT_WR)
            self.settimeout(LINGER_S)
            for _ in range(LINGER_PIECES):
                if not super().recv(PIECE):
                    break
        self._end()

    def _timed(self, move: Callable[[], T]) -> T:
        begun = time.monotonic()
        try:
            moved = move()
        except TimeoutError:
            self._cut_off()
        self._waited_s += time.monotonic() - begun
        if self._waited_s > self.patience_s + self._moved_bytes / LEAST_BYTES_PER_S:
            self._cut_off()
        return moved

    def _cut_off(self) -> NoReturn:
        self._end()
        raise ConnectionResetError(errno.ECONNRESET, "the client is too slow")

    def _end(self) -> None:
        with contextlib.suppress(OSError):
            self.shutdown(socket.SHUT_RDWR)


class Worker(ThreadWorker):  # type: ignore[misc]
    """gunicorn's threads, with impatient sockets."""

    def init_process(self) -> None:
        self.counter = Counter(get_settings().run_dir)
        super().init_process()

    def load_wsgi(self) -> None:
        """What is there by now lives as long as the process: looking through it for garbage takes
        a tenth of a second, in the middle of somebody's request."""
        super().load_wsgi()
        gc.collect()
        gc.freeze()

    def notify(self) -> None:
        """Called all the time by the thread that accepts connections, the last requests' too."""
        super().notify()
        self.counter.write(draining=not self.alive)

    def handle_request(self, req: Any, conn: TConn) -> Any:
        if time.monotonic() - conn.sock.opened_at > OLD_S:
            req.force_close()
        with self.counter.request():
            return super().handle_request(req, conn)

    def handle(self, conn: TConn) -> Any:
        if not isinstance(conn.sock, ImpatientSocket):
            conn.sock = ImpatientSocket(fileno=conn.sock.detach())
            conn.sock.opened_at = time.monotonic()
            conn.sock.patience_s = get_settings().client_patience_s
        conn.sock.begin_request()
        keep = super().handle(conn)
        if not keep:
            conn.sock.linger()
        return keep
