"""What transports on an event loop share: the time."""

from __future__ import annotations

import asyncio
import time

from .base import Event

GLANCE = 0.1
"""Seconds between two looks at an event that cannot be awaited, such as `threading.Event`."""


class LoopClock:
    """``now`` and ``asleep`` of an async transport that lives in real time."""

    def now(self) -> float:
        """Return the time in seconds on the system's monotonic clock."""
        return time.monotonic()

    async def asleep(self, seconds: float, cancel: Event | None = None) -> None:
        """Sleep on the loop, or until ``cancel`` is set: an `asyncio.Event` at once, a `threading.Event` soon."""
        if cancel is None:
            await asyncio.sleep(seconds)
        elif isinstance(cancel, asyncio.Event):
            await _first_of(cancel, seconds)
        else:
            ends = self.now() + seconds
            while not cancel.is_set() and (left := ends - self.now()) > 0:
                await asyncio.sleep(min(left, GLANCE))


async def _first_of(event: asyncio.Event, seconds: float) -> None:
    waiter = asyncio.ensure_future(event.wait())
    try:
        await asyncio.wait({waiter}, timeout=seconds)
    finally:
        waiter.cancel()
