# Generated from decart/_async by scripts/unasync.py. Do not edit.
"""Report the progress of a pool to a callback, or show it in a bar."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext, suppress
from itertools import count

from ..arguments import shown_pool
from ..events import log
from ..pool.tally import Tally
from ..progress import FAILED, PAUSE, OnProgress, ShowPoolProgress
from .backend import AWAITED, result_of
from .workers import WakeEvent, Worker, join, pause, start_worker


class PoolReporter:
    """Reports in a thread, or task, of its own: a callback or a terminal that is slow delays no job.

    Attributes:
        tally: What is reported.

    Raises:
        InvalidInputError: ``progress`` cannot be called.
        MissingExtraError: The progress bar's package is not installed.
    """

    def __init__(self, progress: ShowPoolProgress | None) -> None:
        self._callback, self._bar = shown_pool(progress, awaited=AWAITED)
        self._changed, self._ended = WakeEvent(), WakeEvent()
        self._starts = count()
        self._workers: list[Worker] = []
        self.tally = Tally(self._changed.set)

    def receiver(self) -> OnProgress | None:
        """Return what is called with the progress of one download, if anybody wants to know."""
        return None if self._callback is None else self.tally.receiver()

    def start(self) -> None:
        """Start to report, unless that was done before."""
        if self._callback is None or next(self._starts) > 0:
            return
        if self._bar is not None:
            self._bar.on_pool(self.tally.progress())  # in a notebook, below the cell of this thread
        with suppress(RuntimeError):  # the system has no more threads: the jobs matter more
            start_worker(self._work, self._workers, "decart-pool-progress")

    def stop(self) -> None:
        """Report for the last time, soon."""
        self._ended.set()
        self._changed.set()

    def close(self) -> None:
        """Wait until the last report is made."""
        self.stop()
        for worker in self._workers:
            join(worker)

    def _work(self) -> None:
        """Report what has changed, at most ten times a second; a bar shows each second, too."""
        assert self._callback is not None  # it was started
        shown: AbstractContextManager[object] = self._bar or nullcontext()
        is_last = False
        with shown:
            try:
                while not is_last:
                    pause(self._changed, None if self._bar is None else 1.0)
                    self._changed.clear()
                    is_last = self._ended.is_set()
                    result_of(self._callback(self.tally.progress()))
                    pause(self._ended, PAUSE)
            except Exception:
                log.warning(FAILED, exc_info=True)
