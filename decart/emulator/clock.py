"""The time: of a virtual clock, which a sleep advances without waiting, and as a date."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime

from ..transports.base import SystemClock


class VirtualClock:
    """A clock that only ``sleep`` and ``advance`` move.

    Attributes:
        sleeps: Every sleep so far, in seconds.

    Example:
        >>> clock = VirtualClock()
        >>> clock.sleep(600)
        >>> clock.now()
        600.0
    """

    def __init__(self) -> None:
        self.sleeps: list[float] = []
        self._now = 0.0
        self._started = time.time()
        self._lock = threading.Lock()

    def now(self) -> float:
        """Return the seconds since the clock was created."""
        return self._now

    def time(self) -> float:
        """Return the UNIX time at which the clock was created, plus the seconds since."""
        return self._started + self._now

    def sleep(self, seconds: float, cancel: threading.Event | None = None) -> None:
        """Record a sleep and advance the clock by it, unless ``cancel`` is set."""
        if cancel is None or not cancel.is_set():
            with self._lock:
                self.sleeps.append(seconds)
                self._now += seconds

    def advance(self, seconds: float) -> None:
        """Advance the clock without recording a sleep, for example during a slow response."""
        with self._lock:
            self._now += seconds


Clock = SystemClock | VirtualClock
"""The source of time."""


def iso_date(moment: float) -> str:
    """Return a UNIX time in ISO 8601 format in UTC, in whole seconds that have passed.

    Example:
        >>> iso_date(0)
        '1970-01-01T00:00:00Z'
    """
    return datetime.fromtimestamp(int(moment), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
