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

CHUNK = 1024 * 1024
"""Bytes handed over at a time, both ways: large enough to be quick, small enough not to be noticed in memory."""

TRUSTED = 16 * 1024 * 1024
"""Bytes that are set aside for an answer because its Content-Length says so, before any of them have come."""

PIECE = 16 * 1024
"""Bytes of a request's body that must be accepted within one read timeout, where less is not seen to be."""


def place(url: str) -> str:
    """Return where a URL leads, as it is written: all before its path. It is quick, to look things up by."""
    return "/".join(url.split("/", 3)[:3])


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

    A transport makes it of a status, the headers and an iterable of chunks; iterating may raise ``TransportError``. If
    it can write the bytes where they are wanted, it may give a function for that, too: called with a buffer, it returns
    how many bytes it wrote, 0 only when the Content-Length is reached, and raises if they do not come.

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
        *,
        readinto: Callable[[memoryview], int] | None = None,
    ) -> None:
        self.status = status
        self.headers = _lower(headers)
        self._chunks = iter(chunks)
        self._close = close
        self._readinto = readinto

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
        buffer = _Buffer(limit, self.headers)
        if self._readinto is not None and buffer.taken_from(self._readinto):
            return buffer.value()
        for chunk in self._chunks:
            if buffer.filled_by(chunk):
                break
        return buffer.value()

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
        first = await anext(self._chunks, b"")
        if first and len(first) == _announced(self.headers) and (limit is None or len(first) <= limit):
            return first  # as most answers are
        buffer = _Buffer(limit, self.headers)
        if not buffer.filled_by(first):
            async for chunk in self._chunks:
                if buffer.filled_by(chunk):
                    break
        return buffer.value()

    async def aclose(self) -> None:
        """Give the connection back, or drop it when the body was not read to its end."""
        await self._aclose()


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


class _Buffer:
    """Where a body is gathered: one buffer of the size that was announced, so that the peak is the size of the body.

    Less is set aside at first for a large body, and more as it comes, since what is announced need not come. The first
    parts are moved then, which is a 16th of the work in all.
    """

    def __init__(self, limit: int | None, headers: Mapping[str, str]) -> None:
        self._limit = limit
        self._sizes = _sizes(limit, headers)
        self._room = self._sizes.pop()
        self._bytes = io.BytesIO(bytes(self._room))  # zeros: no memory is used before they are written over

    def filled_by(self, chunk: bytes) -> bool:
        """Add a chunk, or what there is room for, and say whether that was all that may be read."""
        if self._limit is not None:
            chunk = chunk[: self._limit - self._bytes.tell()]
        while self._sizes and self._bytes.tell() + len(chunk) > self._room:
            self._move()
        self._bytes.write(chunk)
        return self._limit is not None and self._bytes.tell() >= self._limit

    def taken_from(self, readinto: Callable[[memoryview], int]) -> bool:
        """Have what was announced written to its place, and say whether there was anything."""
        while True:
            at = self._bytes.tell()
            if at == self._room and self._sizes:
                self._move()
            if at == self._room:
                return at > 0
            with self._bytes.getbuffer() as whole, whole[at : at + CHUNK] as part:
                count = readinto(part)
            if not count:
                return True  # some had been read before
            self._bytes.seek(at + count)

    def _move(self) -> None:
        """Go on in a larger buffer."""
        self._room = self._sizes.pop()
        larger = io.BytesIO(bytes(self._room))
        larger.write(self._bytes.getbuffer()[: self._bytes.tell()])
        self._bytes = larger

    def value(self) -> bytes:
        """Return what has come."""
        self._bytes.truncate()
        return self._bytes.getvalue()


def _sizes(limit: int | None, headers: Mapping[str, str]) -> list[int]:
    """Return how much to set aside, the last first; it grows as it should by itself where nothing was announced."""
    size = _announced(headers)
    sizes = [size if limit is None else min(size, limit)]
    while sizes[-1] > TRUSTED:
        sizes.append(sizes[-1] // 16)
    return sizes


def _announced(headers: Mapping[str, str]) -> int:
    """Return how many bytes a body will have; 0 if that is not said, or if they are encoded and come out as more."""
    length = headers.get("content-length", "")
    sane = length.isascii() and length.isdigit() and len(length) < 19 and "content-encoding" not in headers
    return int(length) if sane else 0


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
