"""SOCKS proxies of the environment: requests and urllib3 use them through PySocks, aiohttp cannot."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest
from support.exchanges import LONG, TRANSPORTS, exchange, failure, get
from support.faces import SYNC
from support.fakes import KEY
from support.servers import (
    PATIENCE,
    Connection,
    Script,
    answering,
    http,
    nobody,
    serving,
    silent,
)

from decart import ConfigurationError, ConnectError, Timeout, TransportTimeout
from decart.transports.base import Transport

URL = "http://service.invalid"


@pytest.fixture(params=SYNC)
def sync_transport(request: pytest.FixtureRequest) -> Iterator[Transport]:
    transport = SYNC[request.param]()
    yield transport
    transport.close()


def take(connection: Connection, count: int) -> bytes:
    """Receive this number of bytes."""
    data = b""
    while len(data) < count:
        data += connection.sock.recv(count - len(data)) or b"?" * count
    return data


class Socks:
    """A SOCKS5 proxy that asks for user and password, and is the server behind it, too.

    Attributes:
        seen: User, password, and the host and port asked for, as bytes.
    """

    def __init__(self, service: Script) -> None:
        self.seen: list[bytes] = []
        self._service = service

    def __call__(self, connection: Connection) -> None:
        methods = take(connection, take(connection, 2)[1])
        method = 2 if 2 in methods else 0
        connection.send(bytes([5, method]))
        if method:
            self.seen += [take(connection, take(connection, 2)[1]), take(connection, take(connection, 1)[0])]
            connection.send(b"\x01\x00")
        assert take(connection, 4) == b"\x05\x01\x00\x03", "not a host name for the proxy to look up"
        self.seen.append(take(connection, take(connection, 1)[0]) + take(connection, 2))
        connection.send(b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x50")
        self._service(connection)


@pytest.mark.parametrize(("login", "sent"), [("", []), ("me:h%40sh@", [b"me", b"h@sh"])], ids=["no login", "login"])
def test_a_socks_proxy_of_the_environment_is_used(
    sync_transport: Transport, monkeypatch: pytest.MonkeyPatch, login: str, sent: list[bytes]
) -> None:
    proxy = Socks(answering(lambda request, number: http(200, request.headers["x-api-key"].encode())))
    with serving(proxy) as server:
        monkeypatch.setenv("all_proxy", f"socks5h://{login}127.0.0.1:{server.port}")
        assert [exchange(sync_transport, get(URL))[2] for _ in range(2)] == [KEY.encode()] * 2
        assert len(server.connections) == 1
    assert proxy.seen == [*sent, b"service.invalid\x00\x50"]


def test_a_socks_proxy_that_refuses_connections_means_no_connection(
    sync_transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    with nobody() as url:
        monkeypatch.setenv("all_proxy", url.replace("http", "socks5h"))
        assert type(failure(sync_transport, get(URL), LONG)) is ConnectError


def test_a_silent_server_behind_a_socks_proxy_causes_a_read_timeout(
    sync_transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(Socks(silent)) as server:
        monkeypatch.setenv("all_proxy", f"socks5h://127.0.0.1:{server.port}")
        error = failure(sync_transport, get(URL), Timeout(connect=PATIENCE, read=0.1))
    assert type(error) is TransportTimeout


def test_aiohttp_says_that_it_cannot_use_a_socks_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    transport = TRANSPORTS["aiohttp"]()
    monkeypatch.setenv("all_proxy", "socks5h://127.0.0.1:9")
    error = failure(transport, get(URL))
    transport.close()
    assert type(error) is ConfigurationError
    assert "transport='requests'" in error.message


WITHOUT_PYSOCKS = """
import os, sys

sys.modules["socks"] = None  # as if it were not installed
os.environ["all_proxy"] = "socks5://127.0.0.1:9"
import decart

try:
    client = decart.DecartClient("dct_key", base_url="http://service.invalid", allow_http=True, transport=sys.argv[1])
    client.queue.status("j1")
except decart.QueueStatusError as error:
    print(type(error.cause).__name__, error)
"""


@pytest.mark.parametrize("transport", SYNC)
def test_without_pysocks_the_error_says_what_to_install(transport: str) -> None:
    command = [sys.executable, "-W", "error", "-c", WITHOUT_PYSOCKS, transport]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    assert done.stderr == ""
    assert done.stdout.startswith("ConfigurationError ")
    assert "pip install 'requests[socks]'" in done.stdout
