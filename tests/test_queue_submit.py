"""`queue.submit`: billed, so retried only if it was certainly not accepted."""

from __future__ import annotations

import logging
import pathlib
import pickle
from collections.abc import Callable
from typing import Any

import attrs
import pytest
from support.fakes import (
    SILENCE,
    accepted,
    always,
    make_response,
)
from support.queues import OWN, RETRY, connect_error, queue_of

from decart import (
    APIError,
    AuthenticationError,
    ModelRetiredError,
    NotFoundError,
    PaymentRequiredError,
    QueueStatusError,
    QueueSubmitError,
    RateLimitError,
    ResponseError,
    ServerError,
    SubmitOutcomeUnknownError,
    TransportError,
    TransportTimeout,
    ValidationError,
    models,
)


@pytest.mark.parametrize(
    "failure",
    [
        connect_error,
        lambda: make_response(429),
        lambda: make_response(429, retry_after="1"),
        lambda: make_response(503, retry_after="1"),
    ],
)
def test_a_submit_that_was_certainly_not_accepted_is_retried_with_the_same_bytes(failure: Callable[[], Any]) -> None:
    queue, transport = queue_of(failure(), failure(), accepted())
    data = pathlib.Path(__file__)
    job = queue.submit({"model": models.video("lucy-pro-i2v"), "prompt": "move", "data": data, "seed": 3})
    assert job.job_id == "j1"
    assert len(transport.posts) == 3
    assert len({sent.body for sent in transport.posts}) == 1
    assert data.read_bytes() in (transport.posts[0].body or b"")


@pytest.mark.parametrize(
    ("outcome", "cause"),
    [
        (TransportTimeout("Silence."), TransportTimeout),
        (SILENCE, TransportTimeout),
        (TransportError("Reset."), TransportError),
        (lambda _: make_response(500), ServerError),
        (lambda _: make_response(502, b"<html>"), ServerError),
        (lambda _: make_response(503), ServerError),
        (lambda _: make_response(504, retry_after="1"), ServerError),
        (lambda _: make_response(200, b"<html>"), ResponseError),
        (lambda _: make_response(200, b'{"job_id": "j'), ResponseError),
        (lambda _: make_response(204), ResponseError),
        (lambda _: make_response(200, {"status": "pending"}), ResponseError),
        (lambda _: make_response(200, {"job_id": ".."}), ResponseError),
    ],
)  # fmt: skip
def test_a_submit_of_unknown_outcome_is_never_retried(outcome: Any, cause: type[Exception]) -> None:
    queue, transport = queue_of(outcome)
    with pytest.raises(SubmitOutcomeUnknownError, match="you may have been charged") as caught:
        queue.submit(OWN)
    assert len(transport.requests) == 1
    assert transport.sleeps == []
    assert type(caught.value.cause) is cause
    assert caught.value.job_id is None


@pytest.mark.parametrize(
    ("code", "cause"),
    [
        (400, ValidationError), (401, AuthenticationError), (402, PaymentRequiredError), (403, AuthenticationError),
        (404, NotFoundError), (405, APIError), (410, ModelRetiredError), (413, ValidationError),
        (415, ValidationError), (422, ValidationError), (451, APIError), (501, ServerError),
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    ("detail", "words"),
    [("No, because.", "No, because."), ([{"loc": ["body", "prompt"], "msg": "too long"}], "prompt: too long")],
)
def test_a_refused_submit_says_why_and_is_not_retried(
    code: int, cause: type[APIError], detail: object, words: str
) -> None:
    queue, transport = queue_of(make_response(code, {"detail": detail}, x_request_id="r-9"))
    with pytest.raises(QueueSubmitError) as caught:
        queue.submit(OWN)
    error = caught.value
    assert type(error) is QueueSubmitError
    assert (type(error.cause), error.status_code, error.request_id, error.job_id) == (cause, code, "r-9", None)
    assert words in error.message
    assert len(transport.requests) == 1
    assert pickle.loads(pickle.dumps(error)) == error


@pytest.mark.parametrize(
    "failure", [connect_error, lambda: make_response(429), lambda: make_response(503, retry_after="1")]
)
def test_after_the_last_attempt_a_submit_surely_did_not_happen(failure: Callable[[], Any]) -> None:
    queue, transport = queue_of(always(failure), retry=attrs.evolve(RETRY, attempts=3))
    with pytest.raises(QueueSubmitError) as caught:
        queue.submit(OWN)
    assert not isinstance(caught.value, SubmitOutcomeUnknownError)
    assert len(transport.posts) == 3


def test_a_retry_after_beyond_the_policys_timeout_is_an_error_at_once() -> None:
    queue, transport = queue_of(make_response(429, retry_after="121"))
    with pytest.raises(QueueSubmitError) as caught:
        queue.submit(OWN)
    assert caught.value.retry_after == 121
    assert isinstance(caught.value.cause, RateLimitError)
    assert transport.sleeps == []


@pytest.mark.parametrize("code", [404, 405, 410])
def test_the_error_for_a_retired_model_says_since_when_and_suggests_a_replacement(code: int) -> None:
    queue, _ = queue_of(make_response(code, {"detail": "Not Found"}))
    with pytest.raises(QueueSubmitError) as caught:
        queue.submit({"model": models.video("lucy-2"), "data": b"x"})
    assert isinstance(caught.value.cause, ModelRetiredError)
    assert "lucy-2 was retired in April 2026" in caught.value.message
    assert "lucy-2.1, lucy-2.5, lucy-2.6" in caught.value.message


@pytest.mark.parametrize("location", ["https://evil.test/v1/jobs/x", "//evil.test/", "https://[evil", "\ud800", ""])
@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("verb", ["submit", "status", "poll"])
def test_a_redirect_is_never_followed(location: str, code: int, verb: str) -> None:
    queue, transport = queue_of(make_response(code, location=location))
    with pytest.raises(
        (SubmitOutcomeUnknownError, QueueStatusError),
        match="The server (redirects to .*, and nothing was sent there|.*, and redirects are never followed)",
    ) as caught:
        getattr(queue, verb)(OWN if verb == "submit" else "j1")
    assert len(transport.requests) == 1
    assert ("https://evil.test:443" in caught.value.message) == ("evil.test" in location)


def test_the_job_id_is_logged_before_the_first_wait(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "decart")
    queue, transport = queue_of(accepted("j77"))
    transport.interrupt_at(0.0)
    with pytest.raises(KeyboardInterrupt):
        queue.submit_and_poll(OWN)
    assert (caplog.records[0].levelname, caplog.messages[0]) == ("INFO", "job j77 was submitted, and is pending")
