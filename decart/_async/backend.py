"""What the async client does on an event loop. `decart._sync.backend` is its blocking counterpart.

Both are written by hand.
"""

from __future__ import annotations

import asyncio
import concurrent.futures.thread  # noqa: F401 - asyncio would import it later, perhaps when a job is already paid for
from collections.abc import Callable
from contextlib import suppress
from inspect import isawaitable
from typing import TypeVar

from ..transports.base import AsyncTransport, Event, Transport
from ..transports.threaded import ThreadedTransport

T = TypeVar("T")

AWAITED = True
"""Whether the calls of this client are awaited."""


CancelEvent = Event
"""What may end a call: an `asyncio.Event` or a `threading.Event`."""


def adapt(transport: Transport | AsyncTransport) -> AsyncTransport:
    """Return a transport that can be awaited."""
    return transport if isinstance(transport, AsyncTransport) else ThreadedTransport(transport)


async def result_of(value: object) -> None:
    """Await what a callback returned, if it is awaitable."""
    if isawaitable(value):
        await value


async def in_thread(function: Callable[[], T]) -> T:
    """Call a function that may wait for a disk."""
    return await asyncio.to_thread(function)


async def finish_in_thread(function: Callable[[], T]) -> T:
    """Call a function that is not abandoned: a task that is cancelled meanwhile ends when the function has."""
    finishing = asyncio.get_running_loop().run_in_executor(None, function)
    try:
        return await asyncio.shield(finishing)
    except asyncio.CancelledError:
        while not finishing.done():
            with suppress(asyncio.CancelledError):  # cancelled once more
                await asyncio.wait([finishing])
        raise


async def before_sending(write: Callable[[], None]) -> tuple[Callable[[], None], ...]:
    """Write to the disk before a request is sent: at once, in a thread, since its first byte may be sent on the loop.

    Returns:
        What else to call at its first byte.
    """
    await asyncio.to_thread(write)
    return ()
