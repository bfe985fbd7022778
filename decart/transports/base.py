"""The interface between the SDK and the HTTP library that moves the bytes.

A transport makes **one** attempt per ``send``. It never retries, follows no redirect, parses no body, logs no header
value, and raises only ``TransportError`` and its subclasses. It also owns the clock: because ``now`` and ``sleep`` are
part of it, a test of a ten-minute timeout takes milliseconds and patches nothing.

To write your own, implement the four methods of ``Transport`` or of ``AsyncTransport``; `decart.transports.urllib3` and
`decart.transports.aiohttp` are examples. The method names differ (``send``, ``asend``), so one object may be both.
A fifth method, ``time()``, is optional: it returns the UNIX time in seconds, for state that outlives the process.
"""

from __future__ import annotations

import io
import os
import threading
import time
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Iterator,
    Mapping,
)
from typing import Any, Protocol, runtime_checkable
from urllib.parse import urlsplit
from weakref import WeakSet

import attrs

from .timeouts import AnyTimeout as AnyTimeout
from .timeouts import Timeout as Timeout

CHUNK = 512 * 1024
"""The most bytes to read from a file or socket at a time."""

KEPT_CONNECTIONS = 32
"""Idle connections that a transport keeps per origin. More are opened when needed, and closed after their exchange."""

FRESH = 4.0
"""The seconds for which an idle connection may be reused. A NAT or load balancer may have dropped an older one, and a
submit that is sent on a dropped connection has an unknown outcome."""


def origin(url: str) -> str:
    """Return the scheme, host and port of a URL, with the port always written out."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}:{parts.port or {'http': 80, 'https': 443}.get(parts.scheme)}"


class Body(Protocol):
    """A request body of known length that can be iterated repeatedly.

    An optional attribute ``in_memory`` is true if iterating never waits for a disk."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[bytes]: ...


@attrs.frozen(kw_only=True)
class HttpRequest:
    """One request, ready to send. ``headers`` holds the API key, so the ``repr`` leaves it out.

    Attributes:
        method: ``"GET"`` or ``"POST"``.
        url: The absolute URL.
        headers: Every header but Host, Content-Length and Accept-Encoding, which the transport adds.
        body: The body, if there is one.
        may_start: Called when there is a connection, before the first byte of the body is sent. It raises an exception
            to stop the request if the client was closed or the caller has cancelled.
    """

    method: str
    url: str
    headers: Mapping[str, str] = attrs.field(repr=False)
    body: Body | None = None
    may_start: Callable[[], None] | None = attrs.field(default=None, repr=False, eq=False)


class Headers(dict[str, str]):
    """Response headers by lower-case name; the values of a repeated name are joined with a comma."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        for name, value in headers.items():
            name = name.lower()
            self[name] = f"{self[name]}, {value}" if name in self else value


def _is_full(headers: Mapping[str, str], size: int, limit: int | None) -> bool:
    """Return whether a body needs no further chunk: it is complete, as most are after the first, or at the limit."""
    complete = headers.get("content-length") == str(size) and "content-encoding" not in headers
    return complete or (limit is not None and size >= limit)


def _nothing() -> None: ...


class HttpResponse:
    """The response to one request, with its body still on the wire.

    Args:
        status: The HTTP status.
        headers: The headers, in any case.
        chunks: The body, decoded if its only content encoding is gzip or deflate. Iterating may raise
            ``TransportError``.
        close: Closes the connection if the body was not read to its end. Called when the response is closed.
        salvage: Returns the beginning of a body that could not be decoded.

    Attributes:
        status: The HTTP status.
        headers: The headers, with lower-case names.
        received: What ``read`` received, also if it failed or was interrupted.
    """

    def __init__(
        self,
        status: int,
        headers: Mapping[str, str],
        chunks: Iterable[bytes] = (),
        close: Callable[[], None] = _nothing,
        salvage: Callable[[], bytes] = bytes,
    ) -> None:
        self.status = status
        self.headers: Mapping[str, str] = headers if isinstance(headers, Headers) else Headers(headers)
        self.received = b""
        self.salvage = salvage
        self._chunks = iter(chunks)
        self._close = close

    def __enter__(self) -> HttpResponse:
        return self

    def __exit__(self, *exception: object) -> None:
        self._close()

    def chunks(self) -> Iterator[bytes]:
        """Return an iterator over the rest of the body."""
        return self._chunks

    def read(self, limit: int | None = None, *, check: Callable[[], None] = _nothing) -> bytes:
        """Return the rest of the body, or its next ``limit`` bytes; anything beyond that is discarded.

        ``check`` is called between chunks, and may raise to stop reading.
        """
        body = io.BytesIO()
        try:
            for chunk in self._chunks:
                body.write(chunk)  # before anything else: an interrupt must not lose what arrived
                chunk = b""  # it may echo the key, and an error's traceback keeps this frame
                if _is_full(self.headers, body.tell(), limit):
                    break
                check()
            self.received = body.getvalue()[:limit]
        except BaseException:
            self.received = (self.salvage() or body.getvalue())[:limit]
            raise
        return self.received

    def close(self) -> None:
        """Release the connection, or close it if the body was not read to its end."""
        self._close()


async def _nothing_async() -> None: ...


class AsyncHttpResponse:
    """The async counterpart of `HttpResponse`; its chunks come from an async iterator."""

    def __init__(
        self,
        status: int,
        headers: Mapping[str, str],
        chunks: AsyncIterator[bytes],
        aclose: Callable[[], Awaitable[None]] = _nothing_async,
        salvage: Callable[[], bytes] = bytes,
    ) -> None:
        self.status = status
        self.headers: Mapping[str, str] = headers if isinstance(headers, Headers) else Headers(headers)
        self.received = b""
        self.salvage = salvage
        self._chunks = chunks
        self._aclose = aclose

    async def __aenter__(self) -> AsyncHttpResponse:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._aclose()

    def achunks(self) -> AsyncIterator[bytes]:
        """Return an async iterator over the rest of the body."""
        return self._chunks

    async def aread(self, limit: int | None = None, *, check: Callable[[], None] = _nothing) -> bytes:
        """Return the rest of the body, or its next ``limit`` bytes; see ``HttpResponse.read``."""
        body = io.BytesIO()
        try:
            async for chunk in self._chunks:
                body.write(chunk)  # before anything else: an interrupt must not lose what arrived
                chunk = b""  # it may echo the key, and an error's traceback keeps this frame
                if _is_full(self.headers, body.tell(), limit):
                    break
                check()
            self.received = body.getvalue()[:limit]
        except BaseException:
            self.received = (self.salvage() or body.getvalue())[:limit]
            raise
        return self.received

    async def aclose(self) -> None:
        """Release the connection, or close it if the body was not read to its end."""
        await self._aclose()


@runtime_checkable
class Transport(Protocol):
    """A sync HTTP library, as the SDK uses it. It must be safe to call from many threads at once."""

    def send(self, request: HttpRequest, *, timeout: Timeout) -> HttpResponse:
        """Make one attempt.

        Raises:
            ConnectError: No connection was made; nothing was sent.
            ConfigurationError: No attempt can succeed, for example with a malformed proxy URL; nothing was sent.
            TransportTimeout: A time limit was exceeded.
            TransportError: The exchange failed in any other way.
        """
        ...

    def now(self) -> float:
        """Return the time in seconds on a monotonic clock."""
        ...

    def sleep(self, seconds: float, cancel: threading.Event | None = None) -> None:
        """Sleep, or until ``cancel`` is set if that comes first."""
        ...

    def close(self) -> None:
        """Close all connections."""
        ...


@runtime_checkable
class AsyncTransport(Protocol):
    """The async counterpart of `Transport`. It must be safe to call from many tasks and in successive event loops."""

    async def asend(self, request: HttpRequest, *, timeout: Timeout) -> AsyncHttpResponse: ...

    def now(self) -> float: ...

    async def asleep(self, seconds: float, cancel: Event | None = None) -> None: ...

    async def aclose(self) -> None: ...


class Event(Protocol):
    """An event that cancels a wait: a `threading.Event`, or an `asyncio.Event` of the waiting loop."""

    def is_set(self) -> bool: ...


class SystemClock:
    """``now``, ``time`` and ``sleep`` by the system's clock."""

    def now(self) -> float:
        """Return the time in seconds on the system's monotonic clock."""
        return time.monotonic()

    def time(self) -> float:
        """Return the UNIX time in seconds; for state that outlives the process."""
        return time.time()

    def sleep(self, seconds: float, cancel: threading.Event | None = None) -> None:
        """Sleep, or until ``cancel`` is set if that comes first."""
        if cancel is None:
            time.sleep(seconds)
        else:
            cancel.wait(seconds)


_transports: WeakSet[Any] = WeakSet()


def reset_after_fork(transport: Any) -> None:
    """Have ``transport.after_fork()`` called in each forked child: two processes must not share a connection."""
    _transports.add(transport)


def _in_child() -> None:
    for transport in list(_transports):
        transport.after_fork()


if hasattr(os, "register_at_fork"):  # pragma: no branch - Windows has no fork
    os.register_at_fork(after_in_child=_in_child)
