"""Run async transports on new event loops, and check that no tasks are left over."""

from __future__ import annotations

import asyncio
import importlib
import threading
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest

from decart import RequestsTransport
from decart.transports.aiohttp import AiohttpTransport
from decart.transports.base import AsyncTransport, HttpRequest, Timeout
from decart.transports.threaded import ThreadedTransport
from support.exchanges import LONG
from support.servers import PATIENCE

ASYNC = ["threaded", "aiohttp", "aiohttp on uvloop"]
on_a_loop = pytest.mark.parametrize("kind", ASYNC)


def new_transport(kind: str) -> AsyncTransport:
    """Create an async transport of a kind."""
    return ThreadedTransport(RequestsTransport()) if kind == "threaded" else AiohttpTransport()


def run(kind: str, main: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine on a new event loop of the right kind, and close the loop."""
    name = "uvloop" if kind.endswith("uvloop") else "asyncio"
    importlib.import_module(name).run(main)


def run_with_transport(kind: str, main: Callable[[Any], Awaitable[None]]) -> None:
    """Run a function with a new transport, close it, and check that no tasks are left over."""

    async def closing() -> None:
        transport = new_transport(kind)
        assert isinstance(transport, AsyncTransport)
        try:
            await main(transport)
        finally:
            await transport.aclose()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(kind, closing())


async def aexchange(transport: AsyncTransport, request: HttpRequest, timeout: Timeout = LONG) -> bytes:
    """Send a request and return the body of its response."""
    async with await transport.asend(request, timeout=timeout) as response:
        return await response.aread()


def begin(transport: AsyncTransport, request: HttpRequest, timeout: Timeout = LONG) -> asyncio.Task[bytes]:
    """Start a task that sends a request and returns the body of its response."""
    return asyncio.ensure_future(aexchange(transport, request, timeout))


async def happens(event: threading.Event) -> None:
    """Wait until another thread sets an event, while the loop keeps running."""
    assert await asyncio.to_thread(event.wait, PATIENCE)


async def cancel(task: asyncio.Task[Any]) -> None:
    """Cancel a task, and check that it ends without waiting for the network."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    task.cancel()
    await asyncio.wait({task}, timeout=PATIENCE / 4)
    assert task.cancelled()
    assert loop.time() - began < PATIENCE / 4, "the event loop was blocked"
