"""`decart.transports`: the values of the transport interface, and the clock."""

from __future__ import annotations

import asyncio
import threading
import time
import tracemalloc
from typing import Any

import pytest
from support.fakes import KEY, FakeTransport, Later

import decart.transports
from decart import InvalidInputError, RequestsTransport
from decart.transports.base import (
    CHUNK,
    AsyncHttpResponse,
    HttpRequest,
    HttpResponse,
    SystemClock,
    Timeout,
    Transport,
)


def test_a_plain_number_is_the_read_timeout() -> None:
    assert Timeout.of(5) == Timeout(read=5)
    whole = Timeout(connect=1, read=2, total=3)
    assert Timeout.of(whole) is whole


def test_a_tuple_and_none_are_timeouts_as_in_requests() -> None:
    assert Timeout.of((3, 10)) == Timeout(connect=3, read=10)
    assert Timeout.of((None, 10)) == Timeout(connect=None, read=10)
    assert Timeout.of(None) == Timeout(connect=None, read=None)
    with pytest.raises(InvalidInputError, match=r"timeout: a tuple must be \(connect, read\)"):
        Timeout.of((1, 2, 3))  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [0, -1, float("inf"), float("nan"), True, "5"])
@pytest.mark.parametrize("part", ["connect", "read", "total"])
def test_a_timeout_is_a_finite_number_of_seconds_above_zero(part: str, value: Any) -> None:
    with pytest.raises(InvalidInputError, match=f"timeout: {part} must be a number of seconds"):
        Timeout(**{part: value})


@pytest.mark.parametrize(
    ("timeout", "seconds", "expected"),
    [
        (Timeout(), float("inf"), Timeout()),
        (Timeout(), 30, Timeout(connect=10, read=30, total=30)),
        (Timeout(), 5, Timeout(connect=5, read=5, total=5)),
        (Timeout(total=3), 5, Timeout(connect=5, read=5, total=3)),
        (Timeout.of(None), 5, Timeout(connect=5, read=5, total=5)),
    ],
)
def test_no_part_of_a_clipped_timeout_is_longer_than_asked(timeout: Timeout, seconds: float, expected: Timeout) -> None:
    assert timeout.within(seconds) == expected


def test_the_header_names_of_a_response_are_in_lower_case() -> None:
    assert HttpResponse(200, {"Retry-After": "X"}).headers == {"retry-after": "X"}


def test_a_header_of_a_mock_may_be_a_number() -> None:
    headers: Any = {"Content-Length": 3}
    response = HttpResponse(200, headers, [b"abc"])
    assert (response.headers, response.read()) == ({"content-length": "3"}, b"abc")


@pytest.mark.parametrize(
    ("limit", "read", "left"),
    [(None, b"abcdef", b""), (0, b"", b"def"), (2, b"ab", b"def"), (3, b"abc", b"def"), (9, b"abcdef", b"")],
)
def test_no_more_of_a_body_is_read_than_asked_for(limit: int | None, read: bytes, left: bytes) -> None:
    response = HttpResponse(200, {}, [b"abc", b"def"])
    assert response.read(limit) == read
    assert b"".join(response.chunks()) == left


@pytest.mark.parametrize(
    ("limit", "read", "left"),
    [(None, b"abcdef", b""), (0, b"", b"def"), (2, b"ab", b"def"), (3, b"abc", b"def"), (5, b"abcde", b"")],
)
def test_no_more_of_an_awaited_body_is_read_than_asked_for(limit: int | None, read: bytes, left: bytes) -> None:
    async def main() -> None:
        async with AsyncHttpResponse(200, {"A": "b"}, Later(iter([b"abc", b"def"]))) as response:
            assert response.headers == {"a": "b"}
            assert await response.aread(limit) == read
            assert b"".join([chunk async for chunk in response.achunks()]) == left

    asyncio.run(main())


def test_an_empty_chunk_is_not_the_end_of_an_awaited_body() -> None:
    async def main() -> None:
        assert await AsyncHttpResponse(200, {}, Later(iter([b"", b"abc"]))).aread() == b"abc"

    asyncio.run(main())


LIMIT = 16 * 1024 * 1024
LARGE = bytes(range(256)) * (3 * LIMIT // 256) + b"the end"


@pytest.mark.parametrize("limit", [None, 0, 1, LIMIT, LIMIT + 1, len(LARGE), len(LARGE) + 1])
@pytest.mark.parametrize("announced", [True, False])
def test_a_large_body_is_the_same_however_it_is_sent(limit: int | None, announced: bool) -> None:
    headers = {"Content-Length": str(len(LARGE))} if announced else {}
    chunks = [LARGE[start : start + CHUNK] for start in range(0, len(LARGE), CHUNK)]
    assert HttpResponse(200, headers, chunks).read(limit) == LARGE[:limit]


@pytest.mark.parametrize("length", ["99999999999999999999", "-1", "1e9", "", "one"])
def test_a_nonsense_length_is_not_trusted(length: str) -> None:
    assert HttpResponse(200, {"Content-Length": length}, [b"abc"]).read() == b"abc"


def test_a_body_that_is_shorter_than_announced_takes_only_the_memory_of_the_data_received() -> None:
    tracemalloc.start()
    assert HttpResponse(200, {"Content-Length": str(10**12)}, [b"abc"]).read(2**40) == b"abc"
    assert tracemalloc.get_traced_memory()[1] < 2 * LIMIT
    tracemalloc.stop()


def test_leaving_the_with_block_closes_the_response() -> None:
    closed: list[bool] = []
    with HttpResponse(200, {}, close=lambda: closed.append(True)) as response:
        assert response.read() == b""
        assert not closed
    assert closed == [True]


def test_the_repr_of_a_request_hides_the_headers_since_they_hold_the_key() -> None:
    request = HttpRequest(method="GET", url="https://x.invalid/", headers={"X-API-KEY": KEY})
    assert KEY not in repr(request)


def test_the_system_clock_never_goes_back() -> None:
    clock = SystemClock()
    assert clock.now() <= clock.now()
    assert abs(clock.now() - time.monotonic()) < 60


def test_a_set_event_ends_a_sleep_of_the_system_clock_at_once() -> None:
    cancel, clock = threading.Event(), SystemClock()
    cancel.set()
    began = clock.now()
    clock.sleep(600, cancel)
    clock.sleep(0)
    assert clock.now() - began < 60


def test_whatever_has_the_four_methods_is_a_transport() -> None:
    assert isinstance(FakeTransport(), Transport)
    assert not isinstance(object(), Transport)


def test_the_transports_package_imports_requests_transport_on_demand() -> None:
    assert decart.transports.RequestsTransport is RequestsTransport
    assert all(hasattr(decart.transports, name) for name in decart.transports.__all__)
    with pytest.raises(AttributeError, match="no attribute 'HttpxTransport'"):
        decart.transports.HttpxTransport  # noqa: B018
