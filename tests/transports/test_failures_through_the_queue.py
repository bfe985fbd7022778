"""Failures of the network, as a caller of ``client.queue`` sees them."""

from __future__ import annotations

import re
from typing import Any

import pytest
from support.exchanges import FAILURES, LONG, NO_CONNECTION, SILENT, caught
from support.fakes import KEY, LAKE, MP4
from support.servers import Server, answering, http, serving, then
from support.speed import at_any_speed

from decart import (
    ConfigurationError,
    ConnectError,
    DecartClient,
    QueueResultError,
    QueueStatusError,
    QueueSubmitError,
    RetryPolicy,
    SubmitOutcomeUnknownError,
    Timeout,
    TransportError,
    TransportTimeout,
)

JSON = {"Content-Type": "application/json"}
ACCEPTED = http(200, b'{"job_id": "j1", "status": "pending"}', JSON)
COMPLETED = http(200, b'{"job_id": "j1", "status": "completed"}', JSON)
PROSE = r"[\w' :;.,()/*?\[\]-]+"  # no dump of an object, such as <urllib3.connection...>


def client_of(server: Server, timeout: Timeout = LONG, **more: Any) -> DecartClient:
    return DecartClient(api_key=KEY, base_url=server.url, timeout=timeout, retry=RetryPolicy(attempts=1), **more)


@pytest.mark.parametrize("case", NO_CONNECTION)
def test_each_method_says_that_there_was_no_connection(case: str) -> None:
    with (
        NO_CONNECTION[case]() as url,
        DecartClient(
            KEY, base_url=url, timeout=Timeout(connect=0.3), retry=RetryPolicy(attempts=1), allow_http=True
        ) as client,
    ):
        submit = caught(QueueSubmitError, lambda: client.queue.submit(LAKE))
        status = caught(QueueStatusError, lambda: client.queue.status("j1"))
        result = caught(QueueResultError, lambda: client.queue.result("j1"))
    for error in (submit, status, result):
        assert type(error.cause) is (ConfigurationError if case == "an invalid name" else ConnectError)
        assert "nothing was sent" in str(error.cause).lower()
        assert not isinstance(error, SubmitOutcomeUnknownError)


@at_any_speed
@pytest.mark.parametrize("case", FAILURES)
def test_each_method_says_that_the_exchange_failed_after_the_request(case: str, scale: float) -> None:
    fails, timeout = FAILURES[case], Timeout(read=0.15 * scale) if case in SILENT else LONG
    with serving(fails, fails, then(COMPLETED, fails)) as server, client_of(server, timeout) as client:
        submit = caught(SubmitOutcomeUnknownError, lambda: client.queue.submit(LAKE))
        status = caught(QueueStatusError, lambda: client.queue.status("j1"))
        result = caught(QueueResultError, lambda: client.queue.result("j1"))
        assert [request.method for request in server.requests] == ["POST", "GET", "GET", "GET"]
    assert (status.job_id, result.job_id) == ("j1", "j1")
    for error in (submit, status, result):
        assert type(error.cause) is (TransportTimeout if case in SILENT else TransportError)
        assert error.cause.may_have_been_sent is True
        assert re.fullmatch(PROSE, error.message), error.message


def test_a_job_takes_one_connection_from_submit_to_result() -> None:
    video = http(200, MP4, {"Content-Type": "video/mp4"})
    answers = {"POST /v1/jobs/lucy-pro-t2v": ACCEPTED, "GET /v1/jobs/j1": COMPLETED, "GET /v1/jobs/j1/content": video}
    with (
        serving(answering(lambda r, n: answers[f"{r.method} {r.target}"])) as server,
        client_of(server) as client,
    ):
        assert client.queue.submit_and_poll(LAKE).data == MP4
        assert len(server.connections) == 1


def test_a_redirect_is_reported_without_the_password_in_it() -> None:
    location = {"Location": "http://user:hush@127.0.0.2/x"}
    with (
        serving(answering(lambda request, number: http(307, b"", location))) as server,
        client_of(server) as client,
        pytest.raises(SubmitOutcomeUnknownError, match="http://127.0.0.2:80, and nothing was sent there") as refused,
    ):
        client.queue.submit(LAKE)
    assert "hush" not in str(refused.value)
