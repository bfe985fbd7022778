"""`queue.status` and `queue.result`: what is retried, and what the errors say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from support.fakes import (
    MP4,
    always,
    make_response,
    status,
    video,
)
from support.queues import OWN, RETRY, queue_of

from decart import (
    APIError,
    AuthenticationError,
    FailedJob,
    InvalidInputError,
    NotFoundError,
    QueueResultError,
    QueueStatusError,
    RetryPolicy,
    ServerError,
    TransportError,
)


def test_a_failed_status_check_is_retried() -> None:
    queue, transport = queue_of(
        make_response(500), TransportError("cut"), make_response(200, b"<html>"), status("pending")
    )
    assert queue.status("j1").status == "pending"
    assert transport.sleeps == [0.5, 1.0, 2.0]


@pytest.mark.parametrize(("code", "cause"), [(404, NotFoundError), (401, AuthenticationError), (500, ServerError)])
def test_a_status_that_cannot_be_read_is_an_error_that_carries_the_job(code: int, cause: type[APIError]) -> None:
    queue, _ = queue_of(always(lambda: make_response(code)))
    with pytest.raises(QueueStatusError, match="The status of job j1 could not be read: ") as caught:
        queue.status("j1")
    assert (caught.value.job_id, type(caught.value.cause)) == ("j1", cause)


REASONS = [
    ("NSFW", "NSFW"),
    ([{"loc": ["body", "seed"], "msg": "bad"}], "seed: bad"),
    ({"message": "worker lost"}, "worker lost"),
]


@pytest.mark.parametrize("key", ["error", "message", "detail", "error_message"])
@pytest.mark.parametrize(("said", "words"), REASONS)
@pytest.mark.parametrize("verb", ["result", "poll"])
def test_a_failed_job_is_a_result_with_the_servers_reason(verb: str, key: str, said: Any, words: str) -> None:
    queue, transport = queue_of(status("failed", **{key: said}))
    result = getattr(queue, verb)("j1")
    assert result == FailedJob(job_id="j1", error=words)
    assert len(transport.requests) == 1


def test_a_failed_job_without_a_reason_gets_a_sentence_of_ours() -> None:
    queue, _ = queue_of(status("failed"))
    assert queue.result("j1").error == "Job j1 failed, and the service did not say why."


@pytest.mark.parametrize("now", ["pending", "processing", "warming"])
def test_the_result_of_an_unfinished_job_is_an_error_that_says_so(now: str) -> None:
    queue, _ = queue_of(status(now))
    with pytest.raises(QueueResultError) as caught:
        queue.result("j1")
    assert caught.value.message == f"Job j1 has not finished: it is {now}. client.queue.poll('j1') waits for it."
    assert (caught.value.job_id, caught.value.cause) == ("j1", None)


def test_the_result_of_an_unknown_job_is_a_result_error() -> None:
    queue, _ = queue_of(make_response(404, {"detail": "Job not found"}))
    with pytest.raises(QueueResultError, match="The result of job j1 could not be fetched: .*Job not found") as caught:
        queue.result("j1")
    assert (caught.value.job_id, caught.value.status_code) == ("j1", 404)


BAD_VIDEOS = [
    lambda: make_response(200, b"", content_type="video/mp4"),
    lambda: make_response(200, b"abc", content_length="9"),
    lambda: make_response(200, b"<html>", content_type="text/html"),
    lambda: make_response(500),
    lambda: TransportError("cut"),
]


@pytest.mark.parametrize("bad", BAD_VIDEOS)
@pytest.mark.parametrize("verb", ["result", "poll"])
def test_a_download_is_retried_and_never_leaves_an_empty_file_without_an_error(
    bad: Callable[[], Any], verb: str
) -> None:
    queue, _ = queue_of(status("completed"), bad(), bad(), video())
    assert getattr(queue, verb)("j1").data == MP4
    queue, transport = queue_of(status("completed"), always(bad))
    with pytest.raises(QueueResultError, match="The result of job j1 could not be fetched: ") as caught:
        getattr(queue, verb)("j1")
    assert caught.value.job_id == "j1"
    received_some = bad is BAD_VIDEOS[1]  # the first such attempt made progress, and is not counted
    assert len(transport.requests) == 1 + received_some + RETRY.attempts


@pytest.mark.parametrize("job_id", ["", "..", None, 5])
@pytest.mark.parametrize("verb", ["status", "result", "poll"])
def test_an_invalid_job_id_is_refused_without_a_log_message(
    verb: str, job_id: Any, caplog: pytest.LogCaptureFixture
) -> None:
    queue, transport = queue_of()
    with pytest.raises(InvalidInputError, match="job_id must be the id that submit returned"):
        getattr(queue, verb)(job_id)
    assert transport.requests == []
    assert caplog.messages == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"poll": 5}, "poll must be a PollPolicy, not 5"),
        ({"poll": RetryPolicy()}, "poll must be a PollPolicy"),
        ({"cancel": True}, "cancel must be a threading.Event, not True"),
        ({"on_status_change": "print"}, "on_status_change must be callable"),
    ],
)
def test_a_wait_refuses_arguments_of_a_wrong_type_before_anything_is_sent(
    arguments: dict[str, Any], message: str
) -> None:
    queue, transport = queue_of()
    for verb, subject in [("poll", "j1"), ("submit_and_poll", OWN)]:
        with pytest.raises(InvalidInputError, match=message):
            getattr(queue, verb)(subject, **arguments)
    assert transport.requests == []
