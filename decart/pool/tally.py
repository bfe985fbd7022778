"""Count the jobs of a pool, and the bytes that it receives."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, Literal, Protocol, TypeVar

from ..progress import OnProgress, PoolProgress, Progress

Place = Literal["waiting", "running", "done", "failed"]
T = TypeVar("T")


class Counted(Protocol):
    """A job: where it is counted."""

    place: Place


class Tally:
    """The numbers that a pool reports. Any thread may call it.

    Args:
        changed: Called after each change.
    """

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._lock = threading.Lock()
        self._jobs: dict[Place, int] = {"waiting": 0, "running": 0, "done": 0, "failed": 0}
        self._unread: dict[object, int | None] = {}  # how many jobs each input of a map still has, if that is known
        self._bytes = 0

    def add(self) -> None:
        """Count a job that is to be submitted."""
        with self._lock:
            self._jobs["waiting"] += 1
        self._changed()

    def reading(self, source: Iterator[T], length: int | None) -> Iterator[T]:
        """Yield from the input of a map, and count each job of it; ``length`` is ``None`` if it is not known."""
        key = object()
        try:
            with self._lock:
                self._unread[key] = length
            for item in source:
                with self._lock:
                    self._jobs["waiting"] += 1
                    left = self._unread[key]
                    self._unread[key] = left and left - 1
                self._changed()
                yield item
        finally:
            with self._lock:
                self._unread.pop(key, None)
            self._changed()

    def move(self, job: Counted, place: Place | None) -> None:
        """Count a job elsewhere; ``None``: no longer."""
        with self._lock:
            self._jobs[job.place] -= 1
            if place is not None:
                self._jobs[place] += 1
                job.place = place
        self._changed()

    def receiver(self) -> OnProgress:
        """Return what is called with the progress of one download; what an earlier run received does not count."""
        before: int | None = None

        def receive(progress: Progress) -> None:
            nonlocal before
            received = 0 if before is None else progress.done - before
            before = progress.done
            if received > 0:  # else the download has begun, perhaps once more
                with self._lock:
                    self._bytes += received
                self._changed()

        return receive

    def progress(self) -> PoolProgress:
        """Return the numbers of now."""
        with self._lock:
            jobs, unread = self._jobs.copy(), list(self._unread.values())
            received = self._bytes
        jobs["waiting"] += sum(left or 0 for left in unread)
        return PoolProgress(**jobs, total=None if None in unread else sum(jobs.values()), bytes_received=received)


def length_of(jobs: Any) -> int | None:
    """Return the length of the input of a map; ``None`` if it has none, or does not know it."""
    with suppress(Exception):  # a length that is only shown must not be what ends a map
        return len(jobs)
    return None
