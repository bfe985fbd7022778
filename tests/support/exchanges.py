"""Exchanges over every transport: requests, bodies, servers that misbehave, and the transports."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any, TypeVar

import attrs
import pytest

from decart import RequestsTransport, Timeout, TransportError, TransportTimeout
from decart.transports.aiohttp import AiohttpTransport
from decart.transports.base import (
    AsyncHttpResponse,
    AsyncTransport,
    Body,
    HttpRequest,
    HttpResponse,
    Transport,
)
from decart.transports.threaded import ThreadedTransport
from decart.transports.urllib3 import Urllib3Transport
from support.fakes import KEY
from support.servers import (
    FIRST,
    PATIENCE,
    Connection,
    Script,
    deaf,
    http,
    nobody,
    reply,
    reset,
    serving,
    silent,
    then,
)

E = TypeVar("E", bound=BaseException)
T = TypeVar("T")

HEADERS = {"X-API-KEY": KEY, "User-Agent": "decart-queue/0 lang/py", "Accept": "*/*"}
OURS = {**HEADERS, "Content-Type": "multipart/form-data; boundary=x"}

LONG = Timeout(connect=PATIENCE, read=PATIENCE)
OK = http(200, b"fine")

BIG = 8 * 1024 * 1024  # more bytes than the small socket buffers of a test hold


@attrs.frozen
class Parts:
    """A body in pieces, which can be iterated repeatedly."""

    pieces: tuple[bytes, ...] = (b"one,", b"two,", b"three")

    def __len__(self) -> int:
        return sum(map(len, self.pieces))

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.pieces)


def large() -> Parts:
    return Parts((bytes(256 * 1024),) * (BIG // (256 * 1024)))


def get(url: str) -> HttpRequest:
    return HttpRequest(method="GET", url=url + "/v1/jobs/j1", headers=HEADERS)


def post(url: str, body: Body | None = None) -> HttpRequest:
    return HttpRequest(method="POST", url=url + "/v1/jobs/lucy", headers=OURS, body=body or Parts())


def caught(kind: type[E], call: Callable[[], object]) -> E:
    """Return the error that a call raises. Unlike `pytest.raises` this creates no reference cycle with the stack.

    A socket in such a cycle, which urllib3 leaves open after an unreadable header, would be reported as unclosed.
    """
    try:
        call()
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__} was raised")


def unresolvable() -> contextlib.AbstractContextManager[str]:
    return contextlib.nullcontext(
        "http://" + ".".join(["a" * 60] * 6)
    )  # longer than any valid name: no DNS query is sent


def no_such_name() -> contextlib.AbstractContextManager[str]:
    return contextlib.nullcontext("http://" + "a" * 64 + ".invalid")  # longer than a valid label


@contextlib.contextmanager
def plain_http_behind_https() -> Iterator[str]:
    with serving(lambda connection: connection.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as server:
        yield server.url.replace("http:", "https:")


NO_CONNECTION = {
    "connection refused": nobody,
    "a name that is too long to exist": unresolvable,
    "an invalid name": no_such_name,
    "https to a server of plain http": plain_http_behind_https,
    "a full queue": deaf,
}


def broken(data: bytes) -> Script:
    return reply(FIRST + data)


BROKEN: dict[str, Script] = {
    "a reset before the response": reset(),
    "the end before the response": reply(b""),
    "the end inside the status line": reply(b"HTTP/1.1 2"),
    "a reset inside the headers": reset(FIRST + b"Content-Le"),
    "a reset inside the body": reset(FIRST + b"Content-Length: 1000\r\n\r\nabc"),
    "a body shorter than its Content-Length": broken(b"Content-Length: 1000\r\n\r\nabc"),
    "a chunk without a size": broken(b"Transfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n"),
    "a chunk shorter than its size": broken(b"Transfer-Encoding: chunked\r\n\r\nff\r\nabc"),
    "chunks without an end": broken(b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"),
    "something that is not HTTP": reply(b"SSH-2.0-OpenSSH_9.6\r\n"),
    "an unknown version of HTTP": reply(b"HTTP/7.7 200 OK\r\n\r\n"),
    "a status that is not a number": reply(b"HTTP/1.1 fine\r\n\r\n"),
    "a thousand headers": broken(b"X: y\r\n" * 1000 + b"\r\n"),
    "a header without an end": broken(b"X: " + b"y" * 100_000 + b"\r\n\r\n"),
    "two lengths": broken(b"Content-Length: 3, 5\r\n\r\nabcde"),
    "invalid gzip": broken(b"Content-Encoding: gzip\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc"),
}
SILENT: dict[str, Script] = {
    "silence": silent,
    "silence inside the headers": then(FIRST + b"Content-Le", Connection.until_closed),
    "silence inside the body": then(FIRST + b"Content-Length: 1000\r\n\r\nabc", Connection.until_closed),
    "silence inside a chunk": then(FIRST + b"Transfer-Encoding: chunked\r\n\r\nff\r\nabc", Connection.until_closed),
}
FAILURES = {**BROKEN, **SILENT}


def taking_little(connection: Connection) -> None:
    """Receive a body as slowly as possible, without ever stopping."""
    while True:
        connection.sock.recv(1024)
        connection.pause(0.01)


def never_reading(connection: Connection) -> None:
    connection.read_head()
    connection.server.stopping.wait(PATIENCE)


HEAD = FIRST + b"Content-Length: 100000\r\n\r\n"
CHUNKED = FIRST + b"Transfer-Encoding: chunked\r\n\r\n"
DRIPS: dict[str, Script] = {
    "headers": then(FIRST, lambda connection: connection.drip(b"X-A: b\r\n" * 1000)),
    "one endless header": then(FIRST, lambda connection: connection.drip(b"X" * 10_000)),
    "a body": then(HEAD, lambda connection: connection.drip(b"x" * 10_000)),
    "a body in chunks": then(CHUNKED, lambda connection: connection.drip(b"1\r\nx\r\n" * 10_000)),
    "the size of a chunk": then(CHUNKED, lambda connection: connection.drip(b"0" * 10_000)),
}


class Blocking:
    """A sync wrapper for an async transport, with an event loop that runs only during calls."""

    def __init__(
        self, transport: AsyncTransport, new_loop: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop
    ) -> None:
        self._transport, self._loop = transport, new_loop()

    def send(self, request: HttpRequest, *, timeout: Timeout) -> HttpResponse:
        response = self._run(self._transport.asend(request, timeout=timeout))
        close = response.aclose
        chunks, salvage = self._chunks(response), response.salvage
        return HttpResponse(response.status, response.headers, chunks, lambda: self._run(close()), salvage)

    def _chunks(self, response: AsyncHttpResponse) -> Iterator[bytes]:
        chunks = response.achunks()

        async def following() -> bytes | None:
            return await anext(chunks, None)

        while (chunk := self._run(following())) is not None:
            yield chunk

    def now(self) -> float:
        return self._transport.now()

    def sleep(self, seconds: float, cancel: threading.Event | None = None) -> None:
        self._run(self._transport.asleep(seconds, cancel))

    def close(self) -> None:
        if not self._loop.is_closed():
            self._run(self._transport.aclose())
            self._run(self._loop.shutdown_asyncgens())
            self._run(self._loop.shutdown_default_executor())
            self._loop.close()

    def _run(self, awaitable: Awaitable[T]) -> T:
        return self._loop.run_until_complete(awaitable)


def _threaded() -> AsyncTransport:
    return ThreadedTransport(RequestsTransport())


def _of_uvloop(name: str) -> Any:
    return getattr(pytest.importorskip("uvloop"), name)


TRANSPORTS: dict[str, Callable[[], Transport]] = {
    "requests": RequestsTransport,
    "urllib3": Urllib3Transport,
    "threaded": lambda: Blocking(_threaded()),
    "aiohttp": lambda: Blocking(AiohttpTransport()),
    "aiohttp on uvloop": lambda: Blocking(AiohttpTransport(), _of_uvloop("new_event_loop")),
}


def exchange(
    transport: Transport, request: HttpRequest, timeout: Timeout = LONG
) -> tuple[int, Mapping[str, str], bytes]:
    with transport.send(request, timeout=timeout) as response:
        return response.status, response.headers, response.read()


def failure(transport: Transport, request: HttpRequest, timeout: Timeout = LONG) -> TransportError:
    return caught(TransportError, lambda: exchange(transport, request, timeout))


def check_timeout(transport: Transport, request: HttpRequest, **limit: float) -> TransportError:
    """Check that an exchange ends by a limit long before a test's patience does; return the error, which has it."""
    began = transport.now()
    error = failure(transport, request, Timeout(**{"connect": PATIENCE, "read": PATIENCE, **limit}))
    assert transport.now() - began < PATIENCE / 2
    assert type(error) is TransportTimeout
    assert f"{min(limit.values()):.10g} s" in error.message
    assert error.may_have_been_sent is True
    return error


@contextlib.contextmanager
def url_of(script: Script) -> Iterator[str]:
    with serving(script) as server:
        yield server.url


Make = Callable[[str], HttpRequest]
"""A function that returns a request to the server with this URL."""

get_and_post = pytest.mark.parametrize("make", [get, post], ids=["GET", "POST"])
only_aiohttp = pytest.mark.parametrize("kind", ["aiohttp", "aiohttp on uvloop"], indirect=True)
all_but_aiohttp = pytest.mark.parametrize("kind", ["requests", "urllib3", "threaded"], indirect=True)
