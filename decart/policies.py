"""When to try again, how long to wait, and when to stop: pure functions and two policies.

``RetryPolicy`` asks "is this exchange worth repeating?", ``PollPolicy`` asks "is the job finished?". Both have a
deadline, which clips every pause and every timeout, so no call outlives it by more than one request.

What is worth repeating depends on what a repeat costs. Reading is free. A submit and an image are billed, so they are
repeated only if they certainly were not accepted:

=========================================  ================  ==========================
the exchange ended with                    reading (GET)     submitting (POST)
=========================================  ================  ==========================
no connection                              retry             retry
a configuration error                      never             never
silence or a reset after that              retry             never: outcome unknown
429, or 503 with Retry-After               retry             retry
425                                        retry             never
408, other 5xx except 501                  retry             never: outcome unknown
a 2xx response that cannot be read         retry             never: outcome unknown
101, 3xx                                   never             never: outcome unknown
404 of a job accepted less than 30 s ago   retry             never
any other status                           never             never
=========================================  ================  ==========================

tenacity is the only loop, from the first attempt on. After each attempt it asks one function for the pause before the
next: `Exchange.pause_after` here, `decart.polling.JobPoll` for a wait, `decart.downloads.Download` for a download.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import attrs

from .errors import (
    APIError,
    ConfigurationError,
    NotFoundError,
    RateLimitError,
    ResponseError,
    TransportError,
)
from .inputs import real, refuse

FAILURES = (APIError, ResponseError, TransportError)
"""How an exchange ends that has no value."""

LAST_REQUEST = 1.0
"""Seconds that a request gets even if the deadline is nearer: with less it could only fail."""

TICK = 0.001
"""Seconds that do not count: a clock that wakes us slightly early must not cause one more pause."""

MOST_SECONDS = 2_000_000.0
"""The longest pause or time limit: 23 days. Sockets and events cannot wait for much longer."""

LONGEST_RETRY_AFTER = 86_400.0
"""The longest pause that a server may ask for, in seconds: a day. Anything longer is a mistake of its clock."""

VISIBLE_AFTER = 30.0
"""Seconds after its submit during which a 404 means that a job is not visible yet."""


def _number(least: float, most: float = MOST_SECONDS) -> Any:
    """Return a validator: a number from ``least`` to ``most``."""

    def check(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= most:
            rule = f"a number from {least:.10g} to {most:.10g}"
            raise refuse(f"{type(instance).__name__}: {attribute.name}", rule, value)

    return check


def _real(value: float) -> float:
    number: float = real(value)
    return number


def _count(value: int) -> int:
    number: int = real(value)
    return number


def _real_or_none(value: float | None) -> float | None:
    return None if value is None else _real(value)


_or_none: Any = attrs.validators.optional


@attrs.frozen(kw_only=True)
class RetryPolicy:
    """How a failed exchange is repeated.

    Attributes:
        attempts: Attempts in all; 1 to never retry. They do not count where a job that this client submitted less than
            30 s ago is not found (404): the service may not show it yet, so that is retried until then.
        interval: Seconds before the first retry, and the least before any.
        backoff: Factor by which each further pause grows.
        max_interval: The longest pause in seconds (a server's Retry-After may be longer).
        jitter: The share of a pause, 0 to 1, that is randomly taken off, so that clients do not retry in step.
        timeout: Seconds after which no further attempt of a call begins; ``None`` for no limit. It does not interrupt
            an attempt. A wait for a job is bounded by ``PollPolicy.timeout`` instead.

    Example:
        >>> import attrs
        >>> patient = attrs.evolve(RetryPolicy(), attempts=8)
    """

    attempts: int = attrs.field(default=4, converter=_count, validator=_number(1, 1000))
    interval: float = attrs.field(default=0.5, converter=_real, validator=_number(0.01))
    backoff: float = attrs.field(default=2.0, converter=_real, validator=_number(1, 100))
    max_interval: float = attrs.field(default=8.0, converter=_real, validator=_number(0.01))
    jitter: float = attrs.field(default=0.25, converter=_real, validator=_number(0, 1))
    timeout: float | None = attrs.field(default=120.0, converter=_real_or_none, validator=_or_none(_number(0)))


@attrs.frozen(kw_only=True)
class PollPolicy:
    """How a wait checks the status of its job.

    A policy that you pass is followed to the letter. A client without one starts from these defaults and learns how
    long jobs of a model and size take: it checks rarely while a job cannot be done yet, and often when it is about to
    be done; see `decart.pace`.

    Attributes:
        interval: Seconds between the first two status checks.
        backoff: Factor by which each further pause grows; 1.0 for a constant interval.
        max_interval: The longest pause in seconds (a server's Retry-After may be longer).
        jitter: The share of a pause, 0 to 1, that is randomly taken off.
        timeout: Seconds from the accepted submit (or from the call of ``poll``) until the wait ends; ``None`` to wait
            for as long as it takes.
    """

    interval: float = attrs.field(default=0.5, converter=_real, validator=_number(0.01))
    backoff: float = attrs.field(default=1.5, converter=_real, validator=_number(1, 100))
    max_interval: float = attrs.field(default=2.0, converter=_real, validator=_number(0.01))
    jitter: float = attrs.field(default=0.1, converter=_real, validator=_number(0, 1))
    timeout: float | None = attrs.field(default=600.0, converter=_real_or_none, validator=_or_none(_number(0)))


Backoff = RetryPolicy | PollPolicy
"""What has the four numbers of a growing pause."""


def pause(policy: Backoff, turn: int, chance: float = 0.0) -> float:
    """Return the seconds to wait after the ``turn``-th attempt (from 1).

    Args:
        chance: How much of the jitter is taken off, 0 to 1.

    Example:
        >>> [pause(PollPolicy(), turn) for turn in (1, 2, 3, 4, 5)]
        [0.5, 0.75, 1.125, 1.6875, 2.0]
    """
    grown = policy.interval * policy.backoff ** min(turn - 1, 100)
    return min(grown, policy.max_interval) * (1 - policy.jitter * chance)


def retry_after(error: BaseException | None, policy: Backoff) -> float | None:
    """Return the seconds that the server asked for, if it did: at most a day, at least the policy's first pause."""
    asked = real(getattr(error, "retry_after", None))
    if isinstance(asked, bool) or not isinstance(asked, (int, float)) or asked != asked:  # NaN is not equal to itself
        return None
    return max(min(asked, LONGEST_RETRY_AFTER), policy.interval)


def next_pause(policy: Backoff, turn: int, error: BaseException | None) -> float:
    """Return the seconds to wait after the ``turn``-th attempt: what the server asked for, or our own pause."""
    asked = retry_after(error, policy)
    return pause(policy, turn, random.random()) if asked is None else asked


def repeat_read(error: BaseException) -> bool:
    """Return whether an exchange that only reads is worth repeating."""
    if isinstance(error, APIError):
        return error.status_code in (408, 425, 429) or (error.status_code >= 500 and error.status_code != 501)
    return isinstance(error, (TransportError, ResponseError)) and not isinstance(error, ConfigurationError)


def repeat_submit(error: BaseException) -> bool:
    """Return whether a submit certainly was not accepted, so that repeating it cannot bill twice."""
    if isinstance(error, APIError):
        return isinstance(error, RateLimitError) or (error.status_code == 503 and error.retry_after is not None)
    if isinstance(error, ConfigurationError):
        return False
    return isinstance(error, TransportError) and not error.may_have_been_sent


def outcome_unknown(error: BaseException) -> bool:
    """Return whether a submit that ended like this may have been accepted."""
    if isinstance(error, APIError):
        refused = 400 <= error.status_code < 500 and error.status_code != 408
        return not refused and error.status_code != 501 and not repeat_submit(error)
    return isinstance(error, ResponseError) or (isinstance(error, TransportError) and error.may_have_been_sent)


@attrs.define(kw_only=True)
class Exchange:
    """One exchange and its retries. All times are seconds on one clock of the caller's choice.

    Attributes:
        policy: How it is repeated.
        started: When it began.
        repeat: Whether an error is worth repeating: ``repeat_read`` or ``repeat_submit``.
        failures: Attempts that failed so far.
    """

    policy: RetryPolicy
    started: float
    repeat: Callable[[BaseException], bool]
    failures: int = 0

    def pause_after(self, error: BaseException, now: float, accepted: float | None = None) -> float | None:
        """Return the seconds until the next attempt; ``None`` if there is none.

        There is none after ``policy.attempts``, past the deadline, or if the server asks for a longer pause than the
        deadline allows.

        Args:
            accepted: When the job that it is about was accepted, if that is known.
        """
        self.failures += 1
        left = float("inf") if self.policy.timeout is None else self.started + self.policy.timeout - now
        asked = retry_after(error, self.policy) or 0.0
        if invisible := seconds_until_visible(error, now, accepted):
            left = min(left, invisible)
        elif not self.repeat(error) or self.failures >= self.policy.attempts or asked > left:
            return None
        return None if left < TICK else min(next_pause(self.policy, self.failures, error), left)


def seconds_until_visible(error: BaseException, now: float, accepted: float | None) -> float:
    """Return in how many seconds a job that a 404 is about must be visible; 0 if the 404 is to be believed."""
    return 0.0 if accepted is None or not isinstance(error, NotFoundError) else max(0.0, accepted + VISIBLE_AFTER - now)
