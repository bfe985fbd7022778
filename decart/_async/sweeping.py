"""Make the next step of every job of the journal that is due: from cron, or every few seconds from a task queue."""

from __future__ import annotations

import random
from collections.abc import Collection

from ..errors import DecartSDKError
from ..journal.jobstep import JobStep, is_due
from ..journal.records import JobRecord
from .recorder import AsyncRecorder
from .stepping import AsyncStepper
from .workers import Worker, join, start_worker


class AsyncSweep:
    """One pass over the unfinished jobs of an account.

    Several passes at once, in any processes, share the work: each takes the jobs in an order of its own, and a job that
    another one has just dealt with is not due any more.

    Args:
        seconds: No step begins later than this.
    """

    def __init__(self, stepper: AsyncStepper, recorder: AsyncRecorder, seconds: float) -> None:
        self._stepper, self._recorder = stepper, recorder
        self._now = recorder.engine.transport.now
        self._until = self._now() + seconds
        self._labels: list[str] = []
        self._steps: list[JobStep] = []
        self._error: BaseException | None = None

    async def run(self, records: Collection[JobRecord], workers: int) -> list[JobStep]:
        """Make the steps that are due, of some jobs, with some threads or tasks."""
        recorder, now = self._recorder, self._recorder.now()
        ours = recorder.origin, recorder.account
        self._labels = [
            record.label
            for record in records
            if (record.origin, record.account) == ours and is_due(record, now) and not recorder.is_under_way(record)
        ]
        random.shuffle(self._labels)
        running: list[Worker] = []
        try:
            for _ in range(min(workers, len(self._labels))):
                if start_worker(self._work, running, "decart-sweep") is not None:
                    break
            for worker in running:
                await join(worker)
        finally:
            self._until = float("-inf")  # whatever ends this call, no step begins any more
        if self._error is not None:
            raise self._error
        return self._steps

    async def _work(self) -> None:
        """Make one step after the other."""
        while self._labels and self._now() < self._until:
            try:
                label = self._labels.pop()
            except IndexError:  # pragma: no cover - another thread was faster
                return
            try:
                self._steps.append(await self._stepper.step(label))
            except DecartSDKError as error:  # such as a journal that cannot be written: it ends the pass
                self._error, self._until = error, float("-inf")
