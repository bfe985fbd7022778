"""Make any sync transport awaitable: each exchange runs in one of the transport's threads, each sleep on the loop.

- **A wait occupies no thread** between two status checks, nor does an open stream between two chunks.
- **Long transfers never delay short exchanges**: uploads and response bodies have separate threads.
- **A cancelled task ends at once**; its thread is free when the response arrives or at the read timeout, and the
  response is closed. A submit that has not started by then is not sent.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from functools import partial

import attrs

from ..errors import TransportError
from .base import (
    KEPT_CONNECTIONS,
    AsyncHttpResponse,
    Event,
    HttpRequest,
    HttpResponse,
    SystemClock,
    Timeout,
    Transport,
    reset_after_fork,
)
from .threads import Call, DaemonThreads, LoopClock

LONG_THREADS = 256
"""The most uploads and response bodies to transfer at the same time."""

SMALL = 64 * 1024
"""The largest JSON body, in bytes, to read in the same thread as its headers, such as that of a status check."""


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
        self._transport = transport
        self._most_threads = threads
        self.after_fork()
        reset_after_fork(self)

    def __repr__(self) -> str:
        return f"ThreadedTransport({self._transport!r})"

    def after_fork(self) -> None:
        """Start with no threads: a forked child does not inherit those of its parent."""
        self._short = DaemonThreads(self._most_threads, "decart")
        self._long = DaemonThreads(LONG_THREADS, "decart-long")

    async def asend(self, request: HttpRequest, *, timeout: Timeout) -> AsyncHttpResponse:
        """Make one attempt in a thread; see `decart.transports.base.AsyncTransport`."""
        short, long = self._short, self._long  # closing the transport replaces them
        is_short = request.body is None or getattr(request.body, "in_memory", False)
        exchange = partial(_exchange, self._transport, request, timeout)
        response = await (short if is_short else long).run(exchange, timeout.total)
        chunks = _Chunks(None if isinstance(response, _ReadResponse) else long, response)
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


class _ReadResponse(HttpResponse):
    """A response whose body has been read into memory."""


def _exchange(transport: Transport, request: HttpRequest, timeout: Timeout, call: Call) -> HttpResponse:
    """Make one attempt, and read a small JSON body at once: that is faster than switching threads again."""
    if request.body is not None:
        request = attrs.evolve(request, may_start=partial(_may_start, request.may_start, call))
    response = transport.send(request, timeout=timeout)
    headers = response.headers
    length, kind = headers.get("content-length", ""), headers.get("content-type", "")
    is_small = length.isdecimal() and int(length) <= SMALL and "content-encoding" not in headers
    if not (is_small and kind.startswith("application/json")):
        return response
    chunks: list[bytes] = []
    failure: TransportError | None = None
    with response:
        try:
            chunks.extend(response.chunks())
        except TransportError as error:
            failure = error
    return _ReadResponse(response.status, headers, _replay(chunks, failure))


def _replay(chunks: list[bytes], failure: TransportError | None) -> Iterator[bytes]:
    """Yield the part of a body that arrived, and raise the error if it was cut short."""
    yield from chunks
    if failure is not None:
        raise failure


def _may_start(theirs: Callable[[], None] | None, call: Call) -> None:
    """Stop a submit whose caller has stopped waiting for it."""
    if not call.is_wanted:
        raise TransportError("The caller has stopped waiting; nothing was sent.", may_have_been_sent=False)
    if theirs is not None:
        theirs()


class _Chunks:
    """The chunks of a sync response, each read in a thread unless they are in memory."""

    def __init__(self, threads: DaemonThreads | None, response: HttpResponse) -> None:
        self._threads, self._response = threads, response
        self._reading = threading.Lock()
        self._is_closed = False

    def __aiter__(self) -> _Chunks:
        return self

    async def __anext__(self) -> bytes:
        if self._threads is None:
            chunk = next(self._response.chunks(), None)
        else:
            chunk = await self._threads.run(self._read)
        if chunk is None:
            raise StopAsyncIteration
        return chunk

    def _read(self, call: Call) -> bytes | None:
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
