"""Any sync transport, awaited: each exchange runs in a thread of the transport's own, each sleep on the loop.

- **A wait holds no thread** between two status checks, and neither does an open stream between two chunks.
- **Long transfers never delay short exchanges**: uploads and response bodies have threads of their own.
- **A cancelled task ends at once**; its thread ends with the response or at the read timeout, and the response is
  closed. A submit that has not started by then is not sent.
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
"""Uploads and response bodies that may be transferred at the same time."""

SMALL = 64 * 1024
"""Bytes of a JSON body that is read in the same thread as its headers, such as that of a status check."""


class ThreadedTransport(LoopClock):
    """Make an async transport from a sync one.

    It may be used from one event loop after another, by several at once, and across ``fork``.

    Args:
        transport: The sync transport; it is closed with this one. Unless it takes its clock from `SystemClock`, it is
            taken to have one of its own, and sleeps in a thread.
        threads: Short exchanges that may run at the same time; more wait for a thread.

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
        """Begin with no threads: a child has none of its parent's."""
        self._short = DaemonThreads(self._most_threads, "decart")
        self._long = DaemonThreads(LONG_THREADS, "decart-long")

    async def asend(self, request: HttpRequest, *, timeout: Timeout) -> AsyncHttpResponse:
        """Make one attempt in a thread; see `decart.transports.base.AsyncTransport`."""
        short, long = self._short, self._long  # those of now: closing the transport replaces them
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
        """Sleep on the loop; on a clock of the transport's own (a test's), as the transport does."""
        if getattr(type(self._transport), "sleep", None) is SystemClock.sleep:
            await super().asleep(seconds, cancel)
        else:
            await self._short.run(lambda _: self._transport.sleep(seconds, cancel))  # type: ignore[arg-type]

    def close(self) -> None:
        """Close the sync transport and let the threads go, without waiting for exchanges that are still running."""
        threads = (self._short, self._long)
        self.after_fork()
        for those in threads:
            those.close()
        self._transport.close()

    async def aclose(self) -> None:
        """Do the same, and wait for the threads if all are idle."""
        pools = (self._short, self._long)
        threads = [] if any(pool.running for pool in pools) else [thread for pool in pools for thread in pool.threads]
        self.close()
        for thread in threads:
            thread.join()


class _ReadResponse(HttpResponse):
    """A response whose body is in memory."""


def _exchange(transport: Transport, request: HttpRequest, timeout: Timeout, call: Call) -> HttpResponse:
    """Make one attempt; read a small JSON body at once, since each change of threads takes longer than that."""
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
    """Yield what arrived of a body, and raise what ended it before its time."""
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
    """The chunks of a sync response, each awaited in a thread if there are threads."""

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
        """Close the response, or have the thread do it that still reads: to close it here would wait for that."""
        self._is_closed = True
        if self._reading.acquire(blocking=False):
            try:
                self._response.close()
            finally:
                self._reading.release()
