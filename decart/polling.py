"""One wait for a job as a state machine: it observes status checks and says what is next.

::

    poll = JobPoll(job_id="...", started=now)
    poll.observe(status, now)        # -> Wait(seconds), Finished(status) or TimedOut()
    poll.observe_error(error, now)   # -> Wait(seconds), Failed(error) or TimedOut()

It does no I/O, reads no clock, and can be written down as JSON, so a wait may continue in another process.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import attrs

from .errors import DecartSDKError, InvalidInputError, NotFoundError
from .jobs import FINISHED, JobStatusResponse
from .pace import Expectation
from .policies import (
    TICK,
    PollPolicy,
    RetryPolicy,
    next_pause,
    pause,
    repeat_read,
    seconds_until_visible,
)

MISSING = 3
"""Responses of 404 in a row that mean "not visible yet"; the next one is taken at its word."""


@attrs.frozen
class Wait:
    """Check the status again after this many seconds."""

    seconds: float


@attrs.frozen
class Finished:
    """The job has ended, successfully or not."""

    status: JobStatusResponse


@attrs.frozen
class Failed:
    """No status check will succeed."""

    error: DecartSDKError


@attrs.frozen
class TimedOut:
    """The deadline of the wait has passed. The job may still finish."""


NextStep = Wait | Finished | Failed | TimedOut


def _grows(instance: object, attribute: attrs.Attribute[Any], value: Expectation) -> None:
    """Refuse an expectation that is not made of three growing numbers."""
    if not 0 < value.earliest < value.typical < value.latest:
        raise TypeError(f"{value} does not grow")


def _made(kind: type[Any], values: Mapping[str, Any]) -> Any:
    """Make an object from its JSON values, without those that only a newer version of this library knows."""
    if not isinstance(values, Mapping):
        raise TypeError(f"{kind.__name__} is not an object")
    return kind(**{field.name: values[field.name] for field in attrs.fields(kind) if field.name in values})


# A state comes back from wherever the caller kept it.
_a = attrs.validators.instance_of
_or_none: Any = attrs.validators.optional
_number: Any = attrs.validators.and_(_a((int, float)), attrs.validators.gt(-1e15), attrs.validators.lt(1e15))
_count: Any = attrs.validators.and_(_a(int), attrs.validators.ge(0))


@attrs.define(kw_only=True, on_setattr=attrs.setters.NO_OP)
class JobPoll:
    """What one wait for a job has seen so far. All times are seconds on one clock of the caller's choice.

    Attributes:
        job_id: The job.
        started: When the wait began.
        policy: The pauses between status checks, and how long the wait may take.
        retry: The pauses after failed status checks.
        accepted: When the job was accepted, if that is known.
        expectation: How long such jobs take, if that was learned.
        checks: Status checks so far, the failed ones included.
        failures: Failed status checks in a row.
        missing: Responses of 404 in a row.
        status: The last status seen.
        status_changed: Whether the last observation changed it.
        last_running: When the job was last seen running.
        last_error: Why the last status check failed, if it did.
    """

    job_id: str
    started: float = attrs.field(validator=_number)
    policy: PollPolicy = attrs.field(factory=PollPolicy, validator=_a(PollPolicy))
    retry: RetryPolicy = attrs.field(factory=RetryPolicy, validator=_a(RetryPolicy))
    accepted: float | None = attrs.field(default=None, validator=_or_none(_number))
    expectation: Expectation | None = attrs.field(default=None, validator=_or_none(_grows))
    checks: int = attrs.field(default=0, validator=_count)
    failures: int = attrs.field(default=0, validator=_count)
    missing: int = attrs.field(default=0, validator=_count)
    status: JobStatusResponse | None = attrs.field(default=None, validator=_or_none(_a(JobStatusResponse)))
    status_changed: bool = attrs.field(default=False, validator=_a(bool))
    last_running: float | None = attrs.field(default=None, validator=_or_none(_number))
    last_error: str | None = attrs.field(default=None, validator=_or_none(_a(str)))

    def observe(self, status: JobStatusResponse, now: float) -> NextStep:
        """Take note of a status, and say what is next."""
        self.checks += 1
        self.failures = self.missing = 0
        self.last_error = None
        self.status_changed = self.status is None or self.status.status != status.status
        self.status = status
        if status.status in FINISHED:
            return Finished(status)
        self.last_running = now
        if self.expectation is None or self.accepted is None:
            seconds = pause(self.policy, self.checks, random.random())
        else:
            elapsed = now - self.accepted
            seconds = self.expectation.pause(self.policy, check=self.checks, elapsed=elapsed, chance=random.random())
        return self._wait(seconds, now)

    def observe_error(self, error: DecartSDKError, now: float) -> NextStep:
        """Take note of a status check that failed, and say what is next."""
        self.checks += 1
        self.failures += 1
        self.status_changed = False
        self.last_error = str(error).rstrip(".")
        if isinstance(error, NotFoundError):
            self.missing += 1
            if self.missing >= MISSING and not seconds_until_visible(error, now, self.accepted):
                return Failed(error)
        elif not repeat_read(error):
            return Failed(error)
        return self._wait(next_pause(self.retry, self.failures, error), now)

    @cached_property
    def deadline(self) -> float:
        """When the wait ends at the latest."""
        return float("inf") if self.policy.timeout is None else self.started + self.policy.timeout

    def to_json(self) -> dict[str, Any]:
        """Return the state as a dict of JSON values."""
        return attrs.asdict(self)

    @classmethod
    def from_json(cls, state: Mapping[str, Any], job_id: str) -> JobPoll:
        """Return the wait for a job that ``to_json`` wrote down.

        Raises:
            InvalidInputError: The state is not one of that job.
        """
        kinds: dict[str, type] = {
            "policy": PollPolicy,
            "retry": RetryPolicy,
            "expectation": Expectation,
            "status": JobStatusResponse,
        }
        try:
            nested = {name: _made(kind, state[name]) for name, kind in kinds.items() if state[name] is not None}
            poll: JobPoll | None = _made(cls, {**state, **nested})
        except (TypeError, KeyError, ValueError):  # an InvalidInputError of a policy is a ValueError, too
            poll = None
        if poll is None or poll.job_id != job_id:
            raise InvalidInputError(f"state must be the state of the previous step for job {job_id}.", job_id=job_id)
        return poll

    def _wait(self, seconds: float, now: float) -> NextStep:
        left = self.deadline - now
        return TimedOut() if left < TICK else Wait(min(seconds, left))
