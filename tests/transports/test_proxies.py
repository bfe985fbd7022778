"""The proxies of the environment: used with their own password, and never for loopback addresses."""

from __future__ import annotations

import base64
import ssl

import pytest
from support.exchanges import LONG, OK, Make, exchange, failure, get, get_and_post, post
from support.fakes import KEY
from support.servers import (
    PATIENCE,
    Connection,
    Script,
    answering,
    http,
    nobody,
    reply,
    reset,
    serving,
)

from decart import ConnectError, Timeout, TransportError
from decart.transports.base import Transport

BASIC = "Basic " + base64.b64encode(b"me:h@sh").decode()
ANY = "http://0.0.0.0"  # reaches this machine, but is not a loopback address


def tunnel(context: ssl.SSLContext, heads: list[bytes]) -> Script:
    """Play a proxy that makes a tunnel, and the service behind it."""

    def script(connection: Connection) -> None:
        connection.read_head()
        heads.append(bytes(connection.received))
        connection.send(b"HTTP/1.1 200 OK\r\n\r\n")
        connection.received.clear()
        connection.sock = context.wrap_socket(connection.sock, server_side=True)
        answering(lambda request, number: OK)(connection)

    return script


# ---------------------------------------------------------------- which one


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"])
@pytest.mark.parametrize("scheme", ["http://", ""], ids=["a URL", "host and port"])
def test_a_proxy_of_the_environment_is_used(
    transport: Transport, monkeypatch: pytest.MonkeyPatch, variable: str, scheme: str
) -> None:
    with serving(answering(lambda request, number: http(200, b"proxy"))) as proxy:
        monkeypatch.setenv(variable, f"{scheme}127.0.0.1:{proxy.port}")
        for _ in range(2):
            assert exchange(transport, post("http://service.invalid"))[2] == b"proxy"
        assert [request.target for request in proxy.requests] == ["http://service.invalid/v1/jobs/lucy"] * 2
        assert proxy.requests[0].headers["host"] == "service.invalid"
        assert proxy.requests[0].body == b"one,two,three"
        assert len(proxy.connections) == 1


@pytest.mark.parametrize("exception", ["0.0.0.0", "elsewhere.invalid, 0.0.0.0", "0.0.0.0/8"])
def test_no_proxy_is_respected(transport: Transport, monkeypatch: pytest.MonkeyPatch, exception: str) -> None:
    with serving(answering(lambda request, number: http(200, b"proxy"))) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        with serving(answering(lambda request, number: http(200, b"direct"))) as server:
            assert exchange(transport, get(f"{ANY}:1"))[2] == b"proxy"
            monkeypatch.setenv("no_proxy", exception)
            assert exchange(transport, get(f"{ANY}:{server.port}"))[2] == b"direct"
            assert len(server.requests) == len(proxy.requests) == 1


@get_and_post
@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "localhost", "api.localhost", "[::1]"])
def test_no_proxy_is_used_for_a_loopback_address(
    transport: Transport, monkeypatch: pytest.MonkeyPatch, make: Make, scheme: str, host: str
) -> None:
    with serving(answering(lambda request, number: http(200, b"proxy"))) as proxy, nobody() as url:
        for variable in ("http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(variable, proxy.url)
        error = failure(transport, make(f"{scheme}://{host}:{url.rpartition(':')[2]}"))
        assert type(error) is ConnectError
        assert not proxy.connections


def test_not_even_a_malformed_proxy_matters_for_a_loopback_address(
    transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http:///nowhere")
    with serving(answering(lambda request, number: OK)) as server:
        assert exchange(transport, post(server.url))[2] == b"fine"


# ---------------------------------------------------------------- what it receives


def test_each_proxy_receives_its_own_user_and_password(transport: Transport, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(answering(lambda request, number: OK)) as proxy:
        monkeypatch.setenv("http_proxy", f"http://me:h%40sh@127.0.0.1:{proxy.port}")
        exchange(transport, get("http://service.invalid"))
        headers = proxy.requests[0].headers
    assert headers["proxy-authorization"] == BASIC
    assert "authorization" not in headers


@pytest.mark.usefixtures("trusted")
def test_a_tunnel_hides_the_key_from_the_proxy_and_its_password_from_the_service(
    transport: Transport, tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    heads: list[bytes] = []
    with serving(tunnel(tls, heads)) as proxy:
        monkeypatch.setenv("https_proxy", f"http://me:h%40sh@127.0.0.1:{proxy.port}")
        for _ in range(2):
            assert exchange(transport, post("https://service.invalid"))[2] == b"fine"
        assert [request.headers["x-api-key"] for request in proxy.requests] == [KEY] * 2
        assert not any("proxy-authorization" in request.headers for request in proxy.requests)
    [head] = heads
    assert head.startswith(b"CONNECT service.invalid:443 ")
    assert f"proxy-authorization: {BASIC}".lower().encode() in head.lower()
    assert KEY.encode() not in head


@pytest.mark.parametrize("kind", ["urllib3", "aiohttp"], indirect=True)  # requests does not verify such a proxy
@pytest.mark.usefixtures("trusted")
def test_a_proxy_may_be_reached_over_tls(
    transport: Transport, tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(answering(lambda request, number: OK), tls=tls) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        assert exchange(transport, post("http://service.invalid"))[2] == b"fine"
        assert proxy.requests[0].target == "http://service.invalid/v1/jobs/lucy"


# ---------------------------------------------------------------- how it fails


@get_and_post
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_refuses_connections_means_no_connection(
    transport: Transport, monkeypatch: pytest.MonkeyPatch, make: Make, scheme: str
) -> None:
    with nobody() as url:
        monkeypatch.setenv(f"{scheme}_proxy", url)
        error = failure(transport, make(f"{scheme}://service.invalid"), LONG)
    assert type(error) is ConnectError
    assert error.message.startswith("Could not connect to service.invalid:")
    assert error.may_have_been_sent is False


@get_and_post
@pytest.mark.parametrize("status", [403, 407, 502])
def test_a_proxy_that_refuses_a_tunnel_means_no_connection(
    transport: Transport, monkeypatch: pytest.MonkeyPatch, make: Make, status: int
) -> None:
    def forbid(connection: Connection) -> None:
        assert connection.read_head()[0][0].startswith(b"CONNECT service.invalid:443 ")
        connection.send(http(status))

    with serving(forbid) as proxy:
        monkeypatch.setenv("https_proxy", f"http://me:hush@127.0.0.1:{proxy.port}")
        error = failure(transport, make("https://service.invalid"), LONG)
    assert type(error) is ConnectError
    assert error.may_have_been_sent is False
    why = "407: its user name or password is missing or wrong" if status == 407 else str(status)
    assert f"Could not connect to service.invalid:443 (the proxy refused it, HTTP {why})" in error.message
    assert "hush" not in error.message


@pytest.mark.parametrize("script", [reset(), reply(b"")], ids=["reset", "end"])
def test_a_proxy_that_breaks_off_before_there_is_a_tunnel_means_no_connection(
    transport: Transport, monkeypatch: pytest.MonkeyPatch, script: Script
) -> None:
    with serving(script) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        error = failure(transport, post("https://service.invalid"), LONG)
    assert type(error) is ConnectError
    assert error.may_have_been_sent is False


@pytest.mark.parametrize("script", [reset(), reply(b"")], ids=["reset", "end"])
def test_a_proxy_that_breaks_off_after_the_body_leaves_the_outcome_open(
    transport: Transport, monkeypatch: pytest.MonkeyPatch, script: Script
) -> None:
    with serving(script) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        error = failure(transport, post("http://service.invalid"), LONG)
        assert proxy.requests[0].body == b"one,two,three"
    assert type(error) is TransportError
    assert error.may_have_been_sent is True


def test_a_proxy_that_never_opens_the_tunnel_means_no_connection(
    transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(Connection.until_closed) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        error = failure(transport, post("https://service.invalid"), Timeout(connect=0.15, read=PATIENCE))
    assert type(error) is ConnectError
