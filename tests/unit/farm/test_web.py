"""Clients that keep the web part's threads waiting."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from gunicorn.config import Config
from gunicorn.http.parser import RequestParser
from gunicorn.util import close_graceful
from gunicorn.workers.gthread import TConn, ThreadWorker

from gas.farm.gauge import Counter
from gas.farm.web import OLD_S, ImpatientSocket, Worker


@pytest.fixture
def ends() -> Iterator[tuple[ImpatientSocket, socket.socket]]:
    """Our end, with little patience, and the client's."""
    ours, client = socket.socketpair()
    here = ImpatientSocket(fileno=ours.detach())
    here.patience_s = 0.3
    here.setblocking(True)
    here.begin_request()
    yield here, client
    here.close()
    client.close()


def test_a_client_that_sends_nothing_is_cut_off(
    ends: tuple[ImpatientSocket, socket.socket],
) -> None:
    here, client = ends
    client.sendall(b"GET / HT")
    assert here.recv(100) == b"GET / HT"
    with pytest.raises(ConnectionResetError, match="too slow"):
        here.recv(100)


def test_a_client_that_drips_is_cut_off(ends: tuple[ImpatientSocket, socket.socket]) -> None:
    here, client = ends
    over = threading.Event()

    def drip() -> None:
        while not over.wait(0.05):
            client.send(b"x")

    dripper = threading.Thread(target=drip)
    dripper.start()
    received = []
    try:
        with pytest.raises(ConnectionResetError, match="too slow"):
            received.extend(iter(lambda: here.recv(100), b"never"))
    finally:
        over.set()
        dripper.join()
    assert 2 < len(received) < 20


def test_a_client_that_takes_nothing_is_cut_off(
    ends: tuple[ImpatientSocket, socket.socket],
) -> None:
    here, _client = ends
    with pytest.raises(ConnectionResetError, match="too slow"):
        here.sendall(bytes(10_000_000))


def test_a_slow_but_steady_reader_gets_it_all(ends: tuple[ImpatientSocket, socket.socket]) -> None:
    """Longer than the patience in all: what counts is that it goes on."""
    here, client = ends
    sent = bytes(range(256)) * 4096
    taken = bytearray()

    def read() -> None:
        while len(taken) < len(sent):
            taken.extend(client.recv(1 << 16))
            time.sleep(0.03)

    reader = threading.Thread(target=read)
    reader.start()
    here.sendall(sent)
    reader.join()
    assert bytes(taken) == sent


def test_each_request_begins_anew(ends: tuple[ImpatientSocket, socket.socket]) -> None:
    here, client = ends
    for _ in range(5):
        here.begin_request()
        threading.Timer(0.1, client.send, [b"GET"]).start()
        assert here.recv(100) == b"GET"


def test_the_end_of_an_answer_is_not_waited_for_twice(
    ends: tuple[ImpatientSocket, socket.socket],
) -> None:
    """gunicorn closes a connection in the thread that accepts new ones."""
    here, client = ends
    client.sendall(b"more than was read")
    here.sendall(b"the answer")
    here.linger()
    assert client.recv(100) == b"the answer"
    begun = time.monotonic()
    close_graceful(here)
    assert time.monotonic() - begun < 0.1


@pytest.mark.parametrize(("age_s", "ends_it"), [(0, False), (OLD_S - 1, False), (OLD_S + 1, True)])
def test_an_answer_on_an_old_connection_ends_it(
    ends: tuple[ImpatientSocket, socket.socket],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    age_s: float,
    ends_it: bool,
) -> None:
    """So that the next one may come to a process that was started since."""
    here, _client = ends
    here.opened_at = time.monotonic() - age_s
    peer = ("127.0.0.1", 1)
    request = next(RequestParser(Config(), iter([b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"]), peer))
    monkeypatch.setattr(ThreadWorker, "handle_request", lambda self, req, conn: req.should_close())
    worker = Worker.__new__(Worker)
    worker.counter = Counter(tmp_path)
    assert worker.handle_request(request, TConn(Config(), here, peer, peer)) is ends_it
