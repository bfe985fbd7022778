"""A request that no mock expects: the error repeats the mock's reason, and shows no secret of the request."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import requests
import responses
from responses.matchers import header_matcher, multipart_matcher
from support.fakes import KEY, LAKE

from decart import ConnectError, DecartClient, QueueError, RequestsTransport, RetryPolicy, TransportError
from decart.redaction import TEXT_LIMIT

URL = "http://127.0.0.1:9"
JOBS = f"{URL}/v1/jobs"
ONCE = RetryPolicy(attempts=1)

CALLS: list[Callable[[DecartClient], object]] = [
    lambda client: client.queue.submit(LAKE),
    lambda client: client.queue.status("j1"),
]
submit_and_status = pytest.mark.parametrize("call", CALLS, ids=["submit", "status"])


def failure_of(call: Callable[[DecartClient], object], session: requests.Session | None = None) -> TransportError:
    """Return why a call failed, after a search for the key in the error."""
    transport = None if session is None else RequestsTransport(session)
    with (
        DecartClient(KEY, base_url=URL, retry=ONCE, transport=transport) as client,
        pytest.raises(QueueError) as raised,
    ):
        call(client)
    assert KEY not in str(raised.value) + repr(raised.value) + repr(raised.value.data)
    cause = raised.value.cause
    assert isinstance(cause, TransportError)
    return cause


@submit_and_status
@pytest.mark.parametrize("strict", [False, True])
@responses.activate
def test_a_mismatch_of_headers_is_explained_without_the_key(
    call: Callable[[DecartClient], object], strict: bool
) -> None:
    matcher = header_matcher({"X-API-KEY": "another"}, strict_match=strict)
    responses.post(f"{JOBS}/lucy-pro-t2v", json={}, match=[matcher])
    responses.get(f"{JOBS}/j1", json={}, match=[matcher])
    message = failure_of(call).message
    assert "(Connection refused by Responses - the call doesn't match any registered mock." in message
    assert "Headers do not match: {'X-API-KEY': '***'" in message


@responses.activate
def test_a_mismatch_of_a_form_is_explained_and_the_submit_counts_as_not_sent() -> None:
    form = multipart_matcher({"prompt": (None, "another")})
    responses.post(f"{JOBS}/lucy-pro-t2v", json={}, match=[form])
    error = failure_of(CALLS[0])
    assert type(error) is ConnectError
    assert "multipart/form-data doesn't match" in error.message
    assert len(error.message) < TEXT_LIMIT + 200


@responses.activate
def test_a_secret_that_a_session_adds_is_not_shown() -> None:
    responses.get(f"{JOBS}/j1", json={}, match=[header_matcher({}, strict_match=True)])
    with requests.Session() as session:
        session.headers["Authorization"] = "Bearer hush-hush"
        message = failure_of(CALLS[1], session).message
    assert "'Authorization': '***'" in message


@pytest.mark.parametrize(
    ("raised", "reason"),
    [
        (requests.ConnectionError(f"the network of\n {KEY} is down."), "(the network of *** is down)."),
        (requests.ConnectionError(), "(ConnectionError)."),
        (requests.exceptions.ChunkedEncodingError("odd"), "(ChunkedEncodingError)."),
    ],
)
@responses.activate
def test_a_mocked_exception_is_repeated_if_it_has_words_of_its_own(raised: Exception, reason: str) -> None:
    responses.get(f"{JOBS}/j1", body=raised)
    assert failure_of(CALLS[1]).message == f"The connection to 127.0.0.1:9 was lost {reason}"
