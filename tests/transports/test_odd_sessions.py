"""Sessions, hooks and adapters that read, replace or check a response before the SDK sees it."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import pytest
import requests
from support.fakes import KEY, LAKE
from support.servers import Received, answering, http, reply, serving

from decart import (
    AuthenticationError,
    DecartClient,
    InvalidInputError,
    PaymentRequiredError,
    QueueStatusError,
    QueueSubmitError,
    RequestsTransport,
    RetryPolicy,
)
from decart.transports.base import FRESH

JSON = {"Content-Type": "application/json"}
CLOSING = {**JSON, "Connection": "close"}
ONCE = RetryPolicy(attempts=1)


def accepting(request: Received, number: int) -> bytes:
    return http(200, b'{"job_id": "j1", "status": "pending"}', JSON)


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        yield session


def test_a_hook_that_reads_the_response_does_not_take_it_away(session: requests.Session) -> None:
    read: list[str] = []
    session.hooks["response"].append(lambda response, *args, **kwargs: read.append(response.text))
    with serving(answering(accepting)) as server:
        client = DecartClient(KEY, base_url=server.url, transport=RequestsTransport(session), retry=ONCE)
        assert client.queue.submit(LAKE).job_id == "j1"
        assert client.queue.status("j1").status == "pending"
    assert len(read) == 2


def test_a_patched_send_that_reads_the_response_does_not_take_it_away_from_the_default_client() -> None:
    send = requests.Session.send

    def reading(self: requests.Session, request: requests.PreparedRequest, **settings: Any) -> requests.Response:
        response = send(self, request, **settings)
        assert response.json()["job_id"] == "j1"
        return response

    with serving(answering(accepting)) as server, patch.object(requests.Session, "send", reading):
        client = DecartClient(KEY, base_url=server.url, retry=ONCE)
        assert client.queue.submit(LAKE).job_id == "j1"
        client.close()


def test_a_hook_that_raises_for_the_status_changes_nothing(session: requests.Session) -> None:
    session.hooks["response"].append(lambda response, *args, **kwargs: response.raise_for_status())
    with serving(reply(http(402, b"{}", CLOSING)), reply(http(401, b"{}", CLOSING))) as server:
        client = DecartClient(KEY, base_url=server.url, transport=RequestsTransport(session), retry=ONCE)
        with pytest.raises(QueueSubmitError) as refused:
            client.queue.submit(LAKE)
        assert isinstance(refused.value.cause, PaymentRequiredError)
        with pytest.raises(QueueStatusError) as unknown:
            client.queue.status("j1")
        assert isinstance(unknown.value.cause, AuthenticationError)


def test_the_key_in_a_status_line_is_not_output_of_such_a_hook(session: requests.Session) -> None:
    session.hooks["response"].append(lambda response, *args, **kwargs: response.raise_for_status())
    with serving(reply(f"HTTP/1.1 401 bad key {KEY}\r\nContent-Length: 0\r\n\r\n".encode())) as server:
        client = DecartClient(KEY, base_url=server.url, transport=RequestsTransport(session), retry=ONCE)
        with pytest.raises(QueueSubmitError) as refused:
            client.queue.submit(LAKE)
    assert KEY not in f"{refused.value}{refused.value.cause}{refused.value.data}"


class Bare(requests.adapters.BaseAdapter):
    """An adapter as tests write them by hand: without a raw response, and without ``close``."""

    def __init__(self, raw: bool) -> None:
        super().__init__()
        self._raw = raw

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        body = b'{"job_id": "j1", "status": "pending"}'
        response = requests.Response()
        response.status_code, response.url, response.request = 200, str(request.url), request
        if self._raw:
            response.raw = io.BytesIO(body)
        else:
            response._content = body
        return response


@pytest.mark.parametrize("raw", [True, False], ids=["a file for raw", "no raw"])
def test_an_adapter_of_the_callers_own_need_not_be_one_of_http(
    session: requests.Session, raw: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    session.mount("http://", Bare(raw))
    client = DecartClient(KEY, base_url="http://127.0.0.1:1", transport=RequestsTransport(session), retry=ONCE)
    assert client.queue.submit(LAKE).job_id == "j1"
    later = time.monotonic() + FRESH + 1
    monkeypatch.setattr(time, "monotonic", lambda: later)
    assert client.queue.submit(LAKE).job_id == "j1"
    session.adapters.pop("http://")


def test_a_session_without_an_adapter_for_the_url_is_an_error_of_ours(
    session: requests.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    session.adapters.clear()
    client = DecartClient(KEY, base_url="http://127.0.0.1:1", transport=RequestsTransport(session), retry=ONCE)
    later = time.monotonic() + FRESH + 1
    monkeypatch.setattr(time, "monotonic", lambda: later)
    with pytest.raises(QueueSubmitError, match="nothing was sent"):
        client.queue.submit(LAKE)


class Unhelpful(requests.Session):
    """A session whose send raises an HTTPError that has no response."""

    def send(self, request: requests.PreparedRequest, **settings: Any) -> requests.Response:
        raise requests.HTTPError("no idea")


def test_an_http_error_without_a_response_is_a_failure() -> None:
    client = DecartClient(KEY, base_url="http://127.0.0.1:1", transport=RequestsTransport(Unhelpful()), retry=ONCE)
    with pytest.raises(QueueSubmitError):
        client.queue.submit(LAKE)


def test_an_object_that_is_not_a_session_and_a_transport_class_are_refused() -> None:
    with pytest.raises(InvalidInputError, match=r"session must be a requests\.Session, not str"):
        RequestsTransport("x")  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match=r"write RequestsTransport\(\), not RequestsTransport"):
        DecartClient(KEY, transport=RequestsTransport)  # type: ignore[arg-type]
