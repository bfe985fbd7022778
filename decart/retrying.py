"""What tenacity is given: attempts that return how they ended, and functions that decide what is next.

tenacity keeps each exception in a reference cycle with the frames of the attempt, and each of its objects refers to
itself. So it gets outcomes instead of exceptions, and everything that belongs to a call is released after it: otherwise
connections, files and request bodies would stay around until the next garbage collection.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar, cast

import attrs
from tenacity import RetryCallState

from .errors import DecartSDKError
from .policies import FAILURES

T = TypeVar("T")


@attrs.define
class Outcome(Generic[T]):
    """How one attempt ended."""

    value: T | None = None
    error: BaseException | None = None

    def unwrap(self) -> T:
        """Return the value, or raise the error."""
        error, self.error = self.error, None  # this frame becomes part of the error's traceback
        if error is None:
            return cast(T, self.value)
        try:
            raise error
        finally:
            del error


@attrs.define
class Sleep:
    """How tenacity sleeps, until it is released."""

    function: Callable[[float], Any]

    def __call__(self, seconds: float) -> Any:
        return self.function(seconds)

    def release(self) -> None:
        """Forget the call."""
        del self.function


@attrs.define
class RetryLoop:
    """What tenacity asks after each attempt: one function decides whether there is another one, and when.

    Attributes:
        pause_after: Called with the error of an attempt; returns seconds, or ``None`` to let the error end the call.
        on_retry: Called before each pause with the error, the number of attempts so far and the seconds.
        sleep: Waits for that long.
    """

    pause_after: Callable[[DecartSDKError], float | None]
    on_retry: Callable[[DecartSDKError, int, float], None]
    sleep: Sleep
    _seconds: float | None = attrs.field(default=None, init=False)

    def release(self) -> None:
        """Forget the call."""
        del self.pause_after, self.on_retry
        self.sleep.release()

    def repeats(self, state: RetryCallState) -> bool:
        """Return whether there is another attempt."""
        error = outcome_of(state).error
        self._seconds = self.pause_after(error) if isinstance(error, FAILURES) else None
        return self._seconds is not None

    def wait(self, state: RetryCallState) -> float:
        """Return the seconds until then."""
        return self._seconds or 0.0

    def report(self, state: RetryCallState) -> None:
        """Report the pause that begins."""
        error = outcome_of(state).error
        assert isinstance(error, FAILURES)
        self.on_retry(error, state.attempt_number, state.upcoming_sleep)


def outcome_of(state: RetryCallState) -> Outcome[Any]:
    """Return how the attempt ended that tenacity asks about."""
    assert state.outcome is not None
    outcome: Outcome[Any] = state.outcome.result()
    return outcome
