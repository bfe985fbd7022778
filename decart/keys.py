"""The public keys that client tokens are signed with, as the clients of a program remember them."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from enum import Enum
from typing import Any
from weakref import WeakSet

import attrs

from .errors import DecartSDKError

KEPT = 3600.0
"""Seconds for which keys are used before they are fetched again."""

AGAIN = 30.0
"""The least number of seconds between two fetches that an unknown key id or an outage causes."""

_lock = threading.RLock()  # of all caches, for a few instructions; a signal handler may need it in between
_caches: WeakSet[KeyCache] = WeakSet()


def _reset_after_fork() -> None:  # pragma: no cover - it runs in child processes only
    """Forget what other threads of the parent were doing: holding the lock, and fetching keys."""
    global _lock
    _lock = threading.RLock()
    for cache in list(_caches):
        if cache.pending:
            cache.abandon()


if hasattr(os, "register_at_fork"):  # pragma: no branch - Windows has no fork
    os.register_at_fork(after_in_child=_reset_after_fork)


class Next(Enum):
    """What to do about a key id."""

    USE = "use the key that the cache has, if it has one"
    FETCH = "fetch the keys"
    WAIT = "wait for a fetch that is under way"


@attrs.define(eq=False)
class KeyCache:
    """The keys by their id, and when they were fetched. All times are seconds on the transport's clock.

    Any number of threads may use it: of those that need the keys at the same time, one is told to fetch them.

    Keys are fetched at first use and once an hour. A token with an unknown key id may be forged, or signed with a key
    that was published since; so it causes a fetch, too, but at most one every 30 s, however many such tokens there are.

    A fetch that failed, which may take a minute in an outage, is not repeated for 30 s. Then one call tries again;
    meanwhile all others that need the keys share the failure, and none waits.

    Attributes:
        keys: Key id -> key.
        fetched: When they were last received.
        attempted: When they were last asked for.
        pending: Whether the response is still awaited.
        failure: Why the last completed attempt failed, if it did.
        failed: When it failed.
    """

    keys: Mapping[str, Any] = attrs.field(factory=dict, repr=False)
    fetched: float = float("-inf")
    attempted: float = float("-inf")
    pending: bool = False
    failure: DecartSDKError | None = None
    failed: float = float("-inf")

    def __attrs_post_init__(self) -> None:
        _caches.add(self)

    def next_step(self, key_id: str, now: float) -> Next | DecartSDKError:
        """Say what to do about a key id; an error says why nothing can be decided.

        Whoever is told to fetch the keys must call ``finish``, ``fail`` or ``abandon``.
        """
        with _lock:
            fresh, recent = now - self.fetched < KEPT, now - self.attempted < AGAIN
            pending = self.pending and recent
            if fresh and key_id in self.keys:
                return Next.USE
            if self.failure is not None and (pending or now - self.failed < AGAIN):
                return self.failure
            if pending:
                return Next.WAIT
            if fresh and recent:
                return Next.USE
            self.attempted, self.pending = now, True
            return Next.FETCH

    def finish(self, keys: Mapping[str, Any], now: float) -> None:
        """Take the keys that were received."""
        with _lock:
            self.keys, self.fetched, self.pending, self.failure = keys, now, False, None

    def fail(self, cause: DecartSDKError | None, now: float) -> None:
        """Note that they could not be fetched."""
        with _lock:
            self.failure, self.failed, self.pending = cause, now, False

    def abandon(self) -> None:
        """Note that the call that fetched them was interrupted, so that the next one may try at once."""
        with _lock:
            self.attempted, self.pending = float("-inf"), False
