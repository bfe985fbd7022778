"""`decart.queue`: the documented page, and every rule of submitting and waiting, on a clock that costs nothing."""

from __future__ import annotations

import logging
import pathlib
import pickle
import re
import threading
from collections.abc import Callable
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.fakes import (
    KEY,
    LAKE,
    MP4,
    OWN_MODEL,
    SILENCE,
    FakeTransport,
    Takes,
    accepted,
    always,
    answer,
    client_of,
    status,
    video,
)

from decart import (
    APIError,
    AuthenticationError,
    ConnectError,
    DecartSDKError,
    InvalidInputError,
    JobStatusResponse,
    ModelRetiredError,
    NotFoundError,
    PaymentRequiredError,
    PollPolicy,
    QueueJobResult,
    QueueResultError,
    QueueStatusError,
    QueueSubmitError,
    RateLimitError,
    ResponseError,
    RetryPolicy,
    ServerError,
    SubmitOutcomeUnknownError,
    TextToVideoInput,
    Timeout,
    TransportError,
    TransportTimeout,
    ValidationError,
    WaitCancelledError,
    models,
)
from decart.policies import LAST_REQUEST

POLL = PollPolicy(jitter=0)
RETRY = RetryPolicy(jitter=0)
OWN: Any = {"model": OWN_MODEL, "prompt": "x"}


def queue_of(*script: Any, start: float = 0.0, **settings: Any) -> tuple[Any, FakeTransport]:
    transport = FakeTransport(*script, start=start)
    return client_of(transport, **{"poll": POLL, "retry": RETRY, **settings}).queue, transport


def connect_error() -> ConnectError:
    return ConnectError("No connection.", None, None, False)


# the documented page, in its synchronous form

LOOKS = ("pending", "processing", "processing", "completed")


@pytest.fixture
def folder(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_page_complete_example(folder: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its printed output is reproduced line for line."""
    transport = FakeTransport(accepted(), *map(status, LOOKS), video())
    with client_of(transport) as client:
        print("Submitting video generation job...")

        result = client.queue.submit_and_poll({
            "model": models.video("lucy-pro-t2v"),
            "prompt": "A futuristic cityscape with flying cars",
            "resolution": "720p",
            "on_status_change": lambda job: print(f"  Status: {job.status}"),
        })  # fmt: skip

        if result.status == "completed":
            with open("cityscape.mp4", "wb") as f:
                f.write(result.data or b"")
            print("Video saved to cityscape.mp4")
        else:
            print(f"Generation failed: {result.error}")
    assert capsys.readouterr().out == (
        "Submitting video generation job...\n"
        "  Status: pending\n"
        "  Status: processing\n"
        "  Status: completed\n"
        "Video saved to cityscape.mp4\n"
    )
    assert (folder / "cityscape.mp4").read_bytes() == MP4


def test_page_submit_status_and_result(capsys: pytest.CaptureFixture[str]) -> None:
    queue, transport = queue_of(accepted(), status("completed"), status("completed"), video())
    job = queue.submit({
        "model": models.video("lucy-pro-t2v"),
        "prompt": "A serene lake at sunset with mountains in the background",
        "resolution": "720p",
    })  # fmt: skip
    print(f"Job ID: {job.job_id}")
    print(f"Status: {job.status}")  # "pending"
    now = queue.status(job.job_id)
    print(f"Status: {now.status}")
    assert now == JobStatusResponse(job_id="j1", status="completed")
    result = queue.result(job.job_id)
    assert capsys.readouterr().out == "Job ID: j1\nStatus: pending\nStatus: completed\n"
    assert (result.status, result.data, result.error, result.job_id) == ("completed", MP4, None, "j1")
    assert transport.sent == [
        "POST /v1/jobs/lucy-pro-t2v",
        "GET /v1/jobs/j1",
        "GET /v1/jobs/j1",
        "GET /v1/jobs/j1/content",
    ]


def test_page_submit_and_poll_of_a_job_that_fails(capsys: pytest.CaptureFixture[str]) -> None:
    queue, _ = queue_of(accepted(), status("failed", error="The prompt was refused."))
    result = queue.submit_and_poll({**LAKE, "on_status_change": lambda job: print(f"Status: {job.status}")})
    print(f"Generation failed: {result.error}")
    assert capsys.readouterr().out == "Status: pending\nStatus: failed\nGeneration failed: The prompt was refused.\n"
    assert (result.status, result.data, result.job_id, result.timed_out) == ("failed", None, "j1", False)


@pytest.mark.filterwarnings("ignore:The model name:DeprecationWarning")
@pytest.mark.parametrize(
    ("model", "file", "more"),
    [("lucy-pro-i2v", "image.jpg", {"resolution": "720p"}), ("lucy-pro-v2v", "input.mp4", {})],
)
def test_page_image_animation_and_video_editing(
    folder: pathlib.Path, model: str, file: str, more: dict[str, str]
) -> None:
    (folder / file).write_bytes(b"\x89 the file's bytes")
    queue, transport = queue_of(accepted(), *map(status, LOOKS), video())
    seen: list[str] = []
    with open(file, "rb") as opened:
        result = queue.submit_and_poll({
            "model": models.video(model),
            "prompt": "Animate with gentle motion and wind",
            "data": opened,
            "on_status_change": lambda job: seen.append(job.status),
            **more,
        })  # fmt: skip
    assert (result.data, seen) == (MP4, ["pending", "processing", "completed"])
    body = transport.posts[0].body or b""
    assert f'name="data"; filename="{file}"'.encode() in body
    assert b"\x89 the file's bytes" in body


@pytest.mark.parametrize(("end", "words"), [("completed", "Video saved!"), ("failed", "Generation failed")])
def test_page_manual_polling(folder: pathlib.Path, capsys: pytest.CaptureFixture[str], end: str, words: str) -> None:
    last = [status("completed"), video()] if end == "completed" else []
    queue, transport = queue_of(accepted(), status("pending"), status("processing"), status(end), *last)
    job = queue.submit({"model": models.video("lucy-pro-t2v"), "prompt": "A serene lake at sunset"})
    print(f"Job submitted: {job.job_id}")
    while True:
        status_now = queue.status(job.job_id)
        print(f"Status: {status_now.status}")
        if status_now.status == "completed":
            result = queue.result(job.job_id)
            with open("output.mp4", "wb") as f:
                f.write(result.data)
            print("Video saved!")
            break
        if status_now.status == "failed":
            print("Generation failed")
            break
        transport.sleep(2)
    assert capsys.readouterr().out.split("\n") == [
        "Job submitted: j1", "Status: pending", "Status: processing", f"Status: {end}", words, "",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("script", "line"),
    [
        ([answer(422, {"detail": "too long"})], "Failed to submit job: The job was not submitted: .*too long"),
        (
            [accepted(), answer(401)],
            "Failed to check status: The status of job j1 could not be read: The API key was refused",
        ),
        (
            [accepted(), status("completed"), answer(410)],
            "Failed to get result: The result of job j1 could not be fetched: ",
        ),
        ([], "SDK error: This client is closed"),
    ],
)
def test_page_error_handling(script: list[Any], line: str, capsys: pytest.CaptureFixture[str]) -> None:
    client = client_of(FakeTransport(*script))
    if not script:
        client.close()
    try:
        client.queue.submit_and_poll({"model": models.video("lucy-pro-t2v"), "prompt": "A beautiful sunset"})
    except QueueSubmitError as error:
        print(f"Failed to submit job: {error.message}")
    except QueueStatusError as error:
        print(f"Failed to check status: {error.message}")
    except QueueResultError as error:
        print(f"Failed to get result: {error.message}")
    except DecartSDKError as error:
        print(f"SDK error: {error.message}")
    assert re.match(line, capsys.readouterr().out)


def test_the_options_may_be_an_input_object_and_the_callback_a_keyword() -> None:
    queue, transport = queue_of(accepted(), status("failed"))
    seen: list[str] = []
    job = TextToVideoInput(model=OWN_MODEL, prompt="x")
    queue.submit_and_poll(job, on_status_change=lambda now: seen.append(now.status))
    assert seen == ["pending", "failed"]
    assert transport.sent[0] == "POST /v1/jobs/lucy-preview"


def test_the_callers_dict_is_left_as_it_is() -> None:
    queue, _ = queue_of(accepted(), status("failed"))
    options = {**LAKE, "seed": None, "on_status_change": lambda job: None}
    before = dict(options)
    queue.submit_and_poll(options)
    assert options == before


# submit: billed, so repeated only when it surely was not accepted


@pytest.mark.parametrize(
    "failure",
    [connect_error, lambda: answer(429), lambda: answer(429, retry_after="1"), lambda: answer(503, retry_after="1")],
)
def test_a_submit_that_surely_was_not_accepted_is_repeated_with_the_same_bytes(failure: Callable[[], Any]) -> None:
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
        (lambda _: answer(500), ServerError),
        (lambda _: answer(502, b"<html>"), ServerError),
        (lambda _: answer(503), ServerError),
        (lambda _: answer(504, retry_after="1"), ServerError),
        (lambda _: answer(200, b"<html>"), ResponseError),
        (lambda _: answer(200, b'{"job_id": "j'), ResponseError),
        (lambda _: answer(204), ResponseError),
        (lambda _: answer(200, {"status": "pending"}), ResponseError),
        (lambda _: answer(200, {"job_id": ".."}), ResponseError),
    ],
)  # fmt: skip
def test_a_submit_of_unknown_outcome_is_never_repeated(outcome: Any, cause: type[Exception]) -> None:
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
def test_a_refused_submit_says_why_and_is_not_repeated(
    code: int, cause: type[APIError], detail: object, words: str
) -> None:
    queue, transport = queue_of(answer(code, {"detail": detail}, x_request_id="r-9"))
    with pytest.raises(QueueSubmitError) as caught:
        queue.submit(OWN)
    error = caught.value
    assert type(error) is QueueSubmitError
    assert (type(error.cause), error.status_code, error.request_id, error.job_id) == (cause, code, "r-9", None)
    assert words in error.message
    assert len(transport.requests) == 1
    assert pickle.loads(pickle.dumps(error)) == error


@pytest.mark.parametrize("failure", [connect_error, lambda: answer(429), lambda: answer(503, retry_after="1")])
def test_after_the_last_attempt_a_submit_surely_did_not_happen(failure: Callable[[], Any]) -> None:
    queue, transport = queue_of(always(failure), retry=attrs.evolve(RETRY, attempts=3))
    with pytest.raises(QueueSubmitError) as caught:
        queue.submit(OWN)
    assert not isinstance(caught.value, SubmitOutcomeUnknownError)
    assert len(transport.posts) == 3


def test_a_retry_after_beyond_the_policys_timeout_is_told_at_once() -> None:
    queue, transport = queue_of(answer(429, retry_after="121"))
    with pytest.raises(QueueSubmitError) as caught:
        queue.submit(OWN)
    assert caught.value.retry_after == 121
    assert isinstance(caught.value.cause, RateLimitError)
    assert transport.sleeps == []


@pytest.mark.parametrize("code", [404, 405, 410])
def test_a_retired_model_is_told_since_when_and_instead_of_what(code: int) -> None:
    queue, _ = queue_of(answer(code, {"detail": "Not Found"}))
    with pytest.raises(QueueSubmitError) as caught:
        queue.submit({"model": models.video("lucy-2"), "data": b"x"})
    assert isinstance(caught.value.cause, ModelRetiredError)
    assert "lucy-2 has been gone from the service since April 2026" in caught.value.message
    assert "lucy-2.1, lucy-2.5, lucy-2.6" in caught.value.message


@pytest.mark.parametrize("location", ["https://evil.test/v1/jobs/x", "//evil.test/", "https://[evil", "\ud800", ""])
@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("verb", ["submit", "status", "poll"])
def test_a_redirect_is_never_followed(location: str, code: int, verb: str) -> None:
    queue, transport = queue_of(answer(code, location=location))
    with pytest.raises(
        (SubmitOutcomeUnknownError, QueueStatusError), match="The server redirects to .*, and nothing was sent there"
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


# status and result


def test_a_status_is_asked_for_again_when_the_look_fails() -> None:
    queue, transport = queue_of(answer(500), TransportError("cut"), answer(200, b"<html>"), status("pending"))
    assert queue.status("j1").status == "pending"
    assert transport.sleeps == [0.5, 1.0, 2.0]


@pytest.mark.parametrize(("code", "cause"), [(404, NotFoundError), (401, AuthenticationError), (500, ServerError)])
def test_a_status_that_cannot_be_read_is_an_error_that_carries_the_job(code: int, cause: type[APIError]) -> None:
    queue, _ = queue_of(always(lambda: answer(code)))
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
    assert result == QueueJobResult(job_id="j1", status="failed", error=words)
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
    queue, _ = queue_of(answer(404, {"detail": "Job not found"}))
    with pytest.raises(QueueResultError, match="The result of job j1 could not be fetched: .*Job not found") as caught:
        queue.result("j1")
    assert (caught.value.job_id, caught.value.status_code) == ("j1", 404)


BAD_VIDEOS = [
    lambda: answer(200, b"", content_type="video/mp4"),
    lambda: answer(200, b"abc", content_length="9"),
    lambda: answer(200, b"<html>", content_type="text/html"),
    lambda: answer(500),
    lambda: TransportError("cut"),
]


@pytest.mark.parametrize("bad", BAD_VIDEOS)
@pytest.mark.parametrize("verb", ["result", "poll"])
def test_a_download_is_repeated_and_never_ends_in_a_silent_empty_file(bad: Callable[[], Any], verb: str) -> None:
    queue, _ = queue_of(status("completed"), bad(), bad(), video())
    assert getattr(queue, verb)("j1").data == MP4
    queue, transport = queue_of(status("completed"), always(bad))
    with pytest.raises(QueueResultError, match="The result of job j1 could not be fetched: ") as caught:
        getattr(queue, verb)("j1")
    assert caught.value.job_id == "j1"
    assert len(transport.requests) == 1 + RETRY.attempts


@pytest.mark.parametrize("job_id", ["", "..", None, 5])
@pytest.mark.parametrize("verb", ["status", "result", "poll"])
def test_what_cannot_be_a_job_id_is_refused_without_a_word_in_the_log(
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
        ({"policy": 5}, "policy must be a PollPolicy, not 5"),
        ({"policy": RetryPolicy()}, "policy must be a PollPolicy"),
        ({"cancel": True}, "cancel must be a threading.Event, not True"),
        ({"on_status_change": "print"}, "on_status_change must be something that can be called"),
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


# waiting


def test_the_schedule_of_the_looks() -> None:
    queue, transport = queue_of(accepted(), *(status("processing") for _ in range(6)), status("failed"))
    queue.submit_and_poll(OWN)
    assert transport.sleeps == [0.5, 0.75, 1.125, 1.6875, 2.0, 2.0, 2.0]
    assert transport.looks() == [0.5, 1.25, 2.375, 4.0625, 6.0625, 8.0625, 10.0625]


def test_poll_of_another_processs_job_looks_at_once_and_then_on_the_same_schedule() -> None:
    queue, transport = queue_of(status("pending"), status("pending"), status("completed"), video())
    assert queue.poll("j1").data == MP4
    assert transport.looks() == [0, 0.5, 1.25]


def test_a_constant_interval() -> None:
    queue, transport = queue_of(*(status("pending") for _ in range(3)), status("failed"))
    queue.poll("j1", policy=PollPolicy(interval=1.5, backoff=1.0, jitter=0))
    assert transport.sleeps == [1.5, 1.5, 1.5]


def test_jitter_takes_off_no_more_than_its_share() -> None:
    queue, transport = queue_of(always(lambda: status("pending")))
    queue.poll("j1", policy=PollPolicy(interval=1, backoff=1, jitter=0.1, timeout=60))
    assert all(0.9 <= seconds <= 1 for seconds in transport.sleeps[:-1])
    assert len(set(transport.sleeps)) > 10


def test_after_ten_minutes_a_wait_returns_how_to_resume_it() -> None:
    queue, transport = queue_of(Takes(30, accepted()), always(lambda: status("processing")))
    result = queue.submit_and_poll(OWN)
    assert (result.status, result.timed_out, result.data, result.job_id) == ("failed", True, None, "j1")
    assert result.error == (
        "The wait for job j1 ended after 600 s; its last status was processing. "
        "The job may still finish, and is billed: client.queue.poll('j1') waits for it again."
    )
    assert transport.now() == 630.0  # counted from the accepted submit, and the last sleep was clipped
    assert transport.looks()[-1] == 630.0
    assert transport.sleeps[-1] < 2.0


def test_a_server_silent_from_590_s_on_ends_the_wait_within_one_request() -> None:
    transport = FakeTransport(accepted(), always(lambda: status("processing") if transport.now() < 590 else SILENCE))
    result = client_of(transport, poll=POLL, retry=RETRY).queue.submit_and_poll(OWN)
    assert result.timed_out
    assert 600 <= transport.now() <= 600 + LAST_REQUEST
    assert "the last look at it failed: The service went silent. The job may" in (result.error or "")


def test_each_look_has_no_more_time_than_the_wait_has_left() -> None:
    queue, transport = queue_of(always(lambda: status("pending")), timeout=Timeout(connect=3, read=5))
    queue.poll("j1", policy=PollPolicy(interval=4, backoff=1, max_interval=4, timeout=10, jitter=0))
    assert [request.timeout for request in transport.requests] == [
        Timeout(connect=3, read=5, total=10),
        Timeout(connect=3, read=5, total=6),
        Timeout(connect=2, read=2, total=2),
        Timeout(connect=1, read=1, total=1),
    ]


def test_a_job_that_ends_at_the_last_look_is_still_fetched() -> None:
    queue, transport = queue_of(status("pending"), Takes(0.9, status("completed")), Takes(300, video()))
    result = queue.poll("j1", policy=attrs.evolve(POLL, timeout=0.5))
    assert result.data == MP4
    assert transport.requests[-1].timeout.total is None  # a healthy download is not cut


def test_a_download_that_fails_is_not_repeated_after_the_deadline() -> None:
    queue, transport = queue_of(status("pending"), Takes(0.9, status("completed")), answer(500))
    with pytest.raises(QueueResultError):
        queue.poll("j1", policy=attrs.evolve(POLL, timeout=0.5))
    assert transport.now() == pytest.approx(1.4)


def test_no_timeout_waits_for_as_long_as_it_takes() -> None:
    queue, transport = queue_of(*(status("pending") for _ in range(3000)), status("failed", error="at last"))
    assert queue.poll("j1", policy=PollPolicy(timeout=None)).error == "at last"
    assert transport.now() > 5000
    assert transport.requests[0].timeout == Timeout()


NOON = "Wed, 21 Oct 2026 12:00:00 GMT"


@pytest.mark.parametrize(
    "headers", [{"retry_after": "30"}, {"retry_after": "Wed, 21 Oct 2026 12:00:30 GMT", "date": NOON}]
)
@pytest.mark.parametrize("code", [429, 503])
def test_retry_after_beats_the_backoff_of_a_wait(code: int, headers: dict[str, str]) -> None:
    queue, transport = queue_of(answer(code, **headers), status("failed"))
    queue.poll("j1")
    assert transport.looks() == [0, 30]


def test_retry_after_does_not_beat_the_deadline() -> None:
    queue, transport = queue_of(always(lambda: answer(429, retry_after="3600")))
    result = queue.poll("j1")
    assert result.timed_out
    assert transport.looks() == [0, 600]


def test_a_retry_after_of_zero_does_not_make_us_hammer() -> None:
    queue, transport = queue_of(always(lambda: answer(429, retry_after="0")))
    assert queue.poll("j1").timed_out
    assert set(transport.sleeps) == {0.5}
    assert len(transport.requests) == 1201


SURVIVED = [
    lambda: answer(500),
    lambda: answer(502, b"<html>"),
    lambda: answer(503),
    lambda: answer(504),
    lambda: answer(429),
    lambda: answer(408),
    lambda: TransportError("reset"),
    connect_error,
    lambda: SILENCE,
    lambda: answer(200, b"<html>"),
    lambda: answer(200, b'{"status"'),
    lambda: answer(200, {"status": 3}),
    lambda: status("completed", job_id="other"),
]


@pytest.mark.parametrize("failure", SURVIVED)
def test_a_wait_outlives_looks_that_fail_and_goes_on_to_completion(failure: Callable[[], Any]) -> None:
    queue, _ = queue_of(
        accepted(), *(failure() for _ in range(6)), status("processing"), failure(), status("completed"), video()
    )
    assert queue.submit_and_poll(OWN).data == MP4


def test_the_pace_after_failures_begins_anew_with_each_row_of_them() -> None:
    queue, transport = queue_of(
        status("pending"), answer(500), answer(500), status("pending"), answer(500), status("failed")
    )
    queue.poll("j1")
    assert transport.sleeps == [0.5, 0.5, 1.0, 1.6875, 0.5]


def test_a_404_is_tolerated_for_a_few_looks_and_then_taken_at_its_word() -> None:
    queue, transport = queue_of(accepted(), answer(404), answer(404), status("failed"))
    assert queue.submit_and_poll(OWN).status == "failed"
    queue, transport = queue_of(accepted(), always(lambda: answer(404, {"detail": "Job not found"})))
    with pytest.raises(QueueStatusError, match="The status of job j1 could not be read: .*Job not found") as caught:
        queue.submit_and_poll(OWN)
    assert (caught.value.job_id, type(caught.value.cause)) == ("j1", NotFoundError)
    assert len(transport.looks()) == 3


@pytest.mark.parametrize("code", [301, 400, 401, 402, 403, 410, 422, 501])
def test_a_refusal_ends_a_wait_at_once(code: int, caplog: pytest.LogCaptureFixture) -> None:
    queue, transport = queue_of(accepted(), answer(code))
    with pytest.raises(QueueStatusError) as caught:
        queue.submit_and_poll(OWN)
    assert (caught.value.job_id, caught.value.status_code) == ("j1", code)
    assert len(transport.looks()) == 1
    assert caplog.messages == []  # the error carries the job itself


def test_an_unknown_status_is_kept_waited_on_and_warned_of_once(caplog: pytest.LogCaptureFixture) -> None:
    queue, _ = queue_of(accepted(), *(status("warming_up") for _ in range(4)), status("completed"), video())
    seen: list[str] = []
    assert queue.submit_and_poll(OWN, on_status_change=lambda job: seen.append(job.status)).data == MP4
    assert seen == ["pending", "warming_up", "completed"]
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "'warming_up'" in caplog.messages[0]


@pytest.mark.parametrize("end", ["completed", "failed"])
def test_a_submit_answer_that_is_final_already_needs_no_look(end: str) -> None:
    queue, transport = queue_of(accepted(status=end), video())
    seen: list[str] = []
    assert queue.submit_and_poll(OWN, on_status_change=lambda job: seen.append(job.status)).status == end
    assert (transport.looks(), transport.sleeps, seen) == ([], [], [end])


# what ends a wait early

ADVICE = "The wait for job j1 ended; the job goes on. Resume with client.queue.poll('j1')."
FETCH_ADVICE = (
    "The download of job j1 ended early; the job is done. Fetch its video with client.queue.download('j1', path)."
)


@pytest.mark.parametrize(
    "error",
    [
        ZeroDivisionError("mine"),
        DecartSDKError("mine"),
        TransportError("mine"),
        APIError("mine", None, None, 500),
        ResponseError("mine"),
        QueueStatusError("about another job", None, None, "j2"),
        InvalidInputError("mine"),
    ],
)
@pytest.mark.parametrize("when", ["pending", "processing", "completed"])
def test_an_exception_of_a_callback_comes_out_as_it_is_with_the_job_told(
    error: Exception, when: str, caplog: pytest.LogCaptureFixture
) -> None:
    error = pickle.loads(pickle.dumps(error))

    def callback(job: JobStatusResponse) -> None:
        if job.status == when:
            raise error

    queue, transport = queue_of(accepted(), status("processing"), status("completed"))
    with pytest.raises(type(error)) as caught:
        queue.submit_and_poll(OWN, on_status_change=callback)
    assert caught.value is error
    assert caplog.messages == [ADVICE]
    assert error.__notes__ == [ADVICE]
    assert len(transport.looks()) == ["pending", "processing", "completed"].index(when)


def test_cancelled_before_the_submit_nothing_is_sent() -> None:
    queue, transport = queue_of()
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(WaitCancelledError, match="nothing was sent") as caught:
        queue.submit_and_poll(OWN, cancel=cancel)
    assert caught.value.job_id is None
    with pytest.raises(WaitCancelledError) as caught:
        queue.poll("j1", cancel=cancel)
    assert caught.value.job_id == "j1"
    assert transport.requests == []


def test_cancelled_during_a_sleep_the_wait_ends_at_that_moment(caplog: pytest.LogCaptureFixture) -> None:
    queue, transport = queue_of(accepted(), always(lambda: status("pending")))
    cancel = threading.Event()
    transport.at(100.1, cancel.set)
    with pytest.raises(WaitCancelledError, match=r"The job goes on.*client\.queue\.poll\('j1'\)") as caught:
        queue.submit_and_poll(OWN, cancel=cancel)
    assert caught.value.job_id == "j1"
    assert transport.now() == 100.1
    assert transport.looks()[-1] < 100.1
    assert caplog.messages == []


def test_cancelled_between_two_looks_there_is_no_further_one() -> None:
    queue, transport = queue_of(accepted(), status("processing"))
    cancel = threading.Event()
    with pytest.raises(WaitCancelledError):
        queue.submit_and_poll(
            OWN, cancel=cancel, on_status_change=lambda job: cancel.set() if job.status == "processing" else None
        )
    assert transport.now() == 0.5


def test_an_event_that_is_never_set_changes_nothing() -> None:
    queue, _ = queue_of(accepted(), status("processing"), status("completed"), video())
    assert queue.submit_and_poll(OWN, cancel=threading.Event()).data == MP4


def test_ctrl_c_in_a_sleep_does_not_lose_the_job(caplog: pytest.LogCaptureFixture) -> None:
    queue, transport = queue_of(accepted(), always(lambda: status("pending")))
    transport.interrupt_at(42.0)
    with pytest.raises(KeyboardInterrupt) as caught:
        queue.submit_and_poll(OWN)
    assert transport.now() == 42.0
    assert caplog.messages == [ADVICE]
    assert caught.value.__notes__ == [ADVICE]


def test_ctrl_c_in_a_look_or_in_the_download_does_not_lose_the_job(caplog: pytest.LogCaptureFixture) -> None:
    for script in ([KeyboardInterrupt()], [status("completed"), KeyboardInterrupt()]):
        queue, transport = queue_of(accepted(), *script)
        with pytest.raises(KeyboardInterrupt):
            queue.submit_and_poll(OWN)
        assert len(transport.requests) == 1 + len(script)
    assert caplog.messages == [ADVICE, FETCH_ADVICE]


# for whatever a server does

STEPS = st.one_of(
    st.sampled_from(
        [
            lambda: status("pending"),
            lambda: status("processing"),
            lambda: status("odd"),
            lambda: status("completed"),
            lambda: answer(500),
            lambda: answer(404),
            lambda: answer(429, retry_after="7"),
            lambda: answer(503, retry_after="99999"),
            lambda: answer(200, b"<html>"),
            lambda: TransportError("cut"),
            connect_error,
            lambda: SILENCE,
            video,
        ]
    ),
    st.integers(0, 999).map(lambda n: lambda: answer(429, retry_after=str(n))),
)


@settings(deadline=None)
@given(
    steps=st.lists(st.tuples(STEPS, st.floats(0, 90)), max_size=40),
    last=STEPS,
    poll=st.builds(
        PollPolicy, interval=st.floats(0.1, 9), backoff=st.floats(1, 3), max_interval=st.floats(0.1, 30),
        jitter=st.floats(0, 1), timeout=st.floats(0, 100),
    ),
    read=st.floats(0.1, 90),
)  # fmt: skip
def test_no_wait_outlives_its_deadline_by_more_than_one_request(
    steps: list[tuple[Callable[[], Any], float]], last: Callable[[], Any], poll: PollPolicy, read: float
) -> None:
    """After the deadline no look is begun, a look under way ends within a second, and a download is tried once."""
    script = [make() if make() is SILENCE else Takes(seconds, make()) for make, seconds in steps]
    slow = attrs.evolve(poll, interval=max(poll.interval, 0.5), jitter=min(poll.jitter, 0.5))
    transport = FakeTransport(*script, always(last))
    queue = client_of(transport, timeout=Timeout(read=read), poll=slow).queue
    assert slow.timeout is not None
    end = slow.timeout + 1e-6
    try:
        result = queue.poll("j1")
    except (QueueStatusError, QueueResultError) as error:
        assert error.job_id == "j1"
    else:
        assert result.job_id == "j1"
        assert not result.timed_out or slow.timeout - 0.001 <= transport.now() <= end + LAST_REQUEST
    assert all(moment <= end for moment in transport.looks())
    assert all(look.timeout.total is not None and look.at + look.timeout.total <= max(end, look.at + LAST_REQUEST)
               for look in transport.requests if not look.path.endswith("/content"))  # fmt: skip
    downloads = [request.at for request in transport.requests if request.path.endswith("/content")]
    assert all(moment <= end + LAST_REQUEST for moment in downloads)
    assert sum(moment > end for moment in downloads) <= 1


ECHOES: list[Callable[[], Any]] = [
    lambda: answer(401, {"detail": f"bad key {KEY}"}),
    lambda: answer(500, KEY.encode() * 9, content_type=KEY, x_request_id=KEY),
    lambda: answer(302, location=f"https://{KEY}.test/{KEY}"),
    lambda: answer(200, {"status": KEY, "job_id": "j1"}),
    lambda: answer(200, {"status": "failed", "job_id": "j1", "error": [{"loc": [KEY], "msg": KEY}]}),
    lambda: answer(200, f"<{KEY}>".encode(), content_type=f"text/{KEY}"),
    lambda: answer(429, f"<title>{KEY}</title>".encode()),
    lambda: status("completed"),
    lambda: accepted(),
]


@settings(deadline=None)
@given(
    script=st.lists(st.sampled_from(ECHOES), min_size=1, max_size=6),
    verb=st.sampled_from(["submit_and_poll", "poll", "status", "result"]),
)
def test_the_key_is_in_no_error_no_result_and_no_log_line_even_when_the_server_echoes_it(
    script: list[Callable[[], Any]], verb: str
) -> None:
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(f"{record.getMessage()} {record.args}")  # type: ignore[method-assign]
    logger = logging.getLogger("decart")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    shown: list[object] = []
    try:
        queue, transport = queue_of(*(make() for make in script), always(lambda: answer(403, KEY.encode())))
        subject = OWN if verb == "submit_and_poll" else "j1"
        shown.append(
            getattr(queue, verb)(
                subject, **({"policy": POLL, "on_status_change": shown.append} if "poll" in verb else {})
            )
        )
    except DecartSDKError as error:
        while error is not None:
            shown += [str(error), error.args, vars(error), pickle.dumps(error)]
            error = error.cause  # type: ignore[assignment]
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
    assert shown and lines
    assert KEY not in repr(shown) and KEY not in repr(transport.requests)
    assert not any(KEY in line for line in lines)
