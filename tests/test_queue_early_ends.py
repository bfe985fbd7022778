"""What ends a wait early: a callback that fails, a cancelled wait, and Ctrl-C."""

from __future__ import annotations

import pickle
import threading
import traceback

import pytest
from support.fakes import (
    MP4,
    accepted,
    always,
    answer,
    status,
    video,
)
from support.queues import OWN, queue_of

from decart import (
    APIError,
    DecartSDKError,
    InvalidInputError,
    JobStatusResponse,
    QueueStatusError,
    ResponseError,
    TransportError,
    WaitCancelledError,
)

ADVICE = "Job j1 goes on. Wait for it with client.queue.poll('j1')."


FETCH_ADVICE = "Job j1 is done. Fetch its video with client.queue.download('j1', path)."


@pytest.mark.parametrize(
    "error",
    [
        ZeroDivisionError("mine"),
        DecartSDKError("mine"),
        TransportError("mine"),
        APIError("mine", status_code=500),
        ResponseError("mine"),
        QueueStatusError("about another job", job_id="j2"),
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


@pytest.mark.parametrize("kind", [DecartSDKError, QueueStatusError, ValueError])
def test_the_traceback_of_an_exception_of_a_callback_leads_to_the_callback(kind: type[Exception]) -> None:
    def callback(job: JobStatusResponse) -> None:
        raise kind("mine")

    queue, _ = queue_of(accepted())
    with pytest.raises(kind) as caught:
        queue.submit_and_poll(OWN, on_status_change=callback)
    assert traceback.extract_tb(caught.value.__traceback__)[-1].name == "callback"


def test_after_a_callback_the_traceback_of_an_error_begins_at_the_call_again() -> None:
    queue, _ = queue_of(accepted(), answer(401))
    with pytest.raises(QueueStatusError) as caught:
        queue.submit_and_poll(OWN, on_status_change=print)
    assert traceback.extract_tb(caught.value.__traceback__)[-1].filename == __file__


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
