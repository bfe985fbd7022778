"""The contract of `decart.transports.base`, kept by every transport over real sockets.

What each library does by itself differs (repeats, redirects, cookies, headers, clocks), and so does what an async one
leaves behind; what crosses the seam may not. The async transports take part behind `Blocking`, a sync face of them.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import gc
import os
import shutil
import ssl
import stat
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import pytest
import requests.utils
import test_transport_requests as of_requests
from fakes import KEY
from servers import FIRST, PATIENCE, Connection, Received, Script, answering, deaf, http, nobody, reply, reset, serving
from servers import silent, then
from test_transport_requests import BIG, BROKEN, DRIPS, FAILURES, HEAD, HEADERS, LONG, NO_CONNECTION, OK, OURS, SILENT
from test_transport_requests import SOON, Failing, caught, get, large, never_reading, post, taking_little, url_of

from decart import ConnectError, InvalidInputError, RequestsTransport, Timeout, TransportError, TransportTimeout
from decart._multipart import MultipartBody
from decart.files import upload
from decart.transports.aiohttp import AiohttpTransport
from decart.transports.base import AsyncHttpResponse, AsyncTransport, HttpRequest, HttpResponse, Transport
from decart.transports.threaded import ThreadedTransport

T = TypeVar("T")
Make = Callable[[str], HttpRequest]
AT_ONCE = PATIENCE / 10  # seconds; what does not come at once here comes after PATIENCE, or never

certificate, tls = of_requests.certificate, of_requests.tls
get_and_post = pytest.mark.parametrize("make", [get, post], ids=["GET", "POST"])


class Blocking:
    """A sync face of an async transport, on an event loop that stands still between two calls."""

    def __init__(
        self, transport: AsyncTransport, new_loop: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop
    ) -> None:
        self._transport, self._loop = transport, new_loop()

    def send(self, request: HttpRequest, *, timeout: Timeout) -> HttpResponse:
        response = self._run(self._transport.asend(request, timeout=timeout))
        close = response.aclose
        return HttpResponse(response.status, response.headers, self._chunks(response), lambda: self._run(close()))

    def _chunks(self, response: AsyncHttpResponse) -> Iterator[bytes]:
        chunks = response.achunks()

        async def following() -> bytes | None:
            return await anext(chunks, None)

        while (chunk := self._run(following())) is not None:
            yield chunk

    def now(self) -> float:
        return self._transport.now()

    def sleep(self, seconds: float, cancel: threading.Event | None = None) -> None:
        self._run(self._transport.asleep(seconds, cancel))

    def close(self) -> None:
        if not self._loop.is_closed():
            self._run(self._transport.aclose())
            self._run(self._loop.shutdown_asyncgens())
            self._run(self._loop.shutdown_default_executor())
            self._loop.close()

    def _run(self, awaitable: Awaitable[T]) -> T:
        return self._loop.run_until_complete(awaitable)


def _threaded() -> AsyncTransport:
    return ThreadedTransport(RequestsTransport())


def _of_uvloop(name: str) -> Any:
    return getattr(pytest.importorskip("uvloop"), name)


TRANSPORTS: dict[str, Callable[[], Transport]] = {
    "requests": RequestsTransport,
    "threaded": lambda: Blocking(_threaded()),
    "aiohttp": lambda: Blocking(AiohttpTransport()),
    "aiohttp on uvloop": lambda: Blocking(AiohttpTransport(), _of_uvloop("new_event_loop")),
}


@pytest.fixture(params=TRANSPORTS)
def transport(request: pytest.FixtureRequest) -> Iterator[Transport]:
    transport = TRANSPORTS[request.param]()
    yield transport
    transport.close()


def exchange(
    transport: Transport, request: HttpRequest, timeout: Timeout = LONG
) -> tuple[int, Mapping[str, str], bytes]:
    with transport.send(request, timeout=timeout) as response:
        return response.status, response.headers, response.read()


def failure(transport: Transport, request: HttpRequest, timeout: Timeout = SOON) -> TransportError:
    return caught(TransportError, lambda: exchange(transport, request, timeout))


def to(url: str, **more: Any) -> HttpRequest:
    return HttpRequest(method="GET", url=url, headers=HEADERS, **more)


def test_each_is_a_transport(transport: Transport) -> None:
    assert isinstance(transport, Transport)


# ---------------------------------------------------------------- one attempt, our headers, the answer as it came


def test_the_bytes_on_the_wire_are_ours_with_an_exact_length_and_no_chunked_encoding(transport: Transport) -> None:
    with serving(answering(lambda request, number: OK)) as server:
        assert exchange(transport, post(server.url))[2] == b"fine"
        assert exchange(transport, get(server.url))[2] == b"fine"
        posted, got = server.requests
    added = {"host": f"127.0.0.1:{server.port}", "accept-encoding": "identity"}
    assert posted.headers == {name.lower(): value for name, value in OURS.items()} | added | {"content-length": "13"}
    assert got.headers == {name.lower(): value for name, value in HEADERS.items()} | added
    assert (posted.method, posted.target, posted.body) == ("POST", "/v1/jobs/lucy", b"one,two,three")
    assert (got.method, got.target, got.body) == ("GET", "/v1/jobs/j1", b"")
    assert bytes(server.connections[0].received).count(b"one,two,three") == 1


@pytest.mark.parametrize("status", [200, 204, 404, 418])
def test_status_headers_and_body_of_an_answer_come_through(transport: Transport, status: int) -> None:
    body = b"" if status == 204 else bytes(range(256)) * 4000
    with serving(answering(lambda request, number: http(status, body, {"X-Request-ID": "r1"}))) as server:
        got, headers, read = exchange(transport, post(server.url))
    assert (got, read) == (status, body)
    assert headers == {"content-length": str(len(body)), "x-request-id": "r1"}


def test_a_header_that_comes_twice_is_joined_with_a_comma(transport: Transport) -> None:
    twice = FIRST + b"X-A: 1\r\nContent-Length: 0\r\nx-a: 2\r\nSet-Cookie: a=b\r\n\r\n"
    with serving(reply(twice)) as server:
        assert exchange(transport, get(server.url))[1] == {"x-a": "1, 2", "content-length": "0", "set-cookie": "a=b"}


def test_an_answer_without_a_length_ends_with_the_connection(transport: Transport) -> None:
    with serving(reply(FIRST + b"\r\n" + b"x" * 300_000)) as server:
        assert exchange(transport, get(server.url))[2] == b"x" * 300_000


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_failure_that_could_be_repeated_is_not_repeated_here(transport: Transport, status: int) -> None:
    with serving(answering(lambda request, number: http(status, headers={"Retry-After": "0"}))) as server:
        assert exchange(transport, get(server.url))[0] == status
        assert exchange(transport, post(server.url))[0] == status
        assert len(server.requests) == 2


@pytest.mark.parametrize("script", [reset(), reply(b"")], ids=["reset", "end"])
@get_and_post
def test_what_breaks_off_on_a_kept_connection_is_not_sent_again(
    transport: Transport, make: Make, script: Script
) -> None:
    with serving(then(OK, script), answering(lambda request, number: OK)) as server:
        assert exchange(transport, get(server.url))[2] == b"fine"
        error = failure(transport, make(server.url), LONG)
        assert len(server.requests) == 2
        assert len(server.connections) == 1
    assert type(error) is TransportError
    assert error.may_have_been_sent is True


def test_a_file_arrives_as_one_multipart_part_of_exactly_its_bytes(transport: Transport, tmp_path: Path) -> None:
    data = os.urandom(600_000)
    path = tmp_path / 'a"b.mp4'
    path.write_bytes(data)
    body = MultipartBody({"prompt": "snow", "data": upload("data", path)})
    headers = {**HEADERS, "Content-Type": body.content_type}
    with serving(answering(lambda request, number: OK)) as server:
        for _ in range(2):
            request = HttpRequest(method="POST", url=server.url + "/v1/jobs/lucy", headers=headers, body=body)
            assert exchange(transport, request)[2] == b"fine"
    boundary = b"--" + body.content_type.partition("boundary=")[2].encode()
    for request in server.requests:
        assert request.headers["content-length"] == str(len(request.body))
        assert "transfer-encoding" not in request.headers
        assert request.body == (
            boundary + b'\r\nContent-Disposition: form-data; name="prompt"\r\n\r\nsnow\r\n'
            b"" + boundary + b'\r\nContent-Disposition: form-data; name="data"; filename="a%22b.mp4"\r\n'
            b"Content-Type: video/mp4\r\n\r\n" + data + b"\r\n" + boundary + b"--\r\n"
        )


def test_an_escaped_character_of_an_address_stays_escaped(transport: Transport) -> None:
    target = "/v1/jobs/a%2Fb%3Fc%20%C3%A9%25/content"
    with serving(answering(lambda request, number: OK)) as server:
        exchange(transport, to(server.url + target))
        assert server.requests[0].target == target


def test_an_answer_is_handed_over_while_it_is_still_coming(transport: Transport) -> None:
    seen = threading.Event()

    def script(connection: Connection) -> None:
        connection.read_request()
        connection.send(FIRST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        assert seen.wait(PATIENCE)
        connection.send(b"4\r\nlast\r\n0\r\n\r\n")

    with serving(script) as server, transport.send(get(server.url), timeout=LONG) as response:
        chunks = response.chunks()
        assert next(chunks) == b"first"
        seen.set()
        assert list(chunks) == [b"last"]


def test_the_head_of_an_answer_is_handed_over_before_its_body(transport: Transport) -> None:
    with serving(then(HEAD, Connection.until_closed)) as server:
        with transport.send(get(server.url), timeout=LONG) as response:
            assert response.headers["content-length"] == "100000"
        assert server.connections[0].closed.wait(PATIENCE)


# ---------------------------------------------------------------- no connection: nothing was sent


@get_and_post
@pytest.mark.parametrize("case", NO_CONNECTION)
def test_without_a_connection_nothing_was_sent(transport: Transport, case: str, make: Make) -> None:
    with NO_CONNECTION[case]() as url:
        began = transport.now()
        error = failure(transport, make(url), Timeout(connect=0.3, read=PATIENCE))
        assert transport.now() - began < PATIENCE / 2
    assert type(error) is ConnectError
    assert error.may_have_been_sent is False
    assert "nothing was sent" in error.message


@get_and_post
def test_the_total_time_is_one_for_connecting_too(transport: Transport, make: Make) -> None:
    with deaf() as url:
        began = transport.now()
        error = failure(transport, make(url), Timeout(connect=PATIENCE, read=PATIENCE, total=0.3))
        assert transport.now() - began < PATIENCE / 2
    assert isinstance(error, TransportError)


@get_and_post
def test_a_certificate_that_nobody_vouches_for_gets_nothing(
    transport: Transport, tls: ssl.SSLContext, make: Make
) -> None:
    with serving(answering(lambda request, number: OK), tls=tls) as server:
        error = failure(transport, make(server.url), LONG)
        assert not server.requests
    assert type(error) is ConnectError
    assert error.may_have_been_sent is False
    assert "certificate verify failed" in error.message


# ---------------------------------------------------------------- a connection that lets us down


@get_and_post
@pytest.mark.parametrize("case", FAILURES)
def test_what_fails_after_the_request_may_have_been_taken(transport: Transport, case: str, make: Make) -> None:
    with serving(FAILURES[case]) as server:
        began = transport.now()
        error = failure(transport, make(server.url))
        assert transport.now() - began < PATIENCE / 2
        assert len(server.requests) == 1
    assert type(error) is (TransportTimeout if case in SILENT else TransportError)
    assert error.may_have_been_sent is True


# ---------------------------------------------------------------- time


def test_a_server_that_takes_nothing_of_a_body_is_given_up_after_the_read_timeout(transport: Transport) -> None:
    with serving(never_reading, receive_buffer=4096) as server:
        began = transport.now()
        error = failure(transport, post(server.url, large()), Timeout(connect=PATIENCE, read=0.3))
        assert transport.now() - began < PATIENCE / 2
    assert type(error) is TransportTimeout
    assert error.may_have_been_sent is True


def test_a_server_that_takes_a_body_slowly_but_steadily_may_take_longer_than_the_read_timeout(
    transport: Transport,
) -> None:
    def steady(connection: Connection) -> None:
        _, start = connection.read_head()
        for taken in range(start, BIG, BIG // 50):
            while len(connection.received) < taken:
                connection.receive()
            connection.pause(0.02)
        connection.read_request()
        connection.send(OK)

    with serving(steady, receive_buffer=4096) as server:
        began = transport.now()
        assert exchange(transport, post(server.url, large()), Timeout(connect=0.2, read=0.5))[2] == b"fine"
        assert transport.now() - began > 0.5
        assert server.requests[0].body == bytes(BIG)


@pytest.mark.parametrize("case", DRIPS)
def test_a_server_that_drips_is_ended_by_the_total_time(transport: Transport, case: str) -> None:
    with serving(DRIPS[case]) as server:
        began = transport.now()
        error = failure(transport, get(server.url), Timeout(connect=PATIENCE, read=PATIENCE, total=0.3))
        assert transport.now() - began < PATIENCE / 2
    assert type(error) is TransportTimeout


def test_a_server_that_takes_a_body_in_drips_is_ended_by_the_total_time(transport: Transport) -> None:
    with serving(taking_little, receive_buffer=4096) as server:
        began = transport.now()
        error = failure(transport, post(server.url, large()), Timeout(connect=PATIENCE, read=PATIENCE, total=0.3))
        assert transport.now() - began < PATIENCE / 2
    assert type(error) is TransportTimeout


def test_without_a_total_a_healthy_transfer_may_take_longer_than_the_read_timeout(transport: Transport) -> None:
    body = then(FIRST + b"Content-Length: 8\r\n\r\n", lambda connection: connection.drip(b"12345678", 0.1))
    with serving(body) as server:
        assert exchange(transport, get(server.url), Timeout(connect=PATIENCE, read=0.5))[2] == b"12345678"


def test_a_sleep_ends_when_its_event_is_set_and_not_before_its_time(transport: Transport) -> None:
    cancel, began = threading.Event(), transport.now()
    transport.sleep(0.05, cancel)
    assert transport.now() - began >= 0.04
    cancel.set()
    transport.sleep(PATIENCE, cancel)
    assert transport.now() - began < PATIENCE / 2


# ---------------------------------------------------------------- the body, and what may not happen to it


@pytest.mark.parametrize("taken", [0, BIG // 2], ids=["nothing of it", "half of it"])
def test_an_answer_that_comes_before_the_body_is_through_is_still_the_answer(transport: Transport, taken: int) -> None:
    def refuse(connection: Connection) -> None:
        connection.read_head()
        while len(connection.received) < taken:
            connection.receive()
        connection.send(http(413, b"no, thanks"))

    with serving(refuse, receive_buffer=4096) as server:
        status, _, body = exchange(transport, post(server.url, large()))
        assert not server.requests
    assert (status, body) == (413, b"no, thanks")


def test_an_input_that_fails_while_it_is_sent_is_reported_as_it_is_and_the_request_stays_incomplete(
    transport: Transport,
) -> None:
    with serving(silent) as server:
        error = caught(InvalidInputError, lambda: exchange(transport, post(server.url, Failing())))
        assert server.connection(1).closed.wait(PATIENCE)
        assert not server.requests
    assert "became shorter" in error.message


# ---------------------------------------------------------------- redirects, cookies, passwords


@get_and_post
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_an_answer_and_nothing_goes_where_it_leads(transport: Transport, status: int, make: Make) -> None:
    with serving(answering(lambda request, number: OK)) as other:
        with serving(answering(lambda r, n: http(status, b"moved", {"Location": other.url + "/x"}))) as server:
            got, headers, body = exchange(transport, make(server.url))
            assert (got, headers["location"], body) == (status, other.url + "/x", b"moved")
            assert len(server.requests) == 1
        assert not other.connections


@pytest.mark.parametrize("location", ["http://[", "//", "http://x:99999999/", "", "http://" + "a" * 300])
def test_a_redirect_to_nonsense_is_an_answer_all_the_same(transport: Transport, location: str) -> None:
    with serving(answering(lambda request, number: http(302, b"moved", {"Location": location}))) as server:
        status, headers, body = exchange(transport, get(server.url))
        assert (status, headers["location"], body) == (302, location, b"moved")


def test_a_cookie_of_one_answer_is_not_sent_with_the_next_request(transport: Transport) -> None:
    with serving(answering(lambda request, number: http(200, b"", {"Set-Cookie": "a=b; Path=/"}))) as server:
        exchange(transport, get(server.url))
        exchange(transport, get(server.url))
        assert [request.headers.get("cookie") for request in server.requests] == [None, None]


def test_a_password_file_of_the_environment_is_not_used(
    transport: Transport, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password hush\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with serving(answering(lambda request, number: OK)) as server:
        assert requests.utils.get_netrc_auth(server.url) == ("me", "hush")  # it would be found
        exchange(transport, get(server.url))
        assert "authorization" not in server.requests[0].headers


# ---------------------------------------------------------------- the environment


@pytest.mark.parametrize("scheme", ["http://", ""], ids=["a URL", "host and port"])
def test_a_proxy_of_the_environment_is_used_and_no_proxy_respected(
    transport: Transport, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    with serving(answering(lambda request, number: http(200, b"proxy"))) as proxy:
        for name in ("HTTP_PROXY", "http_proxy"):
            monkeypatch.setenv(name, f"{scheme}127.0.0.1:{proxy.port}")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        with serving(answering(lambda request, number: http(200, b"direct"))) as server:
            assert exchange(transport, get(server.url))[2] == b"direct"
            assert exchange(transport, post("http://service.invalid"))[2] == b"proxy"
            assert [request.target for request in proxy.requests] == ["http://service.invalid/v1/jobs/lucy"]
            assert proxy.requests[0].body == b"one,two,three"
            assert len(server.requests) == 1


BASIC = "Basic " + base64.b64encode(b"me:h@sh").decode()


def test_a_proxy_is_told_its_own_user_and_password(transport: Transport, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(answering(lambda request, number: OK)) as proxy:
        monkeypatch.setenv("http_proxy", f"http://me:h%40sh@127.0.0.1:{proxy.port}")
        exchange(transport, get("http://service.invalid"))
        headers = proxy.requests[0].headers
    assert headers["proxy-authorization"] == BASIC
    assert "authorization" not in headers


def test_a_proxy_of_https_sees_neither_the_key_nor_the_service_its_password(
    transport: Transport,
    tls: ssl.SSLContext,
    certificate: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    heads: list[bytes] = []

    def tunnel(connection: Connection) -> None:
        connection.read_head()
        heads.append(bytes(connection.received))
        connection.send(b"HTTP/1.1 200 OK\r\n\r\n")
        connection.received.clear()
        connection.sock = tls.wrap_socket(connection.sock, server_side=True)
        answering(lambda request, number: OK)(connection)

    with serving(tunnel) as proxy:
        monkeypatch.setenv("https_proxy", f"http://me:h%40sh@127.0.0.1:{proxy.port}")
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate[0]))
        for _ in range(2):
            assert exchange(transport, post("https://127.0.0.1"))[2] == b"fine"
        assert [request.headers["x-api-key"] for request in proxy.requests] == [KEY] * 2
        assert not any("proxy-authorization" in request.headers for request in proxy.requests)
    [head] = heads
    assert head.startswith(b"CONNECT 127.0.0.1:443 ")
    assert f"Proxy-Authorization: {BASIC}".encode() in head
    assert KEY.encode() not in head


@get_and_post
def test_a_proxy_that_is_not_there_or_lets_nobody_through_means_no_connection(
    transport: Transport, monkeypatch: pytest.MonkeyPatch, make: Make
) -> None:
    def forbid(connection: Connection) -> None:
        assert connection.read_head()[0][0].startswith(b"CONNECT service.invalid:443 ")
        connection.send(b"HTTP/1.1 403 Forbidden\r\n\r\n")

    with nobody() as url, serving(forbid) as proxy:
        monkeypatch.setenv("http_proxy", url)
        monkeypatch.setenv("https_proxy", proxy.url)
        for origin in ("http://service.invalid", "https://service.invalid"):
            assert type(failure(transport, make(origin), LONG)) is ConnectError


@get_and_post
@pytest.mark.parametrize("address", ["http:///nowhere", "http://127.0.0.1:99999"])
def test_an_address_of_a_proxy_that_is_none_means_no_connection(
    transport: Transport, monkeypatch: pytest.MonkeyPatch, make: Make, address: str
) -> None:
    monkeypatch.setenv("http_proxy", address)
    assert type(failure(transport, make("http://service.invalid"))) is ConnectError


@pytest.mark.parametrize("script", [reset(), reply(b"")], ids=["reset", "end"])
def test_a_proxy_that_hangs_up_after_the_body_leaves_the_outcome_open(
    transport: Transport, monkeypatch: pytest.MonkeyPatch, script: Script
) -> None:
    with serving(script) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        error = failure(transport, post("http://service.invalid"))
        assert proxy.requests[0].body == b"one,two,three"
    assert type(error) is TransportError
    assert error.may_have_been_sent is True


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_ca_bundle_of_the_environment_vouches_for_a_certificate(
    transport: Transport,
    tls: ssl.SSLContext,
    certificate: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    kind: str,
) -> None:
    command = ["openssl", "x509", "-noout", "-subject_hash", "-in", str(certificate[0])]
    name = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip() + ".0"
    shutil.copy(certificate[0], tmp_path / name)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate[0] if kind == "file" else tmp_path))
    with serving(answering(lambda request, number: OK), tls=tls) as server:
        assert exchange(transport, post(server.url, large()))[2] == b"fine"
        assert exchange(transport, get(server.url))[2] == b"fine"
        assert len(server.requests[0].body) == BIG
        assert len(server.connections) == 1


@get_and_post
def test_a_ca_bundle_that_is_not_there_is_named(
    transport: Transport, monkeypatch: pytest.MonkeyPatch, make: Make
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "no-such-bundle.pem")
    with nobody() as url:
        error = failure(transport, make(url.replace("http:", "https:")))
    assert type(error) is ConnectError
    assert "no-such-bundle.pem" in error.message


# ---------------------------------------------------------------- connections


def test_a_connection_is_used_again(transport: Transport) -> None:
    with serving(answering(lambda request, number: OK)) as server:
        for make in (get, post, get):
            assert exchange(transport, make(server.url))[2] == b"fine"
        assert len(server.connections) == 1


@get_and_post
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_connection_that_the_server_has_closed_meanwhile_is_replaced(
    transport: Transport,
    tls: ssl.SSLContext,
    certificate: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
    scheme: str,
    make: Make,
) -> None:
    meanwhile = threading.Semaphore(0)

    def script(connection: Connection) -> None:
        connection.read_request()
        connection.send(OK)
        assert meanwhile.acquire(timeout=PATIENCE)

    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate[0]))
    with serving(script, tls=tls if scheme == "https" else None) as server:
        for _ in range(3):
            assert exchange(transport, make(server.url))[2] == b"fine"
            meanwhile.release()
            assert server.connections[-1].closed.wait(PATIENCE)
        assert len(server.connections) == 3


def test_close_closes_the_connections(transport: Transport) -> None:
    with serving(answering(lambda request, number: OK)) as server:
        exchange(transport, get(server.url))
        assert not server.connections[0].closed.is_set()
        transport.close()
        assert server.connections[0].closed.wait(PATIENCE)


def test_an_answer_that_is_left_unread_does_not_go_back_to_the_pool(transport: Transport) -> None:
    with serving(answering(lambda request, number: http(200, b"x" * 1_000_000))) as server:
        with transport.send(get(server.url), timeout=LONG) as response:
            assert response.read(10) == b"x" * 10
        assert server.connections[0].closed.wait(PATIENCE)
        assert exchange(transport, get(server.url))[2] == b"x" * 1_000_000
        assert len(server.connections) == 2


# ---------------------------------------------------------------- the key


def behind(error: BaseException) -> Iterator[object]:
    """Give what can be reached from the cause of an error, the frames that it came through included.

    Not the frames that the error itself came through: those are of the caller, who has the key.
    """
    own = set(frames_of(error))
    todo: list[object] = [error.__cause__, error.__context__]
    seen: set[int] = set()
    kept: list[object] = []  # or an id could come twice
    while todo:
        thing = todo.pop()
        if id(thing) in seen or isinstance(thing, (type, threading.Thread, asyncio.AbstractEventLoop)):
            continue
        seen.add(id(thing))
        kept.append(thing)
        yield thing
        todo += getattr(thing, "__dict__", {}).values()
        todo += [getattr(thing, name, None) for name in getattr(type(thing), "__slots__", ())]
        if isinstance(thing, BaseException):
            todo += [*thing.args, thing.__cause__, thing.__context__]
            todo += [value for frame in frames_of(thing) if frame not in own for value in frame.f_locals.values()]
        elif isinstance(thing, Mapping):
            todo += [*thing.keys(), *thing.values()]
        elif isinstance(thing, (list, tuple, set)):
            todo += thing


def frames_of(error: BaseException) -> Iterator[Any]:
    trace = error.__traceback__
    while trace is not None:
        yield trace.tb_frame
        trace = trace.tb_next


def shows_the_key(thing: object) -> bool:
    if isinstance(thing, (bytes, bytearray)):
        return KEY.encode() in thing
    return isinstance(thing, str) and KEY in thing


@get_and_post
@pytest.mark.parametrize("case", ["connection refused", "a name that cannot be one", "silence", *BROKEN])
def test_what_stays_behind_an_error_does_not_hold_the_key(transport: Transport, case: str, make: Make) -> None:
    place = NO_CONNECTION[case]() if case in NO_CONNECTION else url_of(FAILURES[case])
    with place as url:
        error = failure(transport, make(url), Timeout(connect=0.3, read=0.1))
    held = list(behind(error))
    assert KEY not in str(error)
    assert not [thing for thing in held if isinstance(thing, HttpRequest) or shows_the_key(thing)]


def test_what_stays_behind_the_refusal_of_a_proxy_does_not_hold_the_key(
    transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(reply(http(403))) as proxy:
        monkeypatch.setenv("https_proxy", f"http://me:hush@127.0.0.1:{proxy.port}")
        error = failure(transport, get("https://service.invalid"), LONG)
    assert type(error) is ConnectError
    assert not [thing for thing in behind(error) if isinstance(thing, HttpRequest) or shows_the_key(thing)]


# ---------------------------------------------------------------- on an event loop: what a task may do to an exchange


ASYNC: dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]] = {
    "threaded": (_threaded, asyncio.run),
    "aiohttp": (AiohttpTransport, asyncio.run),
    "aiohttp on uvloop": (AiohttpTransport, lambda main: _of_uvloop("run")(main)),
}
on_a_loop = pytest.mark.parametrize("kind", ASYNC)


def run(kind: str, main: Callable[[Any], Awaitable[T]]) -> T:
    """Run a function with a new transport, which is closed afterwards, and see that nothing of it is left."""
    new, runner = ASYNC[kind]

    async def closing() -> T:
        transport = new()
        assert isinstance(transport, AsyncTransport)
        try:
            return await main(transport)
        finally:
            await transport.aclose()
            assert asyncio.all_tasks() == {asyncio.current_task()}
            assert not [thread for thread in threading.enumerate() if thread.name.startswith("decart")]

    result: T = runner(closing())
    return result


async def aexchange(transport: Any, request: HttpRequest, timeout: Timeout = LONG) -> bytes:
    async with await transport.asend(request, timeout=timeout) as response:
        data: bytes = await response.aread()
        return data


@contextlib.contextmanager
def nothing_left() -> Iterator[None]:
    """See that neither threads nor sockets stay behind."""
    threads, sockets = set(threading.enumerate()), open_sockets()
    yield
    gc.collect()  # a socket that nobody has closed would be told now, as a warning
    assert open_sockets() <= sockets
    assert set(threading.enumerate()) <= threads


def open_sockets() -> set[int]:
    found = set()
    for number in range(512):
        with contextlib.suppress(OSError):
            if stat.S_ISSOCK(os.fstat(number).st_mode):
                found.add(number)
    return found


def until_cancelled(connection: Connection) -> None:
    """Take nothing of a body until the client gives up."""
    connection.read_head()
    gave_up = connection.server.gave_up = threading.Event()  # type: ignore[attr-defined]
    assert gave_up.wait(PATIENCE)
    connection.until_closed()


CANCELLED: dict[str, tuple[Script, Make]] = {
    "while a body is sent": (until_cancelled, lambda url: post(url, large())),
    "before the answer": (silent, post),
    "inside the headers": (SILENT["silence inside the headers"], get),
    "inside the body": (SILENT["silence inside the body"], get),
}
