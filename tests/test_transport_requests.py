"""The default transport, on real sockets wherever a mock would not show it."""

from __future__ import annotations

import os
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import responses
import urllib3
from requests.adapters import HTTPAdapter
from servers import Exchange, Server, serving

from decart import (
    ConnectError,
    DecartClient,
    DecartSDKError,
    InvalidInputError,
    QueueStatusError,
    QueueSubmitError,
    RetryPolicy,
    SubmitOutcomeUnknownError,
    Timeout,
    TransportError,
    TransportTimeout,
    models,
)
from decart.transports import HttpRequest, RequestsTransport, Transport

KEY = "dct_0123456789secret"
SHORT = Timeout(connect=2, read=0.2)
ONCE = RetryPolicy(attempts=1)


class Bytes:
    """A request body of some chunks."""

    def __init__(self, *chunks: bytes) -> None:
        self.chunks = chunks

    def __len__(self) -> int:
        return sum(map(len, self.chunks))

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.chunks)


def get(url: str, path: str = "/v1/jobs/j") -> HttpRequest:
    return HttpRequest(method="GET", url=url + path, headers={"X-API-KEY": KEY, "User-Agent": "ua", "Accept": "*/*"})


def post(url: str, *chunks: bytes) -> HttpRequest:
    return HttpRequest(method="POST", url=url + "/v1/jobs/m", headers={"X-API-KEY": KEY}, body=Bytes(*chunks))


@pytest.fixture
def transport() -> Iterator[RequestsTransport]:
    transport = RequestsTransport()
    yield transport
    transport.close()


def body_of(transport: Transport, request: HttpRequest, timeout: Timeout = SHORT) -> bytes:
    with transport.send(request, timeout=timeout) as response:
        return response.read()


def test_it_is_a_transport(transport: RequestsTransport) -> None:
    assert isinstance(transport, Transport)
    assert repr(transport) == "RequestsTransport()"


def test_a_request_carries_our_headers_and_a_response_its_own(transport: RequestsTransport) -> None:
    with responses.RequestsMock(registry=responses.registries.OrderedRegistry) as mock:
        mock.get(
            "https://api.decart.ai/v1/jobs/j",
            body=b"[1]",
            headers={"X-Request-Id": "r1"},
            match=[
                responses.matchers.header_matcher(
                    {"X-API-KEY": KEY, "User-Agent": "ua", "Accept": "*/*"}, strict_match=True
                )
            ],
        )
        with transport.send(get("https://api.decart.ai"), timeout=SHORT) as response:
            assert (response.status, response.headers["x-request-id"], response.read()) == (200, "r1", b"[1]")


def test_one_send_is_one_attempt_whatever_comes_back(transport: RequestsTransport) -> None:
    with responses.RequestsMock(registry=responses.registries.OrderedRegistry) as mock:
        mock.get("https://api.decart.ai/v1/jobs/j", status=503, headers={"Retry-After": "1"})
        mock.get("https://api.decart.ai/v1/jobs/j", body=b"later")
        with transport.send(get("https://api.decart.ai"), timeout=SHORT) as response:
            assert response.status == 503
        assert body_of(transport, get("https://api.decart.ai")) == b"later"


def test_a_body_is_sent_with_its_exact_length_and_not_in_chunks(transport: RequestsTransport) -> None:
    def handler(exchange: Exchange) -> None:
        exchange.read_body()
        exchange.answer()

    with serving(handler) as server:
        body_of(transport, post(server.url, b"one", b"two"))
        (exchange,) = server.exchanges
        assert exchange.line == "POST /v1/jobs/m HTTP/1.1"
        assert (exchange.header("content-length"), exchange.header("transfer-encoding")) == ("6", None)
        assert (exchange.body, exchange.header("x-api-key")) == (b"onetwo", KEY)


def refused() -> str:
    """Return an address at which nobody listens."""
    with serving(lambda exchange: None) as server:
        return server.url


def test_a_refused_connection_means_that_nothing_was_sent(transport: RequestsTransport) -> None:
    with pytest.raises(ConnectError) as caught:
        transport.send(post(refused(), b"x"), timeout=SHORT)
    assert not caught.value.may_have_been_sent
    assert "Connection refused" in caught.value.message


@pytest.mark.parametrize(
    "error",
    [
        requests.exceptions.ConnectTimeout(),
        requests.exceptions.ProxyError(),
        requests.exceptions.SSLError(),
        requests.exceptions.InvalidURL("x"),
        urllib3.exceptions.LocationValueError("No host specified."),
        UnicodeError("label too long"),
        OSError("no such CA bundle"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_whatever_fails_before_the_body_is_touched_is_a_connect_error(
    error: Exception, transport: RequestsTransport
) -> None:
    with responses.RequestsMock() as mock:
        mock.post("https://api.decart.ai/v1/jobs/m", body=error)
        with pytest.raises(ConnectError) as caught:
            transport.send(post("https://api.decart.ai", b"x"), timeout=SHORT)
    assert not caught.value.may_have_been_sent


def test_a_connection_that_is_not_made_in_time_is_a_connect_error_for_a_get_too(transport: RequestsTransport) -> None:
    with responses.RequestsMock() as mock:
        mock.get("https://api.decart.ai/v1/jobs/j", body=requests.exceptions.ConnectTimeout())
        with pytest.raises(ConnectError):
            transport.send(get("https://api.decart.ai"), timeout=SHORT)


def test_a_server_without_tls_is_a_connect_error(transport: RequestsTransport) -> None:
    with serving(lambda exchange: None) as server:
        with pytest.raises(ConnectError) as caught:
            transport.send(post(server.url.replace("http:", "https:"), b"x"), timeout=SHORT)
        assert server.exchanges == []
    assert not caught.value.may_have_been_sent


def stall(server_of: list[Server]) -> Callable[[Exchange], None]:
    def handler(exchange: Exchange) -> None:
        exchange.read_body()
        server_of[0].released.wait(10)

    return handler


def test_silence_after_the_body_was_sent_is_a_timeout_that_may_have_cost_money(transport: RequestsTransport) -> None:
    server_of: list[Server] = []
    with serving(stall(server_of)) as server:
        server_of.append(server)
        with pytest.raises(TransportTimeout) as caught:
            transport.send(post(server.url, b"x"), timeout=SHORT)
        server.released.set()
    assert caught.value.may_have_been_sent


def broken(how: str) -> Callable[[Exchange], None]:
    """Return a handler that breaks the exchange in one of the ways that networks have."""

    def handler(exchange: Exchange) -> None:
        exchange.read_body()
        if how == "reset before the answer":
            exchange.reset()
        elif how == "closed before the answer":
            exchange.sock.close()
        elif how == "garbage":
            exchange.sock.sendall(b"\x00\xff this is not HTTP\r\n\r\n")
            exchange.sock.close()
        elif how == "cut in the headers":
            exchange.sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Le")
            exchange.sock.close()
        elif how == "cut in the body":
            exchange.answer(b"half", length=8)
            exchange.sock.close()
        elif how == "reset in the body":
            exchange.answer(b"half", length=8)
            exchange.reset()
        elif how == "broken chunks":
            exchange.sock.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnot a number\r\nx\r\n")
            exchange.sock.close()
        else:
            exchange.answer(b"not gzip", headers="Content-Encoding: gzip\r\n")

    return handler


BROKEN = [
    "reset before the answer",
    "closed before the answer",
    "garbage",
    "cut in the headers",
    "cut in the body",
    "reset in the body",
    "broken chunks",
    "bad gzip",
]


@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_exchange_is_a_transport_error_that_may_have_cost_money(
    how: str, transport: RequestsTransport
) -> None:
    with serving(broken(how)) as server:
        with pytest.raises(TransportError) as caught:
            body_of(transport, post(server.url, b"x"))
        assert caught.value.may_have_been_sent
        assert len(server.exchanges) == 1


@pytest.mark.parametrize("how", BROKEN)
def test_through_the_client_a_broken_submit_is_an_unknown_outcome_after_one_post(how: str) -> None:
    with serving(broken(how)) as server, DecartClient(api_key=KEY, base_url=server.url) as client:
        with pytest.raises(SubmitOutcomeUnknownError) as caught:
            client.queue.submit({"model": models.video("lucy-pro-t2v"), "prompt": "x"})
        assert len(server.exchanges) == 1
    assert KEY not in repr(caught.value)


@pytest.mark.parametrize("how", BROKEN)
def test_through_the_client_a_broken_status_is_ours_and_names_the_job(how: str) -> None:
    with serving(broken(how)) as server, DecartClient(api_key=KEY, base_url=server.url, retry=ONCE) as client:
        for verb in (client.queue.status, client.queue.result):
            with pytest.raises(DecartSDKError) as caught:
                verb("job-1")
            assert getattr(caught.value, "job_id", None) == "job-1"


def test_an_answer_that_drips_is_ended_by_the_total_timeout(transport: RequestsTransport) -> None:
    def handler(exchange: Exchange) -> None:
        exchange.answer(b"", length=1_000_000)
        while not server.released.wait(0.02):
            exchange.sock.sendall(b"." * 10)

    with serving(handler) as server:
        with pytest.raises(TransportTimeout):
            body_of(transport, get(server.url), Timeout(read=5, total=0.2))
        server.released.set()


def test_a_body_that_cannot_be_read_ends_the_request_with_its_own_error(transport: RequestsTransport) -> None:
    class Torn(Bytes):
        def __iter__(self) -> Iterator[bytes]:
            yield b"first"
            raise InvalidInputError("data: the file became shorter")

    with serving(lambda exchange: None) as server:
        request = HttpRequest(method="POST", url=server.url, headers={}, body=Torn(b"x" * 1000))
        with pytest.raises(InvalidInputError, match="became shorter"):
            transport.send(request, timeout=SHORT)


def test_an_early_refusal_is_read_and_told(transport: RequestsTransport) -> None:
    def handler(exchange: Exchange) -> None:
        exchange.answer(b'{"detail": "too large"}', status="413 Content Too Large", headers="Connection: close\r\n")
        exchange.read_body()

    with serving(handler) as server:
        with transport.send(post(server.url, *[b"x" * 100_000] * 50), timeout=Timeout(read=5)) as response:
            assert (response.status, response.read()) == (413, b'{"detail": "too large"}')


@pytest.mark.parametrize("location", ["{other}/v1/jobs/j", "//[bad", "http://u:p@{host}/", "mailto:x", ""])
@pytest.mark.parametrize("status", ["302 Found", "307 Temporary Redirect", "308 Permanent Redirect"])
@pytest.mark.parametrize("own_session", [False, True])
def test_a_redirect_is_an_error_that_names_where_it_leads_and_nothing_is_sent_there(
    location: str, status: str, own_session: bool
) -> None:
    session = requests.Session() if own_session else None
    with serving(lambda exchange: exchange.answer()) as other:

        def handler(exchange: Exchange) -> None:
            exchange.read_body()
            target = location.format(other=other.url, host=other.url[7:])
            exchange.answer(b"", status=status, headers=f"Location: {target}\r\n")

        with serving(handler) as server:
            transport = RequestsTransport(session)
            with DecartClient(api_key=KEY, base_url=server.url, retry=ONCE, transport=transport) as client:
                with pytest.raises(QueueStatusError) as status_error:
                    client.queue.status("j")
                with pytest.raises(QueueSubmitError) as submit_error:
                    client.queue.submit({"model": models.video("lucy-pro-t2v"), "prompt": "x"})
            transport.close()
            assert len(server.exchanges) <= 2
        if "{other}" in location:
            assert other.url in status_error.value.message
            assert other.url in submit_error.value.message
        assert other.connections == 0
    if session:
        session.close()


def test_many_threads_share_a_transport_and_each_gets_its_own_answer(transport: RequestsTransport) -> None:
    failures: list[str] = []
    with serving(lambda exchange: exchange.answer(exchange.path.encode())) as server:

        def work(number: int) -> None:
            for turn in range(25):
                path = f"/v1/jobs/{number}-{turn}"
                if body_of(transport, get(server.url, path), Timeout(read=10)) != path.encode():
                    failures.append(path)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (failures, len(server.exchanges)) == ([], 400)
        assert server.connections <= 16
        transport.close()


FORK = """
import os, sys
import requests
from decart.transports import HttpRequest, RequestsTransport, Timeout
session = requests.Session() if sys.argv[2] == "own" else None
transport = RequestsTransport(session)
def ask(path):
    request = HttpRequest(method="GET", url=sys.argv[1] + path, headers={})
    with transport.send(request, timeout=Timeout(read=5)) as response:
        assert response.read() == path.encode()
ask("/parent")
child = os.fork()
if not child:
    ask("/child")
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
ask("/parent-again")
transport.close()
if session: session.close()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.parametrize("session", ["ours", "own"])
def test_a_forked_child_makes_a_connection_of_its_own_and_the_parent_keeps_its_own(session: str) -> None:
    with serving(lambda exchange: exchange.answer(exchange.path.encode())) as server:
        command = [sys.executable, "-W", "error", "-c", FORK, server.url, session]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        assert (ended.returncode, ended.stderr) == (0, "")
        sockets = {exchange.path: exchange.sock for exchange in server.exchanges}
        assert sockets["/parent"] is sockets["/parent-again"] is not sockets["/child"]
        assert server.connections == 2


def test_proxies_of_the_environment_are_used_and_no_proxy_is_heeded(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(lambda exchange: exchange.answer(b"proxy")) as proxy, serving(
        lambda exchange: exchange.answer(b"direct")
    ) as server:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("http_proxy", proxy.url)
        through = RequestsTransport()
        assert body_of(through, get("http://service.invalid")) == b"proxy"
        assert proxy.exchanges[0].line.startswith("GET http://service.invalid/v1/jobs/j ")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        assert body_of(through, get(server.url)) == b"direct"
        through.close()


def test_the_environment_is_looked_at_once_for_each_origin(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(lambda exchange: exchange.answer(b"direct")) as server:
        transport = RequestsTransport()
        assert body_of(transport, get(server.url)) == b"direct"
        monkeypatch.setenv("http_proxy", refused())
        assert body_of(transport, get(server.url)) == b"direct"
        transport.close()


def test_a_ca_bundle_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "missing.pem"))
    transport = RequestsTransport()
    with serving(lambda exchange: None) as server, pytest.raises(ConnectError, match="missing.pem|No connection"):
        transport.send(get(server.url.replace("http:", "https:")), timeout=SHORT)
    transport.close()


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    made = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
        + ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", tmp_path / "key.pem", "-out", tmp_path / "cert.pem"],
        capture_output=True,
        check=False,
    )
    if made.returncode:  # pragma: no cover
        pytest.skip("there is no openssl here to make a certificate with")
    return tmp_path / "cert.pem"


def test_tls_is_verified_and_a_bundle_of_the_environment_is_trusted(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_name("key.pem"))
    with serving(lambda exchange: exchange.answer(b"safe"), context) as server:
        url = server.url.replace("http:", "https:")
        stranger, friend = RequestsTransport(), RequestsTransport()
        with pytest.raises(ConnectError) as caught:
            stranger.send(post(url, b"x"), timeout=SHORT)
        assert not caught.value.may_have_been_sent
        assert "certificate" in caught.value.message.lower()
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
        assert body_of(friend, get(url)) == b"safe"
        stranger.close()
        friend.close()


def test_a_session_of_ones_own_is_used_as_it_is_and_not_closed() -> None:
    with serving(lambda exchange: exchange.answer()) as server, requests.Session() as session:
        session.headers["X-Gateway"] = "g"
        session.auth = ("user", "word")
        transport = RequestsTransport(session)
        body_of(transport, get(server.url))
        transport.close()
        body_of(transport, get(server.url))
        assert repr(transport) == "RequestsTransport(session=...)"
        assert server.connections == 1
        assert [exchange.header("x-gateway") for exchange in server.exchanges] == ["g", "g"]
        assert (server.exchanges[0].header("authorization") or "").startswith("Basic ")


@pytest.mark.parametrize(
    ("retries", "allowed"),
    [
        (0, True),
        (3, True),  # urllib3 leaves POST out by itself
        (urllib3.Retry(3, allowed_methods={"GET"}), True),
        (urllib3.Retry(0, allowed_methods=None), True),
        (urllib3.Retry(3, allowed_methods=None), False),
        (urllib3.Retry(total=None, read=1, allowed_methods={"post"}), False),
    ],
)
def test_a_session_that_would_repeat_a_post_is_refused(retries: Any, allowed: bool) -> None:
    with requests.Session() as session:
        session.mount("https://", HTTPAdapter(max_retries=retries))
        if allowed:
            RequestsTransport(session).close()
        else:
            with pytest.raises(InvalidInputError, match="repeats POST"):
                RequestsTransport(session)


def test_an_adapter_that_knows_nothing_of_repeats_is_accepted() -> None:
    class Plain(requests.adapters.BaseAdapter):
        def close(self) -> None: ...

    with requests.Session() as session:
        session.mount("https://", Plain())
        RequestsTransport(session).close()


def test_cookies_are_not_kept(transport: RequestsTransport) -> None:
    with serving(lambda exchange: exchange.answer(headers="Set-Cookie: a=b\r\n")) as server:
        body_of(transport, get(server.url))
        body_of(transport, get(server.url))
        assert server.exchanges[1].header("cookie") is None


def test_netrc_is_not_looked_at(
    transport: RequestsTransport, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password word\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with serving(lambda exchange: exchange.answer()) as server:
        body_of(transport, get(server.url))
        assert server.exchanges[0].header("authorization") is None


def test_what_stays_visible_as_the_cause_holds_no_request_and_no_key(transport: RequestsTransport) -> None:
    with pytest.raises(ConnectError) as caught:
        transport.send(post(refused(), b"x"), timeout=SHORT)
    cause = caught.value.__cause__
    assert isinstance(cause, requests.RequestException)
    assert (cause.request, cause.response) == (None, None)


def test_closing_lets_go_of_the_connections(transport: RequestsTransport) -> None:
    with serving(lambda exchange: exchange.answer()) as server:
        body_of(transport, get(server.url))
        transport.close()
        body_of(transport, get(server.url))
        assert server.connections == 2


def test_a_closed_response_gives_its_connection_up_even_when_unread(transport: RequestsTransport) -> None:
    with serving(lambda exchange: exchange.answer(b"x" * 100)) as server:
        with transport.send(get(server.url), timeout=SHORT) as response:
            assert response.read(10) == b"x" * 10
        assert body_of(transport, get(server.url)) == b"x" * 100


def test_the_clock_goes_on_and_a_sleep_ends_when_it_is_cancelled(transport: RequestsTransport) -> None:
    cancel = threading.Event()
    cancel.set()
    began = transport.now()
    transport.sleep(0.001)
    transport.sleep(3600, cancel)
    assert 0.001 <= transport.now() - began < 60
