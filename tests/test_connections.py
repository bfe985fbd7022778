"""`decart.transports.connections`: what is read of an answer, and what is sent before one."""

from __future__ import annotations

import gzip
import http.client
import io
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from servers import FIRST, PATIENCE, Connection, Script, answering, serving
from servers import http as spell
from test_transport_requests import BIG, LONG, OK, Parts, caught, exchange, get, large, never_reading, post

from decart import RequestsTransport, Timeout, TransportError, TransportTimeout, Urllib3Transport
from decart.transports.base import CHUNK, HttpRequest, HttpResponse, Transport
from decart.transports.connections import BLOCK, LimitedResponse, Limits, Once, _send_watching, limits


@pytest.fixture(params=[RequestsTransport, Urllib3Transport])
def transport(request: pytest.FixtureRequest) -> Iterator[Any]:
    transport = request.param()
    yield transport
    transport.close()


# ---------------------------------------------------------------- the head of an answer


class Canned:
    """A socket from which an answer comes."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, mode: str, buffering: int = -1) -> io.IOBase:
        return io.BytesIO(self._data)

    def settimeout(self, seconds: float) -> None: ...


def outcome(kind: Callable[..., Any], data: bytes, method: str) -> object:
    """Return all that can be seen of an answer: what was read of it, or how that failed."""
    limits.set(Limits(LONG))
    response = kind(Canned(data), method=method)
    try:
        response.begin()
        names = ("version", "status", "code", "reason", "length", "will_close", "chunked")
        seen = [getattr(response, name) for name in names]
        unread = response.msg.get_payload()  # a str, or the mails of which some think that the head has them
        unread = unread if isinstance(unread, str) else ""
        return [*seen, response.headers.items(), unread, response.read()]
    except Exception as error:
        return type(error), str(error)
    finally:
        response.close()


CRLF = "\r\n"
LINES = [
    "Content-Length: 4",
    "content-length:2",
    "Content-Length: 4 ",
    "Content-Length: \t3",
    "Content-Length: -1",
    "Content-Length: 4, 4",
    "Content-Length: ",
    "Content-Length: \u0664",
    "Transfer-Encoding: chunked",
    "Connection: close",
    "Connection: Keep-Alive, Close",
    "Connection: keep-alive",
    "Content-Type: multipart/mixed; boundary=x",
    "Content-Type: message/rfc822",
    "X-A:",
    "X-A: b:c ",
    "X-A: \xe9\x85\x0b",
    "x-a: again",
    " folded",
    "\tfolded",
    "no colon",
    ": no name",
    "X A: blank",
    "X-\xe9: name",
    "From me",
    "X: a\rb",
    "X: a\nY: b",
    "X: a\0b",
]
FIRSTS = ["HTTP/1.1 200 OK", "HTTP/1.1 200 ", "HTTP/1.1 200", "HTTP/1.0 200 OK", "HTTP/1.1 204 No", "HTTP/1.1 304 -"]
FIRSTS += [
    "HTTP/1.1 404  Not\tFound \xe9",
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Made",
    "HTTP/1.1 099 x",
    "SSH-2.0",
]
FIRSTS += ["HTTP/2 200 OK", "HTTP/1.1 600 x", " HTTP/1.1 200 OK"]


@given(st.sampled_from(FIRSTS), st.lists(st.sampled_from(LINES), max_size=4), st.sampled_from(["GET", "POST", "HEAD"]))
def test_a_head_is_read_as_http_client_reads_it(first: str, lines: list[str], method: str) -> None:
    data = (CRLF.join([first, *lines]) + CRLF + CRLF).encode("utf-8" if "\u0664" in str(lines) else "latin-1") + b"body"
    assert outcome(LimitedResponse, data, method) == outcome(http.client.HTTPResponse, data, method)


@pytest.mark.parametrize("count", [98, 99, 100, 1000])
@pytest.mark.parametrize("size", [1, 1000, 70_000])
def test_the_limits_of_http_client_for_heads_hold(count: int, size: int) -> None:
    lines = "".join(f"X-{number}: {'y' * size}{CRLF}" for number in range(count - 1))
    data = f"HTTP/1.1 200 OK{CRLF}{lines}Content-Length: 4{CRLF}{CRLF}body".encode()
    assert outcome(LimitedResponse, data, "GET") == outcome(http.client.HTTPResponse, data, "GET")


def test_a_header_that_is_folded_is_one_line(transport: Transport) -> None:
    folded = FIRST + b"X-A: one\r\n  two\r\nContent-Length: 0\r\n\r\n"
    with serving(answering(lambda request, number: folded)) as server:
        assert exchange(transport, get(server.url))[1]["x-a"] == "one two"  # type: ignore[arg-type]


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_an_encoded_answer_is_decoded_and_its_connection_used_again(transport: Transport, framing: str) -> None:
    data = bytes(range(256)) * 2000
    packed = gzip.compress(data)
    length = b"Content-Length: %d\r\n\r\n" % len(packed) + packed
    chunked = b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(packed) + packed + b"\r\n0\r\n\r\n"
    answer = FIRST + b"Content-Encoding: gzip\r\n" + (length if framing == "length" else chunked)
    with serving(answering(lambda request, number: answer)) as server:
        for _ in range(2):
            assert exchange(transport, get(server.url))[2] == data  # type: ignore[arg-type]
        assert len(server.connections) == 1


# ---------------------------------------------------------------- an answer before the end of the body


@attrs.frozen
class Counted(Parts):
    """A body that would take for ever, and knows how many of its pieces were asked for."""

    pieces: tuple[bytes, ...] = (bytes(CHUNK),) * 512
    asked: list[int] = attrs.field(factory=list)

    def __iter__(self) -> Iterator[bytes]:
        for piece in self.pieces:
            self.asked.append(len(piece))
            yield piece


def refusing(then: Script, first: bytes = b"") -> Script:
    """Answer as soon as the head is there, and keep the connection open."""

    def script(connection: Connection) -> None:
        connection.read_head()
        connection.send(first + spell(413, b"too large"))
        then(connection)

    return script


def reading(connection: Connection) -> None:
    while True:
        connection.receive()
        connection.received.clear()


@pytest.mark.parametrize("after", [never_reading, reading], ids=["reads nothing", "reads on"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_refusal_ends_an_upload_and_its_connection_is_not_used_again(
    transport: Transport,
    after: Script,
    scheme: str,
    tls: ssl.SSLContext,
    certificate: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate[0]))
    body = Counted()
    scripts = refusing(after), answering(lambda request, number: OK)
    with serving(*scripts, tls=tls if scheme == "https" else None, receive_buffer=65536) as server:
        assert exchange(transport, post(server.url, body))[::2] == (413, b"too large")  # type: ignore[arg-type]
        assert exchange(transport, get(server.url))[2] == b"fine"  # type: ignore[arg-type]
        assert len(server.connections) == 2
    assert len(body.asked) < len(body.pieces)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_what_comes_before_an_answer_does_not_end_an_upload(
    transport: Transport,
    scheme: str,
    tls: ssl.SSLContext,
    certificate: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def go_on(connection: Connection) -> None:
        connection.read_head()
        connection.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        connection.read_request()
        connection.send(OK)

    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate[0]))
    with serving(go_on, tls=tls if scheme == "https" else None, receive_buffer=65536) as server:
        assert exchange(transport, post(server.url, large()))[2] == b"fine"  # type: ignore[arg-type]
        assert len(server.requests[0].body) == BIG


def test_an_upload_ends_when_the_other_side_will_not_answer_any_more(transport: Transport) -> None:
    def half_closed(connection: Connection) -> None:
        connection.read_head()
        connection.sock.shutdown(1)
        connection.server.stopping.wait(PATIENCE)

    with serving(half_closed, receive_buffer=65536) as server:
        error = caught(TransportError, lambda: exchange(transport, post(server.url, Counted())))  # type: ignore[arg-type]
    assert type(error) is TransportError
    assert error.may_have_been_sent is True


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_an_upload_that_stalls_ends_in_time(
    transport: Transport,
    scheme: str,
    tls: ssl.SSLContext,
    certificate: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate[0]))
    for timeout in (Timeout(read=0.2), Timeout(total=0.2)):
        with serving(never_reading, tls=tls if scheme == "https" else None, receive_buffer=4096) as server:
            began = transport.now()
            error = caught(TransportError, lambda: exchange(transport, post(server.url, large()), timeout))  # type: ignore[arg-type] # noqa: B023
            assert transport.now() - began < PATIENCE / 2
        assert type(error) is TransportTimeout


def test_nothing_is_connected_when_the_time_for_the_exchange_is_up(transport: Transport) -> None:
    with serving(answering(lambda request, number: OK)) as server:
        error = caught(TransportError, lambda: exchange(transport, get(server.url), Timeout(total=1e-9)))  # type: ignore[arg-type]
        assert error.may_have_been_sent is False
        assert not server.connections


class Reluctant(socket.socket):
    """A socket that was ready to take something, and then does not, at first."""

    refusals = [BlockingIOError(), ssl.SSLWantWriteError(), ssl.SSLWantReadError()]

    def send(self, data: Any, flags: int = 0) -> int:
        if self.refusals:
            raise self.refusals.pop()
        return super().send(data, flags)


def test_a_socket_that_was_ready_and_is_not_is_waited_for() -> None:
    ours, theirs = socket.socketpair()
    with theirs, Reluctant(fileno=ours.detach()) as reluctant:
        _send_watching(reluctant, memoryview(b"all of it"), Limits(LONG))
        assert theirs.recv(100) == b"all of it"
    assert not Reluctant.refusals


# ---------------------------------------------------------------- a body


def test_small_parts_are_sent_together_and_large_ones_as_they_are() -> None:
    large = bytes(BLOCK)
    some = bytes(BLOCK // 2)
    blocks = list(Once(Parts((b"a", b"b", large, b"c", some, some, b"d", b"", b"e"))))
    assert blocks == [b"ab", large, b"c" + some + some, b"de"]
    assert blocks[1] is large
    assert list(Once(Parts((large,)))) == [large]
    assert list(Once(Parts(()))) == []


def test_a_header_that_cannot_be_sent_is_not_and_is_not_shown() -> None:
    for transport in (RequestsTransport(), Urllib3Transport()):
        with serving(answering(lambda request, number: OK)) as server:
            request = HttpRequest(method="GET", url=server.url, headers={"X-API-KEY": "secret\nX: y"})
            error = caught(TransportError, lambda: exchange(transport, request))  # type: ignore[arg-type] # noqa: B023
            transport.close()
            assert not server.requests
        assert error.may_have_been_sent is False
        assert "secret" not in str(error) + repr(error.__cause__)


@pytest.mark.parametrize("name", ["Host", "Accept-Encoding"])
def test_a_header_that_http_client_would_add_may_be_given(transport: Transport, name: str) -> None:
    with serving(answering(lambda request, number: OK)) as server:
        exchange(transport, HttpRequest(method="GET", url=server.url, headers={name: "mine"}))  # type: ignore[arg-type]
        assert server.requests[0].headers[name.lower()] == "mine"
        assert server.requests[0].target == "/"


def test_a_response_may_be_read_in_parts_and_then_as_a_whole(transport: Transport) -> None:
    data = bytes(range(256)) * 20_000
    with serving(answering(lambda request, number: spell(200, data))) as server:
        with transport.send(get(server.url), timeout=LONG) as response:
            assert isinstance(response, HttpResponse)
            first = next(response.chunks())
            assert first + response.read(1000) + b"".join(response.chunks()) == data
        with transport.send(get(server.url), timeout=LONG) as response:
            assert response.read(1000) + response.read() == data
        assert exchange(transport, get(server.url))[2] == data  # type: ignore[arg-type]
        assert len(server.connections) == 1


def test_threads_that_upload_share_nothing(transport: Transport) -> None:
    def work() -> None:
        for _ in range(5):
            answers.append(exchange(transport, post(server.url, Parts((bytes(CHUNK),) * 3)))[2])  # type: ignore[arg-type]

    answers: list[bytes] = []
    with serving(answering(lambda request, number: spell(200, str(len(request.body)).encode()))) as server:
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
    assert answers == [str(3 * CHUNK).encode()] * 20
