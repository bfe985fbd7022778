"""`decart.transports.requests`: what goes over the wire, what failures become, what threads and forks share.

Mocks (`responses`) show what is asked of requests; servers on real sockets show what requests then does.
"""

from __future__ import annotations

import contextlib
import os
import re
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import attrs
import pytest
import requests
import responses
import urllib3
from fakes import KEY, LAKE, MP4
from requests.adapters import HTTPAdapter
from requests.auth import HTTPDigestAuth
from responses.matchers import header_matcher
from responses.registries import OrderedRegistry
from servers import (
    FIRST,
    PATIENCE,
    Connection,
    Received,
    Script,
    Server,
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

from decart import (
    APIError,
    AuthenticationError,
    ConnectError,
    DecartClient,
    DecartSDKError,
    InvalidInputError,
    QueueResultError,
    QueueStatusError,
    QueueSubmitError,
    RequestsTransport,
    RetryPolicy,
    SubmitOutcomeUnknownError,
    Timeout,
    TransportError,
    TransportTimeout,
    ValidationError,
    models,
)
from decart.transports.base import Body, HttpRequest

E = TypeVar("E", bound=BaseException)
HEADERS = {"X-API-KEY": KEY, "User-Agent": "decart-python-sdk/0 lang/py", "Accept": "*/*"}
OURS = {**HEADERS, "Content-Type": "multipart/form-data; boundary=x"}
SOON = Timeout(connect=5, read=0.3)
LONG = Timeout(connect=PATIENCE, read=PATIENCE)
OK = http(200, b"fine")
ACCEPTED = http(200, b'{"job_id": "j1", "status": "pending"}', {"Content-Type": "application/json"})
COMPLETED = http(200, b'{"job_id": "j1", "status": "completed"}', {"Content-Type": "application/json"})
BIG = 8 * 1024 * 1024  # bytes that no socket buffer takes at once, with the small ones of a test


@attrs.frozen
class Parts:
    """A body of so many bytes in pieces, which may be iterated again."""

    pieces: tuple[bytes, ...] = (b"one,", b"two,", b"three")

    def __len__(self) -> int:
        return sum(map(len, self.pieces))

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.pieces)


def large() -> Parts:
    return Parts((bytes(256 * 1024),) * (BIG // (256 * 1024)))


def get(url: str) -> HttpRequest:
    return HttpRequest(method="GET", url=url + "/v1/jobs/j1", headers=HEADERS)


def post(url: str, body: Body | None = None) -> HttpRequest:
    return HttpRequest(method="POST", url=url + "/v1/jobs/lucy", headers=OURS, body=body or Parts())


@pytest.fixture
def transport() -> Iterator[RequestsTransport]:
    transport = RequestsTransport()
    yield transport
    transport.close()


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        yield session


def exchange(
    transport: RequestsTransport, request: HttpRequest, timeout: Timeout = LONG
) -> tuple[int, dict[str, str], bytes]:
    with transport.send(request, timeout=timeout) as response:
        return response.status, response.headers, response.read()


def failure(transport: RequestsTransport, request: HttpRequest, timeout: Timeout = SOON) -> TransportError:
    return caught(TransportError, lambda: exchange(transport, request, timeout))


def caught(kind: type[E], call: Callable[[], object]) -> E:
    """Return the error that a call raises. Unlike `pytest.raises` it makes no circle of error and stack.

    A socket in such a circle, which urllib3 leaves open after a header that it cannot read, would be told as unclosed.
    """
    try:
        call()
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__} was raised")


# ---------------------------------------------------------------- one attempt, our headers, the answer as it came


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_request_carries_exactly_our_headers_and_the_answer_comes_through(
    transport: RequestsTransport, method: str
) -> None:
    with responses.RequestsMock(registry=OrderedRegistry) as mock:
        length = {"Content-Length": "13"} if method == "POST" else {}
        match = header_matcher({**(OURS if method == "POST" else HEADERS), **length}, strict_match=True)
        mock.add(method, "http://x.invalid/v1", b"body", status=418, headers={"X-Request-Id": "r1"}, match=[match])
        made = post("http://x.invalid") if method == "POST" else get("http://x.invalid")
        status, headers, body = exchange(transport, attrs.evolve(made, url="http://x.invalid/v1"))
        assert (status, headers["x-request-id"], body) == (418, "r1", b"body")
        assert len(mock.calls) == 1


def test_a_file_arrives_as_one_multipart_part_of_exactly_its_bytes(tmp_path: Path) -> None:
    data = os.urandom(600_000)
    path = tmp_path / 'a"b.mp4'
    path.write_bytes(data)
    with serving(answering(lambda request, number: ACCEPTED)) as server:
        with client_of(server) as client:
            client.queue.submit({"model": models.video("lucy-clip"), "prompt": "snow", "data": path})
        [request] = server.requests
    boundary = request.headers["content-type"].partition("boundary=")[2].encode()
    parts = request.body.split(b"--" + boundary)
    assert request.headers["content-length"] == str(len(request.body))
    assert "transfer-encoding" not in request.headers
    assert (parts[0], parts[-1]) == (b"", b"--\r\n")
    heads = [part.partition(b"\r\n\r\n")[0] for part in parts]
    place = next(i for i, head in enumerate(heads) if b"filename=" in head)
    assert b'name="data"; filename="a%22b.mp4"\r\nContent-Type: video/mp4' in heads[place]
    assert parts[place].partition(b"\r\n\r\n")[2] == data + b"\r\n"


# ---------------------------------------------------------------- no connection: nothing was sent


def unresolvable() -> contextlib.AbstractContextManager[str]:
    return contextlib.nullcontext("http://" + ".".join(["a" * 60] * 6))  # longer than any name: no server is asked


def no_such_name() -> contextlib.AbstractContextManager[str]:
    return contextlib.nullcontext("http://" + "a" * 64 + ".invalid")  # longer than a label may be


@contextlib.contextmanager
def plain_http_behind_https() -> Iterator[str]:
    with serving(lambda connection: connection.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as server:
        yield server.url.replace("http:", "https:")


NO_CONNECTION = {
    "connection refused": nobody,
    "a name that is too long to exist": unresolvable,
    "a name that cannot be one": no_such_name,
    "https to a server of plain http": plain_http_behind_https,
    "a full queue": deaf,
}


@pytest.mark.parametrize("case", NO_CONNECTION)
def test_without_a_connection_each_verb_says_so_in_our_words(case: str) -> None:
    with (
        NO_CONNECTION[case]() as url,
        DecartClient(api_key=KEY, base_url=url, timeout=Timeout(connect=0.3), retry=RetryPolicy(attempts=1)) as client,
    ):
        submit = caught(QueueSubmitError, lambda: client.queue.submit(LAKE))
        status = caught(QueueStatusError, lambda: client.queue.status("j1"))
        result = caught(QueueResultError, lambda: client.queue.result("j1"))
    for error in (submit, status, result):
        assert type(error.cause) is ConnectError
        assert not isinstance(error, SubmitOutcomeUnknownError)


def test_a_connect_timeout_of_requests_is_a_connect_error(transport: RequestsTransport) -> None:
    with responses.RequestsMock() as mock:
        mock.get("http://x.invalid/v1/jobs/j1", body=requests.ConnectTimeout())
        assert isinstance(failure(transport, get("http://x.invalid")), ConnectError)


# ---------------------------------------------------------------- a connection that lets us down


def broken(data: bytes) -> Script:
    return reply(FIRST + data)


BROKEN: dict[str, Script] = {
    "a reset before the answer": reset(),
    "the end before the answer": reply(b""),
    "the end inside the status line": reply(b"HTTP/1.1 2"),
    "a reset inside the headers": reset(FIRST + b"Content-Le"),
    "a reset inside the body": reset(FIRST + b"Content-Length: 1000\r\n\r\nabc"),
    "a body shorter than its Content-Length": broken(b"Content-Length: 1000\r\n\r\nabc"),
    "a chunk without a size": broken(b"Transfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n"),
    "a chunk shorter than its size": broken(b"Transfer-Encoding: chunked\r\n\r\nff\r\nabc"),
    "chunks without an end": broken(b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"),
    "something that is not HTTP": reply(b"SSH-2.0-OpenSSH_9.6\r\n"),
    "a version of HTTP that there is not": reply(b"HTTP/7.7 200 OK\r\n\r\n"),
    "a status that is no number": reply(b"HTTP/1.1 fine\r\n\r\n"),
    "a thousand headers": broken(b"X: y\r\n" * 1000 + b"\r\n"),
    "a header without an end": broken(b"X: " + b"y" * 100_000 + b"\r\n\r\n"),
    "two lengths": broken(b"Content-Length: 3, 5\r\n\r\nabcde"),
    "gzip that is none": broken(b"Content-Encoding: gzip\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc"),
}
SILENT: dict[str, Script] = {
    "silence": silent,
    "silence inside the headers": then(FIRST + b"Content-Le", Connection.until_closed),
    "silence inside the body": then(FIRST + b"Content-Length: 1000\r\n\r\nabc", Connection.until_closed),
    "silence inside a chunk": then(FIRST + b"Transfer-Encoding: chunked\r\n\r\nff\r\nabc", Connection.until_closed),
}
FAILURES = {**BROKEN, **SILENT}


@pytest.mark.parametrize("make", [get, post], ids=["GET", "POST"])
@pytest.mark.parametrize("case", FAILURES)
def test_what_fails_after_the_request_may_have_been_taken(
    transport: RequestsTransport, case: str, make: Callable[[str], HttpRequest]
) -> None:
    with serving(FAILURES[case]) as server:
        error = failure(transport, make(server.url))
        assert len(server.requests) == 1
    assert type(error) is (TransportTimeout if case in SILENT else TransportError)
    assert error.may_have_been_sent is True


@pytest.mark.parametrize("case", FAILURES)
def test_the_same_failures_reach_a_caller_of_the_queue_as_errors_of_ours(case: str) -> None:
    fails = FAILURES[case]
    with serving(fails, fails, then(COMPLETED, fails)) as server, client_of(server) as client:
        submit = caught(SubmitOutcomeUnknownError, lambda: client.queue.submit(LAKE))
        status = caught(QueueStatusError, lambda: client.queue.status("j1"))
        result = caught(QueueResultError, lambda: client.queue.result("j1"))
        assert [request.method for request in server.requests] == ["POST", "GET", "GET", "GET"]
    assert (status.job_id, result.job_id) == ("j1", "j1")
    for error in (submit, status, result):
        assert isinstance(error.cause, TransportError)
        assert error.cause.may_have_been_sent is True
        assert re.fullmatch(r"[\w' :;.,()/*\[\]-]+", error.message), "no dump of objects"


def client_of(server: Server, timeout: Timeout = SOON, **more: Any) -> DecartClient:
    return DecartClient(api_key=KEY, base_url=server.url, timeout=timeout, retry=RetryPolicy(attempts=1), **more)


def test_what_works_over_a_socket_works_through_the_queue() -> None:
    video = http(200, MP4, {"Content-Type": "video/mp4"})
    answers = {"POST /v1/jobs/lucy-pro-t2v": ACCEPTED, "GET /v1/jobs/j1": COMPLETED, "GET /v1/jobs/j1/content": video}
    with (
        serving(answering(lambda r, n: answers[f"{r.method} {r.target}"])) as server,
        client_of(server, LONG) as client,
    ):
        assert client.queue.submit_and_poll(LAKE).data == MP4
        assert len(server.connections) == 1


# ---------------------------------------------------------------- time


def slow(connection: Connection) -> None:
    """Take the head, do nothing for longer than the connect timeout, then take the rest and answer."""
    connection.read_head()
    connection.pause(0.5)
    connection.read_request()
    connection.send(OK)


def taking_little(connection: Connection) -> None:
    """Take a body as slowly as possible, without ever stopping."""
    while True:
        connection.sock.recv(1024)
        connection.pause(0.01)


def never_reading(connection: Connection) -> None:
    connection.read_head()
    connection.server.stopping.wait(PATIENCE)


def test_a_server_that_takes_a_body_slowly_has_the_read_timeout_and_not_the_connect_timeout(
    transport: RequestsTransport,
) -> None:
    with serving(slow, receive_buffer=4096) as server:
        assert exchange(transport, post(server.url, large()), Timeout(connect=0.2, read=PATIENCE))[2] == b"fine"
        assert len(server.requests[0].body) == BIG


HEAD = FIRST + b"Content-Length: 100000\r\n\r\n"
CHUNKED = FIRST + b"Transfer-Encoding: chunked\r\n\r\n"
DRIPS: dict[str, Script] = {
    "headers": then(FIRST, lambda connection: connection.drip(b"X-A: b\r\n" * 1000)),
    "one endless header": then(FIRST, lambda connection: connection.drip(b"X" * 10_000)),
    "a body": then(HEAD, lambda connection: connection.drip(b"x" * 10_000)),
    "a body in chunks": then(CHUNKED, lambda connection: connection.drip(b"1\r\nx\r\n" * 10_000)),
    "the size of a chunk": then(CHUNKED, lambda connection: connection.drip(b"0" * 10_000)),
}


@pytest.mark.parametrize("case", DRIPS)
def test_a_server_that_drips_is_ended_by_the_total_time(transport: RequestsTransport, case: str) -> None:
    with serving(DRIPS[case]) as server:
        began = transport.now()
        error = failure(transport, get(server.url), Timeout(connect=PATIENCE, read=PATIENCE, total=0.3))
        assert transport.now() - began < PATIENCE / 2
    assert type(error) is TransportTimeout


def test_with_a_session_of_the_callers_the_timeouts_of_requests_hold(session: requests.Session) -> None:
    with serving(silent) as server:
        for timeout in (SOON, Timeout(read=PATIENCE, total=0.3)):
            assert type(failure(RequestsTransport(session), get(server.url), timeout)) is TransportTimeout


def test_with_a_session_of_the_callers_the_total_time_is_watched_between_chunks(session: requests.Session) -> None:
    with serving(DRIPS["a body in chunks"]) as server:
        error = failure(RequestsTransport(session), get(server.url), Timeout(read=PATIENCE, total=0.3))
    assert type(error) is TransportTimeout


# ---------------------------------------------------------------- the body, and what may not happen to it


@pytest.mark.parametrize(("status", "kind"), [(413, ValidationError), (401, AuthenticationError)])
def test_an_answer_that_comes_before_the_body_is_through_is_still_the_answer(
    tmp_path: Path, status: int, kind: type[APIError]
) -> None:
    def refuse(connection: Connection) -> None:
        connection.read_head()
        connection.send(http(status, b'{"detail": "no, thanks"}'))

    path = tmp_path / "large.mp4"
    path.write_bytes(bytes(BIG))
    with serving(refuse, receive_buffer=4096) as server, client_of(server, LONG) as client:
        with pytest.raises(QueueSubmitError, match="no, thanks") as refused:
            client.queue.submit({"model": models.video("lucy-clip"), "prompt": "x", "data": path})
        assert not server.requests
    assert type(refused.value.cause) is kind


@attrs.frozen
class Failing(Parts):
    """A body whose file fails in the middle."""

    def __iter__(self) -> Iterator[bytes]:
        yield b"one,"
        raise InvalidInputError("data: the file became shorter while it was sent.")


def test_an_exception_of_the_callers_own_passes_through_as_it_is(session: requests.Session) -> None:
    def hook(response: requests.Response, *args: object, **kwargs: object) -> None:
        raise LookupError("mine")

    session.hooks["response"].append(hook)
    with serving(reply(OK)) as server, pytest.raises(LookupError, match="mine"):
        exchange(RequestsTransport(session), get(server.url))


class Stubborn(HTTPAdapter):
    """An adapter with a loop of its own, which no inspection finds."""

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        try:
            return super().send(request, *args, **kwargs)
        except requests.ConnectionError:
            return super().send(request, *args, **kwargs)


def test_no_adapter_can_send_a_body_twice(session: requests.Session) -> None:
    session.mount("http://", Stubborn())
    with serving(reset()) as server:
        error = failure(RequestsTransport(session), post(server.url))
        assert len(server.requests) == 1
    assert error.may_have_been_sent is True
    assert "from sending it all again" in error.message


# ---------------------------------------------------------------- redirects


@pytest.mark.parametrize("own", [True, False], ids=["own session", "caller's session"])
@pytest.mark.parametrize("make", [get, post], ids=["GET", "POST"])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_an_answer_and_nothing_goes_where_it_leads(
    session: requests.Session, status: int, make: Callable[[str], HttpRequest], own: bool
) -> None:
    transport = RequestsTransport(None if own else session)
    with serving(answering(lambda request, number: OK)) as other:
        with serving(answering(lambda r, n: http(status, b"moved", {"Location": other.url + "/x"}))) as server:
            got, headers, body = exchange(transport, make(server.url))
            assert (got, headers["location"], body) == (status, other.url + "/x", b"moved")
            assert len(server.requests) == 1
        transport.close()
        assert not other.connections


@pytest.mark.parametrize("own", [True, False], ids=["own session", "caller's session"])
@pytest.mark.parametrize(
    "location",
    [
        "http://[",
        "http://",
        "//",
        "http://user:pass@127.0.0.1/",
        "http://x:99999999/",
        "",
        "\xff\xfe",
        "http://\xe9.invalid",
    ]
    + ["http://" + "a" * 300, "http://*.invalid"],
)
def test_a_redirect_to_nonsense_is_an_answer_all_the_same(session: requests.Session, location: str, own: bool) -> None:
    transport = RequestsTransport(None if own else session)
    with serving(answering(lambda request, number: http(302, b"moved", {"Location": location}))) as server:
        status, headers, body = exchange(transport, get(server.url))
        assert (status, headers["location"], body) == (302, location, b"moved")
    transport.close()


def test_a_redirect_is_told_to_a_caller_of_the_queue_without_what_is_secret_in_it() -> None:
    location = {"Location": "http://user:hush@127.0.0.2/x"}
    with (
        serving(answering(lambda request, number: http(307, b"", location))) as server,
        client_of(server) as client,
        pytest.raises(QueueSubmitError, match="http://127.0.0.2:80, and nothing was sent there") as refused,
    ):
        client.queue.submit(LAKE)
    assert "hush" not in str(refused.value)


# ---------------------------------------------------------------- threads, processes, connections


def test_many_threads_get_their_own_answers_over_connections_that_are_used_again(
    transport: RequestsTransport,
) -> None:
    threads, calls = 16, 25
    gate = threading.Barrier(threads)
    wrong: list[object] = []

    def work(number: int) -> None:
        gate.wait(PATIENCE)
        for call in range(calls):
            path = f"/{number}/{call}"
            answer = exchange(transport, HttpRequest(method="GET", url=server.url + path, headers=HEADERS))[2]
            if answer != path.encode():
                wrong.append((path, answer))

    with serving(answering(lambda request, number: http(200, request.target.encode()))) as server:
        workers = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(PATIENCE)
        assert not wrong
        assert len(server.requests) == threads * calls
        assert len(server.connections) <= threads


def test_a_connection_that_the_server_has_closed_meanwhile_is_replaced(transport: RequestsTransport) -> None:
    with serving(reply(OK)) as server:
        for _ in range(3):
            assert exchange(transport, post(server.url))[2] == b"fine"
            assert server.connections[-1].closed.wait(PATIENCE)
        assert len(server.connections) == 3


FORK = """
import os, sys
import requests
from decart import RequestsTransport, Timeout
from decart.transports.base import HttpRequest

url, whose = sys.argv[1:]
transport = RequestsTransport(requests.Session() if whose == "caller" else None)

def number():
    with transport.send(HttpRequest(method="GET", url=url, headers={}), timeout=Timeout()) as response:
        return int(response.read())

def check(*expected):
    found = number(), number()
    assert found == expected, (found, expected)

check(1, 1)
child = os.fork()
if child == 0:
    check(2, 2)  # connections of its own, kept as ever
    transport.close()
else:
    assert os.waitpid(child, 0)[1] == 0
    check(1, 1)  # the parent's is as it was
    transport.close()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize("whose", ["own", "caller"])
def test_a_forked_child_connects_anew_and_leaves_the_parents_connection_alone(whose: str) -> None:
    with serving(answering(lambda request, number: http(200, str(number).encode()))) as server:
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", FORK, server.url, whose],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert len(server.connections) == 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_only_the_first_of_a_childs_threads_lets_go_of_the_parents_connections() -> None:
    script = """
import os, sys, threading
import requests
from decart import RequestsTransport, Timeout
from decart.transports.base import HttpRequest

gate, failed, closes = threading.Barrier(8), [], []

class SlowToClose(requests.adapters.HTTPAdapter):
    def close(self):
        closes.append(1)
        threading.Event().wait(0.3)  # so long that the other threads find it under way
        super().close()

session = requests.Session()
session.mount("http://", SlowToClose())
transport = RequestsTransport(session)
child = os.fork()
if child:
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))

def work():
    gate.wait()
    with transport.send(HttpRequest(method="GET", url=sys.argv[1], headers={}), timeout=Timeout()) as response:
        if response.read() != b"fine":
            failed.append(1)

threads = [threading.Thread(target=work) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert not failed and len(closes) == 1, (failed, closes)
"""
    with serving(answering(lambda request, number: OK)) as server:
        done = subprocess.run(
            [sys.executable, "-c", script, server.url], capture_output=True, text=True, timeout=PATIENCE
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert len(server.requests) == 8


# ---------------------------------------------------------------- the environment


@pytest.mark.parametrize("own", [True, False], ids=["own session", "caller's session"])
def test_a_proxy_of_the_environment_is_used_and_no_proxy_respected(
    session: requests.Session, monkeypatch: pytest.MonkeyPatch, own: bool
) -> None:
    transport = RequestsTransport(None if own else session)
    with serving(answering(lambda request, number: http(200, b"proxy"))) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        with serving(answering(lambda request, number: http(200, b"direct"))) as server:
            assert exchange(transport, get(server.url))[2] == b"direct"
            assert exchange(transport, get("http://service.invalid"))[2] == b"proxy"
            assert [request.target for request in proxy.requests] == ["http://service.invalid/v1/jobs/j1"]
            transport.close()


def test_the_environment_is_looked_up_once_per_origin(
    transport: RequestsTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        serving(answering(lambda r, n: http(200, b"old"))) as old,
        serving(answering(lambda r, n: http(200, b"new"))) as new,
    ):
        monkeypatch.setenv("http_proxy", old.url)
        assert exchange(transport, get("http://a.invalid"))[2] == b"old"
        monkeypatch.setenv("http_proxy", new.url)
        assert exchange(transport, get("http://a.invalid"))[2] == b"old"
        assert exchange(transport, get("http://a.invalid:81"))[2] == b"new"
        transport.close()


def test_https_through_a_proxy_stays_within_the_limits(
    transport: RequestsTransport,
    tls: ssl.SSLContext,
    certificate: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def tunnel(connection: Connection) -> None:
        connection.read_head()
        connection.send(b"HTTP/1.1 200 OK\r\n\r\n")
        connection.received.clear()
        connection.sock = tls.wrap_socket(connection.sock, server_side=True)
        connection.read_request()
        connection.send(HEAD)
        connection.drip(b"x" * 10_000)

    with serving(tunnel) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate[0]))
        error = failure(transport, get("https://127.0.0.1"), Timeout(read=PATIENCE, total=1))
        assert [request.target for request in proxy.requests] == ["/v1/jobs/j1"]
    assert type(error) is TransportTimeout


def test_a_password_file_of_the_environment_is_not_used_by_our_own_session(
    transport: RequestsTransport, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password hush\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with serving(answering(lambda request, number: OK)) as server:
        exchange(transport, get(server.url))
        assert "authorization" not in server.requests[0].headers
        with requests.Session() as session:  # which shows that the file would be found
            exchange(RequestsTransport(session), get(server.url))
        assert "authorization" in server.requests[1].headers


# ---------------------------------------------------------------- a session of the caller's own


class Counting(HTTPAdapter):
    """An adapter that knows how often it was used and closed."""

    def __init__(self) -> None:
        super().__init__()
        self.used = self.closes = 0

    def send(self, *args: Any, **kwargs: Any) -> requests.Response:
        self.used += 1
        return super().send(*args, **kwargs)

    def close(self) -> None:
        self.closes += 1
        super().close()


def test_headers_auth_adapters_and_hooks_of_a_callers_session_are_used(session: requests.Session) -> None:
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


def test_proxies_of_a_callers_session_are_used(session: requests.Session) -> None:
    with serving(answering(lambda request, number: http(200, b"proxy"))) as proxy:
        session.proxies = {"http": proxy.url}
        assert exchange(RequestsTransport(session), get("http://service.invalid"))[2] == b"proxy"


def test_certificates_of_a_callers_session_are_used(
    session: requests.Session, tls: ssl.SSLContext, certificate: tuple[Path, Path]
) -> None:
    session.verify = str(certificate[0])
    with serving(answering(lambda request, number: OK), tls=tls) as server:
        assert exchange(RequestsTransport(session), get(server.url))[2] == b"fine"


def test_a_callers_session_is_left_open(session: requests.Session) -> None:
    adapter = Counting()
    session.mount("http://", adapter)
    transport = RequestsTransport(session)
    with serving(answering(lambda request, number: OK)) as server:
        exchange(transport, get(server.url))
        transport.close()
        assert adapter.closes == 0
        assert session.get(server.url).content == b"fine"
        assert len(server.connections) == 1


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
def test_a_session_that_would_repeat_a_post_is_refused(session: requests.Session, retries: urllib3.Retry) -> None:
    session.mount("https://elsewhere.invalid", HTTPAdapter(max_retries=retries))
    with pytest.raises(InvalidInputError, match="repeats POST requests by itself"):
        RequestsTransport(session)


class Bare(requests.adapters.BaseAdapter):
    """An adapter without `max_retries`."""

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
def test_a_session_that_repeats_no_post_is_accepted(
    session: requests.Session, adapter: requests.adapters.BaseAdapter
) -> None:
    session.mount("https://", adapter)
    assert repr(RequestsTransport(session)) == "RequestsTransport(session=...)"


def test_the_repr_of_a_transport_tells_whose_session_it_uses(transport: RequestsTransport) -> None:
    assert repr(transport) == "RequestsTransport()"


# ---------------------------------------------------------------- the key


def everything_in(error: BaseException) -> Iterator[object]:
    """Give what can be reached from an exception through causes, arguments and attributes; not through tracebacks."""
    todo: list[object] = [error]
    seen: list[object] = []
    while todo:
        thing = todo.pop()
        if any(thing is other for other in seen) or isinstance(thing, (type, str, bytes, int, float)):
            yield thing
            continue
        seen.append(thing)
        yield thing
        todo += getattr(thing, "__dict__", {}).values()
        if isinstance(thing, BaseException):
            todo += [*thing.args, thing.__cause__, thing.__context__]
        elif isinstance(thing, (list, tuple, set)):
            todo += thing
        elif isinstance(thing, dict):
            todo += [*thing.keys(), *thing.values()]


@pytest.mark.parametrize("make", [get, post], ids=["GET", "POST"])
@pytest.mark.parametrize("case", ["connection refused", "a full queue", "a name that cannot be one", *FAILURES])
def test_what_stays_behind_an_error_holds_neither_the_key_nor_the_exchange(
    transport: RequestsTransport, case: str, make: Callable[[str], HttpRequest]
) -> None:
    place = NO_CONNECTION[case]() if case in NO_CONNECTION else url_of(FAILURES[case])
    with place as url:
        error = failure(transport, make(url), Timeout(connect=0.3, read=0.3))
    assert error.__cause__ is not None
    for thing in everything_in(error):
        assert not isinstance(thing, (requests.PreparedRequest, requests.Request, requests.Response))
        assert KEY not in (
            thing if isinstance(thing, str) else thing.decode("latin-1") if isinstance(thing, bytes) else ""
        )


@contextlib.contextmanager
def url_of(script: Script) -> Iterator[str]:
    with serving(script) as server:
        yield server.url


def test_every_failure_is_one_of_ours_whatever_the_session_raises(session: requests.Session) -> None:
    def chained() -> BaseException:
        error = requests.ConnectionError("round")
        error.__cause__ = error  # a circle must not catch us
        return error

    for raised in (
        chained(),
        UnicodeError("label too long"),
        OSError(5, "Input/output error"),
        urllib3.exceptions.HTTPError(),
    ):
        with responses.RequestsMock() as mock:
            mock.get("http://x.invalid/v1/jobs/j1", body=raised)
            assert isinstance(failure(RequestsTransport(session), get("http://x.invalid")), DecartSDKError)
