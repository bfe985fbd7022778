"""Async transports in successive event loops, in several at once, and closed or forgotten."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading

import pytest
from support.exchanges import HEADERS, OK, Make, get, get_and_post, post
from support.loops import (
    aexchange,
    begin,
    happens,
    new_transport,
    on_a_loop,
    run,
    run_with_transport,
)
from support.servers import PATIENCE, answering, http, reply, serving

from decart import RequestsTransport
from decart.transports.aiohttp import AiohttpTransport
from decart.transports.base import AsyncTransport, HttpRequest
from decart.transports.threaded import ThreadedTransport


@on_a_loop
@get_and_post
@pytest.mark.usefixtures("no_leaks")
def test_a_connection_that_is_closed_while_the_loop_runs_is_replaced(kind: str, make: Make) -> None:
    async def main(transport: AsyncTransport) -> None:
        for number in (1, 2, 3):
            assert await aexchange(transport, make(server.url)) == b"fine"
            await happens(server.connection(number).closed)

    with serving(reply(OK)) as server:
        run_with_transport(kind, main)
        assert len(server.connections) == 3


@on_a_loop
@pytest.mark.usefixtures("no_leaks", "trusted")
def test_many_tasks_get_their_own_responses_over_connections_that_are_reused(kind: str, tls: object) -> None:
    async def work(transport: AsyncTransport, number: int) -> None:
        for call in range(10):
            path = f"/{number}/{call}"
            request = HttpRequest(method="GET", url=server.url + path, headers=HEADERS)
            assert await aexchange(transport, request) == path.encode()

    async def main(transport: AsyncTransport) -> None:
        await asyncio.gather(*(work(transport, number) for number in range(16)))

    script = answering(lambda request, number: http(200, request.target.encode()))
    with serving(script, tls=tls) as server:  # type: ignore[arg-type]
        run_with_transport(kind, main)
        assert len(server.requests) == 160
        assert len(server.connections) <= 16


@on_a_loop
@pytest.mark.usefixtures("no_leaks")
def test_one_transport_serves_one_event_loop_after_another(kind: str) -> None:
    transport = new_transport(kind)

    async def main(last: bool) -> None:
        assert await aexchange(transport, post(server.url)) == b"fine"
        assert await aexchange(transport, get(server.url)) == b"fine"
        if last:
            await transport.aclose()

    with serving(answering(lambda request, number: OK)) as server:
        for last in (False, False, True):
            run(kind, main(last))
        assert len(server.requests) == 6
        assert len(server.connections) <= 3


@on_a_loop
@pytest.mark.usefixtures("no_leaks")
def test_a_closed_transport_can_be_used_again(kind: str) -> None:
    async def main(transport: AsyncTransport) -> None:
        for number in (1, 2):
            assert await aexchange(transport, get(server.url)) == b"fine"
            await transport.aclose()
            await transport.aclose()
            await happens(server.connection(number).closed)

    with serving(answering(lambda request, number: OK)) as server:
        run_with_transport(kind, main)


@on_a_loop
@pytest.mark.usefixtures("no_leaks")
def test_two_loops_at_once_share_a_transport_and_closing_closes_the_connections_of_both(kind: str) -> None:
    transport, connected, closed = new_transport(kind), threading.Event(), threading.Event()

    async def elsewhere() -> None:
        assert await aexchange(transport, get(server.url)) == b"fine"
        connected.set()
        await happens(closed)

    async def here() -> None:
        await happens(connected)
        assert await aexchange(transport, get(server.url)) == b"fine"
        await transport.aclose()
        for connection in server.connections:
            await happens(connection.closed)

    with serving(answering(lambda request, number: OK)) as server:
        other = threading.Thread(target=run, args=(kind, elsewhere()))
        other.start()
        try:
            run(kind, here())
        finally:
            closed.set()
            other.join(PATIENCE)


@on_a_loop
@pytest.mark.usefixtures("no_leaks")
def test_an_exchange_works_after_others_were_closed_on_their_way(kind: str) -> None:
    async def main(transport: AsyncTransport) -> None:
        tasks = [begin(transport, get(server.url)) for _ in range(3)]
        await asyncio.sleep(0)
        await transport.aclose()
        await asyncio.wait(tasks)
        for task in tasks:
            task.exception()
        assert await aexchange(transport, post(server.url)) == b"fine"

    with serving(answering(lambda request, number: OK)) as server:
        run_with_transport(kind, main)


FORGOTTEN = """
import asyncio, sys
from decart.transports.base import HttpRequest, Timeout
{imports}

async def main(transport):
    asyncio.get_running_loop().slow_callback_duration = 60  # or a busy machine would cause warnings, too
    request = HttpRequest(method="GET", url=sys.argv[1], headers={{}})
    async with await transport.asend(request, timeout=Timeout()) as response:
        print((await response.aread()).decode())

transport = {transport}
{runner}.run(main(transport))
{runner}.run(main(transport))
"""
IMPORTS = {
    "AiohttpTransport()": "from decart.transports.aiohttp import AiohttpTransport",
    "ThreadedTransport(RequestsTransport())": (
        "from decart import RequestsTransport\nfrom decart.transports.threaded import ThreadedTransport"
    ),
}


@pytest.mark.parametrize("runner", ["asyncio", "uvloop"])
@pytest.mark.parametrize("transport", IMPORTS)
def test_a_transport_that_was_not_closed_ends_with_its_loop_and_without_a_warning(transport: str, runner: str) -> None:
    if runner == "uvloop":
        pytest.importorskip("uvloop")
    script = FORGOTTEN.format(transport=transport, imports=f"{IMPORTS[transport]}\nimport {runner}", runner=runner)
    with serving(answering(lambda request, number: OK)) as server:
        done = subprocess.run(
            [sys.executable, "-W", "error", "-X", "dev", "-c", script, server.url],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
    assert (done.returncode, done.stdout, done.stderr) == (0, "fine\nfine\n", "")


def test_the_repr_of_a_transport_names_what_is_beneath() -> None:
    assert repr(AiohttpTransport()) == "AiohttpTransport()"
    assert repr(ThreadedTransport(RequestsTransport())) == "ThreadedTransport(RequestsTransport())"
