"""Any sync transport, awaited: each exchange runs in a thread of the transport's own, each sleep on the loop.

- **A wait holds no thread** between two status checks, and neither does an open stream between two chunks.
- **Long transfers never delay short exchanges**: uploads and response bodies have threads of their own.
- **A cancelled task ends at once**; its thread ends with the response or at the read timeout, and the response is
  closed. A submit that has not started by then is not sent.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextvars import copy_context
from functools import partial
from typing import Any, TypeVar

import attrs

from ..errors import ConnectError, TransportError, TransportTimeout
from .base import KEPT_CONNECTIONS, AsyncHttpResponse, Event, HttpRequest, HttpResponse, SystemClock, Timeout, Transport
from .forks import begin_anew_in_children
from .loop import LoopClock
from .threads import DaemonThreads

LONG_THREADS = 256
"""Uploads and response bodies that may be on their way at the same time."""

SMALL = 64 * 1024
"""Bytes of a JSON body that is read in the same thread as its headers, such as that of a status check."""

T = TypeVar("T")


class ThreadedTransport(LoopClock):
    """Make an async transport of a sync one.

    It may be used from one event loop after another, by several at once, and across ``fork``.

    Args:
        transport: The sync transport; it is closed with this one. Unless it takes its clock from `SystemClock`, it is
            taken to have one of its own, and sleeps in a thread.
        threads: Short exchanges that may be on their way at the same time; more wait for a thread.

    Example:
        >>> client = AsyncDecartClient(api_key="your-api-key", transport=ThreadedTransport(RequestsTransport()))
    """

    def __init__(self, transport: Transport, *, threads: int = KEPT_CONNECTIONS) -> None:
        self._transport = transport
        self._threads = threads
        self._start()
        begin_anew_in_children(self)

    def __repr__(self) -> str:
        return f"ThreadedTransport({self._transport!r})"

    def _start(self) -> None:
        """Begin with no threads."""
        self._short = DaemonThreads(self._threads, "decart")
        self._long = DaemonThreads(LONG_THREADS, "decart-long")
        self._running: set[Future[Any]] = set()

    def after_fork(self) -> None:
        """Begin anew in a child, which has none of the parent's threads."""
        self._start()

    async def asend(self, request: HttpRequest, *, timeout: Timeout) -> AsyncHttpResponse:
        """Make one attempt in a thread; see `decart.transports.base.AsyncTransport`."""
        abandoned = threading.Event()
        if request.body is not None:
            request = attrs.evolve(request, may_start=partial(_may_start, request.may_start, abandoned))
        exchange = partial(_exchange, self._transport, request, timeout)
        short, long = self._short, self._long  # those of now: closing the transport replaces them
        is_short = request.body is None or getattr(request.body, "in_memory", False)
        try:
            response = await self._in_thread(short if is_short else long, exchange, timeout.total)
        except BaseException:
            abandoned.set()
            raise
        chunks = _Chunks(self, long, response)
        return AsyncHttpResponse(response.status, response.headers, chunks, chunks.aclose)

    def now(self) -> float:
        """Return the time on the sync transport's clock."""
        return self._transport.now()

    async def asleep(self, seconds: float, cancel: Event | None = None) -> None:
        """Sleep on the loop; on a clock of the transport's own (a test's), as the transport does."""
        if getattr(type(self._transport), "sleep", None) is SystemClock.sleep:
            await super().asleep(seconds, cancel)
        else:
            await self._in_thread(self._short, partial(self._transport.sleep, seconds, cancel))  # type: ignore[arg-type]

    def close(self) -> None:
        """Close the sync transport and let the threads go, without waiting for what is on its way."""
        short, long = self._short, self._long
        self._start()
        for threads in (short, long):
            threads.close()
        self._transport.close()

    async def aclose(self) -> None:
        """Do the same, and wait for the threads that have nothing to do."""
        idle = [self._short, self._long] if not self._running else []
        self.close()
        for threads in idle:
            threads.join()

    async def _in_thread(self, threads: DaemonThreads, function: Callable[[], T], limit: float | None = None) -> T:
        """Call a function in one of the threads, and abandon it if the caller is cancelled or time is up."""
        running = self._running
        future = threads.submit(partial(copy_context().run, function))
        running.add(future)
        future.add_done_callback(running.discard)
        waiter = asyncio.wrap_future(future)
        try:
            await asyncio.wait({waiter}, timeout=limit)
        finally:
            if not waiter.done():
                future.cancel()
                future.add_done_callback(_drop)
                waiter.cancel()
        if not waiter.cancelled():
            return waiter.result()
        if future.cancelled():
            raise ConnectError("No thread was free in time, or the client was closed; nothing was sent.")
        raise TransportTimeout("The exchange took longer than its total timeout; allow more time.")


def _exchange(transport: Transport, request: HttpRequest, timeout: Timeout) -> HttpResponse:
    """Make one attempt; read a small JSON body at once, since each change of threads takes longer than that."""
    response = transport.send(request, timeout=timeout)
    length, kind = response.headers.get("content-length", ""), response.headers.get("content-type", "")
    if not (length.isdecimal() and int(length) <= SMALL and kind.startswith("application/json")):
        return response
    with response:
        return HttpResponse(response.status, response.headers, _read_at_once(response))


def _read_at_once(response: HttpResponse) -> Iterator[bytes]:
    """Read a body now, and give it, or what came of it before it broke off, to whoever asks later."""
    chunks: list[bytes] = []
    failure: TransportError | None = None
    try:
        chunks.extend(response.chunks())
    except TransportError as error:
        failure = error

    def given() -> Iterator[bytes]:
        yield from chunks
        if failure is not None:
            raise failure

    return given()


def _may_start(theirs: Callable[[], None] | None, abandoned: threading.Event) -> None:
    """Stop a submit whose caller no longer waits for it."""
    if abandoned.is_set():
        raise TransportError(
            "The caller no longer waits for this exchange; nothing was sent.", may_have_been_sent=False
        )
    if theirs is not None:
        theirs()


class _Chunks:
    """The chunks of a sync response, each awaited in a thread."""

    def __init__(self, transport: ThreadedTransport, threads: DaemonThreads, response: HttpResponse) -> None:
        self._transport, self._threads, self._response = transport, threads, response
        self._reading = threading.Lock()
        self._closed = False

    def __aiter__(self) -> _Chunks:
        return self

    async def __anext__(self) -> bytes:
        chunk = await self._transport._in_thread(self._threads, self._next)
        if chunk is None:
            raise StopAsyncIteration
        return chunk

    def _next(self) -> bytes | None:
        with self._reading:
            try:
                return next(self._response.chunks(), None)
            finally:
                if self._closed:
                    self._response.close()

    async def aclose(self) -> None:
        """Close the response, or have the thread do it that still reads: to close it here would wait for that."""
        self._closed = True
        if self._reading.acquire(blocking=False):
            try:
                self._response.close()
            finally:
                self._reading.release()


def _drop(future: Future[Any]) -> None:
    """Close a response that came when nobody waited for it any more."""
    if not future.cancelled() and future.exception() is None and isinstance(future.result(), HttpResponse):
        future.result().close()
