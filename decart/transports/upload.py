"""A request body on its way over an event loop: read in threads, and not waited for longer than is fair."""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from collections.abc import Iterator
from typing import Any

from .base import CHUNK, PIECE, Body

CATCH_UP = 3
"""Turns of a loop after which it has heard what had come in before: even over TLS, that a connection was closed."""


async def catch_up() -> None:
    """Let the loop hear what has come in by now."""
    for _ in range(CATCH_UP):
        await asyncio.sleep(0)


class Patience:
    """Ends the exchange of the task that enters it when a wait for the other side, begun by another task, is too long.

    (`asyncio.timeout` is that from Python 3.11 on; what there is for 3.10 ends the task that has put the end off.)
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._ended = self._left = False

    def __enter__(self) -> Patience:
        self._task: Any = asyncio.current_task()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        self.over()
        self._left = True
        if self._ended and kind is asyncio.CancelledError:
            others = self._task.uncancel() if sys.version_info >= (3, 11) else 0
            if not others:
                raise asyncio.TimeoutError("nothing of the body was taken") from error

    def begin(self) -> None:
        """Begin a wait."""
        if not self._left:  # when the answer is there, a body may still be on its way
            self._timer = self._loop.call_later(self._seconds, self._end)

    def over(self) -> None:
        """End it in time."""
        if self._timer is not None:
            self._timer.cancel()

    def _end(self) -> None:
        self._ended = True
        self._task.cancel()


class Upload:
    """A request body on its way: read in threads, in pieces, and only once.

    Attributes:
        touched: Whether any of it was asked for, which happens only over a connection.
        error: What went wrong with it, as with a file that has become shorter.
        patience: What watches that a piece is taken in time; it is set when the exchange begins.
    """

    patience: Patience

    def __init__(self, body: Body) -> None:
        self.touched = False
        self.error: BaseException | None = None
        self._size = self._left = len(body)
        self._source = iter(body)
        self._in_memory = getattr(body, "in_memory", False)
        self._pieces: deque[bytes] = deque()
        self._reading: asyncio.Future[bytes] | None = None

    def __len__(self) -> int:
        return self._size

    def __aiter__(self) -> Upload:
        return self

    async def __anext__(self) -> bytes:
        first, self.touched = not self.touched, True
        self.patience.over()
        if not self._pieces and self._left > 0:  # at the end an answer may come at once: a look for more costs its
            await self._read()  # connection, which aiohttp drops when an answer overtakes the body
        if not self._pieces:
            raise StopAsyncIteration
        if not first:
            await catch_up()  # a refusal may be there already, and the next write could find the connection reset
        self.patience.begin()
        return self._pieces.popleft()

    async def _read(self) -> None:
        try:
            data = _gathered(self._source) if self._in_memory else await self._read_in_thread()
        except Exception as error:
            self.error = error
            raise
        self._left = self._left - len(data) if data else 0
        self._pieces.extend(data[start : start + PIECE] for start in range(0, len(data), PIECE))

    async def _read_in_thread(self) -> bytes:
        self._reading = asyncio.get_running_loop().run_in_executor(None, _gathered, self._source)
        return await asyncio.shield(self._reading)

    async def settle(self) -> None:
        """Wait until no thread reads the caller's file any more."""
        if self._reading is not None:
            await asyncio.wait({self._reading})


def _gathered(source: Iterator[bytes]) -> bytes:
    """Return the next chunk or so of a body; empty at its end."""
    data = b""
    for piece in source:
        data = data + piece if data else piece
        if len(data) >= CHUNK:
            break
    return data
