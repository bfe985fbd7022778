"""A head that does not parse cleanly is an error on every transport: neither its status nor its body is used."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
import urllib3
from support.exchanges import (
    LONG,
    OK,
    Make,
    Parts,
    all_but_aiohttp,
    exchange,
    failure,
    get,
    get_and_post,
    post,
)
from support.fakes import KEY
from support.servers import FIRST, answering, http, nobody, reply, serving

from decart import TransportError, Urllib3Transport
from decart.transports.base import Transport

BODY = b"Content-Length: 4\r\n\r\nfine"
MALFORMED = {
    "a line without a colon": FIRST + b"X-A: b\r\nnonsense\r\n" + BODY,
    "a first line without a colon": FIRST + b"nonsense\r\n" + BODY,
    "a line without a colon after the length": FIRST + b"Content-Length: 4\r\nnonsense\r\n\r\nfine",
    "a blank before the colon": FIRST + b"X-A : b\r\n" + BODY,
    "a blank before the colon of the length": FIRST + b"Content-Length : 4\r\n\r\nfine",
    "no name": FIRST + b": b\r\n" + BODY,
    "a NUL in a value": FIRST + b"X-A: b\0c\r\n" + BODY,
    "a NUL in a name": FIRST + b"X\0A: b\r\n" + BODY,
    "a bare CR": FIRST + b"X-A: b\rc\r\n" + BODY,
    "a name that is no ASCII": FIRST + b"caf\xe9: b\r\n" + BODY,
    "an end inside a header": FIRST + b"X-A: b\r\nConte",
    "two lengths": FIRST + b"Content-Length: 9\r\n" + BODY,
    "two lengths in one header": FIRST + b"Content-Length: 4, 9\r\n\r\nfine",
    "a length with a sign": FIRST + b"Content-Length: +4\r\n\r\nfine",
    "a negative length": FIRST + b"Content-Length: -4\r\n\r\nfine",
    "a length with a blank inside": FIRST + b"Content-Length: 4 4\r\n\r\nfine",
    "a length of words": FIRST + b"Content-Length: four\r\n\r\nfine",
    "an empty length": FIRST + b"Content-Length:\r\n\r\nfine",
    "a length and chunks": FIRST + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n4\r\nfine\r\n0\r\n\r\n",
    "another transfer encoding": FIRST + b"Transfer-Encoding: gzip\r\n\r\nfine",
    "one more transfer encoding": FIRST + b"Transfer-Encoding: gzip, chunked\r\n\r\n4\r\nfine\r\n0\r\n\r\n",
    "chunks inside of something": FIRST + b"Transfer-Encoding: chunked, identity\r\n\r\n4\r\nfine\r\n0\r\n\r\n",
    "a negative chunk": FIRST + b"Transfer-Encoding: chunked\r\n\r\n-4\r\nfine\r\n0\r\n\r\n",
    "a chunk without a size": FIRST + b"Transfer-Encoding: chunked\r\n\r\n\r\nfine\r\n0\r\n\r\n",
    "a chunk longer than its size": FIRST + b"Transfer-Encoding: chunked\r\n\r\n2\r\nfine\r\n0\r\n\r\n",
    "a status of two digits": b"HTTP/1.1 99 Low\r\n" + BODY,
    "a status of four digits": b"HTTP/1.1 2000 High\r\n" + BODY,
}


@get_and_post
@pytest.mark.parametrize("case", MALFORMED)
def test_a_malformed_head_is_an_error(transport: Transport, case: str, make: Make) -> None:
    with serving(reply(MALFORMED[case])) as server:
        error = failure(transport, make(server.url), LONG)
    assert type(error) is TransportError
    assert error.may_have_been_sent is True


@pytest.mark.parametrize("status", [401, 404, 429])
def test_no_status_is_taken_from_a_malformed_head(transport: Transport, status: int) -> None:
    head = f"HTTP/1.1 {status} No\r\nX-A : b\r\nRetry-After: 1\r\n".encode()
    with serving(reply(head + BODY)) as server:
        assert type(failure(transport, post(server.url), LONG)) is TransportError


FINE = {
    "a folded header": FIRST + b"X-A: b\r\n  c\r\n" + BODY,
    "no reason phrase": b"HTTP/1.1 200 \r\n" + BODY,
    "an empty header": FIRST + b"X-A:\r\n" + BODY,
    "Latin-1": FIRST + b"X-A: caf\xe9\r\n" + BODY,
    "chunks in capitals": FIRST + b"Transfer-Encoding: CHUNKED\r\n\r\n4\r\nfine\r\n0\r\n\r\n",
    "an extended chunk": FIRST + b"Transfer-Encoding: chunked\r\n\r\n4;a=b\r\nfine\r\n0\r\n\r\n",
    "no length": FIRST + b"Connection: close\r\n\r\nfine",
    "95 headers": FIRST + b"".join(b"X-%d: y\r\n" % number for number in range(95)) + BODY,
    "a header of 30,000 bytes": FIRST + b"X-A: " + b"y" * 30_000 + b"\r\n" + BODY,
    "a header of 65,000 bytes": FIRST + b"X-A: " + b"y" * 65_000 + b"\r\n" + BODY,
    "ninety headers of 30,000 bytes": FIRST + (b"X-A: " + b"y" * 30_000 + b"\r\n") * 90 + BODY,
    "a reason phrase of 30,000 bytes": b"HTTP/1.1 200 " + b"y" * 30_000 + b"\r\n" + BODY,
}


@pytest.mark.parametrize("case", FINE)
def test_unusual_but_valid_headers_are_accepted_by_all(transport: Transport, case: str) -> None:
    with serving(reply(FINE[case])) as server:
        assert exchange(transport, get(server.url))[::2] == (200, b"fine")


@all_but_aiohttp
def test_the_same_length_twice_is_one_length(transport: Transport) -> None:
    with serving(reply(FIRST + b"Content-Length: 4\r\n" + BODY)) as server:
        assert exchange(transport, get(server.url))[2] == b"fine"


def test_beyond_a_limit_the_error_says_which(kind: str, transport: Transport) -> None:
    with serving(reply(FIRST + b"X-A: " + b"y" * 70_000 + b"\r\n" + BODY)) as server:
        error = failure(transport, get(server.url), LONG)
    assert "the response has a line longer than 65536 bytes" in error.message
    many = b"".join(b"X-%d: y\r\n" % number for number in range(200))
    with serving(reply(FIRST + many + BODY)) as server:
        error = failure(transport, get(server.url), LONG)
    words = "too many headers for the HTTP library" if kind.startswith("aiohttp") else "more than 100 headers"
    assert words in error.message


def test_after_a_malformed_head_the_connection_is_not_used_again(transport: Transport) -> None:
    bad = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nX-A : b\r\n\r\nfine"
    with serving(answering(lambda request, number: bad if number == 1 else OK)) as server:
        failure(transport, get(server.url), LONG)
        assert exchange(transport, get(server.url))[2] == b"fine"
        assert len(server.connections) == 2


def test_headers_that_cannot_be_parsed_and_may_echo_the_key_are_not_logged(
    transport: Transport, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with serving(reply(FIRST + f"X-A: b\r\nX-API-KEY {KEY}\r\n".encode() + BODY)) as server:
        failure(transport, get(server.url), LONG)
    assert KEY not in caplog.text


def test_an_exchange_that_a_callback_makes_inside_another_changes_nothing(
    transport: Transport, caplog: pytest.LogCaptureFixture
) -> None:
    inner = Urllib3Transport()

    class Nested(Parts):
        def __iter__(self) -> Iterator[bytes]:
            assert exchange(inner, get(other.url))[2] == b"fine"
            return iter(self.pieces)

    bad = FIRST + f"X-A: b\r\nX-API-KEY {KEY}\r\n".encode() + BODY
    with serving(reply(OK)) as other, serving(reply(bad)) as server:
        failure(transport, post(server.url, Nested()), LONG)
        inner.close()
    assert KEY not in caplog.text


@all_but_aiohttp
def test_urllib3_still_logs_the_exchanges_of_others(transport: Transport, caplog: pytest.LogCaptureFixture) -> None:
    with nobody() as url:
        failure(transport, get(url))
    with serving(reply(http(200, b"fine", {"X-A ": "b"}))) as server, urllib3.PoolManager() as pool:
        pool.request("GET", server.url)
    assert "Failed to parse headers" in caplog.text
