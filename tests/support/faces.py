"""All transports behind one synchronous interface, so that a test is written once for all of them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

from decart import RequestsTransport, Timeout
from decart.transports.aiohttp import AiohttpTransport
from decart.transports.base import (
    AsyncHttpResponse,
    AsyncTransport,
    HttpRequest,
    HttpResponse,
    Transport,
)
from decart.transports.threaded import ThreadedTransport
from decart.transports.urllib3 import Urllib3Transport

T = TypeVar("T")


class Blocking:
    """A sync wrapper for an async transport, with an event loop that runs only during calls."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport, self._loop = transport, asyncio.new_event_loop()

    def send(self, request: HttpRequest, *, timeout: Timeout) -> HttpResponse:
        response = self.run(self._transport.asend(request, timeout=timeout))
        close = response.aclose
        chunks, salvage = self._chunks(response), response.salvage
        return HttpResponse(response.status, response.headers, chunks, lambda: self.run(close()), salvage)

    def _chunks(self, response: AsyncHttpResponse) -> Iterator[bytes]:
        chunks = response.achunks()

        async def following() -> bytes | None:
            return await anext(chunks, None)

        while (chunk := self.run(following())) is not None:
            yield chunk

    def now(self) -> float:
        return self._transport.now()

    def sleep(self, seconds: float, cancel: threading.Event | None = None) -> None:
        self.run(self._transport.asleep(seconds, cancel))

    def close(self) -> None:
        if not self._loop.is_closed():
            self.run(self._transport.aclose())
            self.run(self._loop.shutdown_asyncgens())
            self.run(self._loop.shutdown_default_executor())
            self._loop.close()

    def run(self, awaitable: Awaitable[T]) -> T:
        """Run the loop until there is a result."""
        return self._loop.run_until_complete(awaitable)


SYNC: dict[str, Callable[[], Transport]] = {"requests": RequestsTransport, "urllib3": Urllib3Transport}
ASYNC: dict[str, Callable[[], AsyncTransport]] = {
    "threaded": lambda: ThreadedTransport(RequestsTransport()),
    "aiohttp": AiohttpTransport,
}
TRANSPORTS = [*SYNC, *ASYNC]


def sync_face(name: str) -> Transport:
    """Create a transport; an async one is wrapped."""
    return SYNC[name]() if name in SYNC else Blocking(ASYNC[name]())


def wait_for(event: threading.Event, transport: Transport, seconds: float) -> bool:
    """Wait for an event that another thread sets, while the transport's event loop, if any, is running."""
    if isinstance(transport, Blocking):
        return transport.run(asyncio.to_thread(event.wait, seconds))
    return event.wait(seconds)
