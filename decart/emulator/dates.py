"""Dates on the emulator's clock, which may start anywhere and may be virtual."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime


class Dates:
    """The current date, which moves with the emulator's clock.

    Args:
        now: The emulator's clock, in seconds.

    Example:
        >>> Dates(VirtualClock().now).text()
        '2026-09-01T12:00:00Z'
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._start = time.time() - now()

    def now(self) -> float:
        """Return the seconds since 1970."""
        return self._start + self._now()

    def text(self, moment: float | None = None) -> str:
        """Return a moment, by default now, in ISO 8601 format in UTC, rounded to seconds."""
        date = datetime.fromtimestamp(round(self.now() if moment is None else moment), UTC)
        return date.strftime("%Y-%m-%dT%H:%M:%SZ")
