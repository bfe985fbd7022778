"""Failures after the request may have been sent: the outcome is unknown, and the error says what happened."""

from __future__ import annotations

import pytest
from support.exchanges import (
    BROKEN,
    LONG,
    SILENT,
    Make,
    check_timeout,
    failure,
    get,
    get_and_post,
    post,
)
from support.servers import PATIENCE, reply, reset, serving, silent
from support.speed import at_any_speed

from decart import Timeout, TransportError, TransportTimeout
from decart.transports.base import Transport


@get_and_post
@pytest.mark.parametrize("case", BROKEN)
def test_after_a_failure_the_request_may_have_been_accepted(transport: Transport, case: str, make: Make) -> None:
    with serving(BROKEN[case]) as server:
        error = failure(transport, make(server.url), LONG)
        assert len(server.requests) == 1
        assert f"127.0.0.1:{server.port}" in error.message
    assert type(error) is TransportError
    assert error.may_have_been_sent is True


@at_any_speed
@pytest.mark.parametrize(("case", "make"), list(zip(SILENT, [get, post] * 2, strict=True)))
def test_a_silent_server_causes_a_read_timeout(transport: Transport, case: str, make: Make, scale: float) -> None:
    with serving(SILENT[case]) as server:
        error = check_timeout(transport, make(server.url), read=0.15 * scale)
        assert len(server.requests) == 1
        place, limits = f"127.0.0.1:{server.port}", f"limits: connect {PATIENCE:.10g} s, read {0.15 * scale:.10g} s"
    assert error.message == f"{place} stopped responding (timed out; {limits})."


@get_and_post
def test_the_error_names_the_reason_of_the_operating_system(transport: Transport, make: Make) -> None:
    with serving(reset()) as server:
        error = failure(transport, make(server.url), LONG)
        place = f"127.0.0.1:{server.port}"
    assert error.message == f"The connection to {place} was lost (Connection reset by peer)."


def test_the_error_of_a_connection_that_just_ends_names_a_reason(transport: Transport) -> None:
    with serving(reply(b"")) as server:
        error = failure(transport, post(server.url), LONG)
        place = f"127.0.0.1:{server.port}"
    assert error.message.startswith(f"The connection to {place} was lost (")
    assert not error.message.endswith("().")


def test_an_exchange_works_after_one_that_failed(transport: Transport) -> None:
    with serving(reset(), silent, reply(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine")) as server:
        assert type(failure(transport, post(server.url), LONG)) is TransportError
        assert type(failure(transport, post(server.url), Timeout(read=0.15))) is TransportTimeout
        with transport.send(post(server.url), timeout=LONG) as response:
            assert response.read() == b"fine"
