"""The public keys that client tokens are signed with, as the clients of a program remember them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any

import attrs

from .errors import DecartSDKError

KEPT = 3600.0
"""Seconds for which keys are used before they are fetched again."""

AGAIN = 30.0
"""The least number of seconds between two fetches because of an unknown key id."""


class Next(Enum):
    """What to do about a key id."""

    USE = "use the key that the cache has, if it has one"
    FETCH = "fetch the keys"
    WAIT = "wait for a fetch that is under way"


@attrs.define(eq=False)
class KeyCache:
    """The keys by their id, and when they were fetched. All times are seconds on the transport's clock.

    Keys are fetched at first use and once an hour. A token with an unknown key id may be forged, or signed with a key
    that was published since; so it causes a fetch, too, but at most one every 30 s, however many such tokens there are.

    Attributes:
        keys: Key id -> key.
        fetched: When they were last received.
        attempted: When they were last asked for.
        pending: Whether the response is still awaited.
        failure: Why the last attempt failed, if it did.
    """

    keys: Mapping[str, Any] = attrs.field(factory=dict, repr=False)
    fetched: float = float("-inf")
    attempted: float = float("-inf")
    pending: bool = False
    failure: DecartSDKError | None = None

    def next_step(self, key_id: str, now: float) -> Next:
        """Say what to do about a key id."""
        fresh = now - self.fetched < KEPT
        if fresh and key_id in self.keys:
            return Next.USE
        recent = now - self.attempted < AGAIN
        if self.pending and recent:  # an attempt of another process, before a fork, never ends here
            return Next.WAIT
        return Next.USE if fresh and recent else Next.FETCH

    def start(self, now: float) -> None:
        """Note that the keys are being fetched."""
        self.attempted, self.pending, self.failure = now, True, None

    def finish(self, keys: Mapping[str, Any], now: float) -> None:
        """Take the keys that were received."""
        self.keys, self.fetched, self.pending = keys, now, False

    def fail(self, cause: DecartSDKError | None) -> None:
        """Note that they could not be fetched."""
        self.failure, self.pending = cause, False

    def abandon(self) -> None:
        """Note that the call that fetched them was interrupted, so that the next one may try at once."""
        self.attempted, self.pending = float("-inf"), False
