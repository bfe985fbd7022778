"""When a submit is sent, and when it must not be: after ``close()``, after ``cancel``, over a stale connection."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support.exchanges import TRANSPORTS
from support.fakes import KEY, LAKE, FakeTransport, accepted, client_of, make_response
from support.servers import PATIENCE, Connection, answering, http, serving

from decart import (
    AsyncDecartClient,
    ClientClosedError,
    ConnectError,
    DecartClient,
    DecartSDKError,
    RetryPolicy,
    WaitCancelledError,
)
from decart.transports.base import FRESH, HttpRequest, HttpResponse, Timeout, Transport

ACCEPTED = http(200, b'{"job_id": "j1", "status": "pending"}', {"Content-Type": "application/json"})
REFUSALS = [ConnectError("No connection."), make_response(429), make_response(503, retry_after="1")]


def closed_in_a_pause(client: DecartClient, transport: FakeTransport) -> None:
    transport.at(0.1, client.close)


@pytest.mark.parametrize("refusal", range(len(REFUSALS)), ids=["no connection", "429", "503 with Retry-After"])
def test_a_client_that_is_closed_in_a_backoff_sends_no_further_submit(refusal: int) -> None:
    failures = [ConnectError("No connection."), make_response(429), make_response(503, retry_after="1")]
    transport = FakeTransport(failures[refusal], accepted())
    client = client_of(transport)
    closed_in_a_pause(client, transport)
    with pytest.raises(ClientClosedError, match="the request was not sent"):
        client.queue.submit(LAKE)
    assert len(transport.posts) == 1


@pytest.mark.parametrize("refusal", range(len(REFUSALS)), ids=["no connection", "429", "503 with Retry-After"])
def test_who_interrupts_a_backoff_is_not_told_that_the_refused_submit_may_cost_something(refusal: int) -> None:
    failures = [ConnectError("No connection."), make_response(429), make_response(503, retry_after="1")]
    transport = FakeTransport(failures[refusal], accepted())
    transport.interrupt_at(0.1)
    with pytest.raises(KeyboardInterrupt) as caught:
        client_of(transport).queue.submit(LAKE)
    assert not hasattr(caught.value, "__notes__")


@pytest.mark.parametrize("refusal", range(len(REFUSALS)), ids=["no connection", "429", "503 with Retry-After"])
def test_a_cancel_in_a_backoff_ends_it_at_once_and_sends_no_further_submit(refusal: int) -> None:
    failures = [
        ConnectError("No connection."),
        make_response(429, retry_after="60"),
        make_response(503, retry_after="60"),
    ]
    transport = FakeTransport(failures[refusal], accepted())
    cancel = threading.Event()
    transport.at(0.1, cancel.set)
    with pytest.raises(WaitCancelledError, match="nothing was sent or billed"):
        client_of(transport).queue.submit_and_poll(LAKE, cancel=cancel)
    assert len(transport.posts) == 1
    assert transport.now() < 1


def test_an_awaited_cancel_in_a_backoff_does_the_same() -> None:
    transport = FakeTransport(make_response(429, retry_after="60"), accepted())
    cancel = threading.Event()
    transport.at(0.1, cancel.set)

    async def main() -> None:
        with pytest.raises(WaitCancelledError, match="nothing was sent or billed"):
            await AsyncDecartClient(KEY, transport=transport).queue.submit_and_poll(LAKE, cancel=cancel)

    asyncio.run(main())
    assert len(transport.posts) == 1


class Late:
    """A transport that takes long to connect, so that a test can act in the meantime."""

    def __init__(self, beneath: Transport) -> None:
        self._beneath = beneath
        self.meanwhile: Callable[[], object] = lambda: None

    def send(self, request: HttpRequest, *, timeout: Timeout) -> HttpResponse:
        self.meanwhile()
        return self._beneath.send(request, timeout=timeout)

    def now(self) -> float:
        return self._beneath.now()

    def sleep(self, seconds: float, cancel: threading.Event | None = None) -> None:
        self._beneath.sleep(seconds, cancel)

    def close(self) -> None:
        """Stay open, so that the running exchange continues."""


@pytest.fixture(params=TRANSPORTS)
def beneath(request: pytest.FixtureRequest) -> Iterator[Any]:
    transport = TRANSPORTS[request.param]()
    yield transport
    transport.close()


def incomplete(connection: Connection) -> None:
    """Take whatever comes, and note a request only if all of it comes."""
    connection.read_request()
    connection.send(ACCEPTED)


@pytest.mark.parametrize("how", ["closed", "cancelled"])
def test_a_submit_that_still_connects_is_not_sent_when_the_client_is_closed_or_it_is_cancelled(
    beneath: Any, how: str
) -> None:
    transport, cancel = Late(beneath), threading.Event()
    with serving(incomplete) as server:
        client = DecartClient(KEY, base_url=server.url, transport=transport, retry=RetryPolicy(attempts=1))
        transport.meanwhile = client.close if how == "closed" else cancel.set
        with pytest.raises((ClientClosedError, WaitCancelledError), match="not sent|nothing was sent"):
            client.queue.submit_and_poll(LAKE, cancel=cancel)
        assert not server.requests


def test_a_peer_that_forgot_an_idle_connection_costs_a_new_connection_and_no_unknown_outcome(
    beneath: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A NAT drops connections silently: a request on the old connection never gets a response."""
    if type(beneath).__name__ == "Blocking" and "Aiohttp" in repr(vars(beneath)):
        pytest.skip("aiohttp counts on the clock of its loop: `keepalive_timeout`, below")

    def forgetful(connection: Connection) -> None:
        connection.read_request()
        connection.send(ACCEPTED)
        connection.until_closed()

    with serving(forgetful) as server:
        client = DecartClient(
            KEY, base_url=server.url, transport=beneath, retry=RetryPolicy(attempts=1), timeout=Timeout(read=PATIENCE)
        )
        assert client.queue.submit(LAKE).job_id == "j1"
        later = time.monotonic() + FRESH + 1
        monkeypatch.setattr(time, "monotonic", lambda: later)
        assert client.queue.submit(LAKE).job_id == "j1"
        assert len(server.connections) == 2


def test_aiohttp_keeps_an_idle_connection_for_as_long(monkeypatch: pytest.MonkeyPatch) -> None:
    import aiohttp

    seen: list[float] = []
    original = aiohttp.TCPConnector.__init__

    def noting(self: Any, **settings: Any) -> None:
        seen.append(settings["keepalive_timeout"])
        original(self, **settings)

    monkeypatch.setattr(aiohttp.TCPConnector, "__init__", noting)
    with serving(answering(lambda request, number: ACCEPTED)) as server:

        async def main() -> None:
            async with AsyncDecartClient(KEY, base_url=server.url, transport="aiohttp") as client:
                await client.queue.submit(LAKE)

        asyncio.run(main())
    assert seen == [FRESH]


@pytest.mark.parametrize("name", ["requests", "urllib3"])
def test_a_submit_that_is_refused_before_it_is_sent_is_reported_as_not_billed(name: Any) -> None:
    with serving(answering(lambda request, number: ACCEPTED)) as server:
        client = DecartClient(KEY, base_url=server.url, transport=name)
        client.close()
        with pytest.raises(DecartSDKError, match="the request was not sent"):
            client.queue.submit(LAKE)
        assert not server.connections
