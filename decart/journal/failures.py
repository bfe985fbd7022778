"""What a client says when a submit, or the record of one, has failed: which label and job it was, and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from copy import copy
from typing import TypeVar

from ..errors import APIError, DecartSDKError, NotFoundError, QueueStatusError, SubmitOutcomeUnknownError
from ..outcomes import not_repeated
from .errors import JournalError, LabelBusyError
from .labels import advice, ending
from .records import JobRecord

E = TypeVar("E", bound=DecartSDKError)


def no_job(error: JournalError, record: JobRecord | None) -> JournalError:
    """Return the error of a journal that could not be used before a job was accepted, which says so.

    Args:
        record: What the call has written so far.
    """
    if isinstance(error, LabelBusyError):
        return error
    is_first = record is None or record.revision == 0  # a refusal is written
    what = "Nothing was sent." if is_first else "The submit was refused before, and is not repeated: there is no job."
    return _with_message(error, f"{error.message} {what}")


def busy(record: JobRecord, waited: float) -> LabelBusyError:
    """Return the error for a label that another call is still submitting."""
    return LabelBusyError(
        f"Another thread or process ({record.owner}) has been submitting the label {record.label!r} for "
        f"{waited:.0f} s; nothing was sent by this call."
    )


def not_recorded(job_id: str, cause: DecartSDKError) -> JournalError:
    """Return the error for a job that is being paid for, and whose id could not be written."""
    return JournalError(
        f"Job {job_id} was accepted and is billed. Wait for it with client.queue.poll({job_id!r}); its id is recorded "
        f"with the next use of the journal. The journal could not record it yet: {cause}",
        cause=cause,
        job_id=job_id,
    )


def name_label(error: BaseException, label: str) -> None:
    """Have the error of a submit whose outcome is unknown say which label it was, and how to settle it."""
    if isinstance(error, SubmitOutcomeUnknownError) and error.cause is not None:
        error.message = not_repeated(error.cause, f"The job with the label {label!r}", advice(label))
        error.args = (error.message,)
        error.data["label"] = label
        return
    with suppress(Exception):  # an exception that takes no attributes
        error.add_note(f"The label of the job is {label!r}. {advice(label)}")


def left_unwritten(unwritten: Mapping[tuple[str, int], JobRecord], error: Exception) -> str:
    """Say which submits a closed client leaves whose end its journal does not know."""
    records = list(unwritten.values())
    submits = ", ".join(f"{each.label!r} ({f'job {each.job_id}' if each.job_id else each.state})" for each in records)
    return (
        f"the client is closed, and the journal could not record how these submits ended: {submits}. Settle them with "
        f"client.jobs.settle(label, job_id=...), and the refused ones with job_id=None. Reason: {error}"
    )


def gone(error: E, label: str) -> E:
    """Return the error of a status check; if the service does not have the job, it says how to end its record."""
    if not isinstance(error, QueueStatusError) or not isinstance(error.cause, NotFoundError):
        return error
    return _with_message(error, f"{error.message} {ending(label)}")


def kind_of(error: BaseException) -> str:
    """Return what went wrong, without a word of the inputs."""
    cause = error.cause if isinstance(error, DecartSDKError) else None
    status = f", HTTP {cause.status_code}" if isinstance(cause, APIError) else ""
    reason = "" if cause is None else f" ({type(cause).__name__}{status})"
    return f"{type(error).__name__}{reason}"


def _with_message(error: E, message: str) -> E:
    """Return a copy of an error with another message."""
    changed = copy(error)
    changed.message, changed.args = message, (message,)
    return changed
