"""The seam between what this library decides and the HTTP library that carries it out.

A transport makes **one** attempt per ``send``. It never repeats, never follows a redirect, never parses a body, never
logs a header value, and raises nothing but ``TransportError`` and its subclasses. It also owns the clock: ``now`` and
``sleep`` are part of it, so that a test of a ten-minute timeout takes milliseconds with nothing patched.

To write one, implement the four methods of ``Transport``, or of ``AsyncTransport``; `decart.transports.requests` and
`decart.transports.aiohttp` are the examples. The names differ (``send``, ``asend``), so one object may be both.
"""

from __future__ import annotations

import io
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any, Protocol, runtime_checkable
from urllib.parse import urlsplit

import attrs

from ..errors import InvalidInputError

CHUNK = 256 * 1024
"""Bytes handed over at a time, both ways: large enough to be quick, small enough not to be noticed in memory."""

PIECE = 16 * 1024
"""Bytes of a request's body that must be accepted within one read timeout."""


def origin(url: str) -> str:
    """Return scheme, host and port of a URL, the port always written."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}:{parts.port or {'http': 80, 'https': 443}.get(parts.scheme)}"


def _seconds(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < float("inf"):
        raise InvalidInputError(f"timeout: {attribute.name} must be a number of seconds above 0, not {value!r}.")


@attrs.frozen(kw_only=True)
class Timeout:
    """How long one HTTP exchange may take, in seconds.

    Attributes:
        connect: To make a connection.
        read: Without any progress: no byte received (or, while sending, none accepted) for so long.
        total: For the exchange as a whole; ``None`` for no limit, so that a healthy transfer may take an hour.
    """

    connect: float = attrs.field(default=10.0, validator=_seconds)
    read: float = attrs.field(default=60.0, validator=_seconds)
    total: float | None = attrs.field(default=None, validator=attrs.validators.optional(_seconds))

    @classmethod
    def of(cls, value: Timeout | float) -> Timeout:
        """Return ``value`` itself, or for a plain number a timeout whose ``read`` is that number of seconds."""
        return value if isinstance(value, Timeout) else cls(read=value)

    def within(self, seconds: float) -> Timeout:
        """Return this timeout with no part longer than ``seconds``."""
        if seconds == float("inf"):
            return self
        return Timeout(
            connect=min(self.connect, seconds),
            read=min(self.read, seconds),
            total=seconds if self.total is None else min(self.total, seconds),
        )


class Body(Protocol):
    """A request body of known length that can be read again from its start, as often as it is needed.

    If it has an attribute ``in_memory`` that is true, reading it never waits for a disk.
    """

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[bytes]: ...


@attrs.frozen(kw_only=True)
class HttpRequest:
    """One request, ready to send. ``headers`` holds the API key, so no ``repr`` shows it."""

    method: str
    url: str
    headers: Mapping[str, str] = attrs.field(repr=False)
    body: Body | None = None


class HttpResponse:
    """The answer to one request, its body still on the wire.

    A transport makes it of a status, the headers and an iterable of chunks; iterating may raise ``TransportError``.

    Attributes:
        status: The HTTP status.
        headers: The headers, their names in lower case.
    """

    def __init__(
        self,
        status: int,
        headers: Mapping[str, str],
        chunks: Iterable[bytes] = (),
        close: Callable[[], None] = lambda: None,
    ) -> None:
        self.status = status
        self.headers = _lower(headers)
        self._chunks = iter(chunks)
        self._close = close

    def __enter__(self) -> HttpResponse:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def chunks(self) -> Iterator[bytes]:
        """Give the rest of the body piece by piece."""
        return self._chunks

    def read(self, limit: int | None = None) -> bytes:
        """Return the rest of the body, at most ``limit`` bytes of it (the rest is left on the wire)."""
        buffer = _Buffer(limit)
        for chunk in self._chunks:
            if buffer.filled_by(chunk):
                break
        return buffer.getvalue()

    def close(self) -> None:
        """Give the connection back, or drop it when the body was not read to its end."""
        self._close()


async def _nothing() -> None: ...


class AsyncHttpResponse:
    """The same for an ``AsyncTransport``, which makes it of an async iterator of chunks.

    Attributes:
        status: The HTTP status.
        headers: The headers, their names in lower case.
    """

    def __init__(
        self,
        status: int,
        headers: Mapping[str, str],
        chunks: AsyncIterator[bytes],
        aclose: Callable[[], Awaitable[None]] = _nothing,
    ) -> None:
        self.status = status
        self.headers = _lower(headers)
        self._chunks = chunks
        self._aclose = aclose

    async def __aenter__(self) -> AsyncHttpResponse:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def achunks(self) -> AsyncIterator[bytes]:
        """Give the rest of the body piece by piece."""
        return self._chunks

    async def aread(self, limit: int | None = None) -> bytes:
        """Return the rest of the body, at most ``limit`` bytes of it (the rest is left on the wire)."""
        buffer = _Buffer(limit)
        async for chunk in self._chunks:
            if buffer.filled_by(chunk):
                break
        return buffer.getvalue()

    async def aclose(self) -> None:
        """Give the connection back, or drop it when the body was not read to its end."""
        await self._aclose()


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


class _Buffer(io.BytesIO):
    """Where a body is gathered: one growing buffer, so that the peak is the size of the body and not twice that."""

    def __init__(self, limit: int | None) -> None:
        super().__init__()
        self._limit = limit

    def filled_by(self, chunk: bytes) -> bool:
        """Add a chunk, or what there is room for, and say whether that was all that may be read."""
        self.write(chunk if self._limit is None else chunk[: self._limit - self.tell()])
        return self._limit is not None and self.tell() >= self._limit


@runtime_checkable
class Transport(Protocol):
    """What a sync HTTP library must do for this SDK. Safe to call from many threads at once."""

    def send(self, request: HttpRequest, *, timeout: Timeout) -> HttpResponse:
        """Make one attempt.

        Raises:
            ConnectError: No connection was made; nothing was sent.
            TransportTimeout: The other side went silent.
            TransportError: Anything else that left no complete answer.
        """
        ...

    def now(self) -> float:
        """Return the time in seconds on a clock that never goes back."""
        ...

    def sleep(self, seconds: float, cancel: threading.Event | None = None) -> None:
        """Wait so many seconds, less if ``cancel`` is set meanwhile."""
        ...

    def close(self) -> None:
        """Close every connection."""
        ...


@runtime_checkable
class AsyncTransport(Protocol):
    """What an async HTTP library must do for this SDK. Safe to call from many tasks, and on one loop after another."""

    async def asend(self, request: HttpRequest, *, timeout: Timeout) -> AsyncHttpResponse:
        """Make one attempt; raises what ``Transport.send`` raises. When the task is cancelled, nothing stays behind."""
        ...

    def now(self) -> float:
        """Return the time in seconds on a clock that never goes back."""
        ...

    async def asleep(self, seconds: float, cancel: Event | None = None) -> None:
        """Wait so many seconds, less if ``cancel`` is set meanwhile, without holding a thread."""
        ...

    async def aclose(self) -> None:
        """Close every connection."""
        ...


class Event(Protocol):
    """What ends a wait when it is set: a `threading.Event`, or an `asyncio.Event` of the loop that waits."""

    def is_set(self) -> bool: ...


class SystemClock:
    """``now`` and ``sleep`` of a transport that lives in real time."""

    def now(self) -> float:
        """Return the time in seconds on the system's monotonic clock."""
        return time.monotonic()

    def sleep(self, seconds: float, cancel: threading.Event | None = None) -> None:
        """Sleep, or wait for ``cancel`` if that comes first."""
        if cancel is None:
            time.sleep(seconds)
        else:
            cancel.wait(seconds)
