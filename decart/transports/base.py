"""The interface between the SDK and the HTTP library that moves the bytes.

A transport makes **one** attempt per ``send``. It never retries, follows no redirect, parses no body, logs no header
value, and raises only ``TransportError`` and its subclasses. It also owns the clock: because ``now`` and ``sleep`` are
part of it, a test of a ten-minute timeout takes milliseconds and patches nothing.

To write your own, implement the four methods of ``Transport`` or of ``AsyncTransport``; `decart.transports.urllib3` and
`decart.transports.aiohttp` are examples. The method names differ (``send``, ``asend``), so one object may be both.
A fifth method, ``time()``, is optional: it returns the UNIX time in seconds, for state that outlives the process. So is
``has_virtual_clock``: if it is true, ``sleep`` advances the clock without waiting, so a pool of jobs lets all that it
has begun end before it sleeps.
"""

from __future__ import annotations

import io
import os
import re
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Any, Protocol, runtime_checkable
from urllib.parse import urlsplit
from weakref import WeakSet

import attrs

from .timing import AnyTimeout as AnyTimeout
from .timing import Event as Event
from .timing import SystemClock as SystemClock
from .timing import Timeout as Timeout

CHUNK = 512 * 1024
"""The most bytes to read from a file or socket at a time."""

KEPT_CONNECTIONS = 32
"""Idle connections that a transport keeps per origin. More are opened when needed, and closed after their exchange."""

FRESH = 4.0
"""The seconds for which an idle connection may be reused. A NAT or load balancer may have dropped an older one, and a
submit that is sent on a dropped connection has an unknown outcome."""


class Body(Protocol):
    """A request body of known length that can be iterated repeatedly.

    An optional attribute ``in_memory`` is true if iterating never waits for a disk."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[bytes]: ...


@attrs.frozen(kw_only=True)
class HttpRequest:
    """One request, ready to send. ``headers`` holds the API key, so the ``repr`` leaves it out.

    Attributes:
        method: ``"GET"``, ``"POST"`` or ``"DELETE"``.
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


_NAMES = re.compile(r"(?:[!#$%&'*+.^_`|~0-9a-z-]+(?:,|$))*")
_CONTROLS = re.compile(r"\0|\r(?!\n[ \t])|(?<!\r)\n(?![ \t])")


class Headers(dict[str, str]):
    """Response headers by lower-case name; the values of a repeated name are joined with a comma.

    Attributes:
        flaw: Why they are malformed, if they are. HTTP libraries accept some of this, or guess where the body ends.
    """

    def __init__(self, headers: Mapping[str, str]) -> None:
        for name, value in headers.items():
            name = name.lower()
            self[name] = f"{self[name]}, {value}" if name in self else str(value)
        self.flaw: str | None = None
        length, coding = self.get("content-length"), self.get("transfer-encoding")
        values = ",".join(self.values())
        if not _NAMES.fullmatch(",".join(self)) or (not values.isprintable() and _CONTROLS.search(values)):
            self.flaw = "a malformed header"
        elif length is not None and coding is not None:
            self.flaw = "both a Content-Length and a Transfer-Encoding"
        elif length is not None and not (length.isdecimal() and length.isascii()):
            lengths = {part.strip() for part in length.split(",")}
            if len(lengths) > 1 or not all(part.isdecimal() and part.isascii() for part in lengths):
                self.flaw = "no single Content-Length"
        elif coding is not None and coding.strip().lower() not in ("chunked", "identity"):
            self.flaw = "an unknown Transfer-Encoding"


def content_codings(headers: Mapping[str, str]) -> list[str]:
    """Return the content encodings of a body; most have none."""
    named = headers.get("content-encoding")
    if named is None:
        return []
    return [coding for name in named.lower().split(",") if (coding := name.strip()) not in ("", "identity")]


_iterator: Callable[[Iterable[bytes]], Iterator[bytes]] = iter


def _nothing() -> None: ...


async def _nothing_async() -> None: ...


@attrs.define(eq=False, repr=False)
class HttpResponse(AbstractContextManager["HttpResponse"]):
    """The response to one request, with its body still on the wire.

    Attributes:
        status: The HTTP status.
        headers: The headers; given in any case, kept with lower-case names.
        chunks: The body, decoded if its only content encoding is gzip or deflate. Iterating may raise
            ``TransportError``.
        close: Releases the connection, or closes it if the body was not read to its end. Called when a ``with`` block
            ends.
        salvage: Returns the beginning of a body that could not be decoded.
        received: What ``read`` received, also if it failed or was interrupted.
    """

    status: int
    headers: Headers = attrs.field(converter=Headers)
    _chunks: Iterator[bytes] = attrs.field(default=(), converter=_iterator)  # type: ignore[misc]
    close: Callable[[], None] = _nothing
    salvage: Callable[[], bytes] = bytes
    received: bytes = attrs.field(default=b"", init=False)

    def __exit__(self, *exception: object) -> None:
        self.close()

    def chunks(self) -> Iterator[bytes]:
        """Return an iterator over the rest of the body."""
        return self._chunks

    def read(self, limit: int | None = None, *, check: Callable[[], None] = _nothing) -> bytes:
        """Return the rest of the body, or its next ``limit`` bytes; anything beyond that is discarded.

        ``check`` is called between chunks, and may raise to stop reading.
        """
        length = None if "content-encoding" in self.headers else self.headers.get("content-length")
        body = io.BytesIO()
        try:
            for chunk in self._chunks:
                body.write(chunk)  # before anything else: an interrupt must not lose what arrived
                chunk = b""  # it may echo the key, and an error's traceback keeps this frame
                if str(body.tell()) == length or (limit is not None and body.tell() >= limit):
                    break
                check()
            self.received = body.getvalue()[:limit]
        except BaseException:
            self.received = (self.salvage() or body.getvalue())[:limit]
            raise
        return self.received


@attrs.define(eq=False, repr=False)
class AsyncHttpResponse(AbstractAsyncContextManager["AsyncHttpResponse"]):
    """The async counterpart of `HttpResponse`; its chunks come from an async iterator."""

    status: int
    headers: Headers = attrs.field(converter=Headers)
    _chunks: AsyncIterator[bytes]
    aclose: Callable[[], Awaitable[None]] = _nothing_async
    salvage: Callable[[], bytes] = bytes
    received: bytes = attrs.field(default=b"", init=False)

    async def __aexit__(self, *exception: object) -> None:
        await self.aclose()

    def achunks(self) -> AsyncIterator[bytes]:
        """Return an async iterator over the rest of the body."""
        return self._chunks

    async def aread(self, limit: int | None = None, *, check: Callable[[], None] = _nothing) -> bytes:
        """Return the rest of the body, or its next ``limit`` bytes; see ``HttpResponse.read``."""
        length = None if "content-encoding" in self.headers else self.headers.get("content-length")
        body = io.BytesIO()
        try:
            async for chunk in self._chunks:
                body.write(chunk)
                chunk = b""
                if str(body.tell()) == length or (limit is not None and body.tell() >= limit):
                    break
                check()
            self.received = body.getvalue()[:limit]
        except BaseException:
            self.received = (self.salvage() or body.getvalue())[:limit]
            raise
        return self.received


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


def origin(url: str) -> str:
    """Return the scheme, host and port of a URL, with the port always written out."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}:{parts.port or {'http': 80, 'https': 443}.get(parts.scheme)}"


def place_of(url: str) -> str:
    """Return the host and port of a URL for a message."""
    try:
        parts = urlsplit(url)
        return f"{str(parts.hostname)[:100]}:{parts.port or {'http': 80, 'https': 443}.get(parts.scheme)}"
    except ValueError:
        return "the base URL"


_transports: WeakSet[Any] = WeakSet()


def reset_after_fork(transport: Any) -> None:
    """Have ``transport.after_fork()`` called in each forked child: two processes must not share a connection."""
    _transports.add(transport)


def _in_child() -> None:
    for transport in list(_transports):
        transport.after_fork()


if hasattr(os, "register_at_fork"):  # pragma: no branch - Windows has no fork
    os.register_at_fork(after_in_child=_in_child)
