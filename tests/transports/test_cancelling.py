"""A cancelled task ends at once, and the connection, the other tasks and the transport stay usable."""

from __future__ import annotations

import asyncio
import threading

import pytest
from support.exchanges import CHUNKED, HEAD, LONG, OK, Make, get, large, post
from support.loops import (
    aexchange,
    begin,
    cancel,
    happens,
    on_a_loop,
    run_with_transport,
)
from support.servers import FIRST, PATIENCE, Connection, deaf, serving
from support.speed import at_any_speed

from decart import Timeout, TransportError
from decart.transports.base import AsyncTransport

STALLS: dict[str, tuple[bytes, Make]] = {
    "while a body is sent": (b"", lambda url: post(url, large())),
    "before the response": (b"", get),
    "inside the headers": (FIRST + b"Content-Le", post),
}
STALLS_IN_THE_BODY: dict[str, tuple[bytes, Make]] = {
    "a long body": (HEAD + b"abc", get),
    "a body of unknown length": (FIRST + b"\r\nabc", get),
    "chunks": (CHUNKED + b"3\r\nabc\r\n", post),
    "a chunk": (CHUNKED + b"ff\r\nabc", post),
}


class Stall:
    """A server that sends some bytes and no more, until the client hangs up or the stall is over."""

    def __init__(self, kind: str, data: bytes) -> None:
        self.sent, self.over = threading.Event(), threading.Event()
        self._waits_for_client = kind != "threaded"  # an abandoned thread runs until the server sends or closes
        self._data = data

    def __call__(self, connection: Connection) -> None:
        connection.read_head()
        connection.send(self._data)
        self.sent.set()
        assert self.over.wait(PATIENCE)
        if self._waits_for_client:
            connection.until_closed()


@on_a_loop
@pytest.mark.parametrize("case", STALLS)
@pytest.mark.usefixtures("no_leaks")
def test_cancelling_a_task_ends_it_at_once_and_leaks_nothing(kind: str, case: str) -> None:
    data, make = STALLS[case]
    stall = Stall(kind, data)

    async def main(transport: AsyncTransport) -> None:
        task = begin(transport, make(server.url))
        await happens(stall.sent)
        await cancel(task)
        stall.over.set()
        await happens(server.connection(1).closed)

    with serving(stall, receive_buffer=4096) as server:
        run_with_transport(kind, main)
        assert len(server.connections) == 1


@on_a_loop
@pytest.mark.parametrize("case", STALLS_IN_THE_BODY)
@pytest.mark.usefixtures("no_leaks")
def test_cancelling_a_task_that_reads_a_body_ends_it_at_once_and_leaks_nothing(kind: str, case: str) -> None:
    data, make = STALLS_IN_THE_BODY[case]
    stall = Stall(kind, data)

    async def read(transport: AsyncTransport, waits: asyncio.Event) -> None:
        async with await transport.asend(make(server.url), timeout=LONG) as response:
            async for chunk in response.achunks():
                assert chunk == b"abc"
                waits.set()

    async def main(transport: AsyncTransport) -> None:
        waits = asyncio.Event()
        task = asyncio.ensure_future(read(transport, waits))
        await waits.wait()  # for the next chunk, in the turn of the loop that has set it
        await asyncio.to_thread(lambda: None)
        await cancel(task)
        stall.over.set()
        await happens(server.connection(1).closed)

    with serving(stall) as server:
        run_with_transport(kind, main)
        assert len(server.connections) == 1


@at_any_speed
@on_a_loop
@pytest.mark.usefixtures("no_leaks")
def test_cancelling_a_task_that_still_connects_ends_it_at_once(kind: str, scale: float) -> None:
    async def main(transport: AsyncTransport) -> None:
        task = begin(transport, get(url), Timeout(connect=0.5 * scale, read=PATIENCE))
        await asyncio.to_thread(lambda: None)
        await cancel(task)

    with deaf() as url:
        run_with_transport(kind, main)


@on_a_loop
@pytest.mark.usefixtures("no_leaks")
def test_one_cancelled_exchange_leaves_the_others_alone(kind: str) -> None:
    stalled, others = threading.Event(), threading.Barrier(3)

    def stall(connection: Connection) -> None:
        connection.read_request()
        stalled.set()
        connection.until_closed()

    def together(connection: Connection) -> None:
        connection.read_request()
        others.wait(PATIENCE)  # all three are on their way, and the first has been cancelled
        connection.send(OK)

    async def main(transport: AsyncTransport) -> None:
        task = begin(transport, get(server.url))
        await happens(stalled)
        two = [begin(transport, get(server.url)) for _ in range(2)]
        await cancel(task)
        await asyncio.to_thread(others.wait, PATIENCE)
        assert await asyncio.gather(*two) == [b"fine", b"fine"]

    with serving(stall, together) as server:
        run_with_transport(kind, main)


@on_a_loop
@pytest.mark.usefixtures("no_leaks")
def test_a_late_response_to_a_cancelled_exchange_reaches_no_other_caller(kind: str) -> None:
    stalled, cancelled = threading.Event(), threading.Event()

    def late(connection: Connection) -> None:
        connection.read_request()
        stalled.set()
        assert cancelled.wait(PATIENCE)
        connection.send(OK.replace(b"fine", b"late"))
        connection.until_closed()

    def timely(connection: Connection) -> None:
        connection.read_request()
        connection.send(OK)

    async def main(transport: AsyncTransport) -> None:
        task = begin(transport, get(server.url))
        await happens(stalled)
        await cancel(task)
        cancelled.set()
        assert await aexchange(transport, post(server.url)) == b"fine"

    with serving(late, timely) as server:
        run_with_transport(kind, main)


@pytest.mark.parametrize("kind", ["aiohttp", "aiohttp on uvloop"])
@pytest.mark.usefixtures("no_leaks")
def test_closing_ends_running_exchanges(kind: str) -> None:
    stalled = threading.Event()

    def stall(connection: Connection) -> None:
        connection.read_request()
        stalled.set()
        connection.until_closed()

    async def main(transport: AsyncTransport) -> None:
        task = begin(transport, get(server.url))
        await happens(stalled)
        await transport.aclose()
        await asyncio.wait({task}, timeout=PATIENCE / 4)
        assert isinstance(task.exception(), TransportError)
        await happens(server.connection(1).closed)

    with serving(stall) as server:
        run_with_transport(kind, main)
