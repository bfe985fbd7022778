"""The connections of requests and urllib3: how many are kept, for how long, and that no responses are mixed up."""

from __future__ import annotations

import contextlib
import gzip
import threading
import time
from collections.abc import Callable, Iterator

import attrs
import pytest
import requests
from support.exchanges import HEADERS, LONG, OK, Parts, exchange, failure, get, post
from support.faces import SYNC
from support.servers import FIRST, PATIENCE, Connection, Received, answering, http, serving

from decart import RequestsTransport, TransportError, Urllib3Transport
from decart.transports.base import (
    CHUNK,
    FRESH,
    KEPT_CONNECTIONS,
    HttpRequest,
    HttpResponse,
    Timeout,
    Transport,
)

get_and_post = pytest.mark.parametrize("make", [get, post], ids=["GET", "POST"])


@pytest.fixture(params=SYNC)
def sync_transport(request: pytest.FixtureRequest) -> Iterator[Transport]:
    transport = SYNC[request.param]()
    yield transport
    transport.close()


def numbered(request: Received, number: int) -> bytes:
    """Respond with the number of the connection."""
    return http(200, str(number).encode())


def to(url: str) -> HttpRequest:
    return HttpRequest(method="GET", url=url, headers=HEADERS)


def in_threads(count: int, work: Callable[[int], None]) -> None:
    """Run a function in several threads at once, and raise the first of their exceptions."""
    errors: list[BaseException] = []

    def guarded(number: int) -> None:
        try:
            work(number)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert not errors
    assert not any(thread.is_alive() for thread in threads)


# ---------------------------------------------------------------- threads


@pytest.mark.parametrize("threads", [16, 100])
def test_threads_get_their_own_responses_over_connections_that_are_reused(
    sync_transport: Transport, threads: int
) -> None:
    calls, gate = 5, threading.Barrier(threads)

    def work(thread: int) -> None:
        gate.wait(PATIENCE)
        for call in range(calls):
            target = f"/{thread}/{call}"
            assert exchange(sync_transport, to(server.url + target))[2] == target.encode()

    with serving(answering(lambda request, number: http(200, request.target.encode()))) as server:
        in_threads(threads, work)
        assert len(server.requests) == threads * calls
        if threads <= KEPT_CONNECTIONS:
            assert len(server.connections) <= threads


def test_threads_that_upload_share_nothing(sync_transport: Transport) -> None:
    def work(thread: int) -> None:
        for call in range(1, 4):
            body = Parts((bytes([thread]) * CHUNK,) * call)
            expected = f"{thread} {call * CHUNK}".encode()
            assert exchange(sync_transport, post(server.url, body))[2] == expected

    def first_byte_and_length(request: Received, number: int) -> bytes:
        assert len(set(request.body)) == 1
        return http(200, f"{request.body[0]} {len(request.body)}".encode())

    with serving(answering(first_byte_and_length)) as server:
        in_threads(4, work)


# ---------------------------------------------------------------- how many


@pytest.mark.parametrize(
    ("make", "kept"),
    [
        (RequestsTransport, KEPT_CONNECTIONS),
        (Urllib3Transport, KEPT_CONNECTIONS),
        (lambda: Urllib3Transport(connections=1), 1),
    ],
    ids=["requests", "urllib3", "urllib3 that keeps one"],
)
def test_more_connections_are_opened_than_kept_and_the_others_closed_after_their_exchange(
    make: Callable[[], Transport], kept: int
) -> None:
    transport, extra = make(), 3
    with serving(answering(numbered)) as server:
        with contextlib.ExitStack() as stack:
            opened = [stack.enter_context(transport.send(get(server.url), timeout=LONG)) for _ in range(kept + extra)]
            assert sorted(int(response.read()) for response in opened) == list(range(1, kept + extra + 1))
        closed = [connection for connection in server.connections if int(connection.number) > kept]
        for connection in closed:
            assert connection.closed.wait(PATIENCE)
        assert not any(connection.closed.is_set() for connection in server.connections[:kept])
        reused = [transport.send(get(server.url), timeout=LONG) for _ in range(kept)]
        assert len(server.connections) == kept + extra
        for response in reused:
            response.read()
            response.close()
        transport.close()


def test_a_broken_connection_takes_no_place_of_a_kept_one() -> None:
    transport = Urllib3Transport(connections=1)

    def script(connection: Connection) -> None:
        while True:
            connection.read_request()
            connection.send(http(200, bytes(1000))[: -500 if connection.number == 1 else None])
            if connection.number == 1:
                return

    with serving(script) as server:
        broken, good = (transport.send(get(server.url), timeout=LONG) for _ in range(2))
        with broken, pytest.raises(TransportError):
            broken.read()
        with good:
            assert good.read() == bytes(1000)
        assert exchange(transport, get(server.url))[2] == bytes(1000)
        assert len(server.connections) == 2
        transport.close()


def test_no_call_waits_for_an_open_download(sync_transport: Transport) -> None:
    with serving(answering(numbered)) as server:
        with sync_transport.send(get(server.url), timeout=LONG) as download:
            assert exchange(sync_transport, get(server.url))[2] == b"2"
            assert download.read() == b"1"
        assert len(server.connections) == 2


def test_the_repr_of_a_transport_is_its_name() -> None:
    assert repr(Urllib3Transport(connections=3)) == "Urllib3Transport()"


# ---------------------------------------------------------------- how long


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Advance the clock of the process."""
    real, ahead = time.monotonic, [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: real() + ahead[0])

    def forward(seconds: float) -> None:
        ahead[0] += seconds

    return forward


def test_an_idle_connection_is_closed_when_it_may_have_been_forgotten(
    sync_transport: Transport, clock: Callable[[float], None]
) -> None:
    with serving(answering(numbered)) as server:
        for expected in (b"1", b"1"):
            assert exchange(sync_transport, post(server.url))[2] == expected
        clock(FRESH + 1)
        assert exchange(sync_transport, post(server.url))[2] == b"2"
        assert server.connections[0].closed.wait(PATIENCE)
        assert exchange(sync_transport, get(server.url))[2] == b"2"


def test_idle_connections_of_the_callers_session_are_closed_before_a_submit_only(
    clock: Callable[[float], None],
) -> None:
    with serving(answering(numbered)) as server, requests.Session() as session:
        transport = RequestsTransport(session)
        assert exchange(transport, post(server.url))[2] == b"1"
        clock(FRESH + 1)
        assert exchange(transport, get(server.url))[2] == b"1"
        assert exchange(transport, post(server.url))[2] == b"2"
        assert exchange(transport, post(server.url))[2] == b"2"


# ---------------------------------------------------------------- responses


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_the_connection_of_an_encoded_response_is_reused(sync_transport: Transport, framing: str) -> None:
    data = bytes(range(256)) * 2000
    packed = gzip.compress(data)
    length = b"Content-Length: %d\r\n\r\n" % len(packed) + packed
    chunked = b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(packed) + packed + b"\r\n0\r\n\r\n"
    response = FIRST + b"Content-Encoding: gzip\r\n" + (length if framing == "length" else chunked)
    with serving(answering(lambda request, number: response)) as server:
        for _ in range(2):
            assert exchange(sync_transport, get(server.url))[2] == data
        assert len(server.connections) == 1


def test_a_response_may_be_read_in_parts_and_then_to_its_end(sync_transport: Transport) -> None:
    data = bytes(range(256)) * 20_000
    with serving(answering(lambda request, number: http(200, data))) as server:
        with sync_transport.send(get(server.url), timeout=LONG) as response:
            assert isinstance(response, HttpResponse)
            first = next(response.chunks())
            assert first + b"".join(response.chunks()) == data
        assert exchange(sync_transport, get(server.url))[2] == data
        assert len(server.connections) == 1


def test_a_limited_read_returns_the_first_bytes(sync_transport: Transport) -> None:
    data = bytes(range(256)) * 20_000
    with (
        serving(answering(lambda request, number: http(200, data))) as server,
        sync_transport.send(get(server.url), timeout=LONG) as response,
    ):
        assert response.read(1000) == data[:1000]


# ---------------------------------------------------------------- requests


@pytest.mark.parametrize("name", ["Host", "Accept-Encoding"])
def test_a_header_that_the_library_would_add_may_be_given(sync_transport: Transport, name: str) -> None:
    with serving(answering(lambda request, number: OK)) as server:
        exchange(sync_transport, HttpRequest(method="GET", url=server.url, headers={name: "mine"}))
        assert server.requests[0].headers[name.lower()] == "mine"
        assert server.requests[0].target == "/"


@get_and_post
def test_a_header_that_cannot_be_sent_is_an_error_that_does_not_show_it(
    sync_transport: Transport, make: Callable[[str], HttpRequest]
) -> None:
    with serving(answering(lambda request, number: OK)) as server:
        request = attrs.evolve(make(server.url), headers={"X-API-KEY": "secret\nX: y"})
        error = failure(sync_transport, request)
        assert not server.requests
    assert "secret" not in str(error)
    assert error.may_have_been_sent is False


def test_a_submit_is_not_sent_when_the_total_is_over_before_it(sync_transport: Transport) -> None:
    with serving(answering(lambda request, number: OK)) as server:
        error = failure(sync_transport, post(server.url), Timeout(total=1e-9))
        assert not server.requests
    assert error.may_have_been_sent is False
