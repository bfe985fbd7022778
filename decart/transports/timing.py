"""Time: the limits of one HTTP exchange, and the clocks of transports."""

from __future__ import annotations

import asyncio
import reprlib
import threading
import time
from contextlib import suppress
from typing import Protocol

import attrs

from ..errors import InvalidInputError, TransportTimeout

MOST_SECONDS = 2_000_000
"""The longest timeout, 23 days: sockets accept no longer ones."""

PAUSE = 0.1
"""The seconds between two checks of an event that cannot be awaited, such as a `threading.Event`."""


@attrs.frozen(kw_only=True)
class Timeout:
    """Time limits for one HTTP exchange, in seconds; ``None`` means no limit.

    Attributes:
        connect: The limit for connecting: TCP, a proxy's CONNECT and the TLS handshake. The server must also accept
            each block of up to 64 KiB of a request body within this time.
        read: The limit for waiting without receiving a single byte of the response.
        total: The limit for the entire exchange. It shortens the other two, and is checked before the exchange and
            between chunks of the response body: a server that sends one byte at a time is cut off at most one read
            timeout later.

    Some things are not limited:

    - A DNS lookup takes as long as the operating system allows.
    - Over requests and urllib3, ``connect`` applies to each address of a host in turn.
    - Over requests and urllib3, ``total`` does not bound response headers that arrive byte by byte.
    """

    connect: float | None = 10.0
    read: float | None = 60.0
    total: float | None = None

    def __attrs_post_init__(self) -> None:
        limits: dict[str, object] = {"connect": self.connect, "read": self.read, "total": self.total}
        for name, value in limits.items():
            if value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= MOST_SECONDS:
                raise InvalidInputError(
                    f"timeout: {name} must be a number of seconds above 0 and up to {MOST_SECONDS}, "
                    f"not {reprlib.repr(value)[:100]}."
                )

    @classmethod
    def of(cls, value: AnyTimeout) -> Timeout:
        """Convert a timeout as requests accepts it: ``read`` seconds, ``(connect, read)``, or ``None`` for no limit.

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
        """Return this timeout with every limit capped at ``seconds``."""
        if seconds == float("inf"):
            return self
        return Timeout(
            connect=seconds if self.connect is None else min(self.connect, seconds),
            read=seconds if self.read is None else min(self.read, seconds),
            total=seconds if self.total is None else min(self.total, seconds),
        )


AnyTimeout = Timeout | float | tuple[float | None, float | None] | None
"""The types that a timeout argument accepts; see `Timeout.of`."""


def total_exceeded(timeout: Timeout, *, sent: bool = True) -> TransportTimeout:
    """Return the error of an exchange that took longer than ``timeout.total``."""
    return TransportTimeout(
        f"The exchange took longer than its total timeout of {timeout.total:.10g} s"
        + ("." if sent else "; nothing was sent."),
        may_have_been_sent=sent,
    )


class Event(Protocol):
    """An event that cancels a wait: a `threading.Event`, or an `asyncio.Event` of the waiting loop."""

    def is_set(self) -> bool: ...


class _Clock:
    now = staticmethod(time.monotonic)
    """Return the time in seconds on the system's monotonic clock."""

    time = staticmethod(time.time)
    """Return the UNIX time in seconds; for state that outlives the process."""


class SystemClock(_Clock):
    """``now``, ``time`` and ``sleep`` by the system's clock."""

    def sleep(self, seconds: float, cancel: threading.Event | None = None) -> None:
        """Sleep, or until ``cancel`` is set if that comes first."""
        if cancel is None:
            time.sleep(seconds)
        else:
            cancel.wait(seconds)


class LoopClock(_Clock):
    """``now``, ``time`` and ``asleep`` by the system's clock."""

    async def asleep(self, seconds: float, cancel: Event | None = None) -> None:
        """Sleep on the loop, or until ``cancel`` is set: an `asyncio.Event` at once, a `threading.Event` soon."""
        if cancel is None:
            await asyncio.sleep(seconds)
        elif isinstance(cancel, asyncio.Event):
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await cancel.wait()
        else:
            ends = time.monotonic() + seconds
            while not cancel.is_set() and (left := ends - time.monotonic()) > 0:
                await asyncio.sleep(min(left, PAUSE))
