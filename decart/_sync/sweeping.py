# Generated from decart/_async by scripts/unasync.py. Do not edit.
"""Make the next step of every job of the journal that is due: from cron, or every few seconds from a task queue."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator

from ..errors import ClientClosedError
from ..journal.errors import JournalError
from ..journal.jobstep import JobStep
from ..journal.records import JobRecord
from .stepping import Stepper
from .workers import Worker, abandon, join, start_worker


class Sweep:
    """One pass over the unfinished jobs of an account.

    Passes that overlap, in any processes, share the work: each takes the jobs in a random order, and a job that another
    pass has just dealt with is not due any more.

    Args:
        seconds: No step begins later than this.
    """

    def __init__(self, stepper: Stepper, now: Callable[[], float], seconds: float) -> None:
        self._stepper, self._now, self._until = stepper, now, now() + seconds
        self._due: Iterator[JobRecord] = iter(())
        self._steps: list[JobStep] = []
        self._error: BaseException | None = None

    def run(self, records: Iterable[JobRecord], workers: int) -> list[JobStep]:
        """Make the steps that are due, of some jobs, in some threads or tasks."""
        due = [record for record in records if self._stepper.is_due(record)]
        random.shuffle(due)
        self._due = iter(due)
        running: list[Worker] = []
        try:
            any(
                start_worker(self._work, running, "decart-sweep") for _ in due[:workers]
            )  # until there are no more threads
            for worker in running:
                join(worker)
        finally:
            self._until = float("-inf")  # whatever ends this call, no further step begins
            abandon(running)
        if self._error is not None:
            raise self._error
        return self._steps

    def _work(self) -> None:
        """Make one step after another."""
        while self._now() < self._until and (record := next(self._due, None)) is not None:
            try:
                step = self._stepper.advance(record.label)
            except BaseException as error:
                if isinstance(error, Exception) and not isinstance(error, (JournalError, ClientClosedError)):
                    step = JobStep(record=record, error=error)  # it says nothing about the other jobs
                else:
                    self._error, self._until = error, float("-inf")
                    return
            if step is not None:
                self._steps.append(step)
