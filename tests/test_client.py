"""`DecartClient`: its configuration, how it is closed, and what it never reveals."""

from __future__ import annotations

import asyncio
import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from support.fakes import KEY, LAKE, FakeTransport, accepted, client_of, status

import decart
from decart import (
    AiohttpTransport,
    AsyncDecartClient,
    ClientClosedError,
    DecartClient,
    InvalidAPIKeyError,
    InvalidBaseURLError,
    InvalidInputError,
    PollPolicy,
    QueueClient,
    RequestsTransport,
    RetryPolicy,
    Timeout,
    Urllib3Transport,
)
from decart.config import settings
from decart.transports import make_transport


def test_a_request_carries_the_key_and_introduces_us() -> None:
    transport = FakeTransport(accepted())
    client_of(transport, integration="my-app/1.0").queue.submit(LAKE)
    sent = transport.requests[0]
    assert sent.url == "https://api.decart.ai/v1/jobs/lucy-pro-t2v"
    assert sent.headers["X-API-KEY"] == KEY
    assert sent.headers["User-Agent"] == f"decart-queue/{decart.__version__} lang/py my-app/1.0"


@pytest.mark.parametrize("base_url", ["https://api.test", "https://api.test/", " https://api.test// "])
def test_a_trailing_slash_of_the_base_url_changes_nothing(base_url: str) -> None:
    transport = FakeTransport(status("pending"))
    client_of(transport, base_url=base_url).queue.status("j1")
    assert transport.requests[0].url == "https://api.test/v1/jobs/j1"


def test_key_and_base_url_come_from_the_environment_unless_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DECART_API_KEY", f" {KEY}\n")
    monkeypatch.setenv("DECART_BASE_URL", " https://env.test/ ")
    transport = FakeTransport(status("pending"), status("pending"))
    DecartClient(transport=transport).queue.status("j1")
    DecartClient("other", base_url="https://arg.test", transport=transport).queue.status("j1")
    assert [(sent.url.split("/v1")[0], sent.headers["X-API-KEY"]) for sent in transport.requests] == [
        ("https://env.test", KEY),
        ("https://arg.test", "other"),
    ]


@pytest.mark.parametrize("kind", [DecartClient, AsyncDecartClient])
def test_python_names_the_public_class_if_a_keyword_is_wrong(kind: Any) -> None:
    client = kind(KEY, transport=FakeTransport())
    for call in (client.process, client.with_options, client.verify, kind):
        with pytest.raises(TypeError, match=rf"^{kind.__name__}\.\w+\(\) got an unexpected keyword argument 'wait'$"):
            call(wait=3)


def test_a_missing_key_or_a_bad_base_url_is_refused_at_construction() -> None:
    with pytest.raises(InvalidAPIKeyError, match="DECART_API_KEY"):
        DecartClient()
    with pytest.raises(InvalidBaseURLError, match="must look like https://api.decart.ai"):
        DecartClient(KEY, base_url="ftp://api.test")


@pytest.mark.parametrize(
    ("argument", "value", "message"),
    [
        ("retry", 3, "retry must be a RetryPolicy, not int"),
        ("retry", None, "retry must be a RetryPolicy, not NoneType"),
        ("retry", PollPolicy(), "retry must be a RetryPolicy, not PollPolicy"),
        ("poll", {"interval": 1}, "poll must be a PollPolicy, not dict"),
        ("transport", object(), "transport must be a Transport, not object"),
        ("transport", "httpx", "transport must be one of requests, urllib3, aiohttp, or a transport, not 'httpx'"),
        ("timeout", "10", "timeout: read must be a number of seconds above 0 and up to 2000000, not '10'"),
        ("timeout", 0, "timeout: read must be"),
        ("timeout", (1, 2, 3), "timeout: a tuple must be \\(connect, read\\), not"),
        ("integration", "a\nb", "integration must be a short ASCII str"),
    ],
)
def test_an_argument_of_a_wrong_type_is_refused_by_name(argument: str, value: Any, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        DecartClient(KEY, **{argument: value})


@pytest.mark.parametrize(("given", "used"), [(5, Timeout(read=5)), (Timeout(connect=1), Timeout(connect=1))])
def test_the_timeout_is_the_callers(given: Any, used: Timeout) -> None:
    transport = FakeTransport(status("pending"))
    client_of(transport, timeout=given).queue.status("j1")
    assert transport.requests[0].timeout == used


def test_the_policies_are_the_callers() -> None:
    transport = FakeTransport(decart.TransportError("cut"))
    with pytest.raises(decart.QueueStatusError):
        client_of(transport, retry=RetryPolicy(attempts=1)).queue.status("j1")
    transport = FakeTransport(status("pending"))
    assert client_of(transport, poll=PollPolicy(timeout=0)).queue.poll("j1").timed_out


@pytest.mark.parametrize(("name", "kind"), [("requests", RequestsTransport), ("urllib3", Urllib3Transport)])
def test_a_transport_may_be_selected_by_name(name: Any, kind: type) -> None:
    with DecartClient(KEY, transport=name):
        assert type(make_transport(name)) is kind


def test_an_async_transport_may_be_selected_by_name() -> None:
    async def main() -> None:
        async with AsyncDecartClient(KEY, transport="aiohttp"):
            assert type(make_transport("aiohttp")) is AiohttpTransport

    asyncio.run(main())


def test_the_default_transport_is_requests_and_is_closed_with_the_client() -> None:
    assert type(make_transport(None)) is RequestsTransport
    with DecartClient(KEY) as client:
        pass
    client.close()


def test_a_transport_of_the_caller_is_used_as_it_is_and_its_class_is_refused() -> None:
    own = FakeTransport()
    assert make_transport(own) is own
    with pytest.raises(InvalidInputError, match=r"^transport must be an object: write FakeTransport\(\), not FakeT"):
        make_transport(FakeTransport)  # type: ignore[arg-type]


def test_a_sync_client_with_an_async_transport_says_how_to_use_it() -> None:
    client = DecartClient(KEY, transport="aiohttp")
    with pytest.raises(
        InvalidInputError, match="This client has an async transport, and nothing was sent: write `async"
    ):
        client.queue.status("j1")
    client.close()


CALLS: list[Callable[[QueueClient], object]] = [
    lambda queue: queue.submit(LAKE),
    lambda queue: queue.status("j1"),
    lambda queue: queue.result("j1"),
    lambda queue: queue.poll("j1"),
    lambda queue: queue.submit_and_poll(LAKE),
    lambda queue: queue.download("j1", "never.mp4"),
    lambda queue: queue.stream("j1").open(),
    lambda queue: queue.poll_once("j1"),
]


@pytest.mark.parametrize("call", CALLS)
def test_a_closed_client_says_so_and_sends_nothing(call: Callable[[QueueClient], object]) -> None:
    transport = FakeTransport()
    with client_of(transport) as client:
        pass
    with pytest.raises(ClientClosedError, match="This client is closed"):
        call(client.queue)
    assert transport.requests == []


def test_a_transport_is_closed_with_its_client_and_only_once() -> None:
    transport = FakeTransport()
    with client_of(transport) as client:
        client.close()
    client.close()
    assert transport.closes == 1


def test_an_error_in_the_with_block_is_raised_and_closes_the_client() -> None:
    with pytest.raises(ZeroDivisionError), client_of(FakeTransport()) as client:
        raise ZeroDivisionError
    with pytest.raises(ClientClosedError):
        client.queue.status("j1")


SETTINGS = settings(KEY, None, Timeout(), None)


@pytest.mark.parametrize(
    "thing", [client_of(FakeTransport()), client_of(FakeTransport()).queue, SETTINGS, SETTINGS.headers]
)
def test_nothing_that_holds_the_key_is_pickled(thing: object) -> None:
    with pytest.raises(TypeError) as caught:
        pickle.dumps(thing)
    assert KEY not in str(caught.value)
    assert "in each process instead" in str(caught.value)


@pytest.mark.parametrize("thing", [client_of(FakeTransport()), client_of(FakeTransport()).aio])
def test_neither_a_client_nor_its_queue_is_copied(thing: Any) -> None:
    for held in (thing, thing.queue):
        with pytest.raises(TypeError, match="holds a key and connections, and is neither copied nor pickled"):
            copy.deepcopy(held)


def test_no_repr_shows_the_key() -> None:
    client = client_of(FakeTransport())
    assert repr(client) == "DecartClient(base_url='https://api.decart.ai')"
    assert repr(client.aio) == "AsyncDecartClient(base_url='https://api.decart.ai')"
    for thing in (client, client.queue, client.queue.stream("j1"), SETTINGS, SETTINGS.headers):
        assert KEY not in repr(thing) + repr(getattr(thing, "__dict__", None))
