"""After ``close()`` nothing stays open: no connection, no file descriptor and no thread, over every transport."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator

import pytest
from support.faces import ASYNC, TRANSPORTS, sync_face
from support.fakes import KEY, LAKE
from support.resources import nothing_left, open_sockets
from support.servers import (
    PATIENCE,
    Connection,
    Received,
    answering,
    http,
    serving,
    silent,
)

from decart import DecartClient, RequestsTransport, RetryPolicy, Timeout
from decart.transports.base import HttpRequest, Transport

ONCE = RetryPolicy(attempts=1)
LONG = Timeout(connect=PATIENCE, read=PATIENCE)
JSON = {"Content-Type": "application/json"}
VIDEO = b"\x00\x00\x00\x18ftypmp42" + bytes(1_000_000)


def answer(request: Received, number: int) -> bytes:
    """BufferedResponse as the service does; every job is done."""
    if request.target.endswith("/content"):
        return http(200, VIDEO, {"Content-Type": "video/mp4"})
    return http(200, b'{"job_id": "j1", "status": "completed"}', JSON)


def get(url: str) -> HttpRequest:
    return HttpRequest(method="GET", url=f"{url}/v1/jobs/j1/content", headers={})


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    """Check that no test leaves anything behind."""
    with nothing_left():
        yield


@pytest.fixture(params=TRANSPORTS)
def transport(request: pytest.FixtureRequest) -> Iterator[Transport]:
    transport = sync_face(request.param)
    yield transport
    transport.close()


def hung_up(connection: Connection) -> bool:
    """Return whether the client closed a connection."""
    return connection.closed.wait(PATIENCE)


def checked(client: DecartClient) -> None:
    client.queue.status("j1")


def submitted(client: DecartClient) -> None:
    client.queue.submit(LAKE)


def fetched(client: DecartClient) -> None:
    assert client.queue.result("j1").data == VIDEO


def half_read(client: DecartClient) -> None:
    with client.queue.stream("j1") as video:
        next(video)


def our_threads() -> set[threading.Thread]:
    """Return the threads of this package; another test in this process may have left some that are not closed yet."""
    return {thread for thread in threading.enumerate() if thread.name.startswith("decart")}


USES = {"a status check": checked, "a submit": submitted, "a result": fetched, "a stream": half_read}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_closing_a_client_closes_what_its_calls_left(transport: Transport, use: Callable[[DecartClient], None]) -> None:
    with serving(answering(answer)) as server:
        before, earlier = open_sockets(), our_threads()
        with DecartClient(KEY, base_url=server.url, retry=ONCE, transport=transport) as client:
            use(client)
        assert all(hung_up(connection) for connection in server.connections)
        assert open_sockets() <= before
        assert our_threads() <= earlier


@pytest.mark.parametrize("many", [1, 40], ids=["one", "more than are kept"])
def test_closing_closes_every_idle_connection(transport: Transport, many: int) -> None:
    with serving(answering(answer)) as server:
        responses = [transport.send(get(server.url), timeout=LONG) for _ in range(many)]
        assert [response.read() for response in responses] == [VIDEO] * many
        for response in responses:
            response.close()
        assert len(server.connections) == many
        transport.close()
        assert all(hung_up(connection) for connection in server.connections)


def test_a_response_that_is_open_while_its_transport_closes_leaves_nothing(transport: Transport) -> None:
    with serving(answering(answer)) as server:
        response = transport.send(get(server.url), timeout=LONG)
        transport.close()
        del response
        assert hung_up(server.connection(1))


@pytest.mark.parametrize("name", ["requests", "urllib3"])
def test_a_connection_in_use_is_closed_when_its_response_was_read_and_its_transport_is_closed(name: str) -> None:
    transport = sync_face(name)
    with serving(answering(answer)) as server, transport.send(get(server.url), timeout=LONG) as response:
        transport.close()
        assert response.read() == VIDEO
        response.close()
        assert hung_up(server.connection(1))


def test_closing_again_does_nothing(transport: Transport) -> None:
    with serving(answering(answer)) as server:
        with transport.send(get(server.url), timeout=LONG) as response:
            response.read()
        transport.close()
        transport.close()
        assert hung_up(server.connection(1))


@pytest.mark.parametrize("name", TRANSPORTS)
def test_closing_a_transport_that_was_never_used_leaves_nothing(name: str) -> None:
    sync_face(name).close()


# ---------------------------------------------------------------- on a loop


@pytest.mark.parametrize("name", ASYNC)
def test_closing_after_many_calls_at_once_leaves_no_thread_and_no_connection(name: str) -> None:
    async def main(url: str) -> None:
        async with DecartClient(KEY, base_url=url, retry=ONCE, transport=ASYNC[name]()) as client:
            await asyncio.gather(*(client.queue.status("j1") for _ in range(50)), client.queue.submit(LAKE))
        for connection in server.connections:
            assert await asyncio.to_thread(hung_up, connection)
        assert our_threads() <= earlier

    earlier = our_threads()
    with serving(answering(answer)) as server:
        asyncio.run(main(server.url))


@pytest.mark.parametrize("name", ASYNC)
def test_a_call_that_was_cancelled_in_silence_leaves_nothing_once_the_server_hangs_up(name: str) -> None:
    asked, hang_up = threading.Event(), threading.Event()

    def stalled(connection: Connection) -> None:
        connection.read_request()
        asked.set()
        assert hang_up.wait(PATIENCE)

    async def main(url: str) -> None:
        async with DecartClient(KEY, base_url=url, retry=ONCE, transport=ASYNC[name]()) as client:
            task = asyncio.ensure_future(client.queue.status("j1"))
            assert await asyncio.to_thread(asked.wait, PATIENCE)
            task.cancel()
            await asyncio.wait({task})
            assert task.cancelled()
        hang_up.set()
        for thread in our_threads() - earlier:
            await asyncio.to_thread(thread.join, PATIENCE)

    earlier = our_threads()
    with serving(stalled) as server:
        asyncio.run(main(server.url))


GIVING_UP = """
import asyncio, sys
from decart import DecartClient

async def main():
    async with DecartClient("dct_test", base_url=sys.argv[1], transport={transport!r}) as client:
        try:
            await asyncio.wait_for(client.queue.status("j1"), 0.2)
        except asyncio.TimeoutError:
            print("given up")

asyncio.run(main())
"""


@pytest.mark.slow
@pytest.mark.parametrize("transport", [None, "aiohttp"], ids=["the default", "aiohttp"])
def test_a_program_that_gave_up_a_call_in_silence_ends_at_once(transport: str | None) -> None:
    program = GIVING_UP.format(transport=transport)
    with serving(silent) as server:
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", program, server.url], capture_output=True, text=True, timeout=PATIENCE
        )
    assert (done.returncode, done.stdout, done.stderr) == (0, "given up\n", "")


def test_closing_the_sync_and_the_async_side_of_one_client_leaves_nothing() -> None:
    async def main(client: DecartClient) -> None:
        async with client as aio:
            await aio.queue.status("j1")

    with serving(answering(answer)) as server:
        with DecartClient(KEY, base_url=server.url, retry=ONCE, transport=RequestsTransport()) as client:
            client.queue.status("j1")
            asyncio.run(main(client))
        assert all(hung_up(connection) for connection in server.connections)
