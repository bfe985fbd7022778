"""What is next for a job that is advanced step by step, by any number of schedulers at once. Pure functions.

The record counts the steps, and each step gives the scheduler a token for the next one. So a chain of steps that was
forked, because a task was delivered twice, ends by itself: only one of its branches has the token of the current step.
A branch that is one step behind cannot know whether the other one is alive: it looks again once the next step is
overdue, and takes over if nothing has happened. No clock is asked about it, since those of two machines may differ.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import attrs

from ..arguments import check_policy
from ..errors import InvalidInputError
from ..inputs import refuse
from ..policies import PollPolicy
from .records import UNFINISHED, JobRecord
from .reports import files_named

SLACK = 10.0
"""Seconds that a step may be late before somebody else looks after it."""

LOOK_AGAIN = 30.0
"""Seconds until a job is looked up again that another call is submitting or waiting for."""


@attrs.frozen(kw_only=True)
class Token:
    """Which step of which submit is next.

    Attributes:
        generation: The generation of the record.
        number: How many steps were made.
        seen: How many steps the record had when this branch fell behind.
        refusals: How often the submit was refused so far.
    """

    generation: int
    number: int = 0
    seen: int | None = None
    refusals: int = 0

    def __str__(self) -> str:
        seen = "" if self.seen is None else self.seen
        return f"{self.generation}.{self.number}.{seen}.{self.refusals}"

    @classmethod
    def parse(cls, text: str) -> Token:
        """Return the token that a step has given.

        Raises:
            InvalidInputError: It is none.
        """
        try:
            generation, number, seen, refusals = (int(part) if part else None for part in text.split("."))
            if generation is None or number is None or refusals is None:
                raise ValueError
        except (AttributeError, ValueError):
            raise refuse("token", "the token of the step before", text) from None
        return cls(generation=generation, number=number, seen=seen, refusals=refusals)


@attrs.frozen(kw_only=True)
class JobStep:
    """What one step has found, and when the next one is due.

    Attributes:
        record: The record of the job, as it is now; ``None`` if it has none yet, because another call is submitting it.
        wait: Seconds until the next step; ``None`` if there is none.
        token: Pass it to the next step.
        error: Why this step achieved nothing, or why there is no other one.
        superseded: Whether somebody else makes the steps of this job, so that there is nothing more to do here.
    """

    record: JobRecord | None
    wait: float | None = None
    token: str | None = None
    error: Exception | None = None
    superseded: bool = False


@attrs.frozen
class Act:
    """What to do now.

    Attributes:
        kind: Make the step; come back later; or leave the job to others.
        seconds: Until then.
        token: For then.
    """

    kind: Literal["act", "later", "leave"]
    seconds: float = 0.0
    token: Token | None = None


def next_act(record: JobRecord, token: Token | None, now: float) -> Act:
    """Return what a scheduler does that has come to a job with a token, or with none.

    Args:
        now: The UNIX time.
    """
    seconds = LOOK_AGAIN if record.due_at is None else max(record.due_at - now, 0.0)
    later = Token(generation=record.generation, number=record.steps - 1, seen=record.steps)
    if token is None:
        return Act("act") if record.due_at is None or not seconds else Act("later", seconds, later)
    if token.generation != record.generation:
        return Act("leave")
    if record.steps in (token.number, token.seen):
        return Act("act")
    if token.seen is None and token.number + 1 == record.steps and not has_ended(record):
        return Act("later", seconds + SLACK, later)
    return Act("leave")


def has_ended(record: JobRecord) -> bool:
    """Return whether there is no next step: the job has ended, or its steps were given up."""
    return record.due_at is None and (record.state not in UNFINISHED or record.poll is not None)


def is_due(record: JobRecord, now: float) -> bool:
    """Return whether a sweep makes a step of an unfinished job."""
    return record.poll is None if record.due_at is None else record.due_at <= now


def no_job(record: JobRecord | None, label: str) -> InvalidInputError:
    """Return the error for a step of a label that has no job."""
    what = "is not in the journal" if record is None else f"is {record.state}, and has no job"
    return InvalidInputError(f"The label {label!r} {what}: pass its options, too, and the step submits it.")


FileOf = Callable[[JobRecord], Any]
Store = Callable[[JobRecord, Path], str]
OnDone = Callable[[JobStep], object]
SaveTo = str | os.PathLike[str] | FileOf


@attrs.frozen(kw_only=True)
class StepArguments:
    """What is done with the jobs that steps advance; see ``client.jobs.step``.

    Attributes:
        file_of: Returns the file of a video.
        store: Keeps a video in place of that.
        on_done: Called when a job has ended.
        poll: The policy of the wait.
    """

    file_of: FileOf | None = None
    store: Store | None = None
    on_done: OnDone | None = None
    poll: PollPolicy | None = None


def step_arguments(
    save_to: SaveTo | None, store: Store | None, on_done: OnDone | None, poll: PollPolicy | None, *, many: bool
) -> StepArguments:
    """Check the arguments of a step, or of a sweep of many jobs.

    Raises:
        InvalidInputError: One of them cannot be used.
    """
    if save_to is not None and store is not None:
        raise InvalidInputError("save_to and store exclude each other: a video is kept in one place.")
    for name, given in (("store", store), ("on_done", on_done)):
        if given is not None and not callable(given):
            raise refuse(name, "a function", given)
    if poll is not None:
        check_policy(poll)
    file_of = save_to if save_to is None or callable(save_to) else files_named(save_to, many=many)
    return StepArguments(file_of=file_of, store=store, on_done=on_done, poll=poll)
