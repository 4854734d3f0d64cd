"""Clients that keep the web part's threads waiting."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest
from gunicorn.util import close_graceful

from gas.farm.web import ImpatientSocket


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
