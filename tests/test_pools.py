"""`decart.transports.pools`: how many connections there are, and who gets the next one."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest
from servers import PATIENCE, answering, http, serving

from decart import RequestsTransport, TransportError, Urllib3Transport
from decart.transports.base import HttpRequest, Timeout, Transport
from decart.transports.connections import Limits, limits
from decart.transports.pools import POOL, Room

PATIENT = Timeout(connect=PATIENCE)


def get(url: str) -> HttpRequest:
    return HttpRequest(method="GET", url=url, headers={})


def read(transport: Transport, url: str, timeout: Timeout = PATIENT) -> bytes:
    with transport.send(get(url), timeout=timeout) as response:
        return response.read()


@pytest.mark.parametrize(
    ("make", "most"),
    [(RequestsTransport, POOL), (Urllib3Transport, POOL), (lambda: Urllib3Transport(connections=3), 3)],
    ids=["requests", "urllib3", "three"],
)
def test_many_threads_share_a_bounded_number_of_connections(make: Callable[[], Any], most: int) -> None:
    threads, calls = 100, 5
    gate, answers = threading.Barrier(threads), []
    transport = make()

    def work(number: int) -> None:
        gate.wait(PATIENCE)
        for call in range(calls):
            answers.append(read(transport, f"{server.url}/{number}/{call}") == f"/{number}/{call}".encode())

    with serving(answering(lambda request, number: http(200, request.target.encode()))) as server:
        workers = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(PATIENCE)
        assert answers == [True] * threads * calls
        assert len(server.connections) <= most
        transport.close()


def test_who_waits_longer_than_connecting_may_take_gets_an_extra_connection_that_is_not_kept() -> None:
    transport = Urllib3Transport(connections=1)
    with serving(answering(lambda request, number: http(200, str(number).encode()))) as server:
        with transport.send(get(server.url), timeout=PATIENT) as download:  # it has the only connection
            assert read(transport, server.url, Timeout(connect=0.05)) == b"2"
            assert server.connections[1].closed.wait(PATIENCE)
            assert download.read() == b"1"
        assert [read(transport, server.url) for _ in range(2)] == [b"1", b"1"]
        transport.close()


def test_who_waits_for_a_connection_gets_the_next_that_is_free() -> None:
    transport = Urllib3Transport(connections=1)
    answers: list[bytes] = []
    with serving(answering(lambda request, number: http(200, str(number).encode()))) as server:
        with transport.send(get(server.url), timeout=PATIENT) as download:
            waiting = threading.Thread(target=lambda: answers.append(read(transport, server.url)))
            waiting.start()
            download.read()
        waiting.join(PATIENCE)
        assert answers == [b"1"]
        transport.close()


def test_the_time_for_the_whole_exchange_counts_while_one_waits_for_a_connection() -> None:
    transport = Urllib3Transport(connections=1)
    with (
        serving(answering(lambda request, number: http(200, b"fine"))) as server,
        transport.send(get(server.url), timeout=PATIENT),
    ):
        with pytest.raises(TransportError) as raised:
            read(transport, server.url, Timeout(connect=PATIENCE, total=0.05))
        assert raised.value.may_have_been_sent is False
        assert len(server.connections) == 1
    transport.close()


def test_the_repr_of_a_transport_is_its_name() -> None:
    assert repr(Urllib3Transport(connections=3)) == "Urllib3Transport()"


# ---------------------------------------------------------------- a room


class Connection:
    """What a pool keeps."""

    closed = False

    def close(self) -> None:
        self.closed = True


def waiting(room: Room, seconds: float = PATIENCE) -> tuple[threading.Thread, list[object]]:
    """Have a thread wait for a connection, and return when it does."""
    got: list[object] = []

    def wait() -> None:
        limits.set(Limits(Timeout(connect=seconds)))
        try:
            got.append(room.get())
        except BaseException as error:
            got.append(error)

    before = len(room._waiting)
    thread = threading.Thread(target=wait)
    thread.start()
    while len(room._waiting) == before and thread.is_alive():
        pass
    return thread, got


def test_a_connection_goes_to_whoever_has_waited_longest() -> None:
    room, connections = Room(2), [Connection(), Connection()]
    threads = [waiting(room) for _ in connections]
    for connection in connections:
        room.put(connection)
    for thread, _ in threads:
        thread.join(PATIENCE)
    assert [got for _, got in threads] == [[connection] for connection in connections]
    assert room.qsize() == 0


def test_who_is_interrupted_while_waiting_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupted(queue.SimpleQueue):  # type: ignore[type-arg]
        """Ctrl-C comes while one waits, and with it, perhaps, the connection."""

        comes: list[Connection] = []

        def get(self, block: bool = True, timeout: float | None = None) -> Any:
            if timeout is None:
                return super().get()
            for connection in self.comes:
                room.put(connection)
            raise KeyboardInterrupt

    monkeypatch.setattr(queue, "SimpleQueue", Interrupted)
    limits.set(Limits(PATIENT))
    for comes in ([], [Connection()]):
        room, Interrupted.comes = Room(1), comes
        with pytest.raises(KeyboardInterrupt):
            room.get()
        assert not room._waiting
        assert room.qsize() == len(comes)


def test_a_connection_that_comes_at_the_last_moment_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    class Late(queue.SimpleQueue):  # type: ignore[type-arg]
        """The time is up, and the connection comes."""

        def get(self, block: bool = True, timeout: float | None = None) -> Any:
            if timeout is None:
                return super().get()
            room.put(connection)
            raise queue.Empty

    room, connection = Room(1), Connection()
    monkeypatch.setattr(queue, "SimpleQueue", Late)
    limits.set(Limits(PATIENT))
    assert room.get() is connection


def test_an_extra_connection_that_failed_is_no_longer_counted() -> None:
    room, kept = Room(1), Connection()
    limits.set(Limits(Timeout(connect=0.01)))
    assert room.get() is None
    room.put(None)
    room.put(kept)
    assert not kept.closed
    assert room.get(block=False) is kept
    with pytest.raises(queue.Empty):
        room.get(block=False)


# ---------------------------------------------------------------- a fork

FORK = """
import os, signal, sys, threading
import decart
from decart.transports.base import HttpRequest, Timeout

transport = getattr(decart, sys.argv[1])()

def ask():
    with transport.send(HttpRequest(method="GET", url=sys.argv[2], headers={}), timeout=Timeout()) as response:
        assert response.read() == b"fine"

ask()
with transport._lock:  # as another thread may have it in this moment
    child = os.fork()
    if child == 0:
        signal.alarm(10)
        ask()
        transport.close()
        os._exit(0)
assert os.waitpid(child, 0)[1] == 0
ask()
transport.close()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize("name", ["RequestsTransport", "Urllib3Transport"])
def test_a_lock_that_was_held_during_a_fork_does_not_stop_the_child(name: str) -> None:
    with serving(answering(lambda request, number: http(200, b"fine"))) as server:
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", FORK, name, server.url],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert len(server.connections) == 2
