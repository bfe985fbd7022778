"""Streams that are open, forgotten or stalled have no effect on other calls.

The same tests run over every transport; async ones are wrapped in `support.faces.Blocking`, or run on a loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import attrs
import pytest
from support.calls import Calls
from support.echo import echoing
from support.faces import ASYNC, TRANSPORTS, sync_face, wait_for
from support.fakes import KEY
from support.resources import nothing_left, open_sockets
from support.servers import FIRST, PATIENCE, Connection, http, serving

from decart import DecartClient, RequestsTransport, RetryPolicy, VideoStream, models
from decart.transports.base import KEPT_CONNECTIONS, Transport

STREAMS = 100
FORGOTTEN = KEPT_CONNECTIONS + 8  # streams: one whose connection is not given back leaves none for the others
AT_ONCE = 5.0  # seconds; nothing here takes a tenth of that, and who waits for a connection or a thread waits longer
LARGE, SMALL = 1_000_000, 40_000  # bytes of a video
BEGINNING = b"\x00\x00\x00\x18ftypmp42" + bytes(1000)
COMPLETED = http(200, b'{"status": "completed"}', {"Content-Type": "application/json"})
ONCE = RetryPolicy(attempts=1)


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    """Check that no test leaves anything behind."""
    with nothing_left():
        yield


class Service:
    """Answers status checks at once, and sends the beginning of a video; the rest comes when it is released.

    Attributes:
        streaming: The connections that videos were sent over.
    """

    def __init__(self, size: int = LARGE) -> None:
        self.streaming: list[Connection] = []
        self._size = size
        self._released = threading.Event()

    def __call__(self, connection: Connection) -> None:
        while True:
            if connection.read_request().target.endswith("/content"):
                self.streaming.append(connection)
                head = FIRST + b"Content-Type: video/mp4\r\nContent-Length: %d\r\n\r\n" % self._size
                connection.send(head + BEGINNING)
                if not self._released.is_set():
                    self._stall(connection)
                connection.send(bytes(self._size - len(BEGINNING)))
            else:
                connection.send(COMPLETED)

    def _stall(self, connection: Connection) -> None:
        """Wait for the release, or until the client closes the connection."""
        connection.sock.settimeout(0.05)
        while not self._released.is_set():
            try:
                connection.receive()
            except TimeoutError:
                continue
        connection.sock.settimeout(PATIENCE)

    def release(self) -> None:
        self._released.set()


@contextlib.contextmanager
def at_once() -> Iterator[None]:
    """Check that the ``with`` block does not wait."""
    began = time.monotonic()
    yield
    assert time.monotonic() - began < AT_ONCE


@attrs.frozen
class Setting:
    """A client, its transport, and the service that it uses."""

    client: DecartClient
    transport: Transport
    service: Service

    def check_at_once(self) -> None:
        """Check that a status check is not delayed."""
        with at_once():
            assert self.client.queue.status("j1").status == "completed"

    def open_at_once(self) -> VideoStream:
        """Open a stream, and check that it is not delayed."""
        with at_once():
            return self.client.queue.stream("j1").open()

    def all_hung_up(self) -> bool:
        """Return whether the client closed the connections of all streams."""
        return all(wait_for(connection.closed, self.transport, PATIENCE) for connection in self.service.streaming)


@pytest.fixture(params=TRANSPORTS)
def setting(request: pytest.FixtureRequest) -> Iterator[Setting]:
    transport, service = sync_face(request.param), Service()
    with (
        serving(service) as server,
        DecartClient(KEY, base_url=server.url, retry=ONCE, transport=transport) as client,
    ):
        yield Setting(client, transport, service)


# ---------------------------------------------------------------- open


def test_a_hundred_open_streams_do_not_delay_a_status_check(setting: Setting) -> None:
    streams = [setting.open_at_once() for _ in range(STREAMS)]
    setting.check_at_once()
    assert len({connection.number for connection in setting.service.streaming}) == STREAMS
    for stream in streams:
        stream.close()


def test_a_hundred_half_read_streams_do_not_delay_a_status_check(setting: Setting) -> None:
    streams = [setting.open_at_once() for _ in range(STREAMS)]
    assert {next(stream)[:12] for stream in streams} == {BEGINNING[:12]}
    setting.check_at_once()
    for stream in streams:
        stream.close()


def test_a_stream_continues_after_other_calls(setting: Setting) -> None:
    with setting.client.queue.stream("j1") as video:
        setting.check_at_once()
        setting.service.release()
        assert sum(map(len, video)) == LARGE


def test_closed_streams_close_their_connections(setting: Setting) -> None:
    streams = [setting.open_at_once() for _ in range(STREAMS)]
    for stream in streams:
        stream.close()
    assert setting.all_hung_up()


# ---------------------------------------------------------------- forgotten


def never_read(client: DecartClient) -> None:
    """Open a stream and forget it."""
    client.queue.stream("j1").open()


def half_read(client: DecartClient) -> None:
    """Take the first piece of a stream and forget the rest."""
    assert next(client.queue.stream("j1")).startswith(BEGINNING[:12])


def iterated(client: DecartClient) -> None:
    """Leave a loop over a stream."""
    for chunk in client.queue.stream("j1"):
        assert chunk
        break


def view(client: DecartClient) -> Iterator[bytes]:
    """Hand a video on, as a web view does, until something goes wrong."""
    for chunk in client.queue.stream("j1"):
        yield chunk
        raise RuntimeError("the view is at fault")


def careful_view(client: DecartClient) -> Iterator[bytes]:
    """Do the same, in a ``with`` block."""
    with client.queue.stream("j1") as video:
        for chunk in video:
            yield chunk
            raise RuntimeError("the view is at fault")


def raised(make: Callable[[DecartClient], Iterator[bytes]]) -> Callable[[DecartClient], None]:
    """Read a view until it raises."""

    def read(client: DecartClient) -> None:
        with pytest.raises(RuntimeError, match="the view is at fault"):
            b"".join(make(client))

    return read


def left(make: Callable[[DecartClient], Iterator[bytes]]) -> Callable[[DecartClient], None]:
    """Read the first piece of a view and drop it, as a web server does when the browser disconnects."""

    def read(client: DecartClient) -> None:
        assert next(make(client)).startswith(BEGINNING[:12])

    return read


FORGETTING = {
    "never read": never_read,
    "half read": half_read,
    "a loop that was left": iterated,
    "a view that raises": raised(view),
    "a view with a with block that raises": raised(careful_view),
    "a view that is dropped": left(view),
    "a view with a with block that is dropped": left(careful_view),
}


@pytest.mark.parametrize("forget", FORGETTING.values(), ids=FORGETTING)
def test_forgotten_streams_are_closed_and_block_no_other_call(
    setting: Setting, forget: Callable[[DecartClient], None]
) -> None:
    for _ in range(FORGOTTEN):
        with at_once():
            forget(setting.client)
    gc.collect()
    setting.check_at_once()
    assert len(setting.service.streaming) == FORGOTTEN
    assert setting.all_hung_up()


def test_forgotten_streams_leave_no_file_descriptor(setting: Setting) -> None:
    setting.check_at_once()
    before = open_sockets()
    for _ in range(FORGOTTEN):
        half_read(setting.client)
    gc.collect()
    assert setting.all_hung_up()
    assert len(open_sockets()) <= len(before)


def test_a_status_check_after_forgotten_streams_leaves_a_connection_for_the_next(setting: Setting) -> None:
    for _ in range(FORGOTTEN):
        half_read(setting.client)
    gc.collect()
    setting.check_at_once()
    server = setting.service.streaming[0].server
    made = len(server.connections)
    for _ in range(3):
        setting.check_at_once()
    assert len(server.connections) == made


# ---------------------------------------------------------------- awaited


@pytest.mark.parametrize("size", [LARGE, SMALL], ids=["large", "small"])
@pytest.mark.parametrize("name", ASYNC)
def test_a_hundred_stalled_async_streams_do_not_delay_a_status_check(name: str, size: int) -> None:
    service = Service(size)

    async def main(url: str) -> list[int]:
        begun = asyncio.Semaphore(0)

        async def consume() -> int:
            length = 0
            async with client.queue.stream("j1") as video:
                begun.release()
                async for chunk in video:
                    length += len(chunk)
            return length

        async with DecartClient(KEY, base_url=url, retry=ONCE, transport=ASYNC[name]()) as client:
            tasks = [asyncio.ensure_future(consume()) for _ in range(STREAMS)]
            try:
                for _ in range(STREAMS):
                    await asyncio.wait_for(begun.acquire(), AT_ONCE)
                await asyncio.wait_for(client.queue.status("j1"), AT_ONCE)
            finally:
                service.release()
            return await asyncio.gather(*tasks)

    with serving(service) as server:
        assert asyncio.run(main(server.url)) == [size] * STREAMS


@pytest.mark.parametrize("name", ASYNC)
def test_awaited_streams_that_are_forgotten_are_closed(name: str) -> None:
    service = Service()

    async def main(url: str) -> None:
        async def forget() -> None:
            async for chunk in client.queue.stream("j1"):
                assert chunk
                break

        async with DecartClient(KEY, base_url=url, retry=ONCE, transport=ASYNC[name]()) as client:
            await asyncio.gather(*(forget() for _ in range(STREAMS)))
            gc.collect()
            await asyncio.wait_for(client.queue.status("j1"), AT_ONCE)
            for connection in service.streaming:
                assert await asyncio.to_thread(connection.closed.wait, PATIENCE)

    with serving(service) as server:
        asyncio.run(main(server.url))


# ---------------------------------------------------------------- many at once

CROWD: dict[str, Any] = {"the default": None, "aiohttp": "aiohttp"}


async def together(url: str, transport: Any, calls: int, call: Callable[[Any, str], Any]) -> list[Any]:
    """Make that many calls at the same time; return the job id that each of them got, or its error."""
    names = [f"token-{number}" for number in range(calls)]
    async with DecartClient(KEY, base_url=url, retry=ONCE, transport=transport) as client:
        got = await asyncio.gather(*(call(client, name) for name in names), return_exceptions=True)
    return [
        result if isinstance(result, BaseException) else result.job_id
        for result, name in zip(got, names, strict=True)
        if isinstance(result, BaseException) or result.job_id != name
    ]


def connections_of(url: str) -> int:
    """Ask the server how many connections were made to it, this one not counted."""
    transport = RequestsTransport()
    try:
        return Calls(url).count(transport, "connections") - 1
    finally:
        transport.close()


@pytest.mark.parametrize("transport", CROWD.values(), ids=CROWD)
def test_five_hundred_status_checks_at_once_all_succeed(transport: Any) -> None:
    async def check(client: Any, name: str) -> Any:
        return await client.queue.status(name)

    with echoing() as url:
        assert asyncio.run(together(url, transport, 500, check)) == []
        assert connections_of(url) <= 500


@pytest.mark.parametrize("transport", CROWD.values(), ids=CROWD)
def test_64_submits_at_once_all_succeed(transport: Any) -> None:
    async def submit(client: Any, name: str) -> Any:
        return await client.queue.submit({"model": models.video("lucy-pro-t2v"), "prompt": name})

    with echoing() as url:
        assert asyncio.run(together(url, transport, 64, submit)) == []
        assert connections_of(url) <= 64
