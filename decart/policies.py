"""When to ask again, how long to wait, and when to stop: three questions, answered by pure functions.

Two policies, because two things repeat. ``RetryPolicy`` asks "did this exchange fail in a way worth repeating?".
``PollPolicy`` asks "is the job finished?". Both are bounded by one ``Deadline``, which clips every sleep and every
timeout, so that no wait outlives it by more than the request under way.

What is worth repeating depends on what a repeat costs. Reading is free. A submit is billed, so its POST is repeated
only when it surely was not accepted:

=========================================  ================  ==========================
the exchange ended with                    reading (GET)     submitting (POST)
=========================================  ================  ==========================
no connection made                         again             again
a configuration that cannot work           never             never
silence or a reset after that              again             never: outcome unknown
429, or 503 with Retry-After               again             again
425                                        again             never
408, other 5xx but 501                     again             never: outcome unknown
a 2xx that cannot be read                  again             never: outcome unknown
101, 3xx                                   never             never: outcome unknown
any other status                           never             never
=========================================  ================  ==========================

tenacity is the only loop: the functions below are its ``retry``, ``wait`` and ``stop``, for ``Retrying`` and
``AsyncRetrying`` alike. A server's ``Retry-After`` beats the backoff, never the deadline.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import attrs

from .errors import (
    APIError,
    ConfigurationError,
    RateLimitError,
    ResponseError,
    TransportError,
)
from .inputs import real, refuse

if TYPE_CHECKING:
    from tenacity import RetryCallState

    from .reporter import Reporter

LAST_REQUEST = 1.0  # seconds that a request gets even when the deadline is nearer: less would only fail
TICK = 0.001  # seconds that do not count: a clock that wakes us a hair early must not cause one more sleep


MOST_SECONDS = 2_000_000.0
"""The longest pause or time limit: 23 days. Sockets and events cannot wait for much longer."""

LONGEST_RETRY_AFTER = 86_400.0
"""The longest that a server may keep us waiting, in seconds: a day. What is longer is a mistake of its clock."""


def _number(least: float, most: float = MOST_SECONDS) -> Any:
    """Return a validator: a number from ``least`` to ``most``."""

    def check(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= most:
            rule = f"a number, {least:.10g} to {most:.10g}"
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


def _is_bool(instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if not isinstance(value, bool):
        raise refuse(f"{type(instance).__name__}: {attribute.name}", "True or False", value)


_or_none: Any = attrs.validators.optional


@attrs.frozen(kw_only=True)
class RetryPolicy:
    """How an exchange that failed is repeated.

    Attributes:
        attempts: How often it is tried in all; 1 for no repeat.
        interval: Seconds before the first repeat, and the least before any.
        backoff: What each further wait is multiplied by.
        max_interval: Seconds that no wait of ours exceeds (a server's Retry-After may).
        jitter: The share of a wait, 0 to 1, that chance may take off it, so that clients do not come back in step.
        timeout: Seconds after which no new attempt of one call is begun; ``None`` for no such limit. It cuts nothing
            that is under way. A wait for a job has its own limit, ``PollPolicy.timeout``, instead.

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
    """How a wait for a job asks for its status.

    Attributes:
        interval: Seconds between the first two looks.
        backoff: What each further pause is multiplied by; 1.0 for a constant interval.
        max_interval: Seconds that no pause exceeds (a server's Retry-After may, and ``learn``).
        jitter: The share of a pause, 0 to 1, that chance may take off it.
        timeout: Seconds from the accepted submit (or from the call of ``poll``) until the wait ends; ``None`` to wait
            for as long as it takes.
        learn: Whether the client learns how long jobs of a model and size take, to look rarely while a job cannot be
            done (pauses of up to 4 times ``max_interval``) and closely when it is about to be; see `decart.pace`.
            A constant interval stays constant.
    """

    interval: float = attrs.field(default=0.5, converter=_real, validator=_number(0.01))
    backoff: float = attrs.field(default=1.5, converter=_real, validator=_number(1, 100))
    max_interval: float = attrs.field(default=2.0, converter=_real, validator=_number(0.01))
    jitter: float = attrs.field(default=0.1, converter=_real, validator=_number(0, 1))
    timeout: float | None = attrs.field(default=600.0, converter=_real_or_none, validator=_or_none(_number(0)))
    learn: bool = attrs.field(default=True, validator=_is_bool)


Pace = RetryPolicy | PollPolicy
"""What has the four numbers of a growing pause."""


class Deadline:
    """A moment on a transport's clock that a call must not outlive."""

    __slots__ = ("at", "_now")

    def __init__(self, at: float, now: Callable[[], float]) -> None:
        self.at, self._now = at, now

    @classmethod
    def after(cls, seconds: float | None, now: Callable[[], float]) -> Deadline:
        """Return the moment so many seconds from now; never, for ``None``."""
        return cls(float("inf") if seconds is None else now() + seconds, now)

    def remaining(self) -> float:
        """Return the seconds left, 0 when it has passed."""
        return max(0.0, self.at - self._now())

    def passed(self) -> bool:
        """Say whether the moment has come."""
        return self.remaining() < TICK

    def clip(self, seconds: float) -> float:
        """Return ``seconds``, or what is left when that is less."""
        return min(seconds, self.remaining())

    def for_request(self) -> float:
        """Return the seconds that a request begun now may take."""
        return max(self.remaining(), LAST_REQUEST)


def pause(pace: Pace, turn: int, chance: float = 0.0) -> float:
    """Return the seconds to wait after the ``turn``-th attempt (from 1); ``chance`` is 0 to 1.

    Example:
        >>> [pause(PollPolicy(), turn) for turn in (1, 2, 3, 4, 5)]
        [0.5, 0.75, 1.125, 1.6875, 2.0]
    """
    grown = pace.interval * pace.backoff ** min(turn - 1, 100)
    return min(grown, pace.max_interval) * (1 - pace.jitter * chance)


def retry_after(error: BaseException | None, pace: Pace) -> float | None:
    """Return the seconds that the server asked for; ``None`` if it did not, or what it said is no number.

    It is at most a day, and never less than the pace's first pause.
    """
    asked = real(getattr(error, "retry_after", None))
    if isinstance(asked, bool) or not isinstance(asked, (int, float)) or asked != asked:  # not a number, in floats' way
        return None
    return max(min(asked, LONGEST_RETRY_AFTER), pace.interval)


def repeat_read(error: BaseException) -> bool:
    """Say whether an exchange that only reads is worth repeating."""
    if isinstance(error, APIError):
        return error.status_code in (408, 425, 429) or (error.status_code >= 500 and error.status_code != 501)
    return isinstance(error, (TransportError, ResponseError)) and not isinstance(error, ConfigurationError)


def repeat_submit(error: BaseException) -> bool:
    """Say whether a submit surely was not accepted, so that repeating it cannot bill twice."""
    if isinstance(error, APIError):
        return isinstance(error, RateLimitError) or (error.status_code == 503 and error.retry_after is not None)
    if isinstance(error, ConfigurationError):
        return False
    return isinstance(error, TransportError) and not error.may_have_been_sent


def outcome_unknown(error: BaseException) -> bool:
    """Say whether a submit that ended like this may have been accepted all the same."""
    if isinstance(error, APIError):
        refused = 400 <= error.status_code < 500 and error.status_code != 408
        return not refused and error.status_code != 501 and not repeat_submit(error)
    return isinstance(error, ResponseError) or (isinstance(error, TransportError) and error.may_have_been_sent)


def retrying(
    policy: RetryPolicy,
    deadline: Deadline,
    repeat: Callable[[BaseException], bool],
    reporter: Reporter,
    job_id: str | None = None,
) -> Mapping[str, Any]:
    """Return tenacity's settings for one exchange, about a job if it has an id yet.

    It stops after ``attempts``, at the deadline, or when the server asks for a longer wait than the deadline allows.
    """

    def worth(state: RetryCallState) -> bool:
        error = error_of(state)
        return error is not None and repeat(error)

    def wait(state: RetryCallState) -> float:
        asked = retry_after(error_of(state), policy)
        own = pause(policy, state.attempt_number, random.random())
        return deadline.clip(own if asked is None else asked)

    def stop(state: RetryCallState) -> bool:
        asked = retry_after(error_of(state), policy) or 0.0
        return state.attempt_number >= policy.attempts or deadline.passed() or asked > deadline.remaining()

    def say(state: RetryCallState) -> None:
        turn = state.attempt_number
        reporter.retry(f"attempt {turn} failed", job_id, error_of(state), turn, state.upcoming_sleep)

    return {"retry": worth, "wait": wait, "stop": stop, "reraise": True, **hooks(say, reporter)}


def hooks(say: Callable[[RetryCallState], None], reporter: Reporter) -> Mapping[str, Any]:
    """Return tenacity's hooks, as few as can be: those that do nothing cost an event loop as much as the others."""
    return {"before": None, "after": None, "before_sleep": say if reporter.listens else None}


def error_of(state: RetryCallState) -> BaseException | None:
    """Return what an attempt failed with, if it did."""
    return state.outcome.exception() if state.outcome is not None else None
