# Generated from decart/_async by scripts/unasync.py. Do not edit.
"""What a person has found out about a submit whose outcome is unknown."""

from __future__ import annotations

from functools import partial
from typing import Any

from ..errors import InvalidInputError, NotFoundError, QueueStatusError
from ..journal.labels import check_ours, decided
from ..journal.records import UNFINISHED, JobRecord
from .backend import in_thread
from .operations import Operations
from .recorder import Recorder


def settle(
    operations: Operations, recorder: Recorder, record: JobRecord, job_id: str | None
) -> JobRecord:
    """Write a job, or none, into the record of a label whose outcome is unknown; see ``client.jobs.settle``."""
    check_ours(record, recorder.origin, recorder.account)
    label, changes = record.label, dict[str, Any]()
    if job_id is None and record.state in UNFINISHED and record.job_id is not None:
        if _exists(operations, record.job_id):
            raise InvalidInputError(
                f"The label {label!r} has job {record.job_id}, which the service knows. Nothing was changed."
            )
        changes = {"state": "failed", "error": "The service no longer has this job.", "due_at": None, "poll": None}
    elif record.state != "unknown":
        raise decided(record)
    elif job_id is None:
        changes = {"state": "refused", "error": None}
    else:
        _check_found(operations, recorder, job_id, label)
        changes = {"state": "accepted", "job_id": job_id, "error": None}
    settled = record.changed(recorder.now(), owner="", **changes)
    recorder.write(settled)
    return settled


def _check_found(operations: Operations, recorder: Recorder, job_id: str, label: str) -> None:
    """Refuse an id that a person cannot have found for a label whose outcome is unknown."""
    known = in_thread(partial(recorder.journal.by_job, job_id))
    if known is not None:
        raise InvalidInputError(f"Job {job_id} is that of the label {known.label!r}; {label!r} is still unknown.")
    if not _exists(operations, job_id):
        raise InvalidInputError(f"The service has no job {job_id!r} for this key; {label!r} is still unknown.")


def _exists(operations: Operations, job_id: str) -> bool:
    """Return whether the service has a job."""
    try:
        operations.engine.status(job_id)
    except QueueStatusError as error:
        if isinstance(error.cause, NotFoundError):
            return False
        raise
    return True
