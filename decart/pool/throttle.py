"""How a pool slows down when the service asks for it, and speeds up again. All times are seconds on the caller's clock.

``SubmitWindow`` bounds the jobs in flight as TCP bounds its segments: additive increase, multiplicative decrease.
``RetryBudget`` keeps an outage from multiplying traffic: each repeated exchange takes a token, and few come back while
nothing succeeds.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs

from ..errors import APIError, DecartSDKError
from ..policies import Exchange, next_pause, repeat_submit

THROTTLED = (429, 503)
"""The statuses that mean "slow down"."""

MOST_TOKENS = 10.0
TOKENS_PER_SECOND = 1.0
FOR_A_SUCCESS = 0.1
FOR_A_REPEATED_SUCCESS = 2.0
"""Tokens that come back; more than one for a repeat, so that repeats double in each round once an outage is over."""

LONGEST_DELAY = 30.0
"""Seconds that an empty budget may delay a repeat by: a paid job is never forgotten."""


@attrs.define
class SubmitWindow:
    """How many jobs may be in flight.

    Attributes:
        most: The most there may ever be.
        size: The most there may be now.
        threshold: Below this size, the window grows by 1 for each accepted submit; above, by 1 for each window.
    """

    most: int
    size: float = attrs.field(init=False)
    threshold: float = attrs.field(init=False)
    _begun: int = attrs.field(default=0, init=False)
    _first_of_round: int = attrs.field(default=0, init=False)
    _grew: bool = attrs.field(default=True, init=False)

    def __attrs_post_init__(self) -> None:
        self.size = self.threshold = float(self.most)

    def begin(self) -> int:
        """Return the number of a submit that begins now."""
        self._begun += 1
        return self._begun - 1

    def accepted(self) -> None:
        """Take note of a submit that the service accepted."""
        self._grew = True
        self.size = min(self.size + (1.0 if self.size < self.threshold else 1.0 / self.size), float(self.most))

    def refused(self, number: int, in_flight: int) -> None:
        """Take note of a submit that the service refused for now.

        The window is halved once for all submits that were under way at the same time. If it is halved repeatedly
        without an accepted submit in between, the threshold stays, so that the window soon recovers from an outage.
        """
        if number < self._first_of_round:
            return
        self._first_of_round = self._begun
        self.size = max(1.0, min(self.size, float(in_flight)) / 2)
        if self._grew:
            self._grew, self.threshold = False, self.size


@attrs.define
class RetryBudget:
    """How many exchanges may be repeated."""

    tokens: float = MOST_TOKENS
    _at: float = 0.0

    def ready_at(self, due: float, now: float) -> float:
        """Return when a repeat that is due at some time may begin, as far as is known now."""
        self.tokens = min(MOST_TOKENS, self.tokens + max(0.0, now - self._at) * TOKENS_PER_SECOND)
        self._at = max(self._at, now)
        if self.tokens >= 1:
            return now
        return min(now + (1 - self.tokens) / TOKENS_PER_SECOND, due + LONGEST_DELAY)

    def take(self) -> None:
        """Take note of a repeat that begins."""
        self.tokens = max(0.0, self.tokens - 1)

    def succeeded(self, *, repeat: bool) -> None:
        """Take note of an exchange that succeeded."""
        self.tokens = min(MOST_TOKENS, self.tokens + (FOR_A_REPEATED_SUCCESS if repeat else FOR_A_SUCCESS))


def is_throttled(error: DecartSDKError) -> bool:
    """Return whether the service asks to slow down."""
    return isinstance(error, APIError) and error.status_code in THROTTLED


@attrs.define(kw_only=True)
class SubmitRetries(Exchange):
    """The attempts of one submit. One that was refused for now, and so not billed, is repeated however often that is.

    The attempts and the timeout of the policy count for other failures, and anew after each refusal.

    Attributes:
        refusals: How often it was refused for now.
    """

    repeat: Callable[[BaseException], bool] = repeat_submit
    refusals: int = 0

    def pause_after(self, error: BaseException, now: float, accepted: float | None = None) -> float | None:
        """Return the seconds until the next attempt; ``None`` if there is none."""
        if not (isinstance(error, APIError) and repeat_submit(error)):
            return Exchange.pause_after(self, error, now, accepted)
        self.refusals += 1
        self.started, self.failures = now, 0
        return next_pause(self.policy, self.refusals, error)
