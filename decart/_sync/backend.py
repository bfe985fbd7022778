"""What the sync client does. `decart._async.backend` is its counterpart on an event loop. Both are hand-written."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import NoReturn, TypeVar

from ..errors import InvalidInputError
from ..transports.base import (
    AsyncTransport,
    HttpRequest,
    SystemClock,
    Timeout,
    Transport,
)

T = TypeVar("T")

AWAITED = False
"""Whether the calls of this client are awaited."""


CancelEvent = threading.Event
"""What may end a call."""


def adapt(transport: Transport | AsyncTransport) -> Transport:
    """Return a transport that blocks, or one that says that there is none."""
    return transport if isinstance(transport, Transport) else _AsyncOnly()


def result_of(value: object) -> None:
    """Ignore what a callback returned."""


def in_thread(function: Callable[[], T]) -> T:
    """Call a function."""
    return function()


def finish_in_thread(function: Callable[[], T]) -> T:
    """Call a function."""
    return function()


def before_sending(write: Callable[[], None]) -> tuple[Callable[[], None], ...]:
    """Return what to call at the first byte of a request, to write to the disk: what comes before it sends nothing."""
    return (write,)


class _AsyncOnly(SystemClock):
    """The sync side of a client with an async transport."""

    def send(self, request: HttpRequest, *, timeout: Timeout) -> NoReturn:
        """Say how to use such a client."""
        raise InvalidInputError(
            "This client has an async transport, and nothing was sent: write `async with client as ...` and await its "
            "calls, or await client.aio.queue; or leave transport= out."
        )

    def close(self) -> None:
        """Do nothing; there is nothing to close."""
