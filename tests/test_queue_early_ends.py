"""What ends a wait early: a callback that fails, a cancelled wait, and Ctrl-C."""

from __future__ import annotations

import pickle
import threading
import traceback
from collections.abc import Iterator
from traceback import walk_tb

import pytest
from support.fakes import (
    MP4,
    accepted,
    always,
    make_response,
    status,
    video,
)
from support.queues import OWN, queue_of

from decart import (
    APIError,
    DecartSDKError,
    InvalidInputError,
    JobStatusResponse,
    QueueResultError,
    QueueStatusError,
    ResponseError,
    TransportError,
    WaitCancelledError,
    models,
)
from decart.transports.base import HttpResponse

ADVICE = "Job j1 continues. Wait for it with client.queue.poll('j1')."


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
def test_an_exception_of_a_callback_is_raised_unchanged_and_the_job_is_logged(
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
    advice = FETCH_ADVICE if when == "completed" else ADVICE
    assert caplog.messages == [advice]
    assert error.__notes__ == [advice]
    assert len(transport.check_times()) == ["pending", "processing", "completed"].index(when)


@pytest.mark.parametrize("kind", [DecartSDKError, QueueStatusError, ValueError])
def test_the_traceback_of_an_exception_of_a_callback_leads_to_the_callback(kind: type[Exception]) -> None:
    def callback(job: JobStatusResponse) -> None:
        raise kind("mine")

    queue, _ = queue_of(accepted())
    with pytest.raises(kind) as caught:
        queue.submit_and_poll(OWN, on_status_change=callback)
    assert traceback.extract_tb(caught.value.__traceback__)[-1].name == "callback"


def test_after_a_callback_the_traceback_of_an_error_begins_at_the_call_again() -> None:
    queue, _ = queue_of(accepted(), make_response(401))
    with pytest.raises(QueueStatusError) as caught:
        queue.submit_and_poll(OWN, on_status_change=print)
    assert traceback.extract_tb(caught.value.__traceback__)[-1].filename == __file__


def frames_of(error: BaseException) -> list[str]:
    """Return the names of the functions in a traceback."""
    return [frame.f_code.co_name for frame, _ in walk_tb(error.__traceback__)]


def test_the_traceback_of_an_error_of_ours_begins_at_the_call() -> None:
    cancelled = threading.Event()
    cancelled.set()
    queue, _ = queue_of(status("processing"), status("processing"), APIError("Refused.", status_code=401))
    for method, options, kind in [
        ("poll", {"cancel": cancelled}, WaitCancelledError),
        ("poll", {"poll": "fast"}, InvalidInputError),
        ("result", {}, QueueResultError),
        ("download", {"path": "lake.mp4"}, QueueResultError),
        ("status", {}, QueueStatusError),
    ]:
        with pytest.raises(kind) as caught:
            getattr(queue, method)("j1", **options)
        assert frames_of(caught.value) == ["test_the_traceback_of_an_error_of_ours_begins_at_the_call"]


def test_the_traceback_of_an_error_that_a_callback_raises_shows_the_callback() -> None:
    def raises(job: JobStatusResponse) -> None:
        raise DecartSDKError("mine")

    def calls(job: JobStatusResponse) -> None:
        queue.status(job)

    def misspells(job: JobStatusResponse) -> None:
        models.video("lucy")  # type: ignore[call-overload]

    for callback, below in (raises, 0), (calls, 0), (misspells, 2):
        queue, _ = queue_of(accepted(), APIError("Refused.", status_code=401))
        with pytest.raises(DecartSDKError) as caught:
            queue.submit_and_poll(OWN, on_status_change=callback)
        frames = frames_of(caught.value)
        assert frames.index(callback.__name__) == len(frames) - 1 - below


def test_an_interrupt_after_a_refused_submit_does_not_say_that_it_may_be_paid_for(
    caplog: pytest.LogCaptureFixture,
) -> None:
    queue, transport = queue_of(make_response(429, retry_after="5"))
    transport.interrupt_at(2.0)
    with pytest.raises(KeyboardInterrupt):
        queue.submit(OWN)
    assert caplog.messages == []


class Interrupting:
    """The body of a response, during or after which Ctrl-C is pressed."""

    def __init__(self, *chunks: bytes) -> None:
        self._chunks = iter(chunks)

    def __iter__(self) -> Iterator[bytes]:
        yield from self._chunks
        raise KeyboardInterrupt


@pytest.mark.parametrize("chunks", [(b'{"job_id": "j1", "status": "pending"}',), (b'{"job_id": "j1", ', b'"st')])
def test_an_interrupt_while_a_response_is_read_names_the_job_if_it_arrived(chunks: tuple[bytes, ...]) -> None:
    queue, _ = queue_of(HttpResponse(200, {}, Interrupting(*chunks)))
    with pytest.raises(KeyboardInterrupt) as caught:
        queue.submit(OWN)
    assert caught.value.__notes__ == [ADVICE]
    assert caught.value.job_id == "j1"  # type: ignore[attr-defined]


@pytest.mark.parametrize("chunks", [(), (b'{"job_id": "j',)])
def test_an_interrupt_before_the_id_arrived_says_that_the_job_may_be_paid_for(chunks: tuple[bytes, ...]) -> None:
    queue, _ = queue_of(HttpResponse(200, {}, Interrupting(*chunks)))
    with pytest.raises(KeyboardInterrupt) as caught:
        queue.submit(OWN)
    assert "you may have been charged" in caught.value.__notes__[0]
    assert not hasattr(caught.value, "job_id")


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
    with pytest.raises(WaitCancelledError, match=r"The job continues.*client\.queue\.poll\('j1'\)") as caught:
        queue.submit_and_poll(OWN, cancel=cancel)
    assert caught.value.job_id == "j1"
    assert transport.now() == 100.1
    assert transport.check_times()[-1] < 100.1
    assert caplog.messages == []


def test_a_cancelled_wait_makes_no_further_status_check() -> None:
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


def test_ctrl_c_in_a_status_check_or_a_download_does_not_lose_the_job(caplog: pytest.LogCaptureFixture) -> None:
    for script in ([KeyboardInterrupt()], [status("completed"), KeyboardInterrupt()]):
        queue, transport = queue_of(accepted(), *script)
        with pytest.raises(KeyboardInterrupt):
            queue.submit_and_poll(OWN)
        assert len(transport.requests) == 1 + len(script)
    assert caplog.messages == [ADVICE, FETCH_ADVICE]
