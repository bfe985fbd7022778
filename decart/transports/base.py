"""The seam between the SDK's decisions and the HTTP library that moves the bytes.

A transport makes **one** attempt per ``send``. It never retries, follows no redirect, parses nothing, logs no header
value, and raises only ``TransportError`` and its subclasses. It also owns the clock: because ``now`` and ``sleep`` are
part of it, a test of a ten-minute timeout takes milliseconds and patches nothing.

To write one, implement the four methods of ``Transport`` or of ``AsyncTransport``; `decart.transports.urllib3` and
`decart.transports.aiohttp` are examples. The method names differ (``send``, ``asend``), so one object may be both.
"""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any, Protocol, runtime_checkable
from urllib.parse import urlsplit

import attrs

from ..errors import InvalidInputError, TransportTimeout
from .buffer import BodyBuffer, is_whole

CHUNK = 512 * 1024
"""The most bytes that are read from a file or a socket at a time."""

KEPT_CONNECTIONS = 32
"""Idle connections that a transport keeps per origin. More are opened when needed, and closed after their exchange."""

FRESH = 4.0
"""Seconds for which an idle connection is reused. A NAT or load balancer may have forgotten an older one, and a submit
that is sent over a forgotten connection has an unknown outcome."""


def origin(url: str) -> str:
    """Return the scheme, host and port of a URL, with the port always written out."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}:{parts.port or {'http': 80, 'https': 443}.get(parts.scheme)}"


def _seconds(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < float("inf"):
        raise InvalidInputError(f"timeout: {attribute.name} must be a number of seconds above 0, not {value!r}.")


_seconds_or_none: Any = attrs.validators.optional(_seconds)


@attrs.frozen(kw_only=True)
class Timeout:
    """How long one HTTP exchange may take, in seconds; ``None`` means no limit.

    Attributes:
        connect: To connect: TCP, a proxy's CONNECT and the TLS handshake. Each block of up to 64 KiB of a request body
            must be accepted by the server within this time, too.
        read: Without receiving a single byte of the response.
        total: For the whole exchange. It is checked before the exchange and between chunks of the response, and it
            shortens the other two, so a server that sends one byte at a time is cut off no later than one read timeout
            after it.

    What the HTTP libraries cannot bound: looking up a host name (DNS) takes as long as the operating system allows, and
    requests and urllib3 apply ``connect`` to each address of a host in turn.
    """

    connect: float | None = attrs.field(default=10.0, validator=_seconds_or_none)
    read: float | None = attrs.field(default=60.0, validator=_seconds_or_none)
    total: float | None = attrs.field(default=None, validator=_seconds_or_none)

    @classmethod
    def of(cls, value: AnyTimeout) -> Timeout:
        """Return a timeout for what requests accepts: ``read`` seconds, ``(connect, read)``, or ``None`` for no limit.

        Raises:
            InvalidInputError: The value is none of these.
        """
        if isinstance(value, Timeout):
            return value
        if value is None:
            return cls(connect=None, read=None)
        if isinstance(value, tuple):
            if len(value) != 2:
                raise InvalidInputError(f"timeout: a tuple must be (connect, read), not {value!r}.")
            return cls(connect=value[0], read=value[1])
        return cls(read=value)

    def within(self, seconds: float) -> Timeout:
        """Return this timeout with no part longer than ``seconds``."""
        if seconds == float("inf"):
            return self
        return Timeout(
            connect=seconds if self.connect is None else min(self.connect, seconds),
            read=seconds if self.read is None else min(self.read, seconds),
            total=seconds if self.total is None else min(self.total, seconds),
        )


AnyTimeout = Timeout | float | tuple[float | None, float | None] | None
"""What a timeout may be given as; see `Timeout.of`."""


class Body(Protocol):
    """A request body of known length that can be iterated from its start as often as needed.

    If it has a true attribute ``in_memory``, iterating it never waits for a disk.
    """

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
        may_start: Asked once a connection is there, before the first byte of the body is sent. It raises to stop the
            request: the client was closed, or the caller cancelled.
    """

    method: str
    url: str
    headers: Mapping[str, str] = attrs.field(repr=False)
    body: Body | None = None
    may_start: Callable[[], None] | None = attrs.field(default=None, repr=False, eq=False)


class HttpResponse:
    """The response to one request, with its body still on the wire.

    Args:
        status: The HTTP status.
        headers: The headers, in any case.
        chunks: The body, decoded if it had a content encoding; iterating may raise ``TransportError``.
        close: Closes the connection if the body was not read to its end. Called when the response is closed.

    Attributes:
        status: The HTTP status.
        headers: The headers, with lower-case names.
    """

    def __init__(
        self,
        status: int,
        headers: Mapping[str, str],
        chunks: Iterable[bytes] = (),
        close: Callable[[], None] = lambda: None,
    ) -> None:
        self.status = status
        self.headers = merged(headers)
        self._chunks = iter(chunks)
        self._close = close

    def __enter__(self) -> HttpResponse:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def chunks(self) -> Iterator[bytes]:
        """Return an iterator over the rest of the body."""
        return self._chunks

    def read(self, limit: int | None = None) -> bytes:
        """Return the rest of the body, or its next ``limit`` bytes; what lies beyond them is dropped."""
        first = next(self._chunks, b"")
        if is_whole(first, limit, self.headers):
            return first
        buffer = BodyBuffer(limit, self.headers)
        if not buffer.add(first):
            for chunk in self._chunks:
                if buffer.add(chunk):
                    break
        return buffer.value()

    def close(self) -> None:
        """Release the connection, or close it if the body was not read to its end."""
        self._close()


def merged(headers: Mapping[str, str]) -> dict[str, str]:
    """Return headers with lower-case names; the values of a name that came twice are joined with a comma."""
    result: dict[str, str] = {}
    for name, value in headers.items():
        name = name.lower()
        result[name] = f"{result[name]}, {value}" if name in result else value
    return result


async def _nothing() -> None: ...


class AsyncHttpResponse:
    """The same for an ``AsyncTransport``, which makes it of an async iterator of chunks.

    Attributes:
        status: The HTTP status.
        headers: The headers, with lower-case names.
    """

    def __init__(
        self,
        status: int,
        headers: Mapping[str, str],
        chunks: AsyncIterator[bytes],
        aclose: Callable[[], Awaitable[None]] = _nothing,
    ) -> None:
        self.status = status
        self.headers = merged(headers)
        self._chunks = chunks
        self._aclose = aclose

    async def __aenter__(self) -> AsyncHttpResponse:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def achunks(self) -> AsyncIterator[bytes]:
        """Return an async iterator over the rest of the body."""
        return self._chunks

    async def aread(self, limit: int | None = None) -> bytes:
        """Return the rest of the body, or its next ``limit`` bytes; what lies beyond them is dropped."""
        first = await anext(self._chunks, b"")
        if is_whole(first, limit, self.headers):
            return first
        buffer = BodyBuffer(limit, self.headers)
        if not buffer.add(first):
            async for chunk in self._chunks:
                if buffer.add(chunk):
                    break
        return buffer.value()

    async def aclose(self) -> None:
        """Release the connection, or close it if the body was not read to its end."""
        await self._aclose()


@runtime_checkable
class Transport(Protocol):
    """What the SDK needs of a sync HTTP library. Safe to call from many threads at once."""

    def send(self, request: HttpRequest, *, timeout: Timeout) -> HttpResponse:
        """Make one attempt.

        Raises:
            ConnectError: No connection was made; nothing was sent.
            ConfigurationError: No attempt can succeed, such as with a malformed proxy; nothing was sent.
            TransportTimeout: The server went silent.
            TransportError: Anything else that left no complete response.
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
    """What the SDK needs of an async HTTP library. Safe to call from many tasks, and on one loop after another."""

    async def asend(self, request: HttpRequest, *, timeout: Timeout) -> AsyncHttpResponse:
        """Make one attempt; raises what ``Transport.send`` raises."""
        ...

    def now(self) -> float:
        """Return the time in seconds on a monotonic clock."""
        ...

    async def asleep(self, seconds: float, cancel: Event | None = None) -> None:
        """Sleep without holding a thread, or until ``cancel`` is set if that comes first."""
        ...

    async def aclose(self) -> None:
        """Close all connections."""
        ...


class Event(Protocol):
    """What cancels a wait: a `threading.Event`, or an `asyncio.Event` of the loop that waits."""

    def is_set(self) -> bool: ...


class SystemClock:
    """``now`` and ``sleep`` of a transport that lives in real time."""

    def now(self) -> float:
        """Return the time in seconds on the system's monotonic clock."""
        return time.monotonic()

    def sleep(self, seconds: float, cancel: threading.Event | None = None) -> None:
        """Sleep, or until ``cancel`` is set if that comes first."""
        if cancel is None:
            time.sleep(seconds)
        else:
            cancel.wait(seconds)


class Limit:
    """The moment at which an exchange that begins now has used up its ``Timeout.total``."""

    def __init__(self, timeout: Timeout) -> None:
        self._ends = float("inf") if timeout.total is None else time.monotonic() + timeout.total

    def check(self, *, sent: bool = True) -> None:
        """Raise ``TransportTimeout`` if that moment has passed, before anything was sent or after."""
        if time.monotonic() >= self._ends:
            raise TransportTimeout(
                "The exchange took longer than its total timeout" + ("." if sent else "; nothing was sent."),
                may_have_been_sent=sent,
            )
