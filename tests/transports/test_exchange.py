"""One exchange: the bytes of the request, and the response as it was received."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import attrs
import pytest
from support.exchanges import (
    HEAD,
    HEADERS,
    LONG,
    OK,
    OURS,
    Make,
    exchange,
    failure,
    get,
    get_and_post,
    post,
)
from support.fakes import KEY
from support.servers import (
    FIRST,
    PATIENCE,
    Connection,
    Script,
    answering,
    http,
    reply,
    reset,
    serving,
    then,
)

from decart import TransportError
from decart.transports.base import HttpRequest, Transport
from decart.uploads import MultipartBody, upload


def test_each_is_a_transport(transport: Transport) -> None:
    assert isinstance(transport, Transport)


# ---------------------------------------------------------------- the request


def test_the_request_is_ours_byte_for_byte_with_an_exact_length_and_no_chunked_encoding(transport: Transport) -> None:
    with serving(answering(lambda request, number: OK)) as server:
        assert exchange(transport, post(server.url))[2] == b"fine"
        assert exchange(transport, get(server.url))[2] == b"fine"
        posted, got = server.requests
    added = {"host": f"127.0.0.1:{server.port}", "accept-encoding": "identity"}
    assert posted.headers == {name.lower(): value for name, value in OURS.items()} | added | {"content-length": "13"}
    assert got.headers == {name.lower(): value for name, value in HEADERS.items()} | added
    assert (posted.method, posted.target, posted.body) == ("POST", "/v1/jobs/lucy", b"one,two,three")
    assert (got.method, got.target, got.body) == ("GET", "/v1/jobs/j1", b"")
    assert bytes(server.connections[0].received).count(b"one,two,three") == 1


@get_and_post
def test_no_library_adds_its_own_headers(transport: Transport, make: Make) -> None:
    few = {"X-API-KEY": KEY, "User-Agent": "decart-queue/0 lang/py"}
    with serving(answering(lambda request, number: OK)) as server:
        exchange(transport, attrs.evolve(make(server.url), headers=few))
        names = set(server.requests[0].headers)
    length = {"content-length"} if make is post else set()
    assert names == {"x-api-key", "user-agent", "host", "accept-encoding"} | length


def test_a_file_is_sent_as_one_multipart_part_of_exactly_its_bytes(transport: Transport, tmp_path: Path) -> None:
    data = os.urandom(600_000)
    path = tmp_path / 'a"b.mp4'
    path.write_bytes(data)
    body = MultipartBody({"prompt": "snow", "data": upload("data", path)})
    headers = {**HEADERS, "Content-Type": body.content_type}
    with serving(answering(lambda request, number: OK)) as server:
        for _ in range(2):
            request = HttpRequest(method="POST", url=server.url + "/v1/jobs/lucy", headers=headers, body=body)
            assert exchange(transport, request)[2] == b"fine"
    boundary = b"--" + body.content_type.partition("boundary=")[2].encode()
    for received in server.requests:
        assert received.headers["content-length"] == str(len(received.body))
        assert "transfer-encoding" not in received.headers
        assert received.body == (
            boundary + b'\r\nContent-Disposition: form-data; name="prompt"\r\n\r\nsnow\r\n'
            b"" + boundary + b'\r\nContent-Disposition: form-data; name="data"; filename="a%22b.mp4"\r\n'
            b"Content-Type: video/mp4\r\n\r\n" + data + b"\r\n" + boundary + b"--\r\n"
        )


def test_an_escaped_character_in_a_url_stays_escaped(transport: Transport) -> None:
    target = "/v1/jobs/a%2Fb%3Fc%20%C3%A9%25/content"
    with serving(answering(lambda request, number: OK)) as server:
        exchange(transport, HttpRequest(method="GET", url=server.url + target, headers=HEADERS))
        assert server.requests[0].target == target


# ---------------------------------------------------------------- the response


@pytest.mark.parametrize("status", [200, 204, 404, 418])
def test_status_headers_and_body_of_a_response_are_returned(transport: Transport, status: int) -> None:
    body = b"" if status == 204 else bytes(range(256)) * 4000
    with serving(answering(lambda request, number: http(status, body, {"X-Request-ID": "r1"}))) as server:
        got, headers, read = exchange(transport, post(server.url))
    assert (got, read) == (status, body)
    assert headers == {"content-length": str(len(body)), "x-request-id": "r1"}


def test_a_header_that_comes_twice_is_joined_with_a_comma(transport: Transport) -> None:
    twice = FIRST + b"X-A: 1\r\nContent-Length: 0\r\nx-a: 2\r\nSet-Cookie: a=b\r\n\r\n"
    with serving(reply(twice)) as server:
        assert exchange(transport, get(server.url))[1] == {"x-a": "1, 2", "content-length": "0", "set-cookie": "a=b"}


def test_a_response_without_a_length_ends_with_the_connection(transport: Transport) -> None:
    with serving(reply(FIRST + b"\r\n" + b"x" * 300_000)) as server:
        assert exchange(transport, get(server.url))[2] == b"x" * 300_000


def test_a_chunk_is_returned_while_the_next_one_is_still_to_come(transport: Transport) -> None:
    seen = threading.Event()

    def script(connection: Connection) -> None:
        connection.read_request()
        connection.send(FIRST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        assert seen.wait(PATIENCE)
        connection.send(b"4\r\nlast\r\n0\r\n\r\n")

    with serving(script) as server, transport.send(get(server.url), timeout=LONG) as response:
        chunks = response.chunks()
        assert next(chunks) == b"first"
        seen.set()
        assert list(chunks) == [b"last"]


def test_the_headers_are_returned_before_the_body(transport: Transport) -> None:
    with serving(then(HEAD, Connection.until_closed)) as server:
        with transport.send(get(server.url), timeout=LONG) as response:
            assert response.headers["content-length"] == "100000"
        assert server.connections[0].closed.wait(PATIENCE)


# ---------------------------------------------------------------- one attempt


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_failure_that_could_be_retried_is_not_retried_here(transport: Transport, status: int) -> None:
    with serving(answering(lambda request, number: http(status, headers={"Retry-After": "0"}))) as server:
        assert exchange(transport, get(server.url))[0] == status
        assert exchange(transport, post(server.url))[0] == status
        assert len(server.requests) == 2


@get_and_post
@pytest.mark.parametrize("script", [reset(), reply(b"")], ids=["reset", "end"])
def test_nothing_is_sent_again_when_a_kept_connection_breaks_off(
    transport: Transport, make: Make, script: Script
) -> None:
    with serving(then(OK, script), answering(lambda request, number: OK)) as server:
        assert exchange(transport, get(server.url))[2] == b"fine"
        error = failure(transport, make(server.url), LONG)
        assert len(server.requests) == 2
        assert len(server.connections) == 1
    assert type(error) is TransportError
    assert error.may_have_been_sent is True
