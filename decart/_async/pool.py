"""Many jobs at once: a few workers, one schedule, and a future for each job."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from contextvars import copy_context
from functools import partial
from itertools import count
from threading import RLock
from types import TracebackType
from typing import Any, Literal, Self, overload

from ..arguments import wait_arguments
from ..errors import ClientClosedError, InvalidInputError
from ..file_inputs import VideoInput
from ..inputs import read, refuse
from ..jobs import QueueJobResult
from ..journal.labels import default_label, new_label
from ..options import JobOptions, callback_of, from_options
from ..pool.options import OneProcess, PoolLimits
from ..pool.saving import FileOf, LabelOf, SaveTo, files_of, prepared
from ..pool.schedule import FOREVER, Schedule, Step
from ..pool.spending import Spending
from ..pool.tally import length_of
from .backend import AWAITED, in_thread
from .operations import AsyncOperations
from .pooljob import AsyncPoolJob
from .poolreporter import AsyncPoolReporter
from .steps import AsyncJobSteps
from .taken import AsyncTakenJobs
from .workers import Future, Lock, WakeEvent, Worker, current_worker, join, new_future, run_in, start_worker


class AsyncJobPool:
    """Runs many jobs; see ``client.queue.pool``. Leaving its ``with`` block waits for all of them.

    An exception in the block, such as Ctrl-C, submits nothing more. A note on it says which jobs continue.
    """

    def __init__(
        self, operations: AsyncOperations, limits: PoolLimits, spending: Spending, reporter: AsyncPoolReporter
    ) -> None:
        self._operations, self._limits, self._spending, self._reporter = operations, limits, spending, reporter
        engine = operations.engine
        self._now = engine.transport.now
        self._is_virtual = getattr(engine.transport, "has_virtual_clock", False)
        self._schedule: Schedule[AsyncPoolJob] = Schedule(
            max_in_flight=limits.max_in_flight,
            workers=limits.workers,
            max_checks_per_second=limits.max_checks_per_second,
            retry=engine.config.retry,
        )
        self._stop, self._wake, self._turn = WakeEvent(), WakeEvent(), Lock()
        self._steps = AsyncJobSteps(operations, self._schedule, spending, self._stop, self._report, reporter.tally)
        self._steps.retry_failed = limits.retry_failed
        self._reports: deque[Callable[[], None]] = deque()
        self._held: dict[AsyncPoolJob, list[Callable[[], None]]] = {}
        self._workers: list[Worker] = []
        self._most_workers, self._numbers = limits.workers, count()
        self._closed, self._gate, self._process = False, RLock(), OneProcess()

    def submit(
        self, options: JobOptions | VideoInput, *, label: str | None = None, save_to: SaveTo | None = None
    ) -> Future[QueueJobResult]:
        """Submit a job as soon as fewer than ``max_in_flight`` are running. It does not wait.

        Args:
            options: As for ``client.queue.submit``; ``on_status_change`` may be one of them.
            label: Your name for the job, for a client with a journal. A job that the label has already, from a run that
                was killed for example, is continued and not paid for again; if its video is in ``save_to`` already, no
                request is made.
            save_to: The file that the video goes to instead of memory; its folder is created. The path may have
                ``{index}`` (of this call, from 0), ``{label}`` and ``{model}``, or be a function of index and options.

        Returns:
            The future of what ``submit_and_poll`` returns or raises. It can be cancelled until the submit begins.

        Raises:
            ClientClosedError: The pool is closed, or was used before a fork.

        Example:
            >>> future = pool.submit({"model": models.video("lucy-pro-t2v"), "prompt": "A lake"}, save_to="lake.mp4")
        """
        job, index = self._new_job(), next(self._numbers)
        self._reporter.tally.add()
        self._reporter.start()
        with job.refusing(self._reporter.tally):
            file_of = files_of(save_to)
            job.input = from_options(options, "video")
            self._add(job, options, index, label, file_of)
        return job.future

    @overload
    def map(
        self,
        jobs: Iterable[JobOptions | VideoInput],
        *,
        order_outputs: bool = True,
        return_exceptions: Literal[False] = False,
        save_to: SaveTo | None = None,
        label: LabelOf | None = None,
        resume: bool = False,
    ) -> AsyncIterator[QueueJobResult]: ...
    @overload
    def map(
        self,
        jobs: Iterable[JobOptions | VideoInput],
        *,
        order_outputs: bool = True,
        return_exceptions: bool,
        save_to: SaveTo | None = None,
        label: LabelOf | None = None,
        resume: bool = False,
    ) -> AsyncIterator[QueueJobResult | Exception]: ...
    def map(
        self,
        jobs: Iterable[JobOptions | VideoInput],
        *,
        order_outputs: bool = True,
        return_exceptions: bool = False,
        save_to: SaveTo | None = None,
        label: LabelOf | None = None,
        resume: bool = False,
    ) -> AsyncIterator[QueueJobResult | Exception]:
        """Run a job for each of these options, and yield the results.

        The options are read as they are needed: at most twice ``max_in_flight`` jobs are known to the pool whose
        results were not yielded yet. If reading them raises an exception, it is raised after the results of the jobs
        before it.

        Args:
            jobs: The options of each job, as for ``client.queue.submit``: a list, or a generator of any length.
            order_outputs: Yield the results in the order of the jobs, or else as they come.
            return_exceptions: Yield the exception of a job in place of its result, or else raise it.
            save_to: As for ``submit``, with ``{index}`` or ``{label}`` in it; the index counts from 0.
            label: A function of the index and the options that returns the label of each job; see ``submit``.
            resume: Give each job a label made of its inputs and its index, so that a program that was killed and run
                again continues (needs a journal).

        Returns:
            An iterator of what ``submit_and_poll`` returns. Closing it drops the jobs whose submit has not begun.

        Raises:
            InvalidInputError: An argument cannot be used.

        Example:
            >>> lakes = ({"model": models.video("lucy-pro-t2v"), "prompt": f"Lake {number}"} for number in range(100))
            >>> paths = [lake.path async for lake in pool.map(lakes, save_to="lakes/{index:03}.mp4")]
        """
        if resume and (label is not None or self._operations.recorder is None):
            raise InvalidInputError("resume makes the labels, and needs a journal: DecartClient(journal='jobs.db').")
        if label is not None and not callable(label):
            raise refuse("label", "a function of the index and the options", label)
        begin = partial(self._begin, label_of=label, file_of=files_of(save_to, many=True), resume=resume)
        source = self._reporter.tally.reading(read("jobs", iter, jobs), length_of(jobs))
        taken = AsyncTakenJobs(source, begin, 2 * self._limits.max_in_flight, ordered=order_outputs)
        return self._results(taken, yields=return_exceptions)

    async def _results(self, taken: AsyncTakenJobs, *, yields: bool) -> AsyncIterator[QueueJobResult | Exception]:
        """Yield the results of jobs, or their exceptions if they are to be yielded."""
        try:
            while (future := await taken.next()) is not None:
                error = future.exception()
                yield error if yields and isinstance(error, Exception) else future.result()
        finally:
            taken.drop()

    def _check_open(self) -> None:
        if self._closed:
            raise ClientClosedError("This pool is closed, and the job was not submitted; submit it inside its block.")
        self._process.check()

    def _new_job(self, on_end: Callable[[], None] | None = None) -> AsyncPoolJob:
        self._check_open()
        return AsyncPoolJob(future=new_future(), context=copy_context(), on_end=on_end)

    async def _begin(
        self,
        options: JobOptions | VideoInput,
        index: int,
        on_end: Callable[[], None],
        label_of: LabelOf | None,
        file_of: FileOf | None,
        resume: bool,
    ) -> AsyncPoolJob:
        """Add a job of a map."""
        job = self._new_job(on_end)
        self._reporter.start()
        with job.refusing(self._reporter.tally):
            label = None if label_of is None else label_of(index, options)
            job.input = from_options(options, "video")
            if resume and self._operations.recorder is not None:
                job.fields, request = await in_thread(partial(self._operations.recorder.read, job.input, None))
                label = default_label(request, index)
            self._add(job, options, index, label, file_of)
        return job

    def _add(
        self, job: AsyncPoolJob, options: JobOptions | VideoInput, index: int, label: str | None, file_of: FileOf | None
    ) -> None:
        """Check the arguments of a job, and hand it to the schedule."""
        job.cost = self._spending.cost(job.input)
        job.label = label
        target = None if file_of is None else prepared(file_of(index, label, job.input.model.name, options))
        job.arguments = wait_arguments(
            callback_of(options, None), None, self._stop, target, (self._reporter.receiver(), None), awaited=AWAITED
        )
        if target is not None:
            self._steps.targets.reserve(target, job)
        if label is None and self._operations.recorder is not None:
            job.label = new_label()
        with self._gate:  # a job that came when it is closed would find no worker
            self._check_open()
            if not self._workers:
                start_worker(self._work, self._workers)
            self._reports.append(partial(self._schedule.add, job, self._now()))
        self._wake.set()

    def _report(self, function: Callable[..., None], step: Step[AsyncPoolJob], *rest: Any, **options: Any) -> None:
        """Have the schedule changed once a step has ended: only one thread can be in its job's context."""
        self._held.setdefault(step.job, []).append(partial(function, step, *rest, **options))

    async def _work(self) -> None:
        """Carry out one step after the other."""
        while (step := await self._next()) is not None:
            try:
                await run_in(step.job.context, partial(self._steps.run, step))
            finally:
                self._reports.extend(self._held.pop(step.job, ()))
                self._wake.set()
            del step  # while this waits for the next one, nothing is kept of a job that has ended

    async def _next(self) -> Step[AsyncPoolJob] | None:
        """Return the next step, when it is due; ``None`` once the pool is closed and all jobs have ended.

        Of the workers without a step, one at a time has its turn to wait for the next one.
        """
        async with self._turn:
            while True:
                self._wake.clear()
                closed = self._closed  # before the reports, for there are no new jobs after it
                while self._reports:
                    self._reports.popleft()()
                if self._stop.is_set():
                    self._schedule.stop()
                found = self._schedule.due(self._now())
                if isinstance(found, Step):
                    if len(self._workers) <= self._schedule.under_way < self._most_workers:  # one waits for the next
                        self._most_workers = start_worker(self._work, self._workers) or self._most_workers
                    return found
                if closed and self._schedule.is_idle:
                    return None
                if found.seconds == FOREVER or (self._is_virtual and self._schedule.under_way):
                    await self._wake.wait()
                else:
                    await self._steps.sleep(found.seconds, self._wake)

    async def close(self) -> None:
        """Wait until all jobs have ended. No job can be submitted any more.

        Raises:
            InvalidInputError: A callback of a job has called it, which would wait for itself.
        """
        if current_worker() in self._workers:
            raise InvalidInputError("close: a callback of a job cannot wait for the pool that calls it.")
        with self._gate:
            self._closed = True
        self._wake.set()
        for worker in self._workers:
            await join(worker)
        await self._reporter.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            await self._leave(error)
            return
        try:
            await self.close()
        except BaseException as interruption:
            await self._leave(interruption)
            raise

    async def _leave(self, error: BaseException) -> None:
        """Submit nothing more, wait for the submits that are under way, and say in the error what continues."""
        try:
            self._stop.set()
            await self.close()
        except BaseException as second:  # such as Ctrl-C once more
            self._reporter.stop()
            self._steps.explain(second)
            raise
        finally:
            self._steps.explain(error)
