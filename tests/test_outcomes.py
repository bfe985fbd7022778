"""`decart.outcomes`: how a call ends, where it failed, and what to do after an interrupt."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from decart import (
    APIError,
    ClientClosedError,
    ConnectError,
    DecartSDKError,
    InvalidInputError,
    JobFailedError,
    JobStatusResponse,
    JobSubmitResponse,
    JobTimeoutError,
    PollPolicy,
    QueueError,
    QueueResultError,
    QueueStatusError,
    QueueSubmitError,
    ResponseError,
    ServerError,
    SubmitOutcomeUnknownError,
    TransportError,
    TransportTimeout,
    WaitCancelledError,
)
from decart.outcomes import (
    CallState,
    Cancellation,
    Sending,
    download_cancelled,
    finished,
    result_error,
    status_error,
    submit_cancelled,
    submit_error,
    timed_out,
    wait_cancelled,
)
from decart.polling import JobPoll

REFUSED = APIError("Refused.", status_code=400)

# where it failed, and why

WHERE = [
    (submit_error, QueueSubmitError, "The job was not submitted", None),
    (partial(status_error, "j1"), QueueStatusError, "The status of job j1 could not be read", "j1"),
    (partial(result_error, "j1"), QueueResultError, "The result of job j1 could not be fetched", "j1"),
]
AGAIN = " client.queue.poll('j1') tries again, free of charge."


@pytest.mark.parametrize(("cause", "may_pass"), [(REFUSED, False), (ConnectError("No network."), True)])
@pytest.mark.parametrize(("error_of", "kind", "words", "job_id"), WHERE)
def test_the_class_of_an_error_says_where_it_failed_and_its_cause_says_why(
    error_of: Callable[[DecartSDKError], QueueError],
    kind: type[QueueError],
    words: str,
    job_id: str | None,
    cause: DecartSDKError,
    may_pass: bool,
) -> None:
    error = error_of(cause)
    assert type(error) is kind
    assert error.message == f"{words}: {cause}{AGAIN if may_pass and job_id else ''}"
    assert error.cause is cause
    assert error.job_id == job_id


@pytest.mark.parametrize(
    "cause", [TransportTimeout("Silence."), ResponseError("Odd."), ServerError("Failed.", status_code=500)]
)
def test_only_a_submit_can_have_an_unknown_outcome(cause: DecartSDKError) -> None:
    error = submit_error(cause)
    assert type(error) is SubmitOutcomeUnknownError  # `except QueueSubmitError: submit again` must not pay twice
    assert "may have been charged" in error.message
    assert error.cause is cause
    assert type(status_error("j1", cause)) is QueueStatusError


@pytest.mark.parametrize(
    ("cause", "reason"),
    [
        (ServerError("It failed; try again later. (HTTP 502)", status_code=502), "HTTP 502"),
        (
            ServerError("It failed; try again.", status_code=502, data={"detail": "Bad gateway"}),
            "HTTP 502: Bad gateway",
        ),
        (
            APIError("The server redirects to https://x.test.", status_code=307),
            "The server redirects to https://x.test",
        ),
        (ResponseError("It is odd; try again.", data={"reason": "It is odd"}), "It is odd"),
        (TransportError("Cut off."), "Cut off"),
    ],
)
def test_an_unknown_outcome_never_advises_to_try_again(cause: DecartSDKError, reason: str) -> None:
    error = submit_error(cause)
    assert error.message.endswith(f"before you submit it again. Reason: {reason}.")
    assert "try again" not in error.message
    assert error.data == cause.data


# who is interrupted

ENDS = [
    KeyboardInterrupt(),
    asyncio.CancelledError(),
    RuntimeError("callback"),
    InvalidInputError("callback"),
    ClientClosedError("closed meanwhile"),
]


def explained(state: CallState, error: BaseException) -> list[str]:
    state.explain(error)
    return getattr(error, "__notes__", [])


@pytest.mark.parametrize("kind", [KeyboardInterrupt, asyncio.CancelledError, RuntimeError])
def test_a_submit_that_is_interrupted_says_what_it_may_have_cost(
    kind: type[BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    notes = explained(CallState(sent=True), kind())
    assert notes == caplog.messages
    assert len(notes) == 1
    assert "The job may have been accepted, and you may have been charged" in notes[0]


def test_a_submit_that_sent_nothing_needs_no_advice(caplog: pytest.LogCaptureFixture) -> None:
    assert explained(CallState(), KeyboardInterrupt()) == caplog.messages == []


@pytest.mark.parametrize("error", ENDS, ids=repr)
@pytest.mark.parametrize(
    ("done", "advice"),
    [
        (False, "Job j1 continues. Wait for it with client.queue.poll('j1')."),
        (True, "Job j1 is done. Fetch its video with client.queue.download('j1', path)."),
    ],
)
def test_whatever_ends_a_call_names_the_job_and_says_how_to_continue(
    error: BaseException, done: bool, advice: str, caplog: pytest.LogCaptureFixture
) -> None:
    error = type(error)(*error.args)
    state = CallState(sent=True, finished=done)
    state.accept(JobSubmitResponse(job_id="j1", status="pending"))
    assert explained(state, error) == caplog.messages == [advice]
    assert error.job_id == "j1"  # type: ignore[attr-defined]


class Frozen(Exception):
    """An exception of a caller that takes no attributes."""

    def __setattr__(self, name: str, value: object) -> None:
        raise TypeError(name)


def test_an_exception_that_takes_no_attributes_is_explained_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    assert explained(CallState("j1"), Frozen()) == []
    assert caplog.messages == ["Job j1 continues. Wait for it with client.queue.poll('j1')."]


def test_an_error_about_another_job_keeps_the_id_of_that_job() -> None:
    error = QueueStatusError("about another job", job_id="j2")
    assert len(explained(CallState("j1"), error)) == 1
    assert error.job_id == "j2"


@pytest.mark.parametrize("kind", [QueueStatusError, QueueResultError, WaitCancelledError, JobFailedError])
def test_an_error_that_names_the_job_needs_no_advice(
    kind: type[DecartSDKError], caplog: pytest.LogCaptureFixture
) -> None:
    assert explained(CallState("j1"), kind("x", job_id="j1")) == caplog.messages == []


def test_a_refused_submit_needs_no_advice() -> None:
    assert explained(CallState(sent=True), QueueSubmitError("The job was not submitted.")) == []


# cancelled


def test_a_cancellation_raises_its_error_once_the_event_is_set() -> None:
    event = threading.Event()
    cancellation = Cancellation(event, submit_cancelled)
    cancellation.check()
    event.set()
    with pytest.raises(WaitCancelledError, match="nothing was sent or billed"):
        cancellation.check()
    Cancellation().check()  # without an event it never does
    with pytest.raises(WaitCancelledError):
        Cancellation(event).check()


def test_a_submit_does_not_begin_to_send_once_it_is_cancelled() -> None:
    event, written = threading.Event(), list[str]()
    first = (lambda: written.append("sending"),)
    sending = Sending(CallState(), lambda: None, Cancellation(event, submit_cancelled), None, first)
    sending.may_start()
    event.set()
    with pytest.raises(WaitCancelledError, match="nothing was sent or billed"):
        sending.may_start()
    assert written == ["sending"]


def test_the_error_of_a_cancelled_call_names_the_job_and_the_call_that_continues() -> None:
    assert submit_cancelled().job_id is None
    for error, call in ((wait_cancelled("j1"), "poll('j1')"), (download_cancelled("j1"), "download('j1', path)")):
        assert error.job_id == "j1"
        assert f"client.queue.{call}" in error.message


# finished or not


def test_only_a_finished_job_has_a_result() -> None:
    for word in ("completed", "failed"):
        job = JobStatusResponse(job_id="j1", status=word)
        assert finished(job) is job
    with pytest.raises(QueueResultError, match=r"has not finished: it is pending\. client\.queue\.poll\('j1'\)"):
        finished(JobStatusResponse(job_id="j1", status="pending"))


SEEN = JobStatusResponse(job_id="j1", status="processing", model="lucy-pro-t2v", elapsed=7.0)


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ([], "its status was never seen. "),
        ([SEEN], "its last status was processing. "),
        (
            [SEEN, TransportError("Cut off.")],
            "its last status was processing; the last status check failed: Cut off. ",
        ),
        ([TransportError("Cut off."), SEEN], "its last status was processing. "),
    ],
)
def test_a_wait_that_timed_out_says_what_was_seen_and_how_to_continue(script: list[Any], words: str) -> None:
    poll = JobPoll(job_id="j1", started=0.0, policy=PollPolicy(timeout=2.5))
    for seen in script:
        (poll.observe if seen is SEEN else poll.observe_error)(seen, 1.0)
    result = timed_out(poll)
    assert (result.status, result.timed_out, result.job_id, result.data) == ("failed", True, "j1", None)
    assert (result.model, result.elapsed) == (("lucy-pro-t2v", 7.0) if SEEN in script else (None, None))
    assert result.error is not None and words in result.error
    assert result.error.startswith("The wait for job j1 ended after 2.5 s; ")
    assert result.error.endswith("client.queue.poll('j1') waits for it again.")
    with pytest.raises(JobTimeoutError):
        result.raise_for_status()


def test_a_long_wait_is_not_shown_in_powers_of_ten() -> None:
    result = timed_out(JobPoll(job_id="j1", started=0.0, policy=PollPolicy(timeout=1_234_567)))
    assert result.error is not None and "ended after 1234567 s; " in result.error
