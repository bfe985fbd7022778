"""What a scheduler does about a job that is advanced step by step, perhaps by several schedulers. Pure functions.

The record counts the steps, and each step returns a token for the next one. When a task is delivered twice, the chain
of steps forks, and only one branch has the token of the current step. The other one cannot know whether that branch is
alive. So it comes back once, when the next step is overdue: it takes over if that step was not made, and ends
otherwise. The clocks of two machines may differ, so a clock decides when to come back, and never which branch ends.

A sweep has no token. It helps whoever is late, and what it does is not counted until the job has ended.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs

from ..arguments import check_policy
from ..errors import (
    DecartSDKError,
    InvalidInputError,
    NotFoundError,
    QueueResultError,
    QueueSubmitError,
)
from ..inputs import refuse
from ..policies import (
    TICK,
    PollPolicy,
    RetryPolicy,
    next_pause,
    repeat_read,
    repeat_submit,
    seconds_until_visible,
)
from ..polling import Failed, JobPoll, NextStep, TimedOut, Wait
from ..progress import is_async
from .files import files_named
from .records import UNFINISHED, JobRecord

SLACK = 10.0
"""Seconds that a step may be late before another scheduler makes it."""

LOOK_AGAIN = 30.0
"""Seconds until the next step if another call has the job, or if the caller's code or disk has failed."""

ODD_PAUSE = 60.0
"""Seconds between two status checks while they fail in a way that a person has to mend, such as HTTP 401."""

PATIENCE = 600.0
"""Seconds after the deadline, or in all for a job that had ended before, during which ``on_done`` may fail."""

LATE_FAILURES = 20
"""Failures in a row of status checks and downloads, from which on the deadline ends the steps."""

_TOKEN = re.compile(r"(\d{1,15})\.(\d{1,15})\.([01])\.(\d{1,15})", re.ASCII)


@attrs.frozen(kw_only=True)
class Token:
    """What a scheduler knows of a job when it makes the next step.

    Attributes:
        generation: The generation of the record.
        number: The steps that had been made by then.
        is_late: Whether another scheduler was faster before. If it is again, this one ends.
        failures: Failures in a row that no record counts: of the submit, or of ``on_done`` for a job that has ended.
    """

    generation: int
    number: int = 0
    is_late: bool = False
    failures: int = 0

    def __str__(self) -> str:
        return f"{self.generation}.{self.number}.{self.is_late:d}.{self.failures}"

    @property
    def has_job(self) -> bool:
        """Whether the label had a job already, so that a step with this token must not submit another."""
        return self.number > 0 or self.failures == 0

    @classmethod
    def after(cls, record: JobRecord, failures: int = 0) -> Token:
        """Return the token for the step that follows a record."""
        return cls(generation=record.generation, number=record.steps, failures=failures)

    @classmethod
    def parse(cls, text: object) -> Token:
        """Return the token that a step has returned as text.

        Raises:
            InvalidInputError: It is not a token.
        """
        match = _TOKEN.fullmatch(text) if isinstance(text, str) else None
        if match is None:
            raise refuse("token", "the token of the previous step", text)
        generation, number, is_late, failures = map(int, match.groups())
        return cls(generation=generation, number=number, is_late=bool(is_late), failures=failures)


@attrs.frozen(kw_only=True)
class JobStep:
    """The outcome of one step, and when the next one is due.

    Attributes:
        record: The record of the job after the step; ``None`` while another call is submitting the job.
        wait: Seconds until the next step; ``None`` if there is none.
        token: What to pass to the next step.
        error: Why this step failed, or why the job is not waited for any longer.
        superseded: Whether the job is left to another scheduler, which has made this step or submitted the label anew.
    """

    record: JobRecord | None
    wait: float | None = None
    token: str | None = None
    error: Exception | None = None
    superseded: bool = False


def not_now(record: JobRecord, token: Token | None, now: float) -> JobStep | None:
    """Return what a scheduler does that must not make a step now: it comes back later, or ends.

    Args:
        token: What it knows; ``None`` for a scheduler that is new to the job.
        now: The UNIX time.

    Returns:
        ``None`` if it makes the step.
    """
    seconds = LOOK_AGAIN if record.due_at is None else seconds_until(record.due_at, record, now)
    late = str(Token(generation=record.generation, number=record.steps, is_late=True))
    if token is None or not token.has_job:  # one that only saw refusals is as good as new
        return JobStep(record=record, wait=seconds, token=late) if record.due_at is not None and seconds else None
    if token.generation == record.generation:
        if token.number == record.steps:
            return None
        if token.number + 1 == record.steps and not (token.is_late or has_ended(record)):
            return JobStep(record=record, wait=seconds + SLACK, token=late)
    return JobStep(record=record, superseded=True)


def seconds_until(due_at: float, record: JobRecord, now: float) -> float:
    """Return the seconds until a step is due: at most the pause that was written, if clocks differ."""
    return max(min(due_at - now, due_at - record.updated_at), 0.0)


def has_ended(record: JobRecord) -> bool:
    """Return whether there is no next step: the job has ended, or its last step was made before it did."""
    return record.due_at is None and (record.state not in UNFINISHED or record.poll is not None)


def may_submit(record: JobRecord | None, token: Token | None, label: str) -> bool:
    """Return whether a step that has the options of a job submits it, or compares them with what was submitted.

    Args:
        record: The last record of the label.

    Raises:
        InvalidInputError: The label had a job when the token was returned, and the journal does not have it.
    """
    if token is None:
        return True
    if not token.has_job:
        return record is None or record.job_id is None
    if record is None or (record.generation, record.job_id is not None) < (token.generation, True):
        raise InvalidInputError(
            f"The label {label!r} had a job when this token was returned, and the journal does not have it. Nothing "
            "was sent, since that job may be billed. Let all workers use the same journal. If the record was pruned, "
            "and you want another job, make a step without the token."
        )
    return False


def turn_of(record: JobRecord) -> tuple[object, ...]:
    """Return what stays the same as long as nobody acts on a job, and only its status is noted."""
    return record.generation, record.steps, record.due_at, record.owner, record.state


def is_due(record: JobRecord, now: float) -> bool:
    """Return whether a sweep makes a step of a job: of one that was written in the future, too, by another clock."""
    if record.state not in UNFINISHED:
        return False
    if record.due_at is None:
        return record.poll is None
    return record.due_at <= now or record.updated_at > now + SLACK


def pause_before_submit(error: DecartSDKError, retry: RetryPolicy, failures: int) -> float | None:
    """Return the seconds until the next submit after so many failures; ``None`` if it must not be repeated."""
    cause = error.cause if isinstance(error, QueueSubmitError) else None
    return next_pause(retry, failures, cause) if cause is not None and repeat_submit(cause) else None


def pause_before_download(error: Exception, retry: RetryPolicy, poll: JobPoll, now: float) -> float | None:
    """Return the seconds until the next attempt to save a video; ``None`` if the service does not have it."""
    cause = error.cause if isinstance(error, QueueResultError) else None
    if isinstance(cause, NotFoundError):
        return next_pause(retry, poll.failures, cause) if seconds_until_visible(cause, now, poll.accepted) else None
    is_transient = cause is not None and repeat_read(cause)
    return next_pause(retry, poll.failures, cause) if is_transient else LOOK_AGAIN


def after_failure(poll: JobPoll, seconds: float, now: float) -> Wait | TimedOut:
    """Return the pause after a failure, unless the deadline has passed and there were many.

    A queue may have stood still until long after the deadline, and one bad response must not decide about a paid job.
    """
    left = poll.deadline - now
    if left >= TICK:
        return Wait(min(seconds, left))
    return Wait(max(seconds, LOOK_AGAIN)) if poll.failures < LATE_FAILURES else TimedOut()


def after_failed_check(poll: JobPoll, found: Failed | TimedOut, error: DecartSDKError, now: float) -> NextStep:
    """Return what follows a status check that failed: nothing, if the service does not know the job."""
    if isinstance(found, Failed):
        return found if isinstance(found.error, NotFoundError) else after_failure(poll, ODD_PAUSE, now)
    return after_failure(poll, next_pause(poll.retry, poll.failures, error), now)


def no_job(record: JobRecord | None, label: str) -> InvalidInputError:
    """Return the error for a step of a label that has no job."""
    what = "is not in the journal" if record is None else f"is {record.state}, and has no job"
    return InvalidInputError(f"The label {label!r} {what}: pass its options, too, and the step submits it.")


def not_ours(label: str) -> InvalidInputError:
    """Return the error for a step of a job that this client cannot see."""
    return InvalidInputError(
        f"The label {label!r} is that of a job of another account or service: use the key that submitted it."
    )


FileOf = Callable[[JobRecord], Any]
Store = Callable[[JobRecord, Path], str]
OnDone = Callable[[JobStep], object]
SaveTo = str | os.PathLike[str] | FileOf


@attrs.frozen(kw_only=True)
class StepArguments:
    """What to do with the jobs that steps advance; see ``client.jobs.step``.

    Attributes:
        file_of: Returns the file that a video is saved to.
        store: Stores a video elsewhere.
        on_done: Called when a job has ended.
        poll: The policy of the wait.
    """

    file_of: FileOf | None = None
    store: Store | None = None
    on_done: OnDone | None = None
    poll: PollPolicy | None = None


def step_arguments(
    save_to: SaveTo | None,
    store: Store | None,
    on_done: OnDone | None,
    poll: PollPolicy | None,
    *,
    many: bool,
    awaited: bool,
) -> StepArguments:
    """Check the arguments of a step.

    Args:
        many: Whether they are those of a sweep, whose files must differ.
        awaited: Whether it is the async client that was called.

    Raises:
        InvalidInputError: One of them cannot be used.
    """
    if save_to is not None and store is not None:
        raise InvalidInputError("save_to and store exclude each other: a video is kept in one place.")
    for name, given in (("store", store), ("on_done", on_done)):
        if given is not None and not callable(given):
            raise refuse(name, "a function", given)
    if is_async(store):
        raise InvalidInputError(
            "store is a coroutine function; pass a plain one. The async client calls it in a thread."
        )
    if is_async(on_done) and not awaited:
        raise InvalidInputError("on_done is a coroutine function; only the async client can await it.")
    if poll is not None:
        check_policy(poll)
    file_of = save_to if save_to is None or callable(save_to) else files_named(save_to, many=many)
    return StepArguments(file_of=file_of, store=store, on_done=on_done, poll=poll)
