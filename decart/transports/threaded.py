"""Any sync transport, awaited: each exchange in a thread of the transport's own, each sleep on the loop.

- **Its own threads**: a bounded number, so that uploads do not keep the loop's default executor from everybody else.
  A job that is waited for holds none of them between two looks.
- **Cancelling ends an exchange**: the thread's socket is shut, and what comes back all the same is closed.
- **A limit for the exchange as a whole holds for the wait for a thread, too**, so that no wait outlives its deadline.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import Any, TypeVar

from ..errors import ConnectError, TransportTimeout
from .abort import Abort, aborting
from .base import AsyncHttpResponse, Event, HttpRequest, HttpResponse, SystemClock, Timeout, Transport
from .loop import LoopClock
from .processes import OfThisProcess

THREADS = 32
"""As many as `decart.transports.requests` keeps connections."""

GRACE = 1.0
"""Seconds that closing waits for exchanges that were ended and are still on their way out."""

T = TypeVar("T")


class ThreadedTransport(OfThisProcess, LoopClock):
    """Make an async transport of a sync one.

    It may be used from one event loop after another, by several at once, and across ``fork``.

    Args:
        transport: The sync transport; it is closed with this one. If it does not take its clock from `SystemClock`, it
            is taken to have one of its own, and sleeps in a thread.
        threads: Exchanges that may be under way at the same time; more wait for their turn.
    """

    def __init__(self, transport: Transport, *, threads: int = THREADS) -> None:
        self._transport = transport
        self._threads = threads
        super().__init__()

    def __repr__(self) -> str:
        return f"ThreadedTransport({self._transport!r})"

    def _begin(self) -> None:
        self._executor: ThreadPoolExecutor | None = None
        self._under_way: dict[Future[Any], Abort] = {}

    def _leave(self) -> None:
        """Do nothing: the threads are not there, and to end what the parent has under way is not for the child."""

    async def asend(self, request: HttpRequest, *, timeout: Timeout) -> AsyncHttpResponse:
        """Make one attempt in a thread; see `decart.transports.base.AsyncTransport`."""
        abort = Abort()
        exchange = partial(self._transport.send, request, timeout=timeout)
        response = await self._in_thread(exchange, abort, timeout.total)
        return AsyncHttpResponse(
            response.status,
            response.headers,
            _Chunks(partial(self._in_thread, abort=abort), response),
            _closing(response),
        )

    def now(self) -> float:
        """Return the time on the sync transport's clock."""
        return self._transport.now()

    async def asleep(self, seconds: float, cancel: Event | None = None) -> None:
        """Sleep on the loop; on a clock of the transport's own (a test's), as the transport does."""
        if getattr(type(self._transport), "sleep", None) is SystemClock.sleep:
            await super().asleep(seconds, cancel)
        else:
            await self._in_thread(partial(self._transport.sleep, seconds, cancel), Abort())  # type: ignore[arg-type]

    def close(self) -> None:
        """End what is under way, let the threads go, and close the sync transport, without waiting for any of it."""
        self._stay_in_this_process()
        with self._lock:
            executor, self._executor = self._executor, None
            for abort in self._under_way.values():
                abort.abort()
        if executor is not None:
            executor.shutdown(wait=False, cancel_futures=True)
        self._transport.close()

    async def aclose(self) -> None:
        """Do the same, and wait for it."""
        self._stay_in_this_process()
        executor, under_way = self._executor, list(self._under_way)
        self.close()
        if under_way:
            await asyncio.wait([asyncio.wrap_future(future) for future in under_way], timeout=GRACE)
        if executor is not None and all(future.done() for future in under_way):
            executor.shutdown(wait=True)  # its threads have nothing to do, and end at once

    async def _in_thread(self, function: Callable[[], T], abort: Abort, limit: float | None = None) -> T:
        """Call a function in one of the threads; when the caller gives up, so does it."""
        context = copy_context()
        context.run(aborting.set, abort)
        self._stay_in_this_process()
        with self._lock:
            if self._executor is None:
                self._executor = ThreadPoolExecutor(self._threads, thread_name_prefix="decart")
            future = self._executor.submit(context.run, function)
            self._under_way[future] = abort
        future.add_done_callback(self._forget)
        waiter = asyncio.wrap_future(future)
        try:
            await asyncio.wait({waiter}, timeout=limit)
            if not waiter.done():
                raise _given_up(future, abort)
            return waiter.result()
        except asyncio.CancelledError:
            _given_up(future, abort)
            raise
        finally:
            waiter.cancel()  # does nothing if it is done

    def _forget(self, future: Future[Any]) -> None:
        with self._lock:
            self._under_way.pop(future, None)


class _Chunks:
    """The chunks of a sync response, each taken in a thread."""

    def __init__(self, in_thread: Callable[[Callable[[], Any]], Any], response: HttpResponse) -> None:
        self._in_thread = in_thread
        self._next = partial(next, response.chunks(), None)

    def __aiter__(self) -> _Chunks:
        return self

    async def __anext__(self) -> bytes:
        chunk: bytes | None = await self._in_thread(self._next)
        if chunk is None:
            raise StopAsyncIteration
        return chunk


def _closing(response: HttpResponse) -> Callable[[], Any]:
    async def aclose() -> None:
        response.close()

    return aclose


def _given_up(future: Future[Any], abort: Abort) -> ConnectError | TransportTimeout:
    """End an exchange that nobody waits for any more, and say what it came to."""
    if future.cancel():
        return ConnectError("No thread was free for this exchange in time; nothing was sent.", None, None, False)
    future.add_done_callback(_drop)
    abort.abort()
    return TransportTimeout("The service went silent; the network or the service is at fault. Try again later.")


def _drop(future: Future[Any]) -> None:
    """Close an answer that came all the same."""
    if not future.cancelled() and future.exception() is None and isinstance(future.result(), HttpResponse):
        future.result().close()
