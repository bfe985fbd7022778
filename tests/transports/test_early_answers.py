"""Responses that arrive before the body was sent completely, and uploads that the server does not accept."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.exchanges import (
    BIG,
    LONG,
    OK,
    check_timeout,
    exchange,
    failure,
    get,
    large,
    never_reading,
    post,
)
from support.faces import SYNC
from support.servers import (
    Connection,
    Script,
    Server,
    answering,
    http,
    serving,
)
from support.speed import at_any_speed

from decart import (
    APIError,
    AuthenticationError,
    DecartClient,
    QueueSubmitError,
    RetryPolicy,
    TransportError,
    ValidationError,
    models,
)
from decart.transports.base import Transport


@pytest.fixture(params=SYNC)
def sync_transport(request: pytest.FixtureRequest) -> Iterator[Transport]:
    transport = SYNC[request.param]()
    yield transport
    transport.close()


@pytest.fixture(params=["http", "https"])
def secured(
    request: pytest.FixtureRequest,
    tls: ssl.SSLContext,
    certificate: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
) -> ssl.SSLContext | None:
    """What `serving` takes as ``tls``: nothing, and a certificate that the client trusts."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate[0]))
    return tls if request.param == "https" else None


def refusing(status: int) -> Script:
    """Respond as soon as the headers have arrived, and close with most of the body unread."""

    def script(connection: Connection) -> None:
        connection.read_head()
        connection.send(http(status, b'{"detail": "no, thanks"}'))

    return script


@pytest.mark.parametrize("transport", SYNC)
@pytest.mark.parametrize(("status", "kind"), [(413, ValidationError), (401, AuthenticationError)])
def test_a_refusal_of_an_upload_reaches_the_caller_of_the_queue(
    tmp_path: Path, transport: str, status: int, kind: type[APIError]
) -> None:
    path = tmp_path / "large.mp4"
    path.write_bytes(bytes(BIG))
    with serving(refusing(status), receive_buffer=4096) as server, client_of(server, transport) as client:
        with pytest.raises(QueueSubmitError, match="no, thanks") as refused:
            client.queue.submit({"model": models.video("lucy-clip"), "prompt": "x", "data": path})
        assert not server.requests
    assert type(refused.value.cause) is kind


def client_of(server: Server, transport: str) -> DecartClient:
    retry = RetryPolicy(attempts=1)
    return DecartClient("dct_key", base_url=server.url, timeout=LONG, retry=retry, transport=transport)


def test_a_connection_with_an_unfinished_upload_is_not_reused(sync_transport: Transport) -> None:
    scripts = refusing(413), answering(lambda request, number: OK)
    with serving(*scripts, receive_buffer=4096) as server:
        assert exchange(sync_transport, post(server.url, large()))[0] == 413
        assert exchange(sync_transport, get(server.url))[2] == b"fine"
        assert len(server.connections) == 2


def test_100_continue_does_not_end_an_upload_over_tls_either(
    sync_transport: Transport, secured: ssl.SSLContext | None
) -> None:
    def go_on(connection: Connection) -> None:
        connection.read_head()
        connection.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        connection.read_request()
        connection.send(OK)

    with serving(go_on, tls=secured, receive_buffer=65536) as server:
        assert exchange(sync_transport, post(server.url, large()))[2] == b"fine"
        assert len(server.requests[0].body) == BIG


def test_the_outcome_is_unknown_when_the_server_closes_its_half_during_an_upload(sync_transport: Transport) -> None:
    def half_closed(connection: Connection) -> None:
        connection.read_head()
        connection.sock.shutdown(1)
        connection.until_closed()

    with serving(half_closed, receive_buffer=65536) as server:
        error = failure(sync_transport, post(server.url, large()), LONG)
    assert type(error) is TransportError
    assert error.may_have_been_sent is True


@at_any_speed
@pytest.mark.parametrize("limit", ["connect", "total"])
def test_an_upload_that_the_server_does_not_accept_ends_in_time(
    sync_transport: Transport, secured: ssl.SSLContext | None, limit: str, scale: float
) -> None:
    with serving(never_reading, tls=secured, receive_buffer=4096) as server:
        check_timeout(sync_transport, post(server.url, large()), **{limit: 0.2 * scale})
