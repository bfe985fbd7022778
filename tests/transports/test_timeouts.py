"""What each part of a `Timeout` limits, and what it does not.

The servers are slow on purpose. No test measures durations, except against a limit that is far beyond what the code
needs, so that a hang is noticed; and a busy machine gets more time.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator

import attrs
import pytest
from support.exchanges import (
    BIG,
    CHUNKED,
    DRIPS,
    OK,
    Make,
    Parts,
    check_timeout,
    exchange,
    failure,
    get,
    get_and_post,
    large,
    never_reading,
    only_aiohttp,
    post,
    taking_little,
)
from support.servers import (
    FIRST,
    PATIENCE,
    Connection,
    Script,
    answering,
    serving,
    then,
)
from support.speed import at_any_speed

from decart import InvalidInputError, Timeout, TransportError
from decart.transports.base import CHUNK, Transport

# ---------------------------------------------------------------- what a timeout may be


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (5, Timeout(read=5)),
        ((3, 10), Timeout(connect=3, read=10)),
        ((None, 10), Timeout(connect=None, read=10)),
        ((3, None), Timeout(connect=3, read=None)),
        (None, Timeout(connect=None, read=None)),
        (Timeout(connect=1, read=2, total=3), Timeout(connect=1, read=2, total=3)),
    ],
)
def test_a_timeout_is_made_of_what_requests_accepts(value: object, expected: Timeout) -> None:
    assert Timeout.of(value) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [(1,), (1, 2, 3), (0, 1), (1, 0), (True, 1), ("1", 2), "5", True, 0, -1])
def test_a_timeout_that_requests_would_not_accept_is_refused(value: object) -> None:
    with pytest.raises(InvalidInputError, match="^timeout: "):
        Timeout.of(value)  # type: ignore[arg-type]


def test_no_limit_within_some_seconds_is_those_seconds() -> None:
    assert Timeout.of(None).within(5) == Timeout(connect=5, read=5, total=5)
    assert Timeout.of(None).within(float("inf")) == Timeout.of(None)


@get_and_post
@pytest.mark.parametrize("value", [None, (None, 10), (10, None), (10, 10), 10])
def test_an_exchange_works_with_each(transport: Transport, make: Make, value: object) -> None:
    with serving(answering(lambda request, number: OK)) as server:
        for _ in range(2):
            assert exchange(transport, make(server.url), Timeout.of(value))[2] == b"fine"  # type: ignore[arg-type]
        assert len(server.connections) == 1


# ---------------------------------------------------------------- connect: each block of a body


@at_any_speed
def test_a_server_that_stops_taking_a_body_is_given_up_after_the_connect_timeout(
    transport: Transport, scale: float
) -> None:
    with serving(never_reading, receive_buffer=4096) as server:
        check_timeout(transport, post(server.url, large()), connect=0.2 * scale)


@at_any_speed
def test_a_server_may_pause_for_longer_than_the_read_timeout_while_it_takes_a_body(
    transport: Transport, scale: float
) -> None:
    def pausing(connection: Connection) -> None:
        connection.read_head()
        connection.pause(0.5 * scale)
        connection.read_request()
        connection.send(OK)

    with serving(pausing, receive_buffer=4096) as server:
        assert exchange(transport, post(server.url, large()), Timeout(connect=PATIENCE, read=0.4 * scale))[2] == b"fine"
        assert len(server.requests[0].body) == BIG


@at_any_speed
def test_a_steady_upload_may_take_longer_than_the_connect_and_read_timeouts(transport: Transport, scale: float) -> None:
    def steady(connection: Connection) -> None:
        _, start = connection.read_head()
        for taken in range(start, BIG, BIG // 30):
            while len(connection.received) < taken:
                connection.receive()
            connection.pause(0.05 * scale)
        connection.read_request()
        connection.send(OK)

    with serving(steady, receive_buffer=128 * 1024) as server:
        assert exchange(transport, post(server.url, large()), Timeout(connect=scale, read=scale))[2] == b"fine"
        assert server.requests[0].body == bytes(BIG)


@attrs.frozen
class Slow(Parts):
    """A body that takes a while to read, as from a network drive."""

    pieces: tuple[bytes, ...] = (bytes(CHUNK), b"the end")
    seconds: float = attrs.field(kw_only=True)

    def __iter__(self) -> Iterator[bytes]:
        yield self.pieces[0]
        threading.Event().wait(self.seconds)
        yield self.pieces[1]


@at_any_speed
def test_reading_a_body_from_its_source_may_take_longer_than_the_timeouts(transport: Transport, scale: float) -> None:
    with serving(answering(lambda request, number: OK)) as server:
        limits = Timeout(connect=0.4 * scale, read=0.4 * scale)
        assert exchange(transport, post(server.url, Slow(seconds=0.5 * scale)), limits)[2] == b"fine"
        assert server.requests[0].body == bytes(CHUNK) + b"the end"


# ---------------------------------------------------------------- read: between two bytes


@at_any_speed
def test_a_response_that_keeps_coming_may_take_longer_than_the_read_timeout(transport: Transport, scale: float) -> None:
    body = then(FIRST + b"Content-Length: 8\r\n\r\n", lambda connection: connection.drip(b"12345678", 0.06 * scale))
    with serving(body) as server:
        assert exchange(transport, get(server.url), Timeout(connect=PATIENCE, read=0.4 * scale))[2] == b"12345678"


# ---------------------------------------------------------------- total


@at_any_speed
@get_and_post
@pytest.mark.parametrize("case", ["a body", "a body in chunks"])
def test_a_dripping_body_ends_at_the_total(transport: Transport, case: str, make: Make, scale: float) -> None:
    with serving(DRIPS[case]) as server:
        check_timeout(transport, make(server.url), total=0.15 * scale)


DRIPS_FOR_A_WHILE: dict[str, Script] = {
    "headers": then(FIRST, lambda connection: connection.drip(b"X-A: b\r\n" * 5)),
    "one header": then(FIRST, lambda connection: connection.drip(b"X" * 40)),
    "the size of a chunk": then(CHUNKED, lambda connection: connection.drip(b"0" * 40)),
}


@at_any_speed
@pytest.mark.parametrize("case", DRIPS_FOR_A_WHILE)
def test_dripping_headers_end_no_later_than_one_read_timeout_after_the_last_byte(
    transport: Transport, case: str, scale: float
) -> None:
    def script(connection: Connection) -> None:
        DRIPS_FOR_A_WHILE[case](connection)
        connection.until_closed()

    with serving(script) as server:
        check_timeout(transport, get(server.url), total=0.15 * scale)


@at_any_speed
@only_aiohttp
@pytest.mark.parametrize("case", ["headers", "one endless header", "the size of a chunk"])
def test_aiohttp_ends_dripping_headers_at_the_total(transport: Transport, case: str, scale: float) -> None:
    with serving(DRIPS[case]) as server:
        check_timeout(transport, get(server.url), total=0.15 * scale)


@at_any_speed
def test_a_silent_server_is_given_up_at_the_total(transport: Transport, scale: float) -> None:
    with serving(then(b"", Connection.until_closed)) as server:
        check_timeout(transport, post(server.url), total=0.15 * scale)


@at_any_speed
def test_a_server_that_stops_taking_a_body_is_given_up_at_the_total(transport: Transport, scale: float) -> None:
    with serving(never_reading, receive_buffer=4096) as server:
        check_timeout(transport, post(server.url, large()), total=0.15 * scale)


@at_any_speed
def test_a_server_that_takes_a_body_in_drips_is_given_up_at_the_total(transport: Transport, scale: float) -> None:
    with serving(taking_little, receive_buffer=4096) as server:
        check_timeout(transport, post(server.url, large()), total=0.15 * scale)


def test_an_exchange_ends_when_its_total_is_over_at_once(transport: Transport) -> None:
    with serving(answering(lambda request, number: OK)) as server:
        assert isinstance(failure(transport, post(server.url), Timeout(total=1e-9)), TransportError)
