"""Idle connections of a urllib3 pool, kept so that an interrupt at any moment does no harm.

urllib3 keeps them in a `queue.LifoQueue`. An exception from a signal handler (Ctrl-C, a Celery time limit) that arrives
inside its lock leaves that locked for good, and every later call waits for ever: about once in 500 interrupts. So a
pool of ours gets this container instead, whose operations are single steps of a `collections.deque`.

It also keeps fewer promises to stale connections. A connection that is closed is dropped, since the object may
hold half of a request that was interrupted; so is one that was idle for longer than `FRESH` seconds, since a NAT or
load balancer may have forgotten it. No caller ever waits for a connection.
"""

from __future__ import annotations

import queue
import time
from collections import deque
from contextlib import suppress
from typing import Any

import urllib3

from .base import FRESH, KEPT_CONNECTIONS


class IdleConnections(queue.LifoQueue[Any]):
    """The newest idle connections of one pool.

    It is a `queue.LifoQueue` for those who ask, such as VCR, and replaces all that urllib3 calls of one.
    """

    def __init__(self, most: int = KEPT_CONNECTIONS) -> None:
        self._kept: deque[tuple[Any, float]] = deque()
        self._most = most
        self._closed = False
        super().__init__()

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        """Return the connection that was used last.

        Raises:
            queue.Empty: There is none, and the pool is to open one.
        """
        while True:
            try:
                connection, since = self._kept.pop()
            except IndexError:
                raise queue.Empty from None
            if time.monotonic() - since < FRESH:
                return connection
            connection.close()

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        """Keep a connection if it is open and not too many are kept; ``None`` stands for none."""
        if item is None:
            return
        if not item.is_closed and len(self._kept) < self._most and not self._closed:
            self._kept.append((item, time.monotonic()))
        else:
            item.close()

    def qsize(self) -> int:
        """Return how many can be reused now."""
        return sum(time.monotonic() - since < FRESH for _, since in list(self._kept))

    def close(self) -> None:
        """Close all of them, and those that are in use when they come back."""
        self._closed = True
        while self._kept:
            self._kept.pop()[0].close()

    def __del__(self) -> None:
        with suppress(AttributeError):  # it was interrupted as it was made
            self.close()


def keep_safely(pool: urllib3.HTTPConnectionPool, most: int = KEPT_CONNECTIONS) -> IdleConnections:
    """Give a pool this container, unless it has one, and return it."""
    kept = pool.pool  # not a documented name; see the module
    if not isinstance(kept, IdleConnections):
        pool.pool = kept = IdleConnections(most)
    return kept
