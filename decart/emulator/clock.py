"""A clock that stands still until somebody sleeps: ten minutes pass in no time."""

from __future__ import annotations

import threading
import time


class VirtualClock:
    """Time that only ``sleep`` and ``advance`` move.

    Attributes:
        sleeps: Every sleep so far, in seconds: the schedule that a test reads.

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
        """Return the seconds since the clock was made."""
        return self._now

    def time(self) -> float:
        """Return the UNIX time, as far as it has moved since the clock was made."""
        return self._started + self._now

    def sleep(self, seconds: float, cancel: threading.Event | None = None) -> None:
        """Let so many seconds pass, or none if ``cancel`` is set."""
        if cancel is None or not cancel.is_set():
            with self._lock:
                self.sleeps.append(seconds)
                self._now += seconds

    def advance(self, seconds: float) -> None:
        """Let so many seconds pass that nobody slept, such as those of a slow answer."""
        with self._lock:
            self._now += seconds
