"""Request bodies: sent at most once, stopped in time, and not read after the exchange is over."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import attrs
import pytest
from support.exchanges import (
    BIG,
    LONG,
    OK,
    Parts,
    caught,
    exchange,
    failure,
    get,
    large,
    post,
)
from support.servers import (
    PATIENCE,
    Connection,
    answering,
    http,
    nobody,
    reset,
    serving,
    silent,
    then,
)

from decart import ClientClosedError, InvalidInputError, TransportError
from decart.transports.base import CHUNK, Transport
from decart.transports.body import SentBody


@attrs.define(eq=False)
class Counted:
    """A body that counts how often it is iterated, and how many of its pieces are asked for.

    Attributes:
        error: What reading the second piece raises, if anything.
    """

    pieces: tuple[bytes, ...] = (bytes(CHUNK), b"the end")
    error: Exception | None = None
    iterations: int = 0
    asked: int = 0

    def __len__(self) -> int:
        return sum(map(len, self.pieces))

    def __iter__(self) -> Iterator[bytes]:
        self.iterations += 1
        for piece in self.pieces:
            if self.error is not None and self.asked:
                raise self.error
            self.asked += 1
            yield piece


# ---------------------------------------------------------------- a response before the end of the body


@pytest.mark.parametrize("taken", [0, BIG // 2], ids=["nothing of it", "half of it"])
def test_a_response_that_comes_before_the_body_was_sent_is_the_response(transport: Transport, taken: int) -> None:
    def refuse(connection: Connection) -> None:
        connection.read_head()
        while len(connection.received) < taken:
            connection.receive()
        connection.send(http(413, b"too large"))
        connection.pause(0.1)  # or the reset may overtake the response, and a loop then sees nothing but the reset

    with serving(refuse, receive_buffer=4096) as server:
        status, _, body = exchange(transport, post(server.url, large()))
        assert not server.requests
    assert (status, body) == (413, b"too large")


# ---------------------------------------------------------------- at most once


def test_a_body_is_iterated_once_whatever_happens_to_the_exchange(transport: Transport) -> None:
    bodies = [Counted() for _ in range(4)]
    scripts = [then(OK, reset()), answering(lambda request, number: http(503, headers={"Retry-After": "0"})), reset()]
    with serving(*scripts) as server:
        exchange(transport, post(server.url, bodies[0]))
        failure(transport, post(server.url, bodies[1]), LONG)  # on the kept connection, which is reset
        with transport.send(post(server.url, bodies[2]), timeout=LONG) as response:
            assert response.status == 503
        assert len(server.requests) == 3
    with nobody() as url:
        failure(transport, post(url, bodies[3]))
    assert [body.iterations for body in bodies] == [1, 1, 1, 0]


def test_a_body_of_one_exchange_may_be_sent_again_by_the_next(transport: Transport) -> None:
    body = Counted()
    with serving(reset(), answering(lambda request, number: OK)) as server:
        assert type(failure(transport, post(server.url, body), LONG)) is TransportError
        assert exchange(transport, post(server.url, body))[2] == b"fine"
        assert [request.body for request in server.requests] == [b"".join(body.pieces)] * 2


def test_a_library_that_reads_a_body_twice_is_refused() -> None:
    body = Counted()
    sent = SentBody(body)
    assert b"".join(sent) == b"".join(body.pieces)
    with pytest.raises(TransportError, match="tried to send the request again"):
        next(iter(sent))
    assert body.iterations == 1


# ---------------------------------------------------------------- may_start


def test_may_start_is_called_once_when_there_is_a_connection_and_before_the_body(transport: Transport) -> None:
    body, seen = Counted(), []

    def may_start() -> None:
        connection = server.connection(1)
        seen.append((body.iterations, bytes(body.pieces[1]) in connection.received))

    with serving(answering(lambda request, number: OK)) as server:
        request = attrs.evolve(post(server.url, body), may_start=may_start)
        assert exchange(transport, request)[2] == b"fine"
        assert seen == [(0, False)]
        assert exchange(transport, request)[2] == b"fine"
        assert len(seen) == 2
        assert server.requests[1].body == b"".join(body.pieces)


def test_may_start_is_not_called_without_a_connection(transport: Transport) -> None:
    called = threading.Event()
    with nobody() as url:
        failure(transport, attrs.evolve(post(url), may_start=called.set))
    assert not called.is_set()


@pytest.mark.parametrize(
    "error",
    [ClientClosedError("closed"), TransportError("cancelled", may_have_been_sent=False), ValueError("of a caller")],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("kept", [False, True], ids=["new connection", "kept connection"])
def test_an_exception_of_may_start_stops_the_request_and_is_raised_unchanged(
    transport: Transport, error: Exception, kept: bool
) -> None:
    def refuse() -> None:
        raise error

    body = Counted()
    with serving(answering(lambda request, number: OK)) as server:
        if kept:
            exchange(transport, get(server.url))
        raised = caught(Exception, lambda: exchange(transport, attrs.evolve(post(server.url, body), may_start=refuse)))
        assert raised is error
        assert server.connection(1).closed.wait(PATIENCE)  # it has half of a request
        assert len(server.requests) == kept
        assert exchange(transport, post(server.url))[2] == b"fine"
    assert body.iterations == 0


# ---------------------------------------------------------------- a body that fails


@pytest.mark.parametrize(
    "error",
    [
        InvalidInputError("data: the file became shorter"),
        PermissionError("no"),
        ValueError("closed file"),
        TimeoutError("of a network drive"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_of_the_body_is_raised_as_it_is_and_the_request_stays_incomplete(
    transport: Transport, error: Exception
) -> None:
    body = Counted(error=error)
    with serving(silent, answering(lambda request, number: OK)) as server:
        assert caught(Exception, lambda: exchange(transport, post(server.url, body))) is error
        assert server.connection(1).closed.wait(PATIENCE)
        assert not server.requests
        assert exchange(transport, post(server.url))[2] == b"fine"


@attrs.frozen
class Watched(Parts):
    """A body that records whether it is currently being read."""

    pieces: tuple[bytes, ...] = (bytes(CHUNK), b"the end")
    reading: threading.Event = attrs.field(factory=threading.Event)
    go_on: threading.Event = attrs.field(factory=threading.Event)

    def __iter__(self) -> Iterator[bytes]:
        yield self.pieces[0]
        self.reading.set()
        assert self.go_on.wait(PATIENCE)
        self.reading.clear()
        yield self.pieces[1]


def test_a_body_is_not_read_any_more_when_its_exchange_has_failed(transport: Transport) -> None:
    body = Watched()

    def script(connection: Connection) -> None:
        connection.read_head()
        assert body.reading.wait(PATIENCE)
        connection.reset()
        connection.pause(0.1)  # so that an event loop notices the reset while the body is being read
        body.go_on.set()

    with serving(script) as server:
        error = failure(transport, post(server.url, body), LONG)
        assert not body.reading.is_set()  # a retry may read the same file from its start
    assert type(error) is TransportError
