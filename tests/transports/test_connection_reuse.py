"""Which connections are kept, which are replaced, and that no call waits for one."""

from __future__ import annotations

import contextlib
import ssl
import threading

import pytest
from support.exchanges import BIG, LONG, OK, Make, exchange, get, get_and_post, post
from support.servers import PATIENCE, Connection, answering, http, reply, serving

from decart.transports.base import KEPT_CONNECTIONS, Transport


def test_a_connection_is_reused(transport: Transport) -> None:
    with serving(answering(lambda request, number: OK)) as server:
        for make in (get, post, get):
            assert exchange(transport, make(server.url))[2] == b"fine"
        assert len(server.connections) == 1


@pytest.mark.parametrize("status", [204, 404, 500])
def test_a_connection_is_reused_whatever_the_status(transport: Transport, status: int) -> None:
    with serving(answering(lambda request, number: http(status))) as server:
        for make in (post, get, post):
            assert exchange(transport, make(server.url))[0] == status
        assert len(server.connections) == 1


@get_and_post
def test_a_connection_that_the_server_does_not_keep_is_replaced(transport: Transport, make: Make) -> None:
    last = OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1)
    with serving(reply(last)) as server:
        for _ in range(3):
            assert exchange(transport, make(server.url))[2] == b"fine"
        assert len(server.connections) == 3


@get_and_post
@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_connection_that_the_server_has_closed_meanwhile_is_replaced_before_anything_is_sent(
    transport: Transport, kind: str, tls: ssl.SSLContext, make: Make, scheme: str
) -> None:
    if kind.startswith("aiohttp") and make is get:
        pytest.skip("a loop that stood still learns of it too late; the client repeats a GET")
    meanwhile = threading.Semaphore(0)

    def script(connection: Connection) -> None:
        connection.read_request()
        connection.send(OK)
        assert meanwhile.acquire(timeout=PATIENCE)

    with serving(script, tls=tls if scheme == "https" else None) as server:
        for _ in range(3):
            assert exchange(transport, make(server.url))[2] == b"fine"
            meanwhile.release()
            assert server.connections[-1].closed.wait(PATIENCE)
        assert len(server.connections) == len(server.requests) == 3


def test_close_closes_the_connections_and_the_next_exchange_opens_one(transport: Transport) -> None:
    with serving(answering(lambda request, number: OK)) as server:
        exchange(transport, get(server.url))
        assert not server.connections[0].closed.is_set()
        transport.close()
        assert server.connections[0].closed.wait(PATIENCE)


def test_a_connection_whose_response_was_not_read_to_its_end_is_not_reused(transport: Transport) -> None:
    with serving(answering(lambda request, number: http(200, b"x" * BIG))) as server:
        with transport.send(get(server.url), timeout=LONG) as response:
            assert response.read(10) == b"x" * 10
        assert server.connections[0].closed.wait(PATIENCE)
        assert exchange(transport, get(server.url))[2] == b"x" * BIG
        assert len(server.connections) == 2


def test_open_responses_never_make_an_exchange_wait_for_a_connection(transport: Transport) -> None:
    count, length = KEPT_CONNECTIONS + 8, 1_000_000
    with serving(answering(lambda request, number: http(200, b"x" * length))) as server:
        with contextlib.ExitStack() as stack:
            responses = [stack.enter_context(transport.send(get(server.url), timeout=LONG)) for _ in range(count)]
            assert exchange(transport, get(server.url))[0] == 200
            assert len(server.connections) == count + 1  # and each response has its own
            for response in responses:
                assert response.read() == b"x" * length
        assert exchange(transport, post(server.url))[0] == 200
        assert len(server.connections) == count + 1
