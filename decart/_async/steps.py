"""The steps of the jobs of a pool: one exchange each, as `decart.pool.schedule` says."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial

import attrs

from ..errors import DecartSDKError, QueueError, WaitCancelledError
from ..events import Operation, log
from ..jobs import FailedJob, JobSubmitResponse, QueueJobResult, to_result
from ..journal.owners import Claim
from ..journal.records import UNFINISHED
from ..outcomes import CallState, download_cancelled, submit_cancelled, wait_cancelled
from ..polling import Wait
from ..pool.options import MOST_NAMED, left_early
from ..pool.saving import Targets, result_on_record
from ..pool.schedule import Schedule, Step
from ..pool.spending import FREE, Spending
from ..pool.tally import Tally
from ..pool.throttle import SubmitRetries
from ..protocol import form_fields
from ..uploads import Upload
from .backend import in_thread
from .engine import AsyncEngine, Notes
from .operations import AsyncOperations
from .pooljob import AsyncPoolJob
from .recorder import AsyncRecorder
from .waits import AsyncJobWait
from .workers import WakeEvent, begin

LOOK_AGAIN = 5.0
"""Seconds until a job that another call is waiting for is looked up again."""


class AsyncJobSteps:
    """Carries out the steps of a pool's jobs.

    Args:
        operations: Those of the client.
        schedule: Decides what is due. It is only touched through ``report``.
        spending: What the pool has spent.
        stop: Set when the pool is left early.
        report: Has a function called that changes the schedule, when no other one does.
        tally: Counts the jobs.

    Attributes:
        retry_failed: Whether a label is submitted anew whose job has failed in an earlier run.
        targets: The files of unfinished jobs.
        running: The ids of jobs that the service has accepted and whose outcome is not known yet, in order.
        sending: The jobs whose submit is under way.
    """

    def __init__(
        self,
        operations: AsyncOperations,
        schedule: Schedule[AsyncPoolJob],
        spending: Spending,
        stop: WakeEvent,
        report: Callable[..., None],
        tally: Tally,
    ) -> None:
        self._operations, self._schedule, self._spending, self._stop = operations, schedule, spending, stop
        self._report, self._tally = report, tally
        engine = operations.engine
        self._engine, self._now = engine, engine.transport.now
        retry = attrs.evolve(engine.config.retry, attempts=1)  # the schedule decides about further ones
        self._once = AsyncOperations(
            AsyncEngine(attrs.evolve(engine.config, retry=retry), engine.shared, engine.transport)
        )
        self.retry_failed = False
        self.targets = Targets()
        self.running: dict[str, None] = {}
        self.sending: set[AsyncPoolJob] = set()

    async def run(self, step: Step[AsyncPoolJob]) -> None:
        """Carry out a step, and report what is next, or end its job."""
        try:
            outcome: QueueJobResult | BaseException | None = await self._outcome(step, step.job)
        except BaseException as error:
            outcome = error
        if outcome is not None:
            try:
                await self._end(step.job, outcome)
            except BaseException as error:  # such as SystemExit of an event hook: what was paid for is handed over
                log.error("a job of a pool has ended, and then %r was raised", error)
            self._report(self._schedule.ended, step)
            step.job.end(outcome)
        del outcome  # the traceback of an error refers to this frame

    async def _outcome(self, step: Step[AsyncPoolJob], job: AsyncPoolJob) -> QueueJobResult | BaseException | None:
        """Carry out a step; return how its job ended, or ``None`` if it goes on."""
        if step.kind == "leave":
            self._engine.check_open()
        if not job.begun and (step.kind == "leave" or job.is_dropped):
            job.future.cancel()
        is_wanted = not job.future.cancelled() if job.begun else begin(job.future)
        job.begun = True
        if step.kind == "leave" or not is_wanted:
            return self._left(step, job)
        if step.kind == "submit":
            return await self._submit(step, job)
        assert job.wait is not None  # it was submitted
        if step.kind == "check":
            return await self._check(step, job, job.wait)
        assert job.last is not None  # it is done
        return await self._operations.result(job.last, job.state, job.arguments, job.wait.poll)

    async def _submit(self, step: Step[AsyncPoolJob], job: AsyncPoolJob) -> QueueJobResult | None:
        """Make one attempt to submit a job, or take up the one that its label names."""
        if job.operation is None:
            job.operation = self._engine.reporter.operation(Operation(name="job", model=job.input.model.name))
            job.operation.__enter__()
            job.retries = SubmitRetries(policy=self._engine.config.retry, started=self._now())
        assert job.retries is not None
        is_repeated = job.retries.failures + job.retries.refusals > 0
        job.state = state = CallState(waits=True)
        make = partial(form_fields, job.input)
        job.fields = job.fields or (await in_thread(make) if job.input.has_files else make())
        send = partial(self._send, job)
        self.sending.add(job)
        try:
            accepted = await self._operations.submit(
                job.input,
                state,
                None,
                self._stop,
                label=job.label,
                again=job.again,
                repeated=is_repeated,
                fields=job.fields,
                send=send,
            )
        except QueueError as error:
            seconds = None if error.cause is None else self._seconds_until_repeat(step, job.retries, error.cause)
            if seconds is None:
                raise
            self._report(self._schedule.submit_at, step, self._now() + seconds, repeat=True)
            return None
        finally:
            if state.job_id is not None:  # it is never in neither of the two, and a note can name it
                self.running[state.job_id] = None
            self.sending.discard(job)
        if state.job_id is None:
            return await self._take_up(step, job, accepted.job_id)
        job.fields = None  # it may hold files, and is not sent again
        self._report(self._schedule.observe, step, None, self._now())
        self._tally.move(job, "running")
        job.wait = self._operations.new_wait(accepted.job_id, state, job.arguments)
        return await self._check(step, job, job.wait)

    async def _send(
        self,
        job: AsyncPoolJob,
        fields: Mapping[str, str | Upload] | None = None,
        notes: Notes = Notes(),  # noqa: B008 - it is frozen
    ) -> JobSubmitResponse:
        """Submit a job once, unless that is too expensive."""
        if not job.reserved:
            self._spending.reserve(job.cost)
            job.reserved = job.cost
        return await self._once.send(job.input, job.state, None, self._stop, job.fields, notes)

    def _seconds_until_repeat(
        self, step: Step[AsyncPoolJob], retries: SubmitRetries, cause: DecartSDKError
    ) -> float | None:
        """Take note of a submit that failed, and return when to repeat it, if at all."""
        now = self._now()
        self._report(self._schedule.observe, step, cause, now)
        seconds = retries.pause_after(cause, now)
        if seconds is not None:
            attempt = retries.failures + retries.refusals
            self._engine.reporter.retry(None, cause, attempt, seconds, what="submit")
        return seconds

    async def _take_up(self, step: Step[AsyncPoolJob], job: AsyncPoolJob, job_id: str) -> QueueJobResult | None:
        """Continue with a job of an earlier run, which its label names; nothing was sent.

        While another call is waiting for it, it is left to that call.
        """
        recorder, state = self._recorder, job.state
        record = await in_thread(partial(recorder.journal.by_job, job_id))
        if record is not None and record.state == "failed" and self.retry_failed and not job.again:
            job.again = True
            self._report(self._schedule.submit_at, step, self._now(), repeat=False)
            return None
        job.fields = None
        if record is not None and (result := result_on_record(record, job.arguments.save_to)) is not None:
            return result
        if record is not None and record.state in UNFINISHED:
            claim = Claim()
            if not await recorder.take(job_id, claim):
                self._report(self._schedule.submit_at, step, self._now() + LOOK_AGAIN, repeat=False)
                return None
            state.claim = claim
        self._spending.release(job.reserved)  # for an attempt that was refused before
        job.reserved, state.job_id = FREE, job_id
        self.running[job_id] = None
        self._tally.move(job, "running")
        job.wait = wait = self._operations.new_wait(job_id, state, job.arguments)
        self._report(self._schedule.check_at, step, wait.poll.started, wait.poll.deadline, repeat=False)
        return None

    async def _check(self, step: Step[AsyncPoolJob], job: AsyncPoolJob, wait: AsyncJobWait) -> QueueJobResult | None:
        """Check the status of a job once."""
        found = await wait.check()
        now = self._now()
        if step.kind == "check":
            self._report(self._schedule.observe, step, wait.error, now)
        if isinstance(found, Wait):
            at, is_repeat = now + found.seconds, wait.error is not None
            self._report(self._schedule.check_at, step, at, wait.poll.deadline, repeat=is_repeat)
            return None
        last = wait.end(found)
        if isinstance(last, FailedJob):
            return last
        if last.status == "failed":
            return to_result(last)
        job.last, job.state.finished = last, True
        self._report(self._schedule.fetch, step, now)
        return None

    def _left(self, step: Step[AsyncPoolJob], job: AsyncPoolJob) -> WaitCancelledError:
        """Return the error of a job that nobody waits for any more; a pool that is left names all of them at once."""
        job_id = None if job.wait is None else job.wait.poll.job_id
        if job_id is None:
            return submit_cancelled()
        error = wait_cancelled(job_id) if job.last is None else download_cancelled(job_id)
        log.log(logging.DEBUG if step.kind == "leave" else logging.WARNING, "%s", error)
        return error

    async def _end(self, job: AsyncPoolJob, outcome: QueueJobResult | BaseException) -> None:
        """Leave a job that ends with a result or an error."""
        state, error = job.state, outcome if isinstance(outcome, BaseException) else None
        if error is not None:
            state.explain(error)
        if state.job_id is None and not state.sent:
            self._spending.release(job.reserved)
        self.targets.release(job)
        if state.job_id is not None and not isinstance(error, WaitCancelledError):
            self.running.pop(state.job_id, None)
        if job.future.cancelled() and not self._stop.is_set():
            self._tally.move(job, None)
        elif not isinstance(error, WaitCancelledError):  # else it stays where it is: the pool was left
            self._tally.move(job, "failed" if error is not None or isinstance(outcome, FailedJob) else "done")
        try:
            if job.operation is not None:
                job.operation.__exit__(type(error) if error else None, error, error.__traceback__ if error else None)
        finally:
            if state.claim is not None and state.job_id is not None:
                await self._recorder.release(state.job_id, state.claim)

    async def sleep(self, seconds: float, wake: WakeEvent) -> None:
        """Sleep until the next step is due; if that cannot be, as once the client is closed, all jobs end now."""
        try:
            await self._engine.transport.asleep(seconds, wake)
        except Exception as error:
            log.error("a pool ends, because its transport cannot sleep: %s", error)
            self._stop.set()

    def explain(self, error: BaseException) -> None:
        """Add a note to an error that ends the pool, and log it: which jobs continue, and how to wait for them."""
        sending, running = len(self.sending), list(self.running)  # in this order: a job goes from one to the other
        if not running and not sending:
            return
        say = partial(left_early, running, sending, journal=self._operations.recorder is not None)
        with suppress(Exception):  # an exception that takes no notes
            error.add_note(say(MOST_NAMED))
        log.warning("%s", say(len(running)))

    @property
    def _recorder(self) -> AsyncRecorder:
        """What records the jobs; only for a client with a journal."""
        assert self._operations.recorder is not None
        return self._operations.recorder
