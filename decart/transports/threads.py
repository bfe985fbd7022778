"""Threads for calls that an event loop awaits, and the clock of async transports.

The threads are daemons. Python waits at exit for those of a `concurrent.futures.ThreadPoolExecutor`, so an abandoned
call there would delay Ctrl-C by up to its read timeout.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from typing import Any, TypeVar

from ..errors import ConnectError, TransportError, TransportTimeout
from .base import Event, HttpResponse

PAUSE = 0.1
"""The seconds between two checks of an event that cannot be awaited, such as a `threading.Event`."""

T = TypeVar("T")


class LoopClock:
    """``now``, ``time`` and ``asleep`` by the system's clock."""

    def now(self) -> float:
        """Return the time in seconds on the system's monotonic clock."""
        return time.monotonic()

    def time(self) -> float:
        """Return the UNIX time in seconds; for state that outlives the process."""
        return time.time()

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


class Call:
    """A function call that is handed to a thread, and whose outcome is handed back to the event loop.

    Attributes:
        is_wanted: Whether the caller is still waiting for the outcome.
    """

    def __init__(self, function: Callable[[Call], Any]) -> None:
        self._loop = asyncio.get_running_loop()
        self._future: asyncio.Future[Any] | None = self._loop.create_future()
        self._function, self._context = function, copy_context()
        self._has_started = False
        self.is_wanted = True

    async def outcome(self, seconds: float | None) -> Any:
        """Wait for the function; return or raise its outcome."""
        assert self._future is not None
        timer = None if seconds is None else self._loop.call_later(seconds, self._give_up)
        try:
            return await self._future
        finally:
            self.is_wanted = False
            self._future = None  # or an exception would be in a reference cycle with its own traceback
            if timer is not None:
                timer.cancel()

    def run(self, running: set[Call]) -> None:
        """Call the function in this thread, unless the caller has stopped waiting."""
        if not self.is_wanted:
            return
        self._has_started = True
        running.add(self)
        result = failure = None
        try:
            result = self._context.run(self._function, self)
        except BaseException as error:
            failure = error
        running.discard(self)
        if not self._on_loop(self._deliver, result, failure):
            _drop(result)
        del failure  # its traceback refers to this frame

    def give_up(self) -> None:
        """Make the caller fail, from another thread; a call that has started keeps running without it."""
        self._on_loop(self._give_up)

    def _on_loop(self, function: Callable[..., None], *args: Any) -> bool:
        try:
            self._loop.call_soon_threadsafe(function, *args)
        except RuntimeError:  # the loop was closed
            return False
        return True

    def _deliver(self, result: Any, failure: BaseException | None) -> None:
        if self._future is None or self._future.done():
            _drop(result)
        elif failure is not None:
            self._future.set_exception(failure)
        else:
            self._future.set_result(result)

    def _give_up(self) -> None:
        self.is_wanted = False
        if self._has_started:
            error: TransportError = TransportTimeout("The exchange took longer than its total timeout.")
        else:
            error = ConnectError("No thread was free in time, or the client was closed; nothing was sent.")
        self._deliver(None, error)


def _drop(result: object) -> None:
    """Close a response that no caller is waiting for any more."""
    if isinstance(result, HttpResponse):
        result.close()


class DaemonThreads:
    """A bounded pool of daemon threads that take calls in the order they were submitted.

    Args:
        most: The maximum number of threads; each is started when no other one is idle.
        name: The prefix of their names.

    Attributes:
        threads: The threads that were started.
        running: The calls that are running now.
    """

    def __init__(self, most: int, name: str) -> None:
        self._most, self._name = most, name
        self._calls: queue.SimpleQueue[Call | None] = queue.SimpleQueue()
        self._idle: deque[None] = deque()  # one item for each idle thread that no queued call will take
        self._is_closed = False
        self.threads: list[threading.Thread] = []
        self.running: set[Call] = set()

    async def run(self, function: Callable[[Call], T], seconds: float | None = None) -> T:
        """Call a function in one of the threads, and abandon it if the caller is cancelled or the time limit expires.

        After ``close``, each call gets its own thread, so that open responses can still be read.
        """
        call = Call(function)
        if self._is_closed:
            threading.Thread(target=call.run, args=(self.running,), name=f"{self._name}_last", daemon=True).start()
        else:
            self._calls.put(call)
            try:
                self._idle.pop()
            except IndexError:
                if len(self.threads) < self._most:
                    name, work = f"{self._name}_{len(self.threads)}", (self._calls, self._idle, self.running)
                    self.threads.append(threading.Thread(target=_work, args=work, name=name, daemon=True))
                    self.threads[-1].start()
        result: T = await call.outcome(seconds)
        return result

    def close(self) -> None:
        """Fail the calls that have not started, and let the threads end after those that have."""
        self._is_closed = True
        with suppress(queue.Empty):
            while (call := self._calls.get_nowait()) is not None:
                call.give_up()
        self._end_threads()

    def _end_threads(self) -> None:
        for _ in self.threads:
            self._calls.put(None)

    __del__ = _end_threads


def _work(calls: queue.SimpleQueue[Call | None], idle: deque[None], running: set[Call]) -> None:
    """Run calls until ``None`` arrives. It has no reference to its pool, which would otherwise never be collected."""
    while (call := calls.get()) is not None:
        call.run(running)
        del call  # or an idle thread would keep a response alive
        idle.append(None)
