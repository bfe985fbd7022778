"""`decart._core`: one exchange, repeated as its policy says."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from support.fakes import KEY, FakeTransport, answer, status

from decart import (
    APIError,
    ClientClosedError,
    ConnectError,
    PollPolicy,
    ResponseError,
    RetryPolicy,
    Timeout,
    TransportError,
)
from decart._core import Core
from decart.config import settings
from decart.policies import repeat_read
from decart.protocol import ERROR_LIMIT, JSON_LIMIT, status_call
from decart.transports.base import HttpResponse


def core_of(transport: FakeTransport, **policy: Any) -> Core:
    return Core(
        settings=settings(KEY, "https://api.test", 7, None),
        transport=transport,
        retry=RetryPolicy(**{"jitter": 0, **policy}),
        poll=PollPolicy(),
    )


def test_an_exchange_is_sent_with_the_clients_timeout_and_read() -> None:
    transport = FakeTransport(status("pending"))
    core = core_of(transport)
    assert core.once(status_call(core.settings, "j1"), core.settings.timeout).status == "pending"
    assert transport.requests[0].timeout == Timeout(read=7)


def test_a_timeout_of_its_own_beats_the_clients() -> None:
    transport = FakeTransport(status("pending"))
    core = core_of(transport)
    core.once(status_call(core.settings, "j1"), Timeout(read=1))
    assert transport.requests[0].timeout == Timeout(read=1)


def test_every_answer_is_closed_also_one_that_is_an_error_or_cannot_be_read() -> None:
    closed: list[int] = []

    def broken() -> Any:
        yield b"{"
        raise TransportError("The connection broke off.")

    responses = [HttpResponse(n, {}, body, lambda n=n: closed.append(n)) for n, body in [(200, broken()), (404, [])]]  # type: ignore[misc]
    core = core_of(FakeTransport(*responses))
    with pytest.raises(TransportError):
        core.once(status_call(core.settings, "j1"), core.settings.timeout)
    with pytest.raises(APIError):
        core.once(status_call(core.settings, "j1"), core.settings.timeout)
    assert closed == [200, 404]


@pytest.mark.parametrize(("code", "limit"), [(200, JSON_LIMIT), (500, ERROR_LIMIT)])
def test_no_more_of_a_flood_is_read_than_is_useful(code: int, limit: int) -> None:
    taken: list[int] = []

    def flood() -> Any:
        while sum(taken) < 100 * JSON_LIMIT:
            taken.append(50_000)
            yield b"x" * 50_000

    core = core_of(FakeTransport(HttpResponse(code, {}, flood())))
    with pytest.raises((APIError, ResponseError)):
        core.once(status_call(core.settings, "j1"), core.settings.timeout)
    assert sum(taken) < limit + 50_000


def test_an_exchange_is_logged_at_debug_with_the_headers_that_may_be_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "decart")
    core = core_of(FakeTransport(status("pending")))
    core.once(status_call(core.settings, "j1"), core.settings.timeout)
    told = {"content-type": "application/json"}
    assert caplog.messages == [f"GET https://api.test/v1/jobs/j1: 200 in 0.000 s, {told}"]
    assert caplog.records[0].levelno == logging.DEBUG


def test_a_closed_core_sends_nothing() -> None:
    transport = FakeTransport()
    core = core_of(transport)
    core.closed = True
    with pytest.raises(ClientClosedError, match="make a new DecartClient"):
        core.send(status_call(core.settings, "j1"), repeat_read)
    assert transport.requests == []


def test_an_exchange_is_repeated_on_the_transports_clock() -> None:
    transport = FakeTransport(answer(500), ConnectError("no", None, None, False), status("pending"))
    core = core_of(transport)
    assert core.send(status_call(core.settings, "j1"), repeat_read).status == "pending"
    assert transport.sleeps == [0.5, 1.0]


def test_an_exchange_ends_at_the_retry_policys_timeout_or_at_the_deadline_it_is_given() -> None:
    transport = FakeTransport(*(answer(500) for _ in range(9)))
    core = core_of(transport, timeout=1.0, attempts=9)
    with pytest.raises(APIError):
        core.send(status_call(core.settings, "j1"), repeat_read)
    assert [request.at for request in transport.requests] == [0, 0.5, 1.0]
    with pytest.raises(APIError):
        core.send(status_call(core.settings, "j1"), repeat_read, core.deadline(0.25))
    assert [request.at for request in transport.requests[3:]] == [1.0, 1.25]
