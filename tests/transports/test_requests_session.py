"""`RequestsTransport` over a `requests.Session`: its own, and one that the caller passes in."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
import requests
import requests.utils
import responses
import urllib3
from requests.adapters import HTTPAdapter
from requests.auth import HTTPDigestAuth
from responses.matchers import header_matcher
from support.exchanges import (
    DRIPS,
    HEADERS,
    LONG,
    OK,
    OURS,
    exchange,
    failure,
    get,
    post,
)
from support.fakes import KEY
from support.servers import (
    PATIENCE,
    Received,
    answering,
    http,
    reply,
    reset,
    serving,
    silent,
)

from decart import (
    ConnectError,
    InvalidInputError,
    RequestsTransport,
    Timeout,
    TransportError,
    TransportTimeout,
)
from decart.transports.base import HttpRequest

get_and_post = pytest.mark.parametrize("make", [get, post], ids=["GET", "POST"])


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        yield session


@pytest.fixture(params=["own session", "caller's session"])
def either(request: pytest.FixtureRequest, session: requests.Session) -> Iterator[RequestsTransport]:
    """A transport over its own session, and one over the caller's."""
    transport = RequestsTransport(session if request.param == "caller's session" else None)
    yield transport
    transport.close()


class Counting(HTTPAdapter):
    """An adapter that counts its requests and how often it is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.used = self.closes = 0

    def send(self, *args: Any, **kwargs: Any) -> requests.Response:
        self.used += 1
        return super().send(*args, **kwargs)

    def close(self) -> None:
        self.closes += 1
        super().close()


# ---------------------------------------------------------------- one attempt, the given headers


@get_and_post
def test_requests_is_asked_once_with_exactly_the_given_headers(make: Callable[[str], HttpRequest]) -> None:
    headers = {**OURS, "Content-Length": "13"} if make is post else HEADERS
    request = make("http://x.invalid")
    with responses.RequestsMock() as mock:
        match = [header_matcher(headers, strict_match=True)]
        mock.add(request.method, request.url, b"body", status=418, headers={"X-Request-Id": "r1"}, match=match)
        status, received, body = exchange(RequestsTransport(), request)
        assert (status, received["x-request-id"], body) == (418, "r1", b"body")
        assert len(mock.calls) == 1


def test_a_connect_timeout_of_requests_is_a_connect_error(either: RequestsTransport) -> None:
    with responses.RequestsMock() as mock:
        mock.get("http://x.invalid/v1/jobs/j1", body=requests.ConnectTimeout())
        assert isinstance(failure(either, get("http://x.invalid")), ConnectError)


def circular() -> BaseException:
    error = requests.ConnectionError("round and round")
    error.__cause__ = error
    return error


RAISED: dict[str, Callable[[], BaseException]] = {
    "its own cause": circular,
    "UnicodeError": lambda: UnicodeError("label too long"),
    "OSError": lambda: OSError(5, "Input/output error"),
    "urllib3": urllib3.exceptions.HTTPError,
}


@pytest.mark.parametrize("case", RAISED)
def test_whatever_the_session_raises_becomes_an_error_of_the_sdk(either: RequestsTransport, case: str) -> None:
    with responses.RequestsMock() as mock:
        mock.get("http://x.invalid/v1/jobs/j1", body=RAISED[case]())
        error = failure(either, get("http://x.invalid"))
    assert (error.__cause__, error.__context__) == (None, None)


def test_an_exception_of_the_callers_hook_passes_through(session: requests.Session) -> None:
    def hook(response: requests.Response, *args: object, **kwargs: object) -> None:
        response.close()
        raise LookupError("mine")

    session.hooks["response"].append(hook)
    with serving(reply(OK)) as server, pytest.raises(LookupError, match="mine"):
        exchange(RequestsTransport(session), get(server.url))


def test_the_repr_says_whether_the_session_is_the_callers(session: requests.Session) -> None:
    assert repr(RequestsTransport()) == "RequestsTransport()"
    assert repr(RequestsTransport(session)) == "RequestsTransport(session=...)"


# ---------------------------------------------------------------- what the caller's session adds


def test_headers_auth_adapters_and_hooks_of_the_callers_session_are_used(session: requests.Session) -> None:
    adapter, seen = Counting(), []

    def hook(response: requests.Response, *args: object, **kwargs: object) -> None:
        seen.append(response.status_code)

    session.mount("http://", adapter)
    session.headers["X-Mine"] = "1"
    session.auth = ("me", "hush")
    session.hooks["response"].append(hook)
    with serving(answering(lambda request, number: OK)) as server:
        assert exchange(RequestsTransport(session), post(server.url))[0] == 200
        headers = server.requests[0].headers
    assert (headers["x-mine"], headers["x-api-key"]) == ("1", KEY)
    assert headers["authorization"].startswith("Basic ")
    assert (adapter.used, seen) == (1, [200])


def test_proxies_of_the_callers_session_are_used(session: requests.Session) -> None:
    with serving(answering(lambda request, number: http(200, b"proxy"))) as proxy:
        session.proxies = {"http": proxy.url}
        assert exchange(RequestsTransport(session), get("http://service.invalid"))[2] == b"proxy"


def test_certificates_of_the_callers_session_are_used(
    session: requests.Session, tls: ssl.SSLContext, certificate: tuple[Path, Path]
) -> None:
    session.verify = str(certificate[0])
    with serving(answering(lambda request, number: OK), tls=tls) as server:
        assert exchange(RequestsTransport(session), get(server.url))[2] == b"fine"


def test_cookies_of_the_callers_session_are_its_own(session: requests.Session) -> None:
    with serving(answering(lambda request, number: http(200, b"", {"Set-Cookie": "a=b; Path=/"}))) as server:
        transport = RequestsTransport(session)
        exchange(transport, get(server.url))
        exchange(transport, get(server.url))
        assert [request.headers.get("cookie") for request in server.requests] == [None, "a=b"]


def test_the_callers_session_is_left_open(session: requests.Session) -> None:
    adapter = Counting()
    session.mount("http://", adapter)
    transport = RequestsTransport(session)
    with serving(answering(lambda request, number: OK)) as server:
        exchange(transport, post(server.url))
        transport.close()
        assert adapter.closes == 0
        assert session.get(server.url).content == b"fine"
        assert len(server.connections) == 1


def test_a_netrc_login_is_used_by_neither_session(
    either: RequestsTransport, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password hush\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with serving(answering(lambda request, number: OK)) as server:
        assert requests.utils.get_netrc_auth(server.url) == ("me", "hush")  # requests itself would use it
        exchange(either, get(server.url))
        assert "authorization" not in server.requests[0].headers


def test_the_proxy_of_the_environment_is_used_by_either_session_but_not_for_loopback(
    either: RequestsTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        serving(answering(lambda request, number: http(200, b"proxy"))) as proxy,
        serving(answering(lambda request, number: http(200, b"direct"))) as server,
    ):
        monkeypatch.setenv("http_proxy", proxy.url)
        assert exchange(either, get(server.url))[2] == b"direct"
        assert exchange(either, get("http://service.invalid"))[2] == b"proxy"
        assert [request.target for request in proxy.requests] == ["http://service.invalid/v1/jobs/j1"]


# ---------------------------------------------------------------- time


@pytest.mark.parametrize("timeout", [Timeout(read=0.15), Timeout(read=PATIENCE, total=0.15)], ids=["read", "total"])
def test_silence_ends_in_time_with_the_callers_session(session: requests.Session, timeout: Timeout) -> None:
    with serving(silent) as server:
        assert type(failure(RequestsTransport(session), get(server.url), timeout)) is TransportTimeout


@pytest.mark.parametrize("case", ["a body", "a body in chunks"])
def test_the_total_is_checked_between_chunks_with_the_callers_session(session: requests.Session, case: str) -> None:
    with serving(DRIPS[case]) as server:
        error = failure(RequestsTransport(session), get(server.url), Timeout(read=PATIENCE, total=0.15))
    assert type(error) is TransportTimeout


# ---------------------------------------------------------------- redirects


@get_and_post
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_returned_and_not_followed(
    either: RequestsTransport, status: int, make: Callable[[str], HttpRequest]
) -> None:
    with serving(answering(lambda request, number: OK)) as other:
        with serving(answering(lambda r, n: http(status, b"moved", {"Location": other.url + "/x"}))) as server:
            got, headers, body = exchange(either, make(server.url))
            assert (got, headers["location"], body) == (status, other.url + "/x", b"moved")
            assert len(server.requests) == 1
        assert not other.connections


MALFORMED = ["http://[", "http://", "//", "http://user:pass@127.0.0.1/", "http://x:99999999/", "", "\xff\xfe"]
MALFORMED += ["http://\xe9.invalid", "http://" + "a" * 300, "http://*.invalid"]


@pytest.mark.parametrize("location", MALFORMED)
def test_a_redirect_to_a_malformed_url_is_returned(either: RequestsTransport, location: str) -> None:
    with serving(answering(lambda request, number: http(302, b"moved", {"Location": location}))) as server:
        status, headers, body = exchange(either, get(server.url))
        assert (status, headers["location"], body) == (302, location, b"moved")


# ---------------------------------------------------------------- nothing repeats a POST


class Stubborn(HTTPAdapter):
    """An adapter with its own retry loop, which cannot be detected from outside."""

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        try:
            return super().send(request, *args, **kwargs)
        except requests.ConnectionError:
            return super().send(request, *args, **kwargs)


def test_an_adapter_that_retries_cannot_send_a_body_twice(session: requests.Session) -> None:
    session.mount("http://", Stubborn())
    with serving(reset()) as server:
        error = failure(RequestsTransport(session), post(server.url))
        assert len(server.requests) == 1
    assert error.may_have_been_sent is True
    assert "tried to send the request again" in error.message


def test_a_login_in_two_steps_never_sends_a_body_twice(session: requests.Session) -> None:
    session.auth = HTTPDigestAuth("me", "hush")
    challenge = {"WWW-Authenticate": 'Digest realm="r", nonce="n", qop="auth"'}

    def make(request: Received, number: int) -> bytes:
        return OK if "authorization" in request.headers else http(401, b"", challenge)

    transport = RequestsTransport(session)
    with serving(answering(make)) as server:
        failure(transport, post(server.url), LONG)
        assert exchange(transport, get(server.url))[0] == 200
        assert exchange(transport, post(server.url))[0] == 200  # the nonce is known by now
        assert [request.method for request in server.requests if request.body] == ["POST", "POST"]


@pytest.mark.parametrize(
    "retries",
    [
        urllib3.Retry(3, allowed_methods=None),
        urllib3.Retry(3, allowed_methods={"GET", "post"}),
        urllib3.Retry(total=None, read=1, allowed_methods=None),
        urllib3.Retry(total=None, status=1, status_forcelist=[503], allowed_methods=["POST"]),
        urllib3.Retry(total=None, other=1, allowed_methods=["POST"]),
    ],
    ids=str,
)
def test_a_session_that_would_retry_a_post_is_refused(session: requests.Session, retries: urllib3.Retry) -> None:
    session.mount("https://elsewhere.invalid", HTTPAdapter(max_retries=retries))
    with pytest.raises(InvalidInputError, match="retries POST requests by itself"):
        RequestsTransport(session)


class Bare(requests.adapters.BaseAdapter):
    """An adapter without ``max_retries``."""

    def close(self) -> None: ...


@pytest.mark.parametrize(
    "adapter",
    [
        HTTPAdapter(),
        HTTPAdapter(max_retries=3),
        HTTPAdapter(max_retries=urllib3.Retry(3, allowed_methods={"GET"}, status_forcelist=[503])),
        HTTPAdapter(max_retries=urllib3.Retry(0, allowed_methods=None)),
        HTTPAdapter(max_retries=urllib3.Retry(total=None, connect=3, read=0, status=0, other=0, allowed_methods=None)),
        Bare(),
    ],
    ids=["default", "a number", "GET only", "none", "connecting only", "bare"],
)
def test_a_session_that_retries_no_post_is_accepted(
    session: requests.Session, adapter: requests.adapters.BaseAdapter
) -> None:
    session.mount("https://", adapter)
    RequestsTransport(session)


# ---------------------------------------------------------------- adapters that do not speak HTTP


@attrs.frozen
class Canned(requests.adapters.BaseAdapter):
    """An adapter that makes responses by itself, whose ``raw`` is an iterator and not of urllib3."""

    chunks: Callable[[], Iterator[bytes]]

    def send(self, request: requests.PreparedRequest, *args: object, **kwargs: object) -> requests.Response:
        response = requests.Response()
        response.status_code, response.url, response.raw = 200, str(request.url), Raw(self.chunks())
        return response

    def close(self) -> None: ...


class Raw:
    """The least that requests needs of a body."""

    status, headers = 200, None

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks

    def read(self, size: int = -1) -> bytes:
        return next(self._chunks, b"")

    def close(self) -> None: ...


def breaking() -> Iterator[bytes]:
    yield b"one,"
    raise ConnectionResetError(104, "Connection reset by peer")


def test_a_response_that_is_not_of_urllib3_is_read(session: requests.Session) -> None:
    session.mount("http://", Canned(lambda: iter([b"one,", b"two"])))
    assert exchange(RequestsTransport(session), get("http://x.invalid"))[2] == b"one,two"


def test_a_response_that_is_not_of_urllib3_may_break_off(session: requests.Session) -> None:
    session.mount("http://", Canned(breaking))
    error = failure(RequestsTransport(session), get("http://x.invalid"))
    assert type(error) is TransportError
    assert "Connection reset by peer" in error.message


# ---------------------------------------------------------------- the environment
