"""What a label means for a submit: whether to submit, or which job it names already. Pure functions."""

from __future__ import annotations

import hashlib
import uuid
from typing import Any, Literal

from ..errors import InvalidInputError, SubmitOutcomeUnknownError
from ..inputs import refuse
from .errors import LabelConflictError
from .fingerprints import Request
from .records import JobRecord, State

Step = Literal["submit", "return", "wait", "note refused", "note unknown", "give up"]
"""What to do: submit as the next generation; return the job; wait for the call that is submitting it; note that a call
died before, or while, it was sending; note that a person gave the job up."""

STATUS: dict[State, str] = {"completed": "completed", "delivered": "completed", "failed": "failed"}
"""What the service would say of a job in this state; of the others, "pending"."""

REVISED: dict[str, dict[str, Any]] = {
    "note refused": {"state": "refused", "error": "The call ended while nothing was on its way."},
    "note unknown": {"state": "unknown", "error": "The process ended while it was sending."},
    "give up": {"state": "failed", "error": "Its outcome was unknown, and a person decided to submit another job."},
}
"""What the steps that only change a record write into it."""

ENDED: frozenset[State] = frozenset({"completed", "failed", "delivered"})

MEANT = {"account": "account (another API key)", "origin": "origin (another base URL)"}
"""What it means if something other than the model and its inputs differs."""

LABEL_LIMIT = 200
"""Characters of a label."""


def check_label(label: object) -> str:
    """Return a label as a plain str.

    Raises:
        InvalidInputError: It cannot be a label.
    """
    if not isinstance(label, str) or not label.isprintable() or not label.strip() or len(label) > LABEL_LIMIT:
        raise refuse("label", f"a str of 1 to {LABEL_LIMIT} printable characters, and not only spaces", label)
    return str.__str__(label)


def new_label() -> str:
    """Return the label of a job that the caller gave none."""
    return f"unlabelled-{uuid.uuid4().hex}"


def next_step(
    record: JobRecord | None, request: Request, *, again: bool = False, decided: bool = False, alive: bool = False
) -> Step:
    """Return what to do about a submit with a label.

    Args:
        record: The record of the label's last generation.
        request: What is to be submitted.
        again: Whether the caller wants a job that has ended to be made once more.
        decided: Whether a person decided to give up a job whose outcome is unknown, and to submit another.
        alive: Whether the call that wrote the record last may still act on it.

    Raises:
        LabelConflictError: The label belongs to another request.
        SubmitOutcomeUnknownError: It is not known whether the job exists.
        InvalidInputError: It is to be made again, and has not ended.
    """
    if record is None or record.state == "refused":
        return "submit"
    if record.state == "intended" and not alive:
        return "note refused"
    if differs := request.differences(record):
        raise conflict(record, differs)
    match record.state:
        case "intended":
            return "wait"
        case "sending":
            return "wait" if alive else "note unknown"
        case "unknown" if decided:
            return "give up"
        case "unknown":
            raise unknown(record)
    if record.job_id is None:  # it was given up
        return "submit"
    if not again:
        return "return"
    if record.state not in ENDED:
        raise InvalidInputError(
            f"again: job {record.job_id} of the label {record.label!r} has not ended yet; nothing was sent. Wait for "
            f"it with client.queue.poll({record.job_id!r}) first, or use another label for another job. "
            f"{ending(record.label)}"
        )
    return "submit"


def conflict(record: JobRecord, differs: list[str]) -> LabelConflictError:
    """Return the error for a label that belongs to another request."""
    names = [MEANT.get(name, name) for name in differs]
    what = " and ".join([", ".join(names[:-1]), names[-1]] if names[1:] else names)
    return LabelConflictError(
        f"The label {record.label!r} belongs to another request: {what} {'differ' if names[1:] else 'differs'}. "
        "Nothing was sent; use another label for another job.",
        data={"differs": differs},
        job_id=record.job_id,
    )


def check_ours(record: JobRecord, origin: str, account: str) -> None:
    """Refuse to change a record of another account or service, of which this client can find out nothing.

    Raises:
        LabelConflictError: It is one.
    """
    differs = [name for name, own in (("origin", origin), ("account", account)) if getattr(record, name) != own]
    if not differs:
        return
    how, use = "with another API key", "that key"
    if "origin" in differs:
        how, use = f"to another service ({record.origin})", "that base URL, and the API key of the submit"
    raise LabelConflictError(
        f"The label {record.label!r} was submitted {how}: settle it, or submit it again, with a client that has {use}. "
        "Nothing was changed.",
        data={"differs": differs},
        job_id=record.job_id,
    )


def ending(label: str) -> str:
    """Say how the record of a job ends that the service has deleted."""
    return f"If the service has deleted the job, client.jobs.settle({label!r}, job_id=None) ends its record."


def advice(label: str) -> str:
    """Say what a person does about a label whose outcome is unknown."""
    return (
        f"Check your account, then call client.jobs.settle({label!r}, job_id=...) if the job is there, or "
        f"client.jobs.settle({label!r}, job_id=None) if it is not."
    )


def unknown(record: JobRecord) -> SubmitOutcomeUnknownError:
    """Return the error for a label of which it is not known whether its job exists."""
    label = record.label
    return SubmitOutcomeUnknownError(
        f"The job with the label {label!r} may have been accepted and billed by an earlier submit, so nothing was "
        f"sent. {advice(label)}",
        data={"label": label, "reason": record.error or "the process ended while it was sending"},
    )


def decided(record: JobRecord) -> InvalidInputError:
    """Return the error for a label that leaves nothing to decide."""
    job = f" as job {record.job_id}" if record.job_id is not None else ""
    return InvalidInputError(
        f"The label {record.label!r} is {record.state}{job}: only one whose outcome is unknown can be settled or "
        "submitted again. Nothing was changed."
    )


def default_label(request: Request, index: int) -> str:
    """Return the label of a job that is known by its request and its index: the same in each run of a program."""
    digest = hashlib.blake2b(digest_size=8, person=b"decart-label")
    for name, value in sorted({**request.fingerprint, "model": request.model}.items()):
        digest.update(f"{name}={value};".encode())
    return f"{digest.hexdigest()}-{index}"
