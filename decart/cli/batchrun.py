"""Run the jobs of a list in a pool, and report how each of them ends."""

from __future__ import annotations

import os
import signal
import sys
import time
from argparse import Namespace
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from decimal import Decimal
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

import attrs

from ..errors import DecartSDKError, InvalidInputError, PaymentRequiredError, WaitCancelledError
from ..jobs import QueueJobResult, SavedJob
from ..journal import JournalError, LabelConflictError, MemoryJournal
from ..pool.saving import FileOf
from ..pool.spending import SpendLimitError
from ..progress import PoolProgress
from .earliervideos import EarlierVideos
from .exits import Exit, code_of
from .joblist import Checked, JobList, ListedJob
from .otherkeys import Elsewhere, advice, submitted_elsewhere
from .output import Output
from .resultsfile import RESULTS, Outcome, ResultsFile, result_of
from .service import client_of, poll_policy, quoted
from .signals import handled_by
from .spendlimit import SpendLimit, shown
from .wording import counted, duration

if TYPE_CHECKING:
    from .._sync.pool import JobPool
    from ..client import DecartClient

TURN = 1.0
"""The most seconds to wait before Python handles a signal: one that comes just before a wait does not end it."""

ENDS_ALL = (SpendLimitError, PaymentRequiredError, JournalError)
"""Errors of one job after which no other one is submitted."""


class Interrupted(BaseException):
    """The process got a signal; the argument is its number."""


@attrs.define(kw_only=True)
class BatchRun:
    """One run of a batch.

    Attributes:
        jobs: The list.
        checked: What is known of it.
        folder: The folder of the videos; it exists.
        file_of: The file of a video in it, unless the list names it.
        prices: The price of a job of each model.
        arguments: Those of the command.
        output: What is printed.
    """

    jobs: JobList
    checked: Checked
    folder: Path
    file_of: FileOf
    prices: Mapping[str, float]
    arguments: Namespace
    output: Output
    _results: ResultsFile = attrs.field(init=False)
    _videos: EarlierVideos = attrs.field(init=False)
    _limit: SpendLimit | None = attrs.field(default=None, init=False)
    _elsewhere: dict[str, Elsewhere] = attrs.field(factory=dict, init=False)
    _pending: dict[tuple[ListedJob, str], Future[QueueJobResult]] = attrs.field(factory=dict, init=False)
    _ended: SimpleQueue[tuple[ListedJob, str] | signal.Signals] = attrs.field(factory=SimpleQueue, init=False)
    _counts: Counter[str] = attrs.field(factory=Counter, init=False)
    _stop: DecartSDKError | None = attrs.field(default=None, init=False)

    def run(self) -> int:
        """Run all jobs; return the exit code."""
        started, arguments = time.monotonic(), self.arguments
        if arguments.emulator:  # its jobs end with it
            arguments.journal = MemoryJournal()
        with (
            client_of(arguments, poll=poll_policy(arguments), prices=self.prices) as client,
            ResultsFile(self.folder / RESULTS) as self._results,
        ):
            self._limit, self._videos = self._spend_limit(client), EarlierVideos(self.folder)
            if not arguments.emulator:
                self._find_elsewhere(client)
            try:
                with (
                    self._progress() as progress,
                    client.queue.pool(
                        arguments.max_in_flight,
                        max_spend=None if self._limit is None else self._limit.left,
                        retry_failed=arguments.retry_failed,
                        progress=progress,
                    ) as pool,
                    handled_by(lambda number, _: self._ended.put(signal.Signals(number))),
                ):
                    self._work(pool)
            except Interrupted as interruption:
                return self._leave(interruption.args[0])
            return self._end(time.monotonic() - started)

    def _spend_limit(self, client: DecartClient) -> SpendLimit | None:
        if self.arguments.max_spend is None:
            return None
        most, labels = Decimal(repr(self.arguments.max_spend)), {label for _, label in self.jobs.labelled()}
        limit = SpendLimit(most, self.prices, labels, client.jobs)
        if limit.earlier:
            self.output.note(f"Earlier runs have spent {shown(limit.earlier)} of {shown(most)}.")
        return limit

    def _find_elsewhere(self, client: DecartClient) -> None:
        """Find the jobs of the list that were submitted with another key or to another service, and name them."""
        found = submitted_elsewhere(client.jobs, self.arguments)
        if found:  # else the files of the list are not read
            labels = {label for _, label in self.jobs.labelled()}
            self._elsewhere = {label: job for label, job in found.items() if label in labels}
        if self._elsewhere:
            self.output.warn(advice(self._elsewhere.values()))

    def _work(self, pool: JobPool) -> None:
        """Hand the jobs over to the pool, not many more than it runs, and note how they end."""
        most = 2 * self.arguments.max_in_flight
        for job, label in self.jobs.labelled():
            if isinstance(label, InvalidInputError):
                self._note(job, None, label)
                continue
            if label in self._elsewhere:
                self._keep(job, label)
                continue
            self._submit(pool, job, label)
            while len(self._pending) >= most or not self._ended.empty():
                self._note_next()
            if self._stop is not None:
                break
        while self._pending:
            self._note_next()

    def _submit(self, pool: JobPool, job: ListedJob, label: str) -> None:
        target = self._target(job, label)
        self._videos.make_way(label, target)
        future = pool.submit(job.input, label=label, save_to=target)
        self._pending[job, label] = future
        future.add_done_callback(lambda _: self._ended.put((job, label)))

    def _target(self, job: ListedJob, label: str) -> Path:
        name = job.output or self.file_of(job.line, label, job.input.model.name, None)
        return Path(os.path.normpath(self.folder / name))

    def _keep(self, job: ListedJob, label: str) -> None:
        """Report a job that needs other settings: all that this run can do is to keep its video, if it is here."""
        (record, how, use), target = self._elsewhere[label], self._target(job, label)
        if self._videos.make_way(label, target) and record.job_id is not None:
            self._note(job, label, SavedJob(job_id=record.job_id, path=target))
            return
        submitted = how if record.job_id is None else f"{how}, as job {record.job_id}"
        message = f"It was submitted {submitted}, and is not submitted again: use {use} to fetch its video."
        self._note(job, label, LabelConflictError(message, job_id=record.job_id))

    def _note_next(self) -> None:
        """Wait until a job ends.

        Raises:
            Interrupted: A signal came.
        """
        ended = None
        while ended is None:
            with suppress(Empty):
                ended = self._ended.get(timeout=TURN)
        if isinstance(ended, signal.Signals):
            self.output.say("Interrupted. A request to submit a job is completed first; Ctrl-C again ends it, too.")
            raise Interrupted(ended)
        future = self._pending.pop(ended)
        if not future.cancelled():
            self._note(*ended, future.exception() or future.result())

    def _note(self, job: ListedJob, label: str | None, outcome: Outcome) -> None:
        """Report how a job has ended, and end the batch if no other one can succeed."""
        if self._stop is None and isinstance(outcome, DecartSDKError) and ends_all(outcome):
            self._stop = outcome
            for future in self._pending.values():
                future.cancel()  # unless its submit has begun
        if isinstance(outcome, SpendLimitError):
            return
        result = result_of(job.line, label, outcome)
        is_new = self._results.add(result)
        self._counts[result["status"] if is_new else "earlier"] += 1
        if self.output.as_json or (is_new and not self._shows_bar):
            text = result["path"] or result["error"]
            self.output.result(result, f"{self.jobs.name}:{job.line}: {result['status']}: {text}")

    @property
    def _shows_bar(self) -> bool:
        return self.output.shows_bars and not (self.output.as_json and sys.stdout.isatty())

    @contextmanager
    def _progress(self) -> Iterator[Callable[[PoolProgress], None] | None]:
        """Yield what shows the progress of all jobs of the list, of which the pool knows a few at a time."""
        if not self._shows_bar:
            yield None
            return
        from ..integrations.progress_bar import Bar  # needs an extra

        def show(progress: PoolProgress) -> None:
            total = self.checked.jobs
            waiting = total - progress.done - progress.failed - progress.running
            bar.on_pool(attrs.evolve(progress, waiting=waiting, total=total))

        with Bar() as bar:
            yield show

    def _leave(self, number: signal.Signals) -> int:
        """Say what continues after a signal."""
        running = 0
        for (job, label), future in self._pending.items():
            error = WaitCancelledError("") if future.cancelled() else future.exception()
            if not isinstance(error, WaitCancelledError):
                self._note(job, label, error or future.result())
            elif error.job_id is not None:
                running += 1
        continues = "" if self.arguments.emulator else " Run the same command again to continue."
        jobs = f"{counted(running, 'job')} that {'was' if running == 1 else 'were'} submitted"
        self.output.error(
            f"Interrupted after {self._done()}: nothing more is submitted, and {jobs} "
            f"{'continues' if running == 1 else 'continue'} at the service.{continues}"
        )
        self._explain_unknown()
        return Exit.INTERRUPTED if number == signal.SIGINT else Exit.TERMINATED

    def _end(self, seconds: float) -> int:
        """Print the summary; return the exit code."""
        if self._stop is None:
            self._results.forget_others()
        else:
            reason = self._stop.message
            if self._limit is not None and isinstance(self._stop, SpendLimitError):
                reason = self._limit.explain(self._stop, self._left)
            self.output.error(f"The batch has ended early: {reason}")
        self.output.note(f"{self._done()}; {duration(seconds)}")
        self._explain_unknown()
        counts = self._counts
        if self._stop is not None:
            return Exit.KEY_REFUSED if code_of(self._stop) == Exit.KEY_REFUSED else Exit.ERROR
        if counts["unknown"]:
            return Exit.OUTCOME_UNKNOWN
        if counts["failed"] or counts["error"]:
            return Exit.JOB_FAILED
        return Exit.TIMED_OUT if counts["timed_out"] else Exit.DONE

    def _explain_unknown(self) -> None:
        """Say what to do about jobs whose outcome is unknown."""
        if number := self._counts["unknown"]:
            journal = quoted(f"{self.arguments.journal}")
            self.output.error(
                f"{counted(number, 'job')} may have been accepted and billed. Check your account, then run `decart "
                f"jobs settle LABEL --journal {journal}` with --job-id ID, or with --not-accepted."
            )

    def _done(self) -> str:
        """Return how many jobs have ended in which way."""
        counts, see = self._counts, f" (see {self.folder / RESULTS})"
        failed = [
            f"{counts[status]} {words}"
            for status, words in (
                ("failed", "failed"),
                ("error", "with an error"),
                ("timed_out", "timed out"),
                ("unknown", "with an unknown outcome"),
            )
            if counts[status]
        ]
        parts = [f"{counts['completed']} done", ", ".join(failed) + see if failed else ""]
        parts.append(f"{counts['earlier']} from an earlier run" if counts["earlier"] else "")
        parts.append(f"{self._left} not submitted" if self._left and self._stop is not None else "")
        return ", ".join(filter(None, parts))

    @property
    def _left(self) -> int:
        """How many jobs of the list this run has not dealt with."""
        return self.checked.jobs - self._counts.total()


def ends_all(error: DecartSDKError) -> bool:
    """Return whether an error of one job means that no other one can succeed."""
    cause: DecartSDKError | None = error
    while cause is not None and not isinstance(cause, ENDS_ALL):
        cause = cause.cause
    return cause is not None or code_of(error) == Exit.KEY_REFUSED
