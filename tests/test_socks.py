"""SOCKS proxies of the environment, for the transports that can use them; PySocks does the talking."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from fakes import KEY
from servers import PATIENCE, Connection, Script, answering, http, nobody, serving, silent

from decart import ConnectError, RequestsTransport, Timeout, TransportTimeout, Urllib3Transport
from decart.transports.base import HttpRequest

URL = "http://service.invalid/v1/jobs/j1"
Seen = list[bytes]


@pytest.fixture(params=[RequestsTransport, Urllib3Transport])
def transport(request: pytest.FixtureRequest) -> Iterator[Any]:
    transport = request.param()
    yield transport
    transport.close()


def take(connection: Connection, count: int) -> bytes:
    """Take so many bytes."""
    data = b""
    while len(data) < count:
        data += connection.sock.recv(count - len(data)) or b"?" * count
    return data


class Socks:
    """A SOCKS5 proxy that asks for a user's password, and plays the service behind it, too."""

    def __init__(self, service: Script) -> None:
        self.seen: Seen = []
        self._service = service

    def __call__(self, connection: Connection) -> None:
        methods = take(connection, take(connection, 2)[1])
        method = 2 if 2 in methods else 0
        connection.send(bytes([5, method]))
        if method:
            self.seen += [take(connection, take(connection, 2)[1]), take(connection, take(connection, 1)[0])]
            connection.send(b"\x01\x00")
        kind = take(connection, 4)
        assert kind == b"\x05\x01\x00\x03", "a name, for the proxy to look up"
        self.seen.append(take(connection, take(connection, 1)[0]) + take(connection, 2))
        connection.send(b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x50")
        self._service(connection)


def ask(transport: Any, timeout: Timeout) -> bytes:
    request = HttpRequest(method="GET", url=URL, headers={"X-API-KEY": KEY})
    with transport.send(request, timeout=timeout) as response:
        data: bytes = response.read()
        return data


@pytest.mark.parametrize(("login", "told"), [("", []), ("me:h%40sh@", [b"me", b"h@sh"])])
def test_a_socks_proxy_of_the_environment_is_used(
    transport: Any, monkeypatch: pytest.MonkeyPatch, login: str, told: Seen
) -> None:
    proxy = Socks(answering(lambda request, number: http(200, request.headers["x-api-key"].encode())))
    with serving(proxy) as server:
        monkeypatch.setenv("all_proxy", f"socks5h://{login}127.0.0.1:{server.port}")
        assert [ask(transport, Timeout()) for _ in range(2)] == [KEY.encode()] * 2
        assert len(server.connections) == 1
    assert proxy.seen == [*told, b"service.invalid\x00\x50"]


def test_a_socks_proxy_that_is_not_there_means_no_connection(transport: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with nobody() as url:
        monkeypatch.setenv("all_proxy", url.replace("http", "socks5h"))
        with pytest.raises(ConnectError):
            ask(transport, Timeout())


def test_silence_behind_a_socks_proxy_is_given_up(transport: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(Socks(silent)) as server:
        monkeypatch.setenv("all_proxy", f"socks5h://127.0.0.1:{server.port}")
        with pytest.raises(TransportTimeout):
            ask(transport, Timeout(read=0.1))


def test_without_pysocks_the_error_says_what_to_install() -> None:
    program = """
import os, sys

class Without:
    def find_spec(self, name, path=None, target=None):
        if name == "socks":
            raise ModuleNotFoundError(name)
        return None

sys.meta_path.insert(0, Without())
os.environ["all_proxy"] = "socks5://127.0.0.1:9"
import decart

try:
    once = decart.RetryPolicy(attempts=1)
    decart.DecartClient("dct_key", transport="urllib3", retry=once).queue.status("j1")
except decart.QueueStatusError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=PATIENCE)
    assert "pip install 'requests[socks]'" in done.stdout, done.stderr
