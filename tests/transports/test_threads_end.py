"""The threads of the threaded transport: abandoned calls are not run, and no thread is left after ``close``."""

from __future__ import annotations

import asyncio
import gc
import threading
from pathlib import Path

import pytest
from support.exchanges import LONG, OK, Parts, exchange
from support.fakes import KEY
from support.servers import PATIENCE, Connection, answering, http, serving

from decart import (
    AsyncDecartClient,
    DecartSDKError,
    RequestsTransport,
    ThreadedTransport,
    Timeout,
    TransportError,
)
from decart.transports.base import HttpRequest, Transport


def test_a_call_that_was_given_up_before_a_thread_took_it_is_not_sent() -> None:
    go_on = threading.Event()

    def script(connection: Connection) -> None:
        while True:
            request = connection.read_request()
            if request.target.endswith("/first"):
                assert go_on.wait(PATIENCE)
            connection.send(http(200, request.target.encode()))

    async def main(url: str) -> None:
        transport = ThreadedTransport(RequestsTransport(), threads=1)

        async def ask(path: str) -> bytes:
            request = HttpRequest(method="GET", url=url + path, headers={})
            async with await transport.asend(request, timeout=LONG) as response:
                return await response.aread()

        first, second = asyncio.ensure_future(ask("/first")), asyncio.ensure_future(ask("/second"))
        await asyncio.to_thread(server.connection, 1)
        second.cancel()
        await asyncio.wait({second})
        go_on.set()
        assert await first == b"/first"
        assert await ask("/third") == b"/third"
        await transport.aclose()

    with serving(script) as server:
        asyncio.run(main(server.url))
        assert [request.target for request in server.requests] == ["/first", "/third"]


def test_a_client_that_is_closed_in_the_middle_of_a_download_leaves_no_thread(tmp_path: Path) -> None:
    under_way = threading.Event()

    def slow(connection: Connection) -> None:
        request = connection.read_request()
        while not request.target.endswith("/content"):
            connection.send(http(200, b'{"job_id": "j1", "status": "completed"}', {"Content-Type": "application/json"}))
            request = connection.read_request()
        connection.send(http(200, bytes(1000), {"Content-Type": "video/mp4"})[:-500])
        under_way.set()
        connection.drip(bytes(100), 0.01)

    async def main(url: str) -> None:
        client = AsyncDecartClient(KEY, base_url=url)
        task = asyncio.ensure_future(client.queue.download("j1", tmp_path / "x.mp4"))
        assert await asyncio.to_thread(under_way.wait, PATIENCE)
        await client.close()
        with pytest.raises(DecartSDKError):
            await task

    before = set(threading.enumerate())
    with serving(slow) as server:
        asyncio.run(main(server.url))
    for thread in set(threading.enumerate()) - before:
        thread.join(PATIENCE)
        assert not thread.is_alive()


def test_a_transport_that_is_forgotten_leaves_no_thread() -> None:
    async def main(url: str) -> None:
        transport = ThreadedTransport(RequestsTransport())
        request = HttpRequest(method="GET", url=url, headers={})
        async with await transport.asend(request, timeout=LONG) as response:
            assert await response.aread() == b"fine"

    before = set(threading.enumerate())
    with serving(answering(lambda request, number: OK)) as server:
        asyncio.run(main(server.url))
        gc.collect()
        for thread in set(threading.enumerate()) - before:
            if thread.name.startswith("decart"):
                thread.join(PATIENCE)
                assert not thread.is_alive()


class Short(Parts):
    """A body that is shorter than it says."""

    def __len__(self) -> int:
        return super().__len__() + 10


def test_a_body_that_ends_too_early_never_looks_complete(transport: Transport) -> None:
    def script(connection: Connection) -> None:
        connection.read_request()

    with serving(script) as server:
        request = HttpRequest(method="POST", url=server.url, headers={}, body=Short())
        with pytest.raises(TransportError):
            exchange(transport, request, Timeout(connect=1, read=0.3))
        assert not server.requests
