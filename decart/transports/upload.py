"""A request body on its way over an event loop: read in threads, and not waited for longer than it may take."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from .base import Body
from .body import SentBody

TURNS = 3
"""Turns of a loop after which it has noticed what had arrived before: even over TLS, that a connection was closed."""


async def catch_up() -> None:
    """Let the loop notice what has arrived by now."""
    for _ in range(TURNS):
        await asyncio.sleep(0)


class Upload:
    """A request body as an async iterable.

    Attributes:
        body: The body, which tells whether any of it was asked for, and what reading it raised.
        stall: What ends the exchange if a block is not accepted within ``seconds``; ``None`` stops that.
        seconds: The limit, if there is one.
    """

    def __init__(self, body: Body, may_start: Callable[[], None] | None, seconds: float | None) -> None:
        self.body, self.seconds = SentBody(body, may_start), seconds
        self.stall: asyncio.Timeout | None = None
        self._blocks = iter(self.body)
        self._left = len(body)
        self._in_memory = getattr(body, "in_memory", False)
        self._reading: asyncio.Future[bytes] | None = None

    def __aiter__(self) -> Upload:
        return self

    async def __anext__(self) -> bytes:
        self._expect_within(None)
        if self._left <= 0:  # no thread is asked for the end: a response that comes meanwhile would cost the connection
            raise StopAsyncIteration
        if self.body.touched:
            await catch_up()  # a refusal may be there already, and the next write would find the connection reset
        if self._in_memory:
            block = next(self._blocks, b"")
        else:
            reading: Any = asyncio.get_running_loop().run_in_executor(None, next, self._blocks, b"")
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
        """Wait until no thread reads the caller's file any more."""
        if self._reading is not None:
            await asyncio.wait({self._reading})
