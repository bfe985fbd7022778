"""What hooks into requests works with the default client: mocks, recorded exchanges, custom sessions."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any
from unittest import mock

import pytest
import requests
import requests_mock
import responses
import urllib3
import vcr
from requests.adapters import HTTPAdapter
from responses.matchers import header_matcher, multipart_matcher
from support.fakes import KEY, LAKE, MP4
from support.servers import Received, answering, http, nobody, serving, silent

from decart import (
    ConnectError,
    DecartClient,
    QueueError,
    QueueStatusError,
    RequestsTransport,
    RetryPolicy,
    TransportError,
    models,
)
from decart.errors import RateLimitError, ServerError

CLIP = MP4 * 300  # longer than what is written to a socket at a time
RESTYLE: Any = {"model": models.video("lucy-clip"), "prompt": "Snow, \u96ea", "data": CLIP}
ACCEPTED = {"job_id": "j1", "status": "pending"}
COMPLETED = {"status": "completed"}
JSON = {"Content-Type": "application/json"}
VIDEO = {"Content-Type": "video/mp4"}
EXCHANGES = [
    ("POST", "/v1/jobs/lucy-pro-t2v"),
    ("GET", "/v1/jobs/j1"),
    ("GET", "/v1/jobs/j1"),  # a result is fetched only once the job is known to be finished
    ("GET", "/v1/jobs/j1/content"),
]


def client_at(url: str, **settings: Any) -> DecartClient:
    return DecartClient(KEY, base_url=url, retry=RetryPolicy(attempts=1), **settings)


def run_job(url: str, options: Any = LAKE, **settings: Any) -> tuple[str, str, bytes | None]:
    """Submit a job, ask for its status and fetch its result."""
    with client_at(url, **settings) as client:
        job = client.queue.submit(options)
        status = client.queue.status(job.job_id)
        return job.job_id, status.status, client.queue.result(job.job_id).data


def service(request: Received, number: int) -> bytes:
    """BufferedResponse as the service does for a job that is finished at once."""
    if request.target.endswith("/content"):
        return http(200, MP4, VIDEO)
    return http(200, json.dumps(ACCEPTED if request.method == "POST" else COMPLETED).encode(), JSON)


@pytest.fixture
def unreached() -> Iterator[str]:
    """The URL of a server that fails the test if it receives a connection."""
    with serving(silent) as server:
        yield server.url
        assert server.connections == []


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        yield session


# ---------------------------------------------------------------- responses


@pytest.fixture
def mocked() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock() as mocked:
        yield mocked


def test_responses_mocks_a_submit_a_status_and_a_result_and_nothing_reaches_the_network(
    mocked: responses.RequestsMock, unreached: str
) -> None:
    mocked.post(f"{unreached}/v1/jobs/lucy-pro-t2v", json=ACCEPTED, match=[header_matcher({"X-API-KEY": KEY})])
    mocked.get(f"{unreached}/v1/jobs/j1", json=COMPLETED)
    mocked.get(f"{unreached}/v1/jobs/j1/content", body=MP4, content_type="video/mp4")
    assert run_job(unreached) == ("j1", "completed", MP4)
    assert [(call.request.method, call.request.path_url) for call in mocked.calls] == EXCHANGES


def test_responses_fills_a_file_with_a_mocked_download(
    mocked: responses.RequestsMock, unreached: str, tmp_path: Path
) -> None:
    mocked.get(f"{unreached}/v1/jobs/j1", json=COMPLETED)
    mocked.get(f"{unreached}/v1/jobs/j1/content", body=MP4, content_type="video/mp4")
    with client_at(unreached) as client:
        assert client.queue.download("j1", tmp_path / "lake.mp4").read_bytes() == MP4


def test_a_multipart_matcher_of_responses_matches_the_text_of_a_submit(
    mocked: responses.RequestsMock, unreached: str
) -> None:
    form = {"seed": (None, "7"), "prompt": (None, LAKE["prompt"])}
    mocked.post(f"{unreached}/v1/jobs/lucy-pro-t2v", json=ACCEPTED, match=[multipart_matcher(form)])
    with client_at(unreached) as client:
        assert client.queue.submit({**LAKE, "seed": 7}).job_id == "j1"


def test_a_multipart_matcher_of_responses_matches_the_file_of_a_submit(
    mocked: responses.RequestsMock, unreached: str
) -> None:
    file = {"data": ("data", CLIP, "application/octet-stream")}
    form = multipart_matcher(file, {"prompt": RESTYLE["prompt"]})
    mocked.post(f"{unreached}/v1/jobs/lucy-clip", json=ACCEPTED, match=[form])
    with client_at(unreached) as client:
        assert client.queue.submit(RESTYLE).job_id == "j1"


@pytest.mark.parametrize(
    "form",
    [
        multipart_matcher({"data": ("data", CLIP, "application/octet-stream")}, {"prompt": "Rain"}),
        multipart_matcher({"data": ("data", CLIP[:-1], "application/octet-stream")}, {"prompt": RESTYLE["prompt"]}),
    ],
    ids=["other text", "other file"],
)
def test_a_submit_that_no_mock_of_responses_matches_is_our_error(form: Callable[..., Any], unreached: str) -> None:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mocked, client_at(unreached) as client:
        mocked.post(f"{unreached}/v1/jobs/lucy-clip", json=ACCEPTED, match=[form])
        with pytest.raises(QueueError) as caught:
            client.queue.submit(RESTYLE)
        assert len(mocked.calls) == 1
    assert isinstance(caught.value.cause, TransportError)


def test_the_body_of_a_submit_compares_equal_to_its_bytes(mocked: responses.RequestsMock, unreached: str) -> None:
    mocked.post(f"{unreached}/v1/jobs/lucy-clip", json=ACCEPTED)
    with client_at(unreached) as client:
        client.queue.submit(RESTYLE)
    request = mocked.calls[0].request
    body = bytes(request.body)
    assert CLIP in body
    assert len(body) == int(request.headers["Content-Length"]) == len(request.body)
    assert request.body == body
    assert body == request.body
    assert request.body != body[:-1]


def test_an_exception_that_responses_raises_for_a_mock_is_our_error(
    mocked: responses.RequestsMock, unreached: str
) -> None:
    mocked.get(f"{unreached}/v1/jobs/j1", body=requests.ConnectionError("unplugged"))
    with client_at(unreached) as client, pytest.raises(QueueStatusError) as caught:
        client.queue.status("j1")
    assert isinstance(caught.value.cause, TransportError)


def test_a_status_code_mocked_by_responses_is_the_error_that_it_stands_for(
    mocked: responses.RequestsMock, unreached: str
) -> None:
    mocked.get(f"{unreached}/v1/jobs/j1", status=429, headers={"Retry-After": "7"})
    with client_at(unreached) as client, pytest.raises(QueueStatusError) as caught:
        client.queue.status("j1")
    assert isinstance(caught.value.cause, RateLimitError)
    assert caught.value.retry_after == 7


# ---------------------------------------------------------------- requests_mock


def test_requests_mock_mocks_a_submit_a_status_and_a_result_and_nothing_reaches_the_network(unreached: str) -> None:
    with requests_mock.Mocker() as mocked:
        mocked.post(f"{unreached}/v1/jobs/lucy-pro-t2v", json=ACCEPTED)
        mocked.get(f"{unreached}/v1/jobs/j1", json=COMPLETED)
        mocked.get(f"{unreached}/v1/jobs/j1/content", content=MP4, headers=VIDEO)
        assert run_job(unreached) == ("j1", "completed", MP4)
    assert [(request.method, request.path) for request in mocked.request_history] == EXCHANGES


def test_requests_mock_shows_the_posted_body_and_headers(unreached: str) -> None:
    with requests_mock.Mocker() as mocked, client_at(unreached) as client:
        mocked.post(f"{unreached}/v1/jobs/lucy-clip", json=ACCEPTED)
        client.queue.submit(RESTYLE)
    request = mocked.last_request
    assert request.headers["x-api-key"] == KEY
    assert request.headers["Content-Type"].startswith("multipart/form-data; boundary=")
    assert RESTYLE["prompt"].encode() in bytes(request.body)
    assert CLIP in bytes(request.body)


def test_requests_mock_may_match_on_the_posted_body(unreached: str) -> None:
    def holds_the_clip(request: Any) -> bool:
        return CLIP in bytes(request.body)

    with requests_mock.Mocker() as mocked, client_at(unreached) as client:
        mocked.post(requests_mock.ANY, json=ACCEPTED, additional_matcher=holds_the_clip)
        assert client.queue.submit(RESTYLE).job_id == "j1"
        with pytest.raises(requests_mock.NoMockAddress):  # the mistake of the test, reported by its library
            client.queue.submit(LAKE)


def test_an_error_mocked_by_requests_mock_is_the_error_that_it_stands_for(unreached: str) -> None:
    with requests_mock.Mocker() as mocked, client_at(unreached) as client:
        mocked.get(f"{unreached}/v1/jobs/j1", status_code=500)
        with pytest.raises(QueueStatusError) as caught:
            client.queue.status("j1")
    assert isinstance(caught.value.cause, ServerError)


# ---------------------------------------------------------------- a patched Session.send


def of_an_adapter(request: requests.PreparedRequest, body: bytes, headers: dict[str, str]) -> requests.Response:
    """Make a response as an adapter of requests does."""
    raw = urllib3.HTTPResponse(io.BytesIO(body), headers=headers, status=200, preload_content=False)
    return HTTPAdapter().build_response(request, raw)


def of_a_tester(request: requests.PreparedRequest, body: bytes, headers: dict[str, str]) -> requests.Response:
    """Make a response as people write one by hand."""
    response = requests.Response()
    response.status_code, response.raw, response.request = 200, io.BytesIO(body), request
    response.headers.update(headers)
    return response


@pytest.mark.parametrize("make", [of_an_adapter, of_a_tester])
def test_a_patched_session_send_sees_each_exchange_and_nothing_reaches_the_network(
    make: Callable[..., requests.Response], unreached: str
) -> None:
    def send(session: requests.Session, request: requests.PreparedRequest, **settings: Any) -> requests.Response:
        if request.path_url.endswith("/content"):
            return make(request, MP4, VIDEO)
        return make(request, json.dumps(ACCEPTED if request.method == "POST" else COMPLETED).encode(), JSON)

    with mock.patch.object(requests.Session, "send", autospec=True, side_effect=send) as patched:
        assert run_job(unreached) == ("j1", "completed", MP4)
    assert [(call.args[1].method, call.args[1].path_url) for call in patched.call_args_list] == EXCHANGES


def test_each_exchange_is_streamed_and_follows_no_redirect() -> None:
    with (
        serving(answering(service)) as server,
        mock.patch.object(requests.Session, "send", autospec=True, side_effect=requests.Session.send) as patched,
    ):
        run_job(server.url)
    assert len(patched.call_args_list) == len(server.requests) == len(EXCHANGES)
    for call in patched.call_args_list:
        assert isinstance(call.args[1], requests.PreparedRequest)
        assert call.kwargs["stream"] is True
        assert call.kwargs["allow_redirects"] is False


def test_a_hook_may_read_the_body_of_a_submit_before_it_is_sent() -> None:
    original, seen = requests.Session.send, []

    def send(session: requests.Session, request: requests.PreparedRequest, **settings: Any) -> requests.Response:
        body: Any = request.body
        seen.append(bytes(body))
        return original(session, request, **settings)

    with (
        serving(answering(service)) as server,
        mock.patch.object(requests.Session, "send", autospec=True, side_effect=send),
        client_at(server.url) as client,
    ):
        client.queue.submit({**RESTYLE, "data": io.BytesIO(CLIP)})
    assert seen == [request.body for request in server.requests]
    assert CLIP in seen[0]


# ---------------------------------------------------------------- vcrpy


@pytest.mark.parametrize("options", [LAKE, RESTYLE], ids=["text", "file"])
@pytest.mark.parametrize("transport", ["requests", "urllib3"])
def test_vcr_replays_its_recordings_without_the_server(transport: str, options: Any, tmp_path: Path) -> None:
    cassette = tmp_path / "job.yaml"
    with serving(answering(service)) as server, vcr.use_cassette(cassette, filter_headers=["x-api-key"]):
        recorded = run_job(server.url, options, transport=transport)
    assert recorded == ("j1", "completed", MP4)
    assert len(server.requests) == len(EXCHANGES)
    assert not options.get("data") or CLIP in server.requests[0].body
    with vcr.use_cassette(cassette, record_mode="none") as replayed:
        assert run_job(server.url, options, transport=transport) == recorded
    assert replayed.play_count == len(EXCHANGES)


def test_a_cassette_of_vcr_does_not_hold_the_key_when_its_header_is_filtered(tmp_path: Path) -> None:
    cassette = tmp_path / "job.yaml"
    with serving(answering(service)) as server, vcr.use_cassette(cassette, filter_headers=["x-api-key"]):
        run_job(server.url, RESTYLE)
    assert server.requests[0].headers["x-api-key"] == KEY
    assert "/v1/jobs/lucy-clip" in cassette.read_text()
    assert KEY not in cassette.read_text()


def test_a_client_uses_the_server_again_after_a_vcr_cassette_ends(tmp_path: Path) -> None:
    cassette = tmp_path / "status.yaml"
    with serving(answering(service)) as server, client_at(server.url) as client:
        client.queue.status("before")
        with vcr.use_cassette(cassette, filter_headers=["x-api-key"]):
            client.queue.status("recorded")
        client.queue.status("between")
        with vcr.use_cassette(cassette, record_mode="none"):
            client.queue.status("recorded")
        client.queue.status("after")
    assert [request.target.split("/")[-1] for request in server.requests] == ["before", "recorded", "between", "after"]


# ---------------------------------------------------------------- a session of the caller's own


def test_a_proxy_set_on_the_session_after_the_first_call_is_used(session: requests.Session) -> None:
    client = client_at("http://service.invalid", allow_http=True, transport=RequestsTransport(session))
    with serving(answering(service)) as first, serving(answering(service)) as second:
        session.proxies["http"] = first.url
        client.queue.status("j1")
        session.proxies = {"http": second.url}
        client.queue.status("j1")
        client.queue.status("j1")
    assert [request.target for request in first.requests] == ["http://service.invalid/v1/jobs/j1"]
    assert [request.target for request in second.requests] == ["http://service.invalid/v1/jobs/j1"] * 2


def test_a_proxy_set_on_a_session_that_had_none_is_used_from_the_next_call_on(session: requests.Session) -> None:
    with serving(answering(service)) as server, serving(answering(service)) as proxy:
        client = client_at(server.url, transport=RequestsTransport(session))
        client.queue.status("j1")
        session.proxies = {"http": proxy.url}
        client.queue.status("j1")
    assert (len(server.requests), len(proxy.requests)) == (1, 1)


def test_a_header_set_on_the_session_after_the_first_call_is_sent(session: requests.Session) -> None:
    with serving(answering(service)) as server:
        client = client_at(server.url, transport=RequestsTransport(session))
        client.queue.status("j1")
        session.headers["X-Team"] = "films"
        client.queue.status("j1")
        del session.headers["X-Team"]
        client.queue.status("j1")
    assert [request.headers.get("x-team") for request in server.requests] == [None, "films", None]


class Counting(HTTPAdapter):
    """An adapter that counts its requests, and keeps its frame."""

    frame: FrameType
    sent = 0

    def send(self, *args: Any, **kwargs: Any) -> requests.Response:
        precious = "mine"  # noqa: F841
        self.frame = sys._getframe()
        self.sent += 1
        return super().send(*args, **kwargs)


def test_an_adapter_mounted_on_the_session_after_the_first_call_is_used(session: requests.Session) -> None:
    with serving(answering(service)) as server:
        client = client_at(server.url, transport=RequestsTransport(session))
        client.queue.status("j1")
        adapter = Counting()
        session.mount(server.url, adapter)
        client.queue.status("j1")
        client.queue.submit(RESTYLE)
    assert (adapter.sent, len(server.requests)) == (2, 3)


def test_an_adapter_keeps_its_local_variables_after_a_failure(session: requests.Session) -> None:
    adapter = Counting()
    session.mount("http://", adapter)
    with nobody() as url, pytest.raises(QueueStatusError) as caught:
        client_at(url, transport=RequestsTransport(session)).queue.status("j1")
    assert isinstance(caught.value.cause, ConnectError)
    assert adapter.frame.f_locals["precious"] == "mine"
