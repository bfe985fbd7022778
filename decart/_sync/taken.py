# Generated from decart/_async by scripts/unasync.py. Do not edit.
"""The jobs that a ``map`` of a pool has taken from its input."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from itertools import count
from typing import Any

from ..jobs import QueueJobResult
from .pooljob import PoolJob
from .workers import Future, Mailbox


class TakenJobs:
    """Takes jobs from an iterator as they are needed, and returns their futures as they end.

    Args:
        source: Yields the options of each job.
        begin: Adds a job to the pool, with its options, its index, and what to call when it has ended.
        most: How many jobs are taken at most whose futures were not returned.
        ordered: Whether the futures are returned in the order of the jobs.
    """

    def __init__(
        self,
        source: Iterator[Any],
        begin: Callable[[Any, int, Callable[[], None]], PoolJob],
        most: int,
        *,
        ordered: bool,
    ) -> None:
        self._source: Iterator[Any] | None = source
        self._begin, self._most, self._ordered = begin, most, ordered
        self._numbers = count()
        self._jobs: dict[int, PoolJob] = {}
        self._ended: Mailbox[int] = Mailbox()
        self._early: set[int] = set()  # jobs that have ended before their turn
        self._failure: Exception | None = None

    def next(self) -> Future[QueueJobResult] | None:
        """Return the next future, once its job has ended; ``None`` after the last one.

        Raises:
            Exception: What the source raised, once all futures are returned.
        """
        self._fill()
        if not self._jobs:
            if self._failure is not None:
                raise self._failure
            return None
        if self._ordered:
            index = next(iter(self._jobs))
            while index not in self._early:
                self._early.add(self._ended.get())
            self._early.remove(index)
        else:
            index = self._ended.get()
        future = self._jobs.pop(index).future
        if not future.cancelled() and (error := future.exception()) is not None:
            with suppress(Exception):  # an exception that takes no notes
                error.add_note(f"This is the job with index {index} of a map.")
        return future

    def drop(self) -> None:
        """Cancel the jobs whose submit has not begun."""
        self._source = None
        for job in self._jobs.values():
            job.is_dropped = True

    def _fill(self) -> None:
        while self._source is not None and len(self._jobs) < self._most:
            try:
                options = next(self._source)
            except StopIteration:
                self._source = None
            except Exception as error:
                self._source, self._failure = None, error
            else:
                index = next(self._numbers)
                self._jobs[index] = self._begin(options, index, partial(self._ended.put_nowait, index))
