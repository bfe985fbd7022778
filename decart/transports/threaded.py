"""Make any sync transport awaitable: each exchange runs in one of the transport's threads, each sleep on the loop.

- **A wait occupies no thread** between two status checks, nor does an open stream between two chunks.
- **Long transfers never delay short exchanges**: uploads and response bodies have separate threads.
- **A cancelled task ends at once**; its thread is free when the response arrives or at the read timeout, and the
  response is closed. A submit that has not started by then is not sent.
- **The threads are daemons.** Python waits at exit for those of a `concurrent.futures.ThreadPoolExecutor`, so an
  abandoned call there would delay Ctrl-C by up to its read timeout.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from typing import Any, TypeVar

import attrs

from ..errors import ConnectError, TransportError, TransportTimeout
from .base import KEPT_CONNECTIONS, AsyncHttpResponse, HttpRequest, HttpResponse, Timeout, Transport, reset_after_fork
from .timing import Event, LoopClock, SystemClock

LONG_THREADS = 256
"""The most uploads and response bodies to transfer at the same time."""

SMALL = 64 * 1024
"""The largest JSON body, in bytes, to read in the same thread as its headers, such as that of a status check."""

T = TypeVar("T")


class ThreadedTransport(LoopClock):
    """Turn a sync transport into an async one.

    It may be used from one event loop after another, by several at once, and across ``fork``.

    Args:
        transport: The sync transport; it is closed with this one. Unless it inherits ``sleep`` from `SystemClock`, its
            own ``sleep`` is called in a thread.
        threads: The most short exchanges to run at the same time; further ones wait for a thread.

    Example:
        >>> client = AsyncDecartClient(api_key="your-api-key", transport=ThreadedTransport(RequestsTransport()))
    """

    def __init__(self, transport: Transport, *, threads: int = KEPT_CONNECTIONS) -> None:
        self._transport, self.has_virtual_clock = transport, getattr(transport, "has_virtual_clock", False)
        self._most_threads = threads
        self.after_fork()
        reset_after_fork(self)

    def __repr__(self) -> str:
        return f"ThreadedTransport({self._transport!r})"

    def after_fork(self) -> None:
        """Start with no threads: a forked child does not inherit any."""
        self._short = _Threads(self._most_threads, "decart")
        self._long = _Threads(LONG_THREADS, "decart-long")

    async def asend(self, request: HttpRequest, *, timeout: Timeout) -> AsyncHttpResponse:
        """Make one attempt in a thread; see `decart.transports.base.AsyncTransport`."""
        short, long = self._short, self._long  # closing the transport replaces them
        is_short = request.body is None or getattr(request.body, "in_memory", False)
        exchange = partial(_exchange, self._transport, request, timeout)
        response = await (short if is_short else long).run(exchange, timeout.total)
        chunks = _Chunks(None if isinstance(response, _InMemory) else long, response)
        return AsyncHttpResponse(response.status, response.headers, chunks, chunks.aclose, response.salvage)

    def now(self) -> float:
        """Return the time on the sync transport's clock."""
        return self._transport.now()

    def time(self) -> float:
        """Return the UNIX time on the sync transport's clock, or the system's if it has none."""
        seconds: float = getattr(self._transport, "time", time.time)()
        return seconds

    async def asleep(self, seconds: float, cancel: Event | None = None) -> None:
        """Sleep on the loop, or call the transport's own ``sleep`` (of a test's clock, for example) in a thread."""
        if getattr(type(self._transport), "sleep", None) is SystemClock.sleep:
            await super().asleep(seconds, cancel)
        else:
            await self._short.run(lambda _: self._transport.sleep(seconds, cancel))  # type: ignore[arg-type]

    def close(self) -> None:
        """Close the sync transport and release the threads, without waiting for exchanges that are still running."""
        pools = (self._short, self._long)
        self.after_fork()
        for pool in pools:
            pool.close()
        self._transport.close()

    async def aclose(self) -> None:
        """Close the transport, and wait for the threads to end if all are idle."""
        pools = (self._short, self._long)
        threads = [] if any(pool.running for pool in pools) else [thread for pool in pools for thread in pool.threads]
        self.close()
        for thread in threads:
            thread.join()


class _InMemory(HttpResponse):
    """A response whose body has been read into memory."""


def _exchange(transport: Transport, request: HttpRequest, timeout: Timeout, call: _Call) -> HttpResponse:
    """Make one attempt, and read a small JSON body at once: that is faster than switching threads again."""

    def may_start() -> None:
        if not call.is_wanted:
            raise TransportError("The caller stopped waiting; nothing was sent.", may_have_been_sent=False)
        if request.may_start is not None:
            request.may_start()

    sent = request if request.body is None else attrs.evolve(request, may_start=may_start)
    response = transport.send(sent, timeout=timeout)
    headers = response.headers
    length, kind = headers.get("content-length", ""), headers.get("content-type", "")
    is_small = length.isdecimal() and int(length) <= SMALL and "content-encoding" not in headers
    if not (is_small and kind.startswith("application/json")):
        return response
    failure: TransportError | None = None
    with response:
        try:
            response.read()
        except TransportError as error:
            failure = error
    return _InMemory(response.status, headers, _replay(response.received, failure))


def _replay(received: bytes, failure: TransportError | None) -> Iterator[bytes]:
    """Yield the part of a body that arrived, and raise the error if it was cut short."""
    if received:
        yield received
    if failure is not None:
        raise failure


class _Chunks(AsyncIterator[bytes]):
    """The chunks of a sync response, each read in a thread unless they are in memory."""

    def __init__(self, threads: _Threads | None, response: HttpResponse) -> None:
        self._threads, self._response = threads, response
        self._reading = threading.Lock()
        self._is_closed = False

    async def __anext__(self) -> bytes:
        if self._threads is None:
            chunk = next(self._response.chunks(), None)
        else:
            chunk = await self._threads.run(self._read)
        if chunk is None:
            raise StopAsyncIteration
        return chunk

    def _read(self, call: _Call) -> bytes | None:
        with self._reading:
            try:
                return next(self._response.chunks(), None)
            finally:
                if self._is_closed:
                    self._response.close()

    async def aclose(self) -> None:
        """Close the response, or let the thread that is still reading do it: closing it here would wait for that."""
        self._is_closed = True
        if self._reading.acquire(blocking=False):
            try:
                self._response.close()
            finally:
                self._reading.release()


class _Call:
    """A function call that is handed to a thread, and whose outcome is handed back to the event loop.

    It takes no lock, which an exception of a signal handler could leave held.

    Attributes:
        future: The outcome; ``None`` once nobody waits for it, or an exception would be in a reference cycle with its
            own traceback.
        is_wanted: Whether the caller is still waiting for the outcome.
        has_started: Whether a thread has taken it.
    """

    def __init__(self, function: Callable[[_Call], Any]) -> None:
        self._loop = asyncio.get_running_loop()
        self._function, self._context = function, copy_context()
        self.future: asyncio.Future[Any] | None = self._loop.create_future()
        self.is_wanted, self.has_started = True, False

    def run(self, running: set[_Call]) -> None:
        """Call the function in this thread, unless the caller has stopped waiting."""
        if not self.is_wanted:
            return
        self.has_started = True
        running.add(self)
        result = failure = None
        try:
            result = self._context.run(self._function, self)
        except BaseException as error:
            failure = error
        running.discard(self)
        self.deliver(result, failure)
        del failure  # its traceback refers to this frame

    def deliver(self, result: object, failure: BaseException | None) -> None:
        """Hand the outcome to the loop, from any thread."""
        try:
            self._loop.call_soon_threadsafe(self._deliver, result, failure)
        except RuntimeError:  # the loop was closed
            self.future = None
            self._deliver(result, failure)

    def _deliver(self, result: object, failure: BaseException | None) -> None:
        if self.future is None or self.future.done():
            if isinstance(result, HttpResponse):
                result.close()
        elif failure is not None:
            self.future.set_exception(failure)
        else:
            self.future.set_result(result)


class _Threads:
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
        self._calls: queue.SimpleQueue[_Call | None] = queue.SimpleQueue()
        self._idle: deque[None] = deque()  # one item for each idle thread that no queued call will take
        self._is_closed = False
        self.threads: list[threading.Thread] = []
        self.running: set[_Call] = set()

    async def run(self, function: Callable[[_Call], T], seconds: float | None = None) -> T:
        """Call a function in a thread, and abandon it if the caller is cancelled or the time limit expires."""
        call, limit = _Call(function), asyncio.timeout(seconds)
        assert call.future is not None
        if self._is_closed:  # an open response is still read
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
        try:
            async with limit:
                result: T = await call.future
                return result
        except TimeoutError:
            if not limit.expired():
                raise
        finally:
            call.is_wanted, call.future = False, None
        if call.has_started:
            raise TransportTimeout(f"The exchange took longer than its total timeout of {seconds:.10g} s.")
        raise ConnectError("No thread was free in time; nothing was sent.")

    def close(self) -> None:
        """Fail the calls that have not started, and let the threads end; a later call gets its own thread."""
        self._is_closed = True
        with suppress(queue.Empty):
            while call := self._calls.get_nowait():
                call.deliver(None, ConnectError("The client was closed; nothing was sent."))
        self._end_threads()

    def _end_threads(self) -> None:
        for _ in self.threads:
            self._calls.put(None)

    __del__ = _end_threads


def _work(calls: queue.SimpleQueue[_Call | None], idle: deque[None], running: set[_Call]) -> None:
    """Run calls until ``None`` arrives. It has no reference to its pool, which would otherwise never be collected."""
    while (call := calls.get()) is not None:
        call.run(running)
        del call  # or an idle thread would keep a response alive
        idle.append(None)
