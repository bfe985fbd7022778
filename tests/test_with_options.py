"""`client.with_options`: another client over the same connections."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from support.fakes import KEY, LAKE, FakeTransport, accepted, client_of, make_response, status

from decart import (
    AsyncDecartClient,
    ClientClosedError,
    DecartClient,
    EventHook,
    InvalidInputError,
    PollPolicy,
    QueueStatusError,
    RetryPolicy,
    Timeout,
    TransportError,
)
from decart.events import RequestSent

ONCE = RetryPolicy(attempts=1)
AnyClient = Any  # DecartClient or AsyncDecartClient


def of_sync(transport: FakeTransport, **settings: Any) -> AnyClient:
    return client_of(transport, **settings)


def of_async(transport: FakeTransport, **settings: Any) -> AnyClient:
    return AsyncDecartClient(KEY, transport=transport, **settings)


def of_aio(transport: FakeTransport, **settings: Any) -> AnyClient:
    return client_of(transport, **settings).aio


Make = Callable[..., AnyClient]
clients = pytest.mark.parametrize("make", [of_sync, of_async, of_aio], ids=["sync", "async", "aio"])


def run(outcome: Any) -> Any:
    """Return the result of a call, awaited if needed."""

    async def main() -> Any:
        return await outcome

    return asyncio.run(main()) if asyncio.iscoroutine(outcome) else outcome


class Hook(EventHook):
    def __init__(self) -> None:
        self.urls: list[str] = []

    def request_sent(self, event: RequestSent) -> None:
        self.urls.append(event.url)


@clients
def test_the_options_are_those_of_the_new_client_only(make: Make) -> None:
    transport, hook = FakeTransport(status("pending"), status("pending")), Hook()
    client = make(transport, timeout=7)
    other = client.with_options(timeout=Timeout(connect=1, read=2), event_hooks=[hook])
    assert type(other) is type(client)
    run(other.queue.status("j1"))
    run(client.queue.status("j1"))
    assert [sent.timeout for sent in transport.requests] == [Timeout(connect=1, read=2), Timeout(read=7)]
    assert len(hook.urls) == 1


@clients
def test_options_that_are_not_given_stay_unchanged(make: Make) -> None:
    transport, hook = FakeTransport(TransportError("cut"), status("pending")), Hook()
    client = make(transport, timeout=7, retry=ONCE, poll=PollPolicy(timeout=0), event_hooks=[hook])
    same = client.with_options()
    with pytest.raises(QueueStatusError):
        run(same.queue.status("j1"))
    assert run(same.queue.poll("j1")).timed_out
    assert transport.requests[0].timeout == Timeout(read=7)
    assert len(hook.urls) == 2


@clients
def test_each_policy_is_replaced_by_itself(make: Make) -> None:
    transport = FakeTransport(TransportError("cut"), status("pending"), status("pending"))
    client = make(transport, retry=ONCE, poll=PollPolicy(timeout=0))
    run(client.with_options(retry=RetryPolicy(attempts=2)).queue.status("j1"))
    result = run(client.with_options(poll=PollPolicy(timeout=0, interval=9)).queue.poll("j1"))
    assert result.timed_out
    with pytest.raises(QueueStatusError):
        run(make(FakeTransport(TransportError("cut"))).with_options(retry=ONCE).queue.status("j1"))


@clients
def test_a_timeout_of_none_means_no_limit_and_an_empty_list_means_no_hooks(make: Make) -> None:
    transport, hook = FakeTransport(status("pending")), Hook()
    other = make(transport, timeout=7, event_hooks=[hook]).with_options(timeout=None, event_hooks=[])
    run(other.queue.status("j1"))
    assert transport.requests[0].timeout == Timeout.of(None)
    assert Timeout.of(None) not in (Timeout(), Timeout(read=7))
    assert hook.urls == []


@clients
def test_none_as_a_policy_for_waits_means_the_defaults_from_which_a_client_learns(make: Make) -> None:
    transport = FakeTransport(status("pending"), status("pending"), status("failed"))
    own = make(transport, poll=PollPolicy(interval=9, max_interval=9, jitter=0))
    run(own.with_options(retry=ONCE, poll=None).queue.poll("j1"))
    assert max(transport.sleeps) < 1


@clients
def test_memory_is_shared(make: Make) -> None:
    transport = FakeTransport(accepted(), status("processing"))
    client = make(transport)
    run(client.with_options(retry=ONCE).queue.submit(LAKE))
    transport.sleep(5)
    seen = run(client.queue.status("j1"))
    assert (seen.model, seen.elapsed) == ("lucy-pro-t2v", 5)


@clients
@pytest.mark.parametrize("derived", [True, False])
def test_closing_either_closes_both_once(make: Make, derived: bool) -> None:
    transport = FakeTransport()
    client = make(transport)
    other = client.with_options(timeout=1)
    for closed in (other, client) if derived else (client, other):
        run(closed.close())
    assert transport.closes == 1
    for each in (client, other):
        with pytest.raises(ClientClosedError):
            run(each.queue.status("j1"))


@clients
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"timeout": "soon"}, "^timeout: read must be"),
        ({"retry": 3}, "^retry must be a RetryPolicy, not int"),
        ({"poll": RetryPolicy()}, "^poll must be a PollPolicy, not RetryPolicy"),
        ({"event_hooks": EventHook()}, "^event_hooks must be a list"),
    ],
)
def test_an_option_that_cannot_be_used_is_refused(make: Make, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        make(FakeTransport()).with_options(**options)


def test_the_key_and_the_base_url_stay() -> None:
    transport = FakeTransport(status("pending"))
    client = client_of(transport, base_url="https://api.test", integration="my-app/1.0").with_options(timeout=1)
    client.queue.status("j1")
    assert transport.requests[0].url == "https://api.test/v1/jobs/j1"
    assert transport.requests[0].headers["X-API-KEY"] == KEY
    assert transport.requests[0].headers["User-Agent"].endswith("my-app/1.0")
    assert repr(client) == "DecartClient(base_url='https://api.test')"


def test_the_async_side_of_a_derived_client_has_its_options() -> None:
    async def main() -> None:
        transport = FakeTransport(make_response(500), make_response(500))
        client = client_of(transport)
        async with client.with_options(timeout=3, retry=ONCE) as aio:
            with pytest.raises(QueueStatusError):
                await aio.queue.status("j1")
        assert [sent.timeout for sent in transport.requests] == [Timeout(read=3)]

    asyncio.run(main())


def test_a_client_whose_derived_client_is_open_in_a_block_is_closed_with_it() -> None:
    transport = FakeTransport()
    client: DecartClient = client_of(transport)
    with client.with_options(timeout=1):
        pass
    with pytest.raises(ClientClosedError):
        client.queue.status("j1")
    assert transport.closes == 1


def test_closing_a_client_closes_the_async_side_of_a_derived_client() -> None:
    transport = FakeTransport()
    client = client_of(transport)
    derived = client.with_options(timeout=1)
    before = derived.aio
    client.close()
    for aio in (before, before.with_options(timeout=2), derived.aio, client.aio):
        with pytest.raises(ClientClosedError, match="the request was not sent"):
            run(aio.queue.submit(LAKE))
    assert transport.sent == []
