"""What both queues check before an exchange and say after it: each sentence once, for the sync and the async client."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from inspect import iscoroutinefunction
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypedDict

from .errors import (
    APIError,
    DecartSDKError,
    InvalidInputError,
    QueueError,
    QueueResultError,
    QueueStatusError,
    QueueSubmitError,
    ResponseError,
    SubmitOutcomeUnknownError,
    TransportError,
    WaitCancelledError,
)
from .inputs import JobInput, refuse
from .jobs import JobStatusResponse
from .log import log
from .options import JobOptions, OnStatusChange, callback_of, check_callback
from .policies import PollPolicy, outcome_unknown
from .transports.base import Event

if TYPE_CHECKING:
    import threading

    from .progress import OnProgress, ShowProgress
    from .results import QueueJobResult


def check_wait(callback: OnStatusChange | None, policy: object, cancel: object, *, awaited: bool) -> None:
    """Refuse what would fail only after the submit, when it has cost money.

    Raises:
        InvalidInputError: An argument of a wait cannot be used.
    """
    check_callback(callback)
    if policy is not None and not isinstance(policy, PollPolicy):
        raise refuse("policy", "a PollPolicy", policy)
    kind = "a threading.Event or an asyncio.Event" if awaited else "a threading.Event"
    if cancel is not None and not callable(getattr(cancel, "is_set", None)):
        raise refuse("cancel", kind, cancel)
    if awaited:
        return
    if iscoroutinefunction(callback):
        raise InvalidInputError("on_status_change is a coroutine function; only the async client can await it.")
    wait = getattr(cancel, "wait", None)
    if cancel is not None and (not callable(wait) or iscoroutinefunction(wait)):
        raise refuse("cancel", kind, cancel)


def check_order(
    options: JobOptions | JobInput,
    callback: OnStatusChange | None,
    policy: object,
    cancel: Event | None,
    *,
    awaited: bool,
) -> OnStatusChange | None:
    """Do the same for a wait that a submit begins, and return the callback, which may be among the options.

    Raises:
        InvalidInputError: An argument of the wait cannot be used.
        WaitCancelledError: The wait is over before it has begun.
    """
    callback = callback_of(options, callback)
    check_wait(callback, policy, cancel, awaited=awaited)
    if cancel is not None and cancel.is_set():
        raise WaitCancelledError("The wait was cancelled before the job was submitted; nothing was sent.")
    return callback


def check_progress(callback: OnProgress | None, *, awaited: bool) -> OnProgress | None:
    """Return the callback as a transfer may call it: from any thread.

    Raises:
        InvalidInputError: It cannot be called, or only by an event loop.
    """
    if callback is None:
        return None
    from .progress import callable_anywhere

    return callable_anywhere(callback, awaited=awaited)


class _WaitArguments(TypedDict, total=False):
    on_status_change: OnStatusChange | None
    policy: PollPolicy | None
    progress: ShowProgress | None


class WaitArguments(_WaitArguments, total=False):
    """The keyword arguments that the overloads of ``poll`` and ``submit_and_poll`` have in common."""

    cancel: threading.Event | None


class AsyncWaitArguments(_WaitArguments, total=False):
    """The same for the async client."""

    cancel: Event | None


class Shown(NamedTuple):
    """Who is told how a call gets on: of bytes, and of each look at the job."""

    told: OnProgress | None
    looked: Callable[[JobStatusResponse], None] | None = None


@contextmanager
def showing(progress: ShowProgress | None) -> Iterator[Shown]:
    """Give who is to be told: the caller's callback; or a bar, for True, which goes when the call ends.

    Raises:
        MissingExtraError: There is nothing to draw a bar with.
    """
    if progress is True:
        from .integrations.progress_bar import Bar

        with Bar() as bar:
            yield Shown(bar.moved, bar.looked)
    else:
        yield Shown(None if progress is False else progress)


Saving = tuple[Path, "OnProgress | None"]
"""Where a video goes that is not wanted in memory, and who is told how far it is."""


def check_saving(path: str | os.PathLike[str] | None, progress: OnProgress | None, *, awaited: bool) -> Saving | None:
    """Check where a video is to go, before a job is paid for; None for the memory.

    Raises:
        InvalidInputError: Nothing can be written there, or ``progress`` cannot be called.
    """
    if path is not None:
        return check_download(path, progress, awaited=awaited)
    check_progress(progress, awaited=awaited)
    return None


def check_download(path: str | os.PathLike[str], progress: OnProgress | None, *, awaited: bool) -> Saving:
    """Check where a video is to go.

    Raises:
        InvalidInputError: Nothing can be written there, or ``progress`` cannot be called.
    """
    from .partfile import check_target

    return check_target(path), check_progress(progress, awaited=awaited)


def saved(result: QueueJobResult) -> Path:
    """Return where a video is.

    Raises:
        JobFailedError: The job failed, and there is none.
    """
    result.raise_for_status()
    assert result.path is not None
    return result.path


def finished(job: JobStatusResponse) -> JobStatusResponse:
    """Return the status if it is a last one.

    Raises:
        QueueResultError: It is not.
    """
    if not job.finished:
        raise QueueResultError(
            f"Job {job.job_id} has not finished: it is {job.status}. client.queue.poll({job.job_id!r}) waits for it.",
            job_id=job.job_id,
        )
    return job


@contextmanager
def submitting() -> Iterator[None]:
    """Say that it was the submit that failed, and what that may have cost."""
    try:
        yield
    except (APIError, ResponseError, TransportError) as cause:
        if outcome_unknown(cause):
            raise SubmitOutcomeUnknownError(
                "The job may have been accepted, and you may have been charged, so it was not sent again. Check your "
                f"account before you submit it again. Reason: {_reason(cause)}.",
                data=cause.data,
                cause=cause,
            ) from cause
        raise QueueSubmitError(f"The job was not submitted: {cause}", cause=cause) from cause
    except Exception:
        raise
    except BaseException as error:  # Ctrl-C, or the task was cancelled
        _advise(
            error,
            "The submit ended before its response came. The job may have been accepted, and you may have been charged: "
            "check your account before you submit it again.",
        )
        raise


def _reason(cause: DecartSDKError) -> str:
    """Return what happened, without the advice to try again, which would cost money here."""
    if isinstance(cause, APIError) and not 300 <= cause.status_code < 400:  # a redirect says where it leads
        detail = cause.data.get("detail")
        return f"HTTP {cause.status_code}: {detail}" if detail else f"HTTP {cause.status_code}"
    return str(cause.data.get("reason", cause.message)).rstrip(".")


def asking(job_id: str) -> AbstractContextManager[None]:
    """Say that it was the status that could not be read."""
    return _blamed(QueueStatusError, f"The status of job {job_id} could not be read", job_id)


def fetching(job_id: str) -> AbstractContextManager[None]:
    """Say that it was the result that could not be fetched."""
    return _blamed(QueueResultError, f"The result of job {job_id} could not be fetched", job_id)


@contextmanager
def _blamed(kind: type[QueueError], doing: str, job_id: str) -> Iterator[None]:
    """Wrap the reason in the error of the verb, which carries the job's id."""
    try:
        yield
    except (APIError, ResponseError, TransportError) as cause:
        raise kind(f"{doing}: {cause}", cause=cause, job_id=job_id) from cause


def resumable(job_id: str) -> AbstractContextManager[None]:
    """Make sure that whatever ends a wait tells how to resume it."""
    return _advised(
        job_id, f"The wait for job {job_id} ended; the job goes on. Resume with client.queue.poll({job_id!r})."
    )


def fetchable(job_id: str) -> AbstractContextManager[None]:
    """Make sure that whatever ends a download tells how to fetch the video."""
    return _advised(
        job_id,
        f"The download of job {job_id} ended early; the job is done. Fetch its video with "
        f"client.queue.download({job_id!r}, path).",
    )


@contextmanager
def _advised(job_id: str, advice: str) -> Iterator[None]:
    """Give whatever ends the block (Ctrl-C, a cancelled task, a callback's exception) a note with advice."""
    try:
        yield
    except BaseException as error:
        if getattr(error, "job_id", None) != job_id:  # else it says so itself
            _advise(error, advice)
        raise


def _advise(error: BaseException, advice: str) -> None:
    log.warning("%s", advice)
    getattr(error, "add_note", str)(advice)  # Python 3.11 has notes
