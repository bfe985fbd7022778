"""`decart._verbs`: what is checked before an exchange, and said after it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest

from decart import (
    APIError,
    ClientClosedError,
    ConnectError,
    InvalidInputError,
    JobStatusResponse,
    PollPolicy,
    QueueError,
    QueueResultError,
    QueueStatusError,
    QueueSubmitError,
    ResponseError,
    SubmitOutcomeUnknownError,
    TransportError,
    TransportTimeout,
    WaitCancelledError,
)
from decart._verbs import asking, check_wait, fetching, resumable, submitting

WHERE = [
    (submitting, QueueSubmitError, "The job was not submitted", None),
    (lambda: asking("j1"), QueueStatusError, "The status of job j1 could not be read", "j1"),
    (lambda: fetching("j1"), QueueResultError, "The result of job j1 could not be fetched", "j1"),
]


@pytest.mark.parametrize(
    "cause", [APIError("Refused.", status_code=400), ConnectError("No network.")]
)
@pytest.mark.parametrize(("doing", "kind", "words", "job_id"), WHERE)
def test_the_error_of_the_verb_says_where_and_its_cause_says_why(
    doing: Callable[[], AbstractContextManager[None]],
    kind: type[QueueError],
    words: str,
    job_id: str | None,
    cause: Exception,
) -> None:
    with pytest.raises(QueueError) as caught, doing():
        raise cause
    assert type(caught.value) is kind
    assert caught.value.message == f"{words}: {cause}"
    assert caught.value.cause is caught.value.__cause__ is cause
    assert caught.value.job_id == job_id


@pytest.mark.parametrize(
    "cause", [TransportTimeout("Silence."), ResponseError("Odd."), APIError("Failed.", status_code=500)]
)
def test_only_a_submit_can_have_an_unknown_outcome(cause: Exception) -> None:
    with (
        pytest.raises(SubmitOutcomeUnknownError, match="may have been charged, so it was not sent again") as caught,
        submitting(),
    ):
        raise cause
    assert caught.value.cause is cause
    with pytest.raises(QueueStatusError), asking("j1"):
        raise cause


@pytest.mark.parametrize("doing", [submitting, lambda: asking("j1")])
def test_what_is_not_about_the_exchange_is_not_blamed_on_it(doing: Any, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ClientClosedError), doing():
        raise ClientClosedError("closed")
    assert caplog.messages == []


@pytest.mark.parametrize("kind", [KeyboardInterrupt, asyncio.CancelledError])
def test_a_submit_that_is_broken_off_says_what_it_may_have_cost(
    kind: type[BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(kind) as caught, submitting():
        raise kind
    assert len(caplog.messages) == 1
    assert "The job may have been accepted, and you may have been charged" in caplog.messages[0]
    assert caught.value.__notes__ == caplog.messages


async def coroutine_function(job: JobStatusResponse) -> None: ...


CANNOT_WAIT = [
    ((coroutine_function, None, None), "on_status_change is a coroutine function; only the async client can await it"),
    ((None, None, asyncio.Event()), "cancel must be a threading.Event, not"),
]


@pytest.mark.parametrize(("asked", "message"), CANNOT_WAIT)
def test_what_only_the_async_client_can_await_is_refused_by_the_sync_one(asked: Any, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        check_wait(*asked, awaited=False)
    check_wait(*asked, awaited=True)


@pytest.mark.parametrize("awaited", [False, True])
def test_a_wait_takes_a_policy_a_callback_and_a_threads_event(awaited: bool) -> None:
    check_wait(print, PollPolicy(), threading.Event(), awaited=awaited)
    check_wait(None, None, None, awaited=awaited)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (("print", None, None), "on_status_change must be something that can be called"),
        ((None, 5, None), "policy must be a PollPolicy, not 5"),
        ((None, None, True), "cancel must be a threading.Event or an asyncio.Event, not True"),
    ],
)
def test_what_would_fail_after_the_submit_is_refused_before_it(asked: Any, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        check_wait(*asked, awaited=True)


ADVICE = "The wait for job j1 ended; the job goes on. Resume with client.queue.poll('j1')."


@pytest.mark.parametrize(
    "error",
    [
        KeyboardInterrupt(),
        RuntimeError("callback"),
        InvalidInputError("callback"),
        TransportError("callback"),
        QueueStatusError("about another job", None, None, "j2"),
        ClientClosedError("closed meanwhile"),
    ],
)
def test_whatever_ends_a_wait_without_the_jobs_id_tells_how_to_come_back(
    error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(type(error)) as caught, resumable("j1"):
        raise error
    assert caught.value is error
    assert caplog.messages == [ADVICE]
    assert error.__notes__ == [ADVICE]


@pytest.mark.parametrize("kind", [QueueStatusError, QueueResultError, WaitCancelledError])
def test_an_error_that_carries_the_jobs_id_needs_no_advice(
    kind: type[QueueError], caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(kind) as caught, resumable("j1"):
        raise kind("x", None, None, "j1")
    assert not hasattr(caught.value, "__notes__")
    assert caplog.messages == []
