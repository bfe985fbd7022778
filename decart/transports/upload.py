"""Upload a request body from an event loop: read files in threads, and abort if the server stalls."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from .base import Body
from .body import SentBody

TURNS = 3
"""The iterations of an event loop that it needs to notice that a connection was closed, even over TLS."""


async def catch_up() -> None:
    """Let the loop process the data and connection closes that have arrived so far."""
    for _ in range(TURNS):
        await asyncio.sleep(0)


class Upload:
    """A request body as an async iterable.

    Attributes:
        body: The body; it records whether sending has started, and the exception if reading it failed.
        stall: The timeout that aborts the exchange if a block is not accepted in time; ``None`` disables it.
        seconds: The limit for each block, if there is one.
    """

    def __init__(self, body: Body, may_start: Callable[[], None] | None, seconds: float | None) -> None:
        self.body, self.seconds = SentBody(body, may_start), seconds
        self.stall: asyncio.Timeout | None = None
        self._blocks = iter(self.body)
        self._left = len(body)
        self._in_memory = getattr(body, "in_memory", False)
        self._reading: asyncio.Future[bytes] | None = None
        self._thread = ThreadPoolExecutor(1, "decart-upload")  # one, however busy: each would have buffers of its own

    def __aiter__(self) -> Upload:
        return self

    async def __anext__(self) -> bytes:
        self._expect_within(None)
        if self._left <= 0:  # do not use a thread to find the end: a response in that time would cost us the connection
            raise StopAsyncIteration
        if self.body.touched:
            await catch_up()  # an early error response may have arrived, and the next write could reset the connection
        if self._in_memory:
            block = next(self._blocks, b"")
        else:
            reading: Any = asyncio.get_running_loop().run_in_executor(self._thread, next, self._blocks, b"")
            self._reading = reading
            block = await asyncio.shield(reading)
        if not block:
            raise StopAsyncIteration
        self._left -= len(block)
        self._expect_within(self.seconds)
        return block

    def _expect_within(self, seconds: float | None) -> None:
        if self.stall is not None:  # pragma: no branch - aiohttp may ask for more after an early response
            self.stall.reschedule(None if seconds is None else asyncio.get_running_loop().time() + seconds)

    async def settle(self) -> None:
        """Wait until no thread is reading the caller's file."""
        self._thread.shutdown(wait=False)
        if self._reading is not None:
            await asyncio.wait({self._reading})
