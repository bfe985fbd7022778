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
import traceback
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import attrs
import pytest
import requests.utils
from fakes import KEY, FakeTransport
from servers import (
    FIRST,
    PATIENCE,
    Connection,
    Script,
    answering,
    deaf,
    http,
    nobody,
    reply,
    reset,
    serving,
    silent,
    then,
)
from test_transport_requests import (
    BIG,
    BROKEN,
    CHUNKED,
    DRIPS,
    FAILURES,
    HEAD,
    HEADERS,
    LONG,
    NO_CONNECTION,
    OK,
    OURS,
    SILENT,
    Failing,
    Parts,
    caught,
    get,
    large,
    never_reading,
    post,
    taking_little,
    url_of,
)

from decart import ConnectError, InvalidInputError, RequestsTransport, Timeout, TransportError, TransportTimeout
from decart._multipart import MultipartBody
from decart.files import upload
from decart.transports.aiohttp import AiohttpTransport
from decart.transports.base import CHUNK, AsyncHttpResponse, AsyncTransport, HttpRequest, HttpResponse, Transport
from decart.transports.threaded import ThreadedTransport
from decart.transports.urllib3 import Urllib3Transport

T = TypeVar("T")
Make = Callable[[str], HttpRequest]
SOON = Timeout(connect=5, read=0.15)
AT_ONCE = 1.0  # seconds; what does not come at once here comes after PATIENCE, or never

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
    "urllib3": Urllib3Transport,
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


@get_and_post
def test_no_library_adds_a_header_that_we_left_out(transport: Transport, make: Make) -> None:
    few = {"X-API-KEY": KEY, "User-Agent": "decart-python-sdk/0 lang/py"}  # urllib3 would name itself
    with serving(answering(lambda request, number: OK)) as server:
        exchange(transport, attrs.evolve(make(server.url), headers=few))
        names = set(server.requests[0].headers)
    length = {"content-length"} if make is post else set()
    assert names == {"x-api-key", "user-agent", "host", "accept-encoding"} | length


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
        error = failure(transport, make(url), Timeout(connect=0.15, read=PATIENCE))
        assert transport.now() - began < PATIENCE / 2
    assert type(error) is ConnectError
    assert error.may_have_been_sent is False
    assert "nothing was sent" in error.message


def test_the_total_time_is_one_for_connecting_too(transport: Transport) -> None:
    with deaf() as url:
        began = transport.now()
        error = failure(transport, post(url), Timeout(connect=PATIENCE, read=PATIENCE, total=0.15))
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
@pytest.mark.parametrize("case", BROKEN)
def test_what_fails_after_the_request_may_have_been_taken(transport: Transport, case: str, make: Make) -> None:
    with serving(BROKEN[case]) as server:
        error = failure(transport, make(server.url), LONG)
        assert len(server.requests) == 1
    assert type(error) is TransportError
    assert error.may_have_been_sent is True


@pytest.mark.parametrize(("case", "make"), list(zip(SILENT, [get, post] * 2, strict=True)))
def test_silence_is_given_up_after_the_read_timeout_and_may_have_been_an_answer(
    transport: Transport, case: str, make: Make
) -> None:
    with serving(SILENT[case]) as server:
        began = transport.now()
        error = failure(transport, make(server.url))
        assert SOON.read * 0.9 < transport.now() - began < PATIENCE / 2
        assert len(server.requests) == 1
    assert type(error) is TransportTimeout
    assert error.may_have_been_sent is True


# ---------------------------------------------------------------- time


def test_a_server_that_takes_nothing_of_a_body_is_given_up_after_the_read_timeout(transport: Transport) -> None:
    with serving(never_reading, receive_buffer=4096) as server:
        began = transport.now()
        error = failure(transport, post(server.url, large()), Timeout(connect=PATIENCE, read=0.2))
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

    with serving(steady, receive_buffer=128 * 1024) as server:
        began = transport.now()
        assert exchange(transport, post(server.url, large()), Timeout(connect=1, read=0.8))[2] == b"fine"
        assert transport.now() - began > 0.8
        assert server.requests[0].body == bytes(BIG)


@attrs.frozen
class Slow(Parts):
    """A body that is slow to be read, as from a network drive."""

    pieces: tuple[bytes, ...] = (bytes(CHUNK), b"the end")

    def __iter__(self) -> Iterator[bytes]:
        yield self.pieces[0]
        threading.Event().wait(0.4)
        yield self.pieces[1]


def test_a_body_may_be_slower_to_read_than_the_read_timeout(transport: Transport) -> None:
    with serving(answering(lambda request, number: OK)) as server:
        assert exchange(transport, post(server.url, Slow()), Timeout(connect=PATIENCE, read=0.3))[2] == b"fine"
        assert server.requests[0].body == bytes(CHUNK) + b"the end"


@pytest.mark.parametrize("case", ["headers", "a body", "the size of a chunk"])
def test_a_server_that_drips_is_ended_by_the_total_time(transport: Transport, case: str) -> None:
    with serving(DRIPS[case]) as server:
        began = transport.now()
        error = failure(transport, get(server.url), Timeout(connect=PATIENCE, read=PATIENCE, total=0.15))
        assert transport.now() - began < PATIENCE / 2
    assert type(error) is TransportTimeout


def test_a_server_that_takes_a_body_in_drips_is_ended_by_the_total_time(transport: Transport) -> None:
    with serving(taking_little, receive_buffer=4096) as server:
        began = transport.now()
        error = failure(transport, post(server.url, large()), Timeout(connect=PATIENCE, read=PATIENCE, total=0.15))
        assert transport.now() - began < PATIENCE / 2
    assert type(error) is TransportTimeout


def test_without_a_total_a_healthy_transfer_may_take_longer_than_the_read_timeout(transport: Transport) -> None:
    body = then(FIRST + b"Content-Length: 8\r\n\r\n", lambda connection: connection.drip(b"12345678", 0.08))
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
        connection.pause(0.1)  # or the reset may overtake the answer, and a loop then sees nothing but the reset

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


@attrs.frozen
class Watched(Parts):
    """A body that tells whether it is being read just now."""

    pieces: tuple[bytes, ...] = (bytes(CHUNK), b"the end")
    reading: threading.Event = attrs.field(factory=threading.Event)

    def __iter__(self) -> Iterator[bytes]:
        yield self.pieces[0]
        self.reading.set()
        threading.Event().wait(0.15)
        self.reading.clear()
        yield self.pieces[1]


def test_nobody_reads_a_body_any_more_when_its_exchange_has_failed(transport: Transport) -> None:
    body = Watched()

    def script(connection: Connection) -> None:
        connection.read_head()
        assert body.reading.wait(PATIENCE)
        connection.reset()

    with serving(script) as server:
        error = failure(transport, post(server.url, body), LONG)
        assert not body.reading.is_set()  # a repeat may read the same file from its start
    assert type(error) is TransportError


# ---------------------------------------------------------------- redirects, cookies, passwords


@get_and_post
@pytest.mark.parametrize("status", [301, 303, 307])
def test_a_redirect_is_an_answer_and_nothing_goes_where_it_leads(transport: Transport, status: int, make: Make) -> None:
    with serving(answering(lambda request, number: OK)) as other:
        with serving(answering(lambda r, n: http(status, b"moved", {"Location": other.url + "/x"}))) as server:
            got, headers, body = exchange(transport, make(server.url))
            assert (got, headers["location"], body) == (status, other.url + "/x", b"moved")
            assert len(server.requests) == 1
        assert not other.connections


@pytest.mark.parametrize("location", ["http://[", "", "http://" + "a" * 300])
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


def test_a_ca_bundle_is_read_once_for_all_connections_to_an_origin(
    transport: Transport,
    tls: ssl.SSLContext,
    certificate: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    bundle = tmp_path / "bundle.pem"
    shutil.copy(certificate[0], bundle)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    last = OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1)
    with serving(answering(lambda request, number: last), tls=tls) as server:
        assert exchange(transport, get(server.url))[2] == b"fine"
        bundle.unlink()
        assert exchange(transport, get(server.url))[2] == b"fine"
        assert len(server.connections) == 2


@get_and_post
def test_a_ca_bundle_that_is_not_there_is_named(
    transport: Transport, monkeypatch: pytest.MonkeyPatch, make: Make
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "no-such-bundle.pem")
    with nobody() as url:
        error = failure(transport, make(url.replace("http:", "https:")))
    assert type(error) is ConnectError
    assert "no-such-bundle.pem" in error.message


def test_a_ca_bundle_that_is_not_there_is_not_missed_without_tls(
    transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "no-such-bundle.pem")
    with serving(answering(lambda request, number: OK)) as server:
        assert exchange(transport, get(server.url))[2] == b"fine"


# ---------------------------------------------------------------- connections


def test_a_connection_is_used_again(transport: Transport) -> None:
    with serving(answering(lambda request, number: OK)) as server:
        for make in (get, post, get):
            assert exchange(transport, make(server.url))[2] == b"fine"
        assert len(server.connections) == 1


# Python 3.10 calls a TLS connection that the other side has ended "unclosed", though nobody can close it any more.
@pytest.mark.filterwarnings(
    "ignore:Exception ignored in.*_SSLProtocolTransport:pytest.PytestUnraisableExceptionWarning"
)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_connection_that_the_server_has_closed_meanwhile_is_replaced_before_a_body_goes_out(
    transport: Transport,
    tls: ssl.SSLContext,
    certificate: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
    scheme: str,
) -> None:
    meanwhile = threading.Semaphore(0)

    def script(connection: Connection) -> None:
        connection.read_request()
        connection.send(OK)
        assert meanwhile.acquire(timeout=PATIENCE)

    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate[0]))
    with serving(script, tls=tls if scheme == "https" else None) as server:
        for _ in range(3):
            assert exchange(transport, post(server.url))[2] == b"fine"
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
    with serving(answering(lambda request, number: http(200, b"x" * BIG))) as server:
        with transport.send(get(server.url), timeout=LONG) as response:
            assert response.read(10) == b"x" * 10
        assert server.connections[0].closed.wait(PATIENCE)
        assert exchange(transport, get(server.url))[2] == b"x" * BIG
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


@pytest.mark.parametrize("case", ["connection refused", "a name that cannot be one", "silence", *BROKEN])
def test_what_stays_behind_an_error_does_not_hold_the_key_and_can_be_printed(transport: Transport, case: str) -> None:
    place = NO_CONNECTION[case]() if case in NO_CONNECTION else url_of(FAILURES[case])
    with place as url:
        error = failure(transport, post(url), Timeout(connect=0.3, read=0.1))
    held = list(behind(error))
    assert error.__cause__ in held
    assert not [thing for thing in held if isinstance(thing, HttpRequest) or shows_the_key(thing)]
    printed = "".join(traceback.format_exception(error))
    assert KEY not in printed + "".join(repr(thing) for thing in held if isinstance(thing, BaseException))
    assert "str() failed" not in printed


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


async def aexchange(transport: AsyncTransport, request: HttpRequest, timeout: Timeout = LONG) -> bytes:
    async with await transport.asend(request, timeout=timeout) as response:
        return await response.aread()


def run(kind: str, main: Callable[[Any], Awaitable[None]]) -> None:
    """Run a function with a new transport, and see that closing it leaves no task and no thread of its own."""
    new, runner = ASYNC[kind]

    async def closing() -> None:
        transport = new()
        assert isinstance(transport, AsyncTransport)
        try:
            await main(transport)
        finally:
            await transport.aclose()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert not [thread for thread in threading.enumerate() if thread.name.startswith("decart")]

    runner(closing())


@pytest.fixture
def nothing_left() -> Iterator[None]:
    """See that neither threads nor sockets stay behind a test."""
    threads, sockets = set(threading.enumerate()), open_sockets()
    yield
    gc.collect()  # one that nobody has closed would be told now, as a warning
    assert set(threading.enumerate()) <= threads
    assert open_sockets() <= sockets


def open_sockets() -> set[int]:
    found = set()
    for number in range(1024):
        with contextlib.suppress(OSError):
            status = os.fstat(number)
            if stat.S_ISSOCK(status.st_mode):
                found.add(status.st_ino)
    return found


async def happens(event: threading.Event) -> None:
    """Wait for something of a server's thread, while the loop goes on."""
    assert await asyncio.to_thread(event.wait, PATIENCE)


async def ended(task: asyncio.Task[Any]) -> None:
    """Cancel a task, and see that it ends at once."""
    task.cancel()
    await asyncio.wait({task}, timeout=AT_ONCE)
    assert task.cancelled()


STALLS: dict[str, tuple[bytes, Make]] = {
    "while a body is sent": (b"", lambda url: post(url, large())),
    "before the answer": (b"", get),
    "inside the headers": (FIRST + b"Content-Le", post),
    "inside the body": (HEAD + b"abc", get),
    "inside a chunk": (CHUNKED + b"ff\r\nabc", post),
}


@on_a_loop
@pytest.mark.parametrize("case", STALLS)
@pytest.mark.usefixtures("nothing_left")
def test_cancelling_a_task_ends_its_exchange_at_once_and_leaves_nothing(kind: str, case: str) -> None:
    data, make = STALLS[case]
    stalled, cancelled = threading.Event(), threading.Event()

    def stall(connection: Connection) -> None:
        connection.read_head()
        connection.send(data)
        stalled.set()
        assert cancelled.wait(PATIENCE)
        connection.until_closed()

    async def main(transport: AsyncTransport) -> None:
        task = asyncio.ensure_future(aexchange(transport, make(server.url)))
        await happens(stalled)
        await asyncio.sleep(0.05)  # so that it has taken what there is, and waits for more
        await ended(task)
        cancelled.set()
        await happens(server.connection(1).closed)

    with serving(stall, receive_buffer=4096) as server:
        run(kind, main)
        assert len(server.connections) == 1


@on_a_loop
@pytest.mark.usefixtures("nothing_left")
def test_cancelling_a_task_that_still_connects_ends_it_at_once(kind: str) -> None:
    async def main(transport: AsyncTransport) -> None:
        task = asyncio.ensure_future(aexchange(transport, get(url), Timeout(connect=0.5, read=PATIENCE)))
        await asyncio.sleep(0.1)
        began = transport.now()
        await ended(task)
        assert transport.now() - began < 0.3

    with deaf() as url:
        run(kind, main)


@on_a_loop
@pytest.mark.usefixtures("nothing_left")
def test_one_cancelled_exchange_leaves_the_others_alone(kind: str) -> None:
    stalled, others = threading.Event(), threading.Barrier(3)

    def stall(connection: Connection) -> None:
        connection.read_request()
        stalled.set()
        connection.until_closed()

    def together(connection: Connection) -> None:
        connection.read_request()
        others.wait(PATIENCE)  # all three are under way, and the first has been cancelled
        connection.send(OK)

    async def main(transport: AsyncTransport) -> None:
        task = asyncio.ensure_future(aexchange(transport, get(server.url)))
        await happens(stalled)
        two = [asyncio.ensure_future(aexchange(transport, get(server.url))) for _ in range(2)]
        await ended(task)
        await asyncio.to_thread(others.wait, PATIENCE)
        assert await asyncio.gather(*two) == [b"fine", b"fine"]

    with serving(stall, together) as server:
        run(kind, main)


@on_a_loop
@pytest.mark.usefixtures("nothing_left")
def test_closing_ends_what_is_under_way(kind: str) -> None:
    stalled = threading.Event()

    def stall(connection: Connection) -> None:
        connection.read_request()
        stalled.set()
        connection.until_closed()

    async def main(transport: AsyncTransport) -> None:
        task = asyncio.ensure_future(aexchange(transport, get(server.url)))
        await happens(stalled)
        await transport.aclose()
        await asyncio.wait({task}, timeout=AT_ONCE)
        assert isinstance(task.exception(), TransportError)
        await happens(server.connection(1).closed)

    with serving(stall) as server:
        run(kind, main)


@on_a_loop
@get_and_post
@pytest.mark.usefixtures("nothing_left")
def test_a_connection_that_is_closed_while_the_loop_runs_is_replaced(kind: str, make: Make) -> None:
    async def main(transport: AsyncTransport) -> None:
        for number in (1, 2, 3):
            assert await aexchange(transport, make(server.url)) == b"fine"
            await happens(server.connection(number).closed)
            await asyncio.sleep(0.01)

    with serving(reply(OK)) as server:
        run(kind, main)
        assert len(server.connections) == 3


@on_a_loop
@pytest.mark.usefixtures("nothing_left")
def test_many_tasks_get_their_own_answers_over_connections_that_are_used_again(
    kind: str, tls: ssl.SSLContext, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate[0]))

    async def work(transport: AsyncTransport, number: int) -> None:
        for call in range(10):
            path = f"/{number}/{call}"
            assert await aexchange(transport, to(server.url + path)) == path.encode()

    async def main(transport: AsyncTransport) -> None:
        await asyncio.gather(*(work(transport, number) for number in range(16)))

    with serving(answering(lambda request, number: http(200, request.target.encode())), tls=tls) as server:
        run(kind, main)
        assert len(server.requests) == 160
        assert len(server.connections) <= 16


# ---------------------------------------------------------------- on an event loop: one loop after another


@on_a_loop
@pytest.mark.usefixtures("nothing_left")
def test_one_transport_serves_one_event_loop_after_another(kind: str) -> None:
    new, runner = ASYNC[kind]
    transport = new()

    async def main(last: bool) -> None:
        assert await aexchange(transport, post(server.url)) == b"fine"
        assert await aexchange(transport, get(server.url)) == b"fine"
        if last:
            await transport.aclose()

    with serving(answering(lambda request, number: OK)) as server:
        for last in (False, False, True):
            runner(main(last))
        assert len(server.requests) == 6
        assert len(server.connections) <= 3


@on_a_loop
@pytest.mark.usefixtures("nothing_left")
def test_a_closed_transport_begins_anew(kind: str) -> None:
    async def main(transport: AsyncTransport) -> None:
        for number in (1, 2):
            assert await aexchange(transport, get(server.url)) == b"fine"
            await transport.aclose()
            await transport.aclose()
            await happens(server.connection(number).closed)

    with serving(answering(lambda request, number: OK)) as server:
        run(kind, main)


@on_a_loop
@pytest.mark.usefixtures("nothing_left")
def test_closing_closes_the_connections_of_other_running_loops_too(kind: str) -> None:
    new, runner = ASYNC[kind]
    transport, connected, closed = new(), threading.Event(), threading.Event()

    async def elsewhere() -> None:
        assert await aexchange(transport, get(server.url)) == b"fine"
        connected.set()
        await happens(closed)

    async def here() -> None:
        await happens(connected)
        assert await aexchange(transport, get(server.url)) == b"fine"
        await transport.aclose()
        for connection in server.connections:
            await happens(connection.closed)

    with serving(answering(lambda request, number: OK)) as server:
        other = threading.Thread(target=runner, args=(elsewhere(),))
        other.start()
        try:
            runner(here())
        finally:
            closed.set()
            other.join(PATIENCE)


LEFT_OPEN = """
import asyncio, sys
from decart.transports.base import HttpRequest, Timeout
{imports}

async def main(transport):
    asyncio.get_running_loop().slow_callback_duration = 60  # or a busy machine would be told of, too
    request = HttpRequest(method="GET", url=sys.argv[1], headers={{}})
    async with await transport.asend(request, timeout=Timeout()) as response:
        print((await response.aread()).decode())

transport = {transport}
{runner}.run(main(transport))
{runner}.run(main(transport))
"""
IMPORTS = {
    "AiohttpTransport()": "from decart.transports.aiohttp import AiohttpTransport",
    "ThreadedTransport(RequestsTransport())": (
        "from decart import RequestsTransport\nfrom decart.transports.threaded import ThreadedTransport"
    ),
}


@pytest.mark.parametrize("runner", ["asyncio", "uvloop"])
@pytest.mark.parametrize("transport", IMPORTS)
def test_a_transport_that_nobody_closed_ends_with_its_loop_and_without_a_warning(transport: str, runner: str) -> None:
    if runner == "uvloop":
        pytest.importorskip("uvloop")
    script = LEFT_OPEN.format(transport=transport, imports=f"{IMPORTS[transport]}\nimport {runner}", runner=runner)
    with serving(answering(lambda request, number: OK)) as server:
        done = subprocess.run(
            [sys.executable, "-W", "error", "-X", "dev", "-c", script, server.url],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
    assert (done.returncode, done.stdout, done.stderr) == (0, "fine\nfine\n", "")


# ---------------------------------------------------------------- on an event loop: sleeping


@on_a_loop
@pytest.mark.usefixtures("nothing_left")
def test_a_sleep_takes_its_time_and_holds_no_thread(kind: str) -> None:
    async def main(transport: AsyncTransport) -> None:
        for cancel in (None, asyncio.Event(), threading.Event()):
            threads, began = threading.active_count(), transport.now()
            await asyncio.gather(*(transport.asleep(0.15, cancel) for _ in range(100)))
            assert 0.14 <= transport.now() - began < AT_ONCE
            assert threading.active_count() == threads

    run(kind, main)


@on_a_loop
@pytest.mark.parametrize("event", [asyncio.Event, threading.Event], ids=["asyncio.Event", "threading.Event"])
@pytest.mark.usefixtures("nothing_left")
def test_a_sleep_ends_early_when_its_event_is_set(kind: str, event: Callable[[], Any]) -> None:
    async def main(transport: AsyncTransport) -> None:
        loop, cancel = asyncio.get_running_loop(), event()
        after: list[float] = []
        loop.call_later(0.05, lambda: (cancel.set(), after.append(loop.time())))
        await asyncio.wait_for(transport.asleep(PATIENCE, cancel), PATIENCE / 2)
        # an event of the loop wakes the sleeper; the other is looked at ten times a second
        assert loop.time() - after[0] < (0.05 if event is asyncio.Event else 0.25)
        await asyncio.wait_for(transport.asleep(PATIENCE, cancel), PATIENCE / 2)

    run(kind, main)


@on_a_loop
@pytest.mark.parametrize("event", [asyncio.Event, threading.Event, lambda: None], ids=["asyncio", "threading", "none"])
@pytest.mark.usefixtures("nothing_left")
def test_cancelling_a_task_ends_its_sleep(kind: str, event: Callable[[], Any]) -> None:
    async def main(transport: AsyncTransport) -> None:
        task = asyncio.ensure_future(transport.asleep(PATIENCE, event()))
        await asyncio.sleep(0.01)
        await ended(task)

    run(kind, main)


# ---------------------------------------------------------------- threads beneath


@pytest.mark.usefixtures("nothing_left")
def test_an_exchange_that_finds_no_thread_free_in_time_was_not_sent() -> None:
    stalled = threading.Event()

    def stall(connection: Connection) -> None:
        connection.read_request()
        stalled.set()
        connection.until_closed()

    async def main() -> None:
        transport = ThreadedTransport(RequestsTransport(), threads=1)
        task = asyncio.ensure_future(aexchange(transport, post(server.url)))
        await happens(stalled)
        began = transport.now()
        with pytest.raises(ConnectError, match="No thread was free") as refused:
            await aexchange(transport, post(server.url), Timeout(total=0.1))
        assert refused.value.may_have_been_sent is False
        await ended(asyncio.ensure_future(aexchange(transport, post(server.url))))
        await transport.asleep(0.01)
        assert transport.now() - began < AT_ONCE
        await ended(task)
        await transport.aclose()

    with serving(stall) as server:
        asyncio.run(main())
        assert len(server.requests) == 1


class Deaf(RequestsTransport):
    """A transport that nothing ends before its time."""

    def __init__(self) -> None:
        super().__init__()
        self.under_way, self.let_go, self.closed = threading.Event(), threading.Event(), threading.Event()

    def send(self, request: HttpRequest, *, timeout: Timeout) -> HttpResponse:
        self.under_way.set()
        assert self.let_go.wait(PATIENCE)
        return HttpResponse(200, {}, [], self.closed.set)


@pytest.mark.parametrize("how", ["cancelled", "over the total time"])
@pytest.mark.usefixtures("nothing_left")
def test_an_answer_that_comes_when_nobody_waits_any_more_is_closed(how: str) -> None:
    async def main() -> None:
        sync = Deaf()
        transport = ThreadedTransport(sync)
        timeout = LONG if how == "cancelled" else Timeout(total=0.1)
        task = asyncio.ensure_future(aexchange(transport, get("http://service.invalid"), timeout))
        await happens(sync.under_way)
        if how == "cancelled":
            await ended(task)
        else:
            with pytest.raises(TransportTimeout) as silence:
                await task
            assert silence.value.may_have_been_sent is True
        sync.let_go.set()
        await happens(sync.closed)
        await transport.aclose()

    asyncio.run(main())


def test_closing_does_not_wait_for_ever_for_what_cannot_be_ended() -> None:
    async def main() -> None:
        sync = Deaf()
        transport = ThreadedTransport(sync)
        task = asyncio.ensure_future(aexchange(transport, get("http://service.invalid")))
        await happens(sync.under_way)
        await asyncio.wait_for(transport.aclose(), PATIENCE / 2)
        assert not task.done()
        sync.let_go.set()
        assert await task == b""

    asyncio.run(main())


@pytest.mark.usefixtures("nothing_left")
def test_a_transport_with_a_clock_of_its_own_sleeps_by_that_clock() -> None:
    async def main() -> None:
        fake = FakeTransport()
        transport = ThreadedTransport(fake)
        await transport.asleep(600)
        assert (transport.now(), fake.sleeps) == (600, [600])
        await transport.aclose()
        assert fake.closes == 1

    asyncio.run(main())


def test_the_repr_of_a_transport_tells_what_is_beneath() -> None:
    assert repr(AiohttpTransport()) == "AiohttpTransport()"
    assert repr(ThreadedTransport(RequestsTransport())) == "ThreadedTransport(RequestsTransport())"
