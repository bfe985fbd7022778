"""How a call ends: errors that say where it failed, and advice for a caller who is interrupted."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

import attrs

from .errors import (
    APIError,
    CallError,
    ClientClosedError,
    DecartSDKError,
    ProcessingCancelledError,
    ProcessingError,
    ProcessingOutcomeUnknownError,
    QueueError,
    QueueResultError,
    QueueStatusError,
    QueueSubmitError,
    SubmitOutcomeUnknownError,
    TransportError,
    WaitCancelledError,
)
from .events import log
from .jobs import FailedJob, JobStatusResponse, JobSubmitResponse
from .policies import outcome_unknown, repeat_read, repeat_submit
from .polling import JobPoll
from .transports.base import Event

if TYPE_CHECKING:
    from .journal.owners import Claim

SUBMIT_ENDED = (
    "The submit ended before its response arrived. The job may have been accepted, and you may have been charged: "
    "check your account before you submit it again."
)
PROCESS_ENDED = (
    "The call ended before its image arrived. The image may have been made, and you may have been charged: check your "
    "account before you ask for it again."
)
IMAGE_NOT_SAVED = (
    "The image was made and billed, and may not be saved. The error has it as the attribute image: "
    "error.image.save(path)."
)


@attrs.define
class CallState:
    """How far a call has come, which decides the advice if it is ended, by Ctrl-C at any instruction or otherwise.

    Attributes:
        job_id: The job, once it is known and the arguments of the call are checked.
        first: The status that the submit of the job implies, until a wait has begun with it.
        sent: Whether any of the body of a billed request may have been sent.
        over: Whether the call has ended: a thread that it has left behind must not begin to send.
        finished: Whether the job is known to have finished.
        in_callback: Whether the caller's callback is running: what ends the call then is the caller's.
        if_sent: The advice if the call ends once something was sent, and no job is known.
        waits: Whether a submit is to be followed by a wait.
        claim: In a journal, the right of this call to wait for the job; no other call resumes it meanwhile.
    """

    job_id: str | None = None
    first: JobStatusResponse | None = None
    sent: bool = False
    over: bool = False
    finished: bool = False
    in_callback: bool = False
    if_sent: str = SUBMIT_ENDED
    waits: bool = False
    claim: Claim | None = None

    def accept(self, job: JobSubmitResponse) -> None:
        """Take note of an accepted job."""
        self.job_id = job.job_id

    def explain(self, error: BaseException) -> None:
        """Name the job in an exception that ends the call, and add a note that says how to continue.

        The traceback of an error of ours begins at the call: the frames below it are of no use to the caller, unless
        the error came through code of the caller's own, such as a callback.
        """
        self.over = True
        if isinstance(error, DecartSDKError):
            if not self.in_callback:
                error.__traceback__ = None
            if error.job_id == self.job_id:
                return  # its message says it
        if self.job_id is not None:
            with suppress(Exception):  # an exception that takes no attributes
                if getattr(error, "job_id", None) is None:
                    error.job_id = self.job_id  # type: ignore[attr-defined]
            advice = (
                f"Job {self.job_id} is done. Fetch its video with client.queue.download({self.job_id!r}, path)."
                if self.finished
                else f"Job {self.job_id} continues. Wait for it with client.queue.poll({self.job_id!r})."
            )
        elif self.sent:
            advice = self.if_sent
        else:
            return
        with suppress(Exception):
            error.add_note(advice)
        log.warning("%s", advice)


@attrs.frozen
class Cancellation:
    """A caller's ``cancel`` event, and the error that a call ends with once it is set."""

    event: Event | None = None
    error: Callable[[], DecartSDKError] = lambda: WaitCancelledError("Cancelled.")

    def check(self) -> None:
        """Raise the error if the event is set."""
        if self.event is not None and self.event.is_set():
            raise self.error()


@attrs.frozen
class Sending:
    """What happens while the body of a billed request is sent.

    Attributes:
        state: How far the call has come.
        check_open: Raises if the client is closed.
        cancel: What ends the call before it has begun to send.
        meter: Called with the bytes sent so far and their total, if anybody wants to know.
        first: Called before the first byte, and once more by a transport that does not call ``may_start``.
    """

    state: CallState
    check_open: Callable[[], None]
    cancel: Cancellation
    meter: Callable[[int, int], None] | None
    first: tuple[Callable[[], None], ...] = ()

    def may_start(self) -> None:
        """Raise if the body must not be sent any more."""
        self.check_open()
        if self.cancel.event is not None:
            self.cancel.check()
        for write in self.first:
            write()

    def on_sent(self, done: int, total: int) -> None:
        """Take note of the bytes that were sent."""
        if not self.state.sent:
            for write in self.first:
                write()
            self.state.sent = True  # and then: a call that ends sets `over` before it reads `sent`
            if self.state.over:
                raise TransportError("The caller stopped waiting; nothing was sent.", may_have_been_sent=False)
        if self.meter is not None:
            self.meter(done, total)

    def repeat(self, error: BaseException) -> bool:
        """Return whether the request may be sent again; after a refusal, it has cost nothing so far."""
        self.state.sent = outcome_unknown(error)
        return repeat_submit(error)


def client_closed() -> ClientClosedError:
    """Return the error of a request that was not sent, because the client is closed."""
    return ClientClosedError(
        "This client is closed, and the request was not sent; create a new one, or keep this one open longer."
    )


def submit_cancelled() -> WaitCancelledError:
    """Return the error of a submit that was cancelled before it was sent."""
    return WaitCancelledError("The wait was cancelled before the job was submitted; nothing was sent or billed.")


def process_cancelled() -> ProcessingCancelledError:
    """Return the error of an image that was cancelled before it was requested."""
    return ProcessingCancelledError(
        "The call was cancelled before the image was requested; nothing was sent or billed."
    )


def wait_cancelled(job_id: str) -> WaitCancelledError:
    """Return the error of a wait that was cancelled."""
    return WaitCancelledError(
        f"The wait for job {job_id} was cancelled. The job continues, and is billed: "
        f"client.queue.poll({job_id!r}) waits for it again.",
        job_id=job_id,
    )


def download_cancelled(job_id: str) -> WaitCancelledError:
    """Return the error of a download that was cancelled."""
    return WaitCancelledError(
        f"The download of job {job_id} was cancelled. The job is done and its result stays with the service: "
        f"client.queue.download({job_id!r}, path) fetches it.",
        job_id=job_id,
    )


def submit_error(cause: DecartSDKError) -> QueueError:
    """Return the error of a submit that failed, which says what it may have cost."""
    cause = cause.with_traceback(None)  # its frames hold what the server sent, and are of no use to the caller
    if not outcome_unknown(cause):
        return QueueSubmitError(f"The job was not submitted: {cause}", cause=cause)
    return SubmitOutcomeUnknownError(not_repeated(cause), data=cause.data, cause=cause)


def not_repeated(
    cause: DecartSDKError, job: str = "The job", advice: str = "Check your account before you submit it again."
) -> str:
    """Return the message for a job that may have been accepted: what it may have cost, and what to do about it."""
    return (
        f"{job} may have been accepted, and you may have been charged, so it was not sent again. {advice} "
        f"Reason: {_reason(cause)}."
    )


def process_error(cause: DecartSDKError) -> CallError:
    """Return the error of an image that was not received, which says what it may have cost."""
    cause = cause.with_traceback(None)
    if not outcome_unknown(cause):
        return ProcessingError(f"The image was not made: {cause}", cause=cause)
    return ProcessingOutcomeUnknownError(
        "The image may have been made and billed, so the request was not repeated. Check your account before you ask "
        f"for it again. Reason: {_reason(cause)}.",
        data=cause.data,
        cause=cause,
    )


def _reason(cause: DecartSDKError) -> str:
    """Return what happened, without the advice of an error of its own."""
    if isinstance(cause, APIError) and not 300 <= cause.status_code < 400:  # a redirect says where it leads
        detail = cause.data.get("detail")
        return f"HTTP {cause.status_code}: {detail}" if detail else f"HTTP {cause.status_code}"
    return str(cause.data.get("reason", cause.message)).rstrip(".")


def status_error(job_id: str, cause: DecartSDKError) -> QueueStatusError:
    """Return the error of a status check that failed."""
    cause = cause.with_traceback(None)
    message = f"The status of job {job_id} could not be read: {cause}{_repeat(cause, job_id)}"
    return QueueStatusError(message, cause=cause, job_id=job_id)


def result_error(job_id: str, cause: DecartSDKError) -> QueueResultError:
    """Return the error of a result that could not be fetched."""
    cause = cause.with_traceback(None)
    message = f"The result of job {job_id} could not be fetched: {cause}{_repeat(cause, job_id)}"
    return QueueResultError(message, cause=cause, job_id=job_id)


def _repeat(cause: DecartSDKError, job_id: str) -> str:
    """Return the advice to repeat what is free, if that may help."""
    return f" client.queue.poll({job_id!r}) tries again, free of charge." if repeat_read(cause) else ""


def finished(job: JobStatusResponse) -> JobStatusResponse:
    """Return the status of a job that has finished.

    Raises:
        QueueResultError: It has not.
    """
    if not job.finished:
        raise QueueResultError(
            f"Job {job.job_id} has not finished: it is {job.status}. client.queue.poll({job.job_id!r}) waits for it.",
            job_id=job.job_id,
        )
    return job


def timed_out(poll: JobPoll) -> FailedJob:
    """Return the result of a wait whose deadline passed before the job finished."""
    seen = f"its last status was {poll.status.status}" if poll.status else "its status was never seen"
    trouble = f"; the last status check failed: {poll.last_error}" if poll.last_error else ""
    return FailedJob(
        job_id=poll.job_id,
        timed_out=True,
        model=poll.status.model if poll.status else None,
        elapsed=poll.status.elapsed if poll.status else None,
        error=(
            f"The wait for job {poll.job_id} ended after {poll.policy.timeout:.10g} s; {seen}{trouble}. "
            f"The job may still finish, and is billed: client.queue.poll({poll.job_id!r}) waits for it again."
        ),
    )
