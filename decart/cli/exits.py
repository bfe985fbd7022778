"""What the exit codes mean."""

from __future__ import annotations

from enum import IntEnum

from ..errors import (
    AuthenticationError,
    DecartSDKError,
    InvalidAPIKeyError,
    InvalidBaseURLError,
    InvalidInputError,
    JobFailedError,
    JobTimeoutError,
    ModelNotFoundError,
    ProcessingOutcomeUnknownError,
    SubmitOutcomeUnknownError,
)
from ..journal.errors import LabelConflictError


class Exit(IntEnum):
    """An exit code of every command."""

    DONE = 0
    ERROR = 1
    USAGE = 2
    TIMED_OUT = 3
    KEY_REFUSED = 4
    JOB_FAILED = 5
    OUTCOME_UNKNOWN = 6
    INTERRUPTED = 130
    TERMINATED = 143


MEANINGS = {
    Exit.DONE: "done",
    Exit.ERROR: "another error",
    Exit.USAGE: "the command line, or an input, cannot be used; nothing was sent",
    Exit.TIMED_OUT: "the wait timed out, and the job continues; its id is printed",
    Exit.KEY_REFUSED: "the API key is missing or was refused",
    Exit.JOB_FAILED: "the job failed",
    Exit.OUTCOME_UNKNOWN: "a submit has an unknown outcome, and may have been billed",
    Exit.INTERRUPTED: "interrupted by Ctrl-C; a job that was submitted continues",
    Exit.TERMINATED: "ended by SIGTERM, likewise",
}

_CODES: tuple[tuple[type[DecartSDKError] | tuple[type[DecartSDKError], ...], Exit], ...] = (
    ((SubmitOutcomeUnknownError, ProcessingOutcomeUnknownError), Exit.OUTCOME_UNKNOWN),
    (JobTimeoutError, Exit.TIMED_OUT),
    (JobFailedError, Exit.JOB_FAILED),
    ((AuthenticationError, InvalidAPIKeyError), Exit.KEY_REFUSED),
    ((InvalidInputError, InvalidBaseURLError, LabelConflictError, ModelNotFoundError), Exit.USAGE),
)
"""The code of each class of errors; of an error and its causes, the first row that fits any of them counts."""


def code_of(error: DecartSDKError) -> Exit:
    """Return the exit code of an error.

    Example:
        >>> code_of(JobFailedError("The job failed.")).name
        'JOB_FAILED'
    """
    chain = [error]
    while chain[-1].cause is not None:
        chain.append(chain[-1].cause)
    return next((code for kinds, code in _CODES for each in chain if isinstance(each, kinds)), Exit.ERROR)


def described() -> str:
    """Return the exit codes with their meanings, for ``--help``."""
    return "exit codes:\n" + "".join(f"  {code:>3}  {meaning}\n" for code, meaning in MEANINGS.items())
