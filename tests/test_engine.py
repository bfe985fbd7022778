"""One exchange of a client: its retries, and how its response is read."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support.fakes import KEY, LAKE, FakeTransport, accepted, client_of, make_response, status

from decart import (
    APIError,
    AsyncDecartClient,
    ConnectError,
    DecartClient,
    DecartSDKError,
    NotFoundError,
    QueueStatusError,
    QueueSubmitError,
    RetryPolicy,
    SubmitOutcomeUnknownError,
    Timeout,
    TransportError,
)
from decart.policies import VISIBLE_AFTER
from decart.protocol import ERROR_LIMIT, JSON_LIMIT
from decart.transports.base import HttpResponse

STEADY = RetryPolicy(jitter=0)
ONCE = RetryPolicy(attempts=1)


def test_an_exchange_is_sent_with_the_clients_timeout_and_read() -> None:
    transport = FakeTransport(status("pending"))
    assert client_of(transport, timeout=7).queue.status("j1").status == "pending"
    assert transport.requests[0].timeout == Timeout(read=7)


def test_every_response_is_closed_even_if_it_is_an_error_or_breaks_off() -> None:
    closed: list[int] = []

    def broken() -> Iterator[bytes]:
        yield b"{"
        raise TransportError("The connection broke off.")

    def response(code: int, body: Any) -> HttpResponse:
        return HttpResponse(code, {}, body, lambda: closed.append(code))

    queue = client_of(FakeTransport(response(200, broken()), response(404, [])), retry=ONCE).queue
    for kind in (TransportError, NotFoundError):
        with pytest.raises(QueueStatusError) as caught:
            queue.status("j1")
        assert type(caught.value.cause) is kind
    assert closed == [200, 404]


def check(client: DecartClient) -> None:
    client.queue.status("j1")


def submit(client: DecartClient) -> None:
    client.queue.submit(LAKE)


def fetch(client: DecartClient) -> None:
    client.queue.result("j1")


@pytest.mark.parametrize(
    ("call", "code", "limit"),
    [
        (check, 200, JSON_LIMIT),
        (check, 500, ERROR_LIMIT),
        (submit, 200, JSON_LIMIT),
        (submit, 400, ERROR_LIMIT),
        (fetch, 404, ERROR_LIMIT),
    ],
)
def test_no_more_of_a_flood_is_read_than_is_useful(call: Callable[[DecartClient], None], code: int, limit: int) -> None:
    read: list[int] = []

    def flood() -> Iterator[bytes]:
        while sum(read) < 100 * JSON_LIMIT:
            read.append(50_000)
            yield b"x" * 50_000

    before = [status("completed")] if call is fetch else []
    with pytest.raises(DecartSDKError):
        call(client_of(FakeTransport(*before, HttpResponse(code, {}, flood())), retry=ONCE))
    assert sum(read) < limit + 50_000


def test_an_exchange_is_logged_at_debug_with_the_headers_that_may_be_shown(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "decart")
    client_of(FakeTransport(status("pending"))).queue.status("j1")
    headers = {"content-type": "application/json"}
    assert caplog.messages == [f"GET https://api.decart.ai/v1/jobs/j1: 200 in 0.000 s, {headers}"]
    assert caplog.records[0].levelno == logging.DEBUG


def test_retries_are_paced_on_the_transports_clock() -> None:
    transport = FakeTransport(make_response(500), ConnectError("No network."), status("pending"))
    assert client_of(transport, retry=STEADY).queue.status("j1").status == "pending"
    assert transport.sleeps == [0.5, 1.0]


def test_awaited_retries_are_paced_in_the_same_way() -> None:
    async def main() -> None:
        transport = FakeTransport(make_response(500), ConnectError("No network."), status("pending"))
        client = AsyncDecartClient(KEY, transport=transport, retry=STEADY)
        assert (await client.queue.status("j1")).status == "pending"
        assert transport.sleeps == [0.5, 1.0]

    asyncio.run(main())


def test_retries_end_at_the_timeout_of_the_retry_policy() -> None:
    transport = FakeTransport(*(make_response(500) for _ in range(9)))
    with pytest.raises(QueueStatusError):
        client_of(transport, retry=RetryPolicy(jitter=0, timeout=1.0, attempts=9)).queue.status("j1")
    assert [request.at for request in transport.requests] == [0, 0.5, 1.0]


def test_the_last_error_is_the_cause_of_what_is_raised() -> None:
    with pytest.raises(QueueSubmitError) as caught:
        client_of(
            FakeTransport(ConnectError("No network."), make_response(429)), retry=RetryPolicy(attempts=2)
        ).queue.submit(LAKE)
    assert isinstance(caught.value.cause, APIError)
    assert caught.value.status_code == 429


def test_a_job_of_this_client_that_is_not_visible_yet_is_checked_until_it_must_be() -> None:
    transport = FakeTransport(accepted(), *(make_response(404) for _ in range(99)))
    client = client_of(transport, retry=STEADY)
    client.queue.submit(LAKE)
    with pytest.raises(QueueStatusError) as caught:
        client.queue.status("j1")
    assert isinstance(caught.value.cause, NotFoundError)
    assert VISIBLE_AFTER <= transport.now() < VISIBLE_AFTER + STEADY.max_interval


def test_an_unknown_job_of_another_client_is_an_error_at_once() -> None:
    transport = FakeTransport(make_response(404))
    with pytest.raises(QueueStatusError):
        client_of(transport, retry=STEADY).queue.status("j1")
    assert transport.sleeps == []


def test_a_response_to_a_submit_that_breaks_off_still_counts_if_it_names_the_job() -> None:
    def cut(body: bytes) -> HttpResponse:
        def chunks() -> Iterator[bytes]:
            yield body
            raise TransportError("The connection broke off.")

        return HttpResponse(200, {"Content-Type": "application/json"}, chunks())

    named = client_of(FakeTransport(cut(b'{"job_id": "j7", "sta'))).queue.submit(LAKE)
    assert (named.job_id, named.status) == ("j7", "pending")
    with pytest.raises(SubmitOutcomeUnknownError):
        client_of(FakeTransport(cut(b'{"job_'))).queue.submit(LAKE)


def test_a_status_has_the_model_and_age_of_a_job_of_this_client() -> None:
    transport = FakeTransport(accepted(), status("processing"), status("processing", job_id="j2"))
    client = client_of(transport)
    client.queue.submit(LAKE)
    transport.sleep(5)
    own, other = client.queue.status("j1"), client.queue.status("j2")
    assert (own.model, own.elapsed) == ("lucy-pro-t2v", 5)
    assert (other.model, other.elapsed) == (None, None)
