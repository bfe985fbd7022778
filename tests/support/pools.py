"""One scenario for both doors of a pool: an async pool behind calls that block."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from decart import PollPolicy, RetryPolicy, models
from decart.emulator import EmulatorTransport, VirtualEmulator
from decart.transports.base import HttpRequest

PATIENCE = 30.0
DOORS = ["sync", "async"]
POLL = PollPolicy(jitter=0)
RETRY = RetryPolicy(jitter=0)
both_doors = pytest.mark.parametrize("door", DOORS)


def lake(number: int = 0) -> dict[str, Any]:
    """Return the options of a job."""
    return {"model": models.video("lucy-pro-t2v"), "prompt": f"Lake {number}"}


def content(number: int = 0) -> bytes:
    """Return the video of ``lake(number)``."""
    return f"video of Lake {number}".encode()


def render(job: Any, target: Path) -> None:
    target.write_bytes(f"video of {job.prompt}".encode())


def emulator_of(**settings: Any) -> VirtualEmulator:
    """Return an emulator whose videos are short texts."""
    return VirtualEmulator(renderer=render, **settings)


class Door:
    """A pool of either client, with calls that block.

    Attributes:
        client: The client, of the side that was asked for.
        pool: The pool.
    """

    def __init__(self, client: Any, loop: asyncio.AbstractEventLoop | None, **limits: Any) -> None:
        self.client, self._loop = client, loop
        self.pool = client.queue.pool(**({"workers": 1} | limits))

    def submit(self, *arguments: Any, **options: Any) -> Any:
        """Submit a job, and return a future that can be waited for from a thread."""
        if self._loop is None:
            return self.pool.submit(*arguments, **options)

        async def submit() -> Any:
            return self.pool.submit(*arguments, **options)

        return Future(self, self.call(submit()))

    def map(self, *arguments: Any, **options: Any) -> Iterator[Any]:
        """Iterate over the results of a map."""
        if self._loop is None:
            yield from self.pool.map(*arguments, **options)
            return
        results = self.pool.map(*arguments, **options)
        try:
            while (result := self.call(anext(results, self))) is not self:
                yield result
        finally:
            self.call(results.aclose())

    def close(self) -> None:
        if self._loop is None:
            self.pool.close()
        else:
            self.call(self.pool.close())

    def close_client(self) -> None:
        if self._loop is None:
            self.client.close()
        else:
            self.call(self.client.close())

    def call(self, awaitable: Any) -> Any:
        """Await something on the loop of the pool."""
        assert self._loop is not None

        async def awaited() -> Any:
            return await awaitable

        return asyncio.run_coroutine_threadsafe(awaited(), self._loop).result(PATIENCE)

    def __enter__(self) -> Door:
        if self._loop is None:
            self.pool.__enter__()
        else:
            self.call(self.pool.__aenter__())
        return self

    def __exit__(self, *error: Any) -> None:
        if self._loop is None:
            self.pool.__exit__(*error)
        else:
            self.call(self.pool.__aexit__(*error))


class Held(EmulatorTransport):
    """A transport to an emulator that holds some requests up, whichever client it serves.

    Attributes:
        reached: Set when a request is held up.
        go_on: What it waits for.
    """

    has_virtual_clock = False  # while a request is held up, the clock goes on

    def __init__(self, emulator: VirtualEmulator, what: Callable[[HttpRequest], bool]) -> None:
        super().__init__(emulator)
        self._what = what
        self.reached, self.go_on = threading.Event(), threading.Event()

    def send(self, request: HttpRequest, *, timeout: Any) -> Any:
        if self._what(request):
            self.reached.set()
            assert self.go_on.wait(PATIENCE)
        return super().send(request, timeout=timeout)

    def release(self, *_: object) -> None:
        """Let the requests go on; a callback of a future."""
        self.go_on.set()


class Future:
    """A future of an event loop, seen from another thread."""

    def __init__(self, door: Door, future: asyncio.Future[Any]) -> None:
        self._door, self._future = door, future

    def __getattr__(self, name: str) -> Any:
        def call(*arguments: Any) -> Any:
            async def called() -> Any:
                return getattr(self._future, name)(*arguments)

            return self._door.call(called())

        return call

    def result(self) -> Any:
        async def awaited() -> Any:
            try:
                return await asyncio.wait_for(asyncio.shield(self._future), PATIENCE)
            except asyncio.CancelledError:
                raise CancelledError from None

        return self._door.call(awaited())

    def exception(self) -> Any:
        async def awaited() -> Any:
            await asyncio.wait([self._future], timeout=PATIENCE)
            return self._future.exception()

        return self._door.call(awaited())


@contextmanager
def door_of(
    door: str, emulator: VirtualEmulator, client: dict[str, Any] | None = None, **limits: Any
) -> Iterator[Door]:
    """Open a client and a pool that is not entered yet."""
    settings = {"poll": POLL, "retry": RETRY} | (client or {})
    if door == "sync":
        with emulator.client(**settings) as opened:
            yield Door(opened, None, **limits)
        return
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    opened = emulator.async_client(**settings)

    async def make() -> Door:
        return Door(opened, loop, **limits)

    def run(awaitable: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(awaitable, loop).result(PATIENCE)

    try:
        yield run(make())
    finally:
        run(opened.close())
        run(loop.shutdown_default_executor())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
