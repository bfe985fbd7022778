"""An interim response (1xx) never counts as the response, and never mixes up two exchanges."""

from __future__ import annotations

import threading

import pytest
from support.exchanges import (
    BIG,
    LONG,
    OK,
    Make,
    exchange,
    failure,
    get_and_post,
    large,
    post,
)
from support.servers import PATIENCE, Connection, Script, http, serving

from decart import TransportError
from decart.transports.base import HttpRequest, Transport

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def interim(status: int) -> bytes:
    return f"HTTP/1.1 {status} Interim\r\nLink: </style.css>\r\n\r\n".encode()


def after_interim(status: int) -> Script:
    """Send an interim response before each final one, whose body is the target of the request."""

    def script(connection: Connection) -> None:
        while True:
            target = connection.read_request().target.encode()
            connection.send(interim(status) + http(200, target))

    return script


def check_next_exchanges(transport: Transport, url: str) -> None:
    """Check that the next requests get their own responses, and not the late one."""
    for target in ("/first", "/second"):
        request = HttpRequest(method="GET", url=url + target, headers={})
        try:
            assert exchange(transport, request)[::2] == (200, target.encode())
        except TransportError as error:
            assert "interim response" in error.message


@get_and_post
def test_early_hints_are_skipped_or_end_the_exchange_with_its_connection(
    kind: str, transport: Transport, make: Make
) -> None:
    with serving(after_interim(103)) as server:
        if kind.startswith("aiohttp"):
            assert exchange(transport, make(server.url))[0] == 200
        else:
            error = failure(transport, make(server.url), LONG)
            assert type(error) is TransportError
            assert error.may_have_been_sent is True
            assert error.message.startswith(f"127.0.0.1:{server.port} sent an interim response (103)")
            assert server.connections[0].closed.wait(PATIENCE)
        check_next_exchanges(transport, server.url)


@get_and_post
def test_a_late_final_response_never_reaches_the_next_request(kind: str, transport: Transport, make: Make) -> None:
    send_final = threading.Event()
    waits_for_final = kind.startswith("aiohttp")
    if waits_for_final:
        send_final.set()

    def late(connection: Connection) -> None:
        connection.read_request()
        connection.send(interim(103))
        assert send_final.wait(PATIENCE)
        connection.send(http(200, b"late"))

    def timely(connection: Connection) -> None:
        connection.read_request()
        send_final.set()
        assert server.connections[0].closed.wait(PATIENCE)
        connection.send(http(200, b"timely"))

    with serving(late, timely) as server:
        if waits_for_final:
            assert exchange(transport, make(server.url))[2] == b"late"
            assert server.connections[0].closed.wait(PATIENCE)
        else:
            assert "interim response" in failure(transport, make(server.url), LONG).message
        assert exchange(transport, post(server.url))[2] == b"timely"


def test_every_other_interim_status_is_handled_alike(kind: str, transport: Transport) -> None:
    for status in range(102, 200):
        with serving(after_interim(status)) as server:
            if kind.startswith("aiohttp"):
                assert exchange(transport, post(server.url))[::2] == (200, b"/v1/jobs/lucy"), status
            else:
                assert type(failure(transport, post(server.url), LONG)) is TransportError, status
                assert server.connections[0].closed.wait(PATIENCE)


@get_and_post
@pytest.mark.parametrize("times", [1, 3])
def test_100_continue_is_skipped(transport: Transport, make: Make, times: int) -> None:
    def script(connection: Connection) -> None:
        while True:
            connection.read_request()
            connection.send(CONTINUE * times + OK)

    with serving(script) as server:
        for _ in range(2):
            assert exchange(transport, make(server.url))[::2] == (200, b"fine")
        assert len(server.connections) == 1


def test_100_continue_does_not_end_an_upload(transport: Transport) -> None:
    def script(connection: Connection) -> None:
        connection.read_head()
        connection.send(CONTINUE)
        connection.read_request()
        connection.send(OK)

    with serving(script, receive_buffer=65536) as server:
        assert exchange(transport, post(server.url, large()))[2] == b"fine"
        assert len(server.requests[0].body) == BIG
