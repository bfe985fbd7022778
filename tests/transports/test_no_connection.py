"""Without a connection nothing was sent, and the error says so; a port of another protocol is recognized."""

from __future__ import annotations

import pytest
from support.exchanges import NO_CONNECTION, OK, Make, failure, get, get_and_post, post
from support.servers import PATIENCE, answering, deaf, nobody, reply, serving

from decart import ConfigurationError, ConnectError, Timeout, TransportError
from decart.transports.base import Transport


@get_and_post
@pytest.mark.parametrize("case", NO_CONNECTION)
def test_without_a_connection_nothing_was_sent(transport: Transport, case: str, make: Make) -> None:
    with NO_CONNECTION[case]() as url:
        began = transport.now()
        error = failure(transport, make(url), Timeout(connect=0.15, read=PATIENCE))
        assert transport.now() - began < PATIENCE / 2
    assert type(error) is (ConfigurationError if case == "an invalid name" else ConnectError)
    assert error.may_have_been_sent is False
    assert "nothing was sent" in error.message.lower()


@get_and_post
def test_the_error_names_host_and_port_the_reason_and_what_to_check(transport: Transport, make: Make) -> None:
    with nobody() as url:
        error = failure(transport, make(url))
    assert error.message == (
        f"Could not connect to {url.removeprefix('http://')} (Connection refused); nothing was sent. "
        "Check the network, the base URL and the proxy settings."
    )


def test_the_error_names_a_port_that_is_not_in_the_url(transport: Transport) -> None:
    place = ".".join(["a" * 60] * 6)  # longer than any name, so no name server is asked
    assert failure(transport, get(f"http://{place}")).message.startswith(f"Could not connect to {place[:100]}:80 (")
    assert failure(transport, get(f"https://{place}")).message.startswith(f"Could not connect to {place[:100]}:443 (")


def test_the_error_asks_whether_a_plain_port_speaks_https(transport: Transport) -> None:
    with NO_CONNECTION["https to a server of plain http"]() as url:
        error = failure(transport, post(url))
    assert "Does this port speak HTTPS?" in error.message


@get_and_post
@pytest.mark.parametrize(
    ("sent", "message"),
    [
        (
            b"\x15\x03\x03\x00\x02\x02\x46",
            "the response is a TLS alert, not HTTP). Does this port expect HTTPS? Then the base URL begins with https://.",
        ),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "the response is not HTTP)."),
    ],
)
def test_a_port_that_does_not_speak_plain_http_is_reported_as_such(
    transport: Transport, make: Make, sent: bytes, message: str
) -> None:
    with serving(reply(sent)) as server:
        error = failure(transport, make(server.url))
    assert type(error) is TransportError
    assert error.message == f"The connection to 127.0.0.1:{server.port} was lost ({message}"


@get_and_post
def test_a_connect_timeout_says_that_it_timed_out(transport: Transport, make: Make) -> None:
    with deaf() as url:
        error = failure(transport, make(url), Timeout(connect=0.1, read=PATIENCE))
    assert type(error) is ConnectError
    assert error.message.startswith(
        f"Could not connect to {url.removeprefix('http://')} "
        f"(timed out; limits: connect 0.1 s, read {PATIENCE:.10g} s); nothing was sent."
    )


@get_and_post
def test_the_total_time_includes_connecting(transport: Transport, make: Make) -> None:
    with deaf() as url:
        began = transport.now()
        error = failure(transport, make(url), Timeout(connect=PATIENCE, read=PATIENCE, total=0.15))
        assert transport.now() - began < PATIENCE / 2
    assert isinstance(error, TransportError)


def test_a_connection_can_be_made_after_a_failed_attempt(transport: Transport) -> None:
    with serving(answering(lambda request, number: OK)) as server, nobody() as url:
        assert type(failure(transport, post(url))) is ConnectError
        with transport.send(post(server.url), timeout=Timeout()) as response:
            assert response.read() == b"fine"
