"""`ThreadedTransport`: which threads make which calls, and what happens to an abandoned exchange."""

from __future__ import annotations

import asyncio
import threading
from contextlib import aclosing

import pytest
from support.exchanges import OK, get, large, post
from support.loops import aexchange, begin, cancel, happens
from support.servers import FIRST, PATIENCE, Connection, answering, serving
from support.speed import at_any_speed

from decart import (
    ConnectError,
    RequestsTransport,
    Timeout,
    TransportError,
    TransportTimeout,
)
from decart.transports.base import HttpRequest, HttpResponse
from decart.transports.threaded import ThreadedTransport


class Held(RequestsTransport):
    """A transport that blocks each exchange until the test releases it.

    Attributes:
        under_way: Set when an exchange has begun.
        go_on: To be set for it to go on.
        closed: Set when its response has been closed.
        ended: Set when it has ended, and ``error`` is what it raised.
    """

    def __init__(self) -> None:
        super().__init__()
        self.under_way, self.go_on = threading.Event(), threading.Event()
        self.closed, self.ended = threading.Event(), threading.Event()
        self.error: BaseException | None = None

    def send(self, request: HttpRequest, *, timeout: Timeout) -> HttpResponse:
        self.under_way.set()
        assert self.go_on.wait(PATIENCE)
        try:
            if request.url.startswith("http://service.invalid"):
                return HttpResponse(200, {}, [], self.closed.set)
            return super().send(request, timeout=timeout)
        except BaseException as error:
            self.error = error
            raise
        finally:
            self.ended.set()


# ---------------------------------------------------------------- abandoned exchanges


@at_any_speed
@pytest.mark.parametrize("how", ["cancelled", "over the total time"])
@pytest.mark.usefixtures("no_leaks")
def test_a_response_that_arrives_after_its_caller_has_gone_is_closed(how: str, scale: float) -> None:
    async def main() -> None:
        held = Held()
        async with aclosing(ThreadedTransport(held)) as transport:
            timeout = Timeout() if how == "cancelled" else Timeout(total=0.1 * scale)
            task = begin(transport, get("http://service.invalid"), timeout)
            await happens(held.under_way)
            if how == "cancelled":
                await cancel(task)
            else:
                with pytest.raises(TransportTimeout) as timed_out:
                    await task
                assert timed_out.value.message.endswith(f"total timeout of {0.1 * scale:.10g} s.")
                assert timed_out.value.may_have_been_sent is True
            held.go_on.set()
            await happens(held.closed)

    asyncio.run(main())


@at_any_speed
@pytest.mark.parametrize("how", ["cancelled", "over the total time"])
@pytest.mark.usefixtures("no_leaks")
def test_a_post_that_has_not_started_its_body_when_it_is_abandoned_is_not_sent(how: str, scale: float) -> None:
    async def main() -> None:
        held = Held()
        async with aclosing(ThreadedTransport(held)) as transport:
            task = begin(transport, post(server.url), Timeout() if how == "cancelled" else Timeout(total=0.1 * scale))
            await happens(held.under_way)
            if how == "cancelled":
                await cancel(task)
            else:
                with pytest.raises(TransportTimeout):
                    await task
            held.go_on.set()
            await happens(held.ended)
            assert isinstance(held.error, TransportError)
            assert held.error.may_have_been_sent is False

    with serving(answering(lambda request, number: OK)) as server:
        asyncio.run(main())
        assert not server.requests


@pytest.mark.usefixtures("no_leaks")
def test_may_start_of_the_caller_is_still_asked() -> None:
    error = ValueError("of the caller")

    def refuse() -> None:
        raise error

    async def main() -> None:
        async with aclosing(ThreadedTransport(RequestsTransport())) as transport:
            request = HttpRequest(
                method="POST", url=server.url, headers={}, body=post(server.url).body, may_start=refuse
            )
            with pytest.raises(ValueError) as raised:
                await aexchange(transport, request)
            assert raised.value is error

    with serving(answering(lambda request, number: OK)) as server:
        asyncio.run(main())
        assert not server.requests


@pytest.mark.usefixtures("no_leaks")
def test_closing_neither_waits_for_nor_ends_running_exchanges() -> None:
    async def main() -> None:
        held = Held()
        async with aclosing(ThreadedTransport(held)) as transport:
            task = begin(transport, get("http://service.invalid"))
            await happens(held.under_way)
            await asyncio.wait_for(transport.aclose(), PATIENCE / 2)
            assert not task.done()
            held.go_on.set()
            assert await task == b""

    asyncio.run(main())


# ---------------------------------------------------------------- enough threads


def stalling(stalled: threading.Event, data: bytes = b"") -> object:
    def script(connection: Connection) -> None:
        connection.read_head()
        connection.send(data)
        stalled.set()
        connection.server.stopping.wait(PATIENCE)

    return script


@pytest.mark.usefixtures("no_leaks")
def test_an_exchange_that_finds_no_thread_free_in_time_was_not_sent() -> None:
    stalled = threading.Event()

    async def main() -> None:
        async with aclosing(ThreadedTransport(RequestsTransport(), threads=1)) as transport:
            task = begin(transport, get(server.url))
            await happens(stalled)
            with pytest.raises(ConnectError, match="No thread was free") as refused:
                await aexchange(transport, get(server.url), Timeout(total=0.1))
            assert refused.value.may_have_been_sent is False
            waiting = begin(transport, get(server.url))
            await asyncio.sleep(0)
            await cancel(waiting)
            await cancel(task)

    with serving(stalling(stalled)) as server:  # type: ignore[arg-type]
        asyncio.run(main())
        assert len(server.connections) == 1


@pytest.mark.usefixtures("no_leaks")
def test_uploads_and_response_bodies_do_not_delay_short_exchanges() -> None:
    uploading, downloading = threading.Event(), threading.Event()

    async def download(transport: ThreadedTransport) -> None:
        async with await transport.asend(get(server.url), timeout=Timeout()) as response:
            await response.aread()

    async def main() -> None:
        async with aclosing(ThreadedTransport(RequestsTransport(), threads=1)) as transport:
            upload = begin(transport, post(server.url, large()))
            await happens(uploading)
            body = asyncio.ensure_future(download(transport))
            await happens(downloading)
            for _ in range(3):
                assert await aexchange(transport, get(server.url)) == b"fine"
            assert not upload.done()
            assert not body.done()
            await cancel(upload)
            await cancel(body)

    scripts = [
        stalling(uploading),
        stalling(downloading, FIRST + b"Content-Length: 1000000\r\n\r\n"),
        answering(lambda request, number: OK),
    ]
    with serving(*scripts, receive_buffer=4096) as server:  # type: ignore[arg-type]
        asyncio.run(main())


@pytest.mark.usefixtures("no_leaks")
def test_many_uploads_are_on_their_way_at_once() -> None:
    count = 40
    all_there = threading.Barrier(count)

    def script(connection: Connection) -> None:
        connection.read_request()
        all_there.wait(PATIENCE)
        connection.send(OK)

    async def main() -> None:
        async with aclosing(ThreadedTransport(RequestsTransport(), threads=1)) as transport:
            bodies = await asyncio.gather(*(aexchange(transport, post(server.url)) for _ in range(count)))
            assert bodies == [b"fine"] * count

    with serving(script) as server:
        asyncio.run(main())
