"""What the queue's methods are made of: submit, wait and download. Each operation is reported to the event hooks."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from ..arguments import WaitArguments, check_policy
from ..downloads import Download, RequestedRange
from ..errors import InvalidInputError
from ..events import Operation
from ..inputs import JobInput
from ..jobs import (
    CompletedJob,
    FailedJob,
    JobStatusResponse,
    JobSubmitResponse,
    PollStep,
    SavedJob,
    first_status,
    to_result,
)
from ..options import JobOptions, from_options
from ..outcomes import (
    CallState,
    Cancellation,
    download_cancelled,
    finished,
    result_error,
    status_error,
    submit_cancelled,
    submit_error,
    timed_out,
    wait_cancelled,
)
from ..policies import FAILURES, PollPolicy
from ..polling import Failed, Finished, JobPoll, TimedOut, Wait
from ..progress import OnProgress
from ..protocol import status_call, submit_call
from ..uploads import Upload
from .backend import CancelEvent, in_thread
from .engine import AsyncEngine
from .transfers import AsyncTransfer, fetch, save
from .waits import AsyncJobWait

if TYPE_CHECKING:
    from .recorder import AsyncRecorder

Send = Callable[..., Awaitable[JobSubmitResponse]]
"""Submits a job, of form fields if they were made already; what else it is given, it calls before the first byte."""

AnyResult = CompletedJob | SavedJob | FailedJob


class AsyncOperations:
    """The operations of one client's queue."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine
        self.recorder = recorder_of(engine)
        engine.on_status = None if self.recorder is None else self.recorder.note

    async def submit(
        self,
        options: JobOptions | JobInput,
        state: CallState,
        on_progress: OnProgress | None,
        cancel: CancelEvent | None = None,
        *,
        label: str | None = None,
        again: bool = False,
        decided: bool = False,
    ) -> JobSubmitResponse:
        """Submit a job, or return the one that its label names already; ``decided`` gives up an unknown one."""
        job = from_options(options, "video")
        send = partial(self.send, job, state, on_progress, cancel)
        return await self.record(job, state, send, cancel, label=label, again=again, decided=decided)

    async def record(
        self,
        job: JobInput,
        state: CallState,
        send: Send,
        cancel: CancelEvent | None,
        *,
        label: str | None,
        again: bool = False,
        decided: bool = False,
        repeated: bool = False,
        fields: Mapping[str, str | Upload] | None = None,
    ) -> JobSubmitResponse:
        """Submit a job by a function and record it, if there is a journal."""
        if self.recorder is not None:
            from .recorder import LabelArguments  # it is loaded

            arguments = LabelArguments(
                label=label,
                again=again,
                decided=decided,
                repeated=repeated,
                fields=fields,
                cancel=Cancellation(cancel, submit_cancelled),
            )
            return await self.recorder.submit(job, state, arguments, send)
        if label is not None or again:
            raise InvalidInputError("A label needs a journal: write DecartClient(journal='jobs.db'). Nothing was sent.")
        return await send()

    async def send(
        self,
        job: JobInput,
        state: CallState,
        on_progress: OnProgress | None,
        cancel: CancelEvent | None,
        fields: Mapping[str, str | Upload] | None = None,
        first: tuple[Callable[[], None], ...] = (),
    ) -> JobSubmitResponse:
        """Submit a job, and note its id as soon as it is known.

        Args:
            fields: The form fields of the job, if they have been made already.
            first: What to call before the first byte is sent.
        """
        engine, cancellation = self.engine, Cancellation(cancel, submit_cancelled)
        sending = engine.sending(state, on_progress, cancellation, first)
        build = partial(
            submit_call,
            engine.settings,
            job,
            fields,
            on_sent=sending.on_sent,
            may_start=sending.may_start,
            on_accepted=state.accept,
        )
        call = await in_thread(build) if job.has_files else build()
        with engine.reporter.operation(Operation(name="submit", model=job.model.name)):
            try:
                accepted = await engine.send(call, sending.repeat, cancel=cancellation)
            except FAILURES as cause:
                raise submit_error(cause) from cause
            # remembered and logged before anything else can happen; the sizes are the service's defaults
            kind = job.model.name, job.resolution or "720p", getattr(job, "orientation", None) or "landscape"
            engine.memory.accepted(accepted.job_id, kind, engine.transport.now())
            engine.reporter.status(first_status(accepted), "was submitted, and is")
        return accepted

    async def last_status(self, job_id: str) -> JobStatusResponse:
        """Return the last status of a job that has finished."""
        return finished(await self.engine.status(job_id, result_error))

    async def wait(
        self, job_id: str, state: CallState, arguments: WaitArguments, known: JobStatusResponse | None = None
    ) -> AnyResult:
        """Check the status of a job until it finishes or the wait ends, and fetch its result."""
        try:
            return await self._wait(job_id, state, arguments, known)
        finally:
            if self.recorder is not None and state.claim is not None:
                await self.recorder.release(job_id, state.claim)

    async def _wait(
        self, job_id: str, state: CallState, arguments: WaitArguments, known: JobStatusResponse | None
    ) -> AnyResult:
        engine = self.engine
        wait = self.new_wait(job_id, state, arguments, known)
        with engine.reporter.operation(Operation(name="wait", job_id=job_id)):
            try:
                step = await engine.with_retries(wait.check, None, job_id=job_id, cancel=wait.cancel)
            finally:  # a callback may end it once the job is done
                state.finished = wait.poll.status is not None and wait.poll.status.status == "completed"
            last = wait.end(step)
        if isinstance(last, FailedJob):
            return last
        return await self.result(last, state, arguments, wait.poll)

    def new_wait(
        self, job_id: str, state: CallState, arguments: WaitArguments, known: JobStatusResponse | None
    ) -> AsyncJobWait:
        """Begin a wait for a job."""
        engine, now = self.engine, self.engine.transport.now
        return AsyncJobWait(
            engine=engine,
            recorder=self.recorder,
            poll=self.new_poll(job_id, arguments.poll, now()),
            now=now,
            call=status_call(engine.settings, job_id),
            arguments=arguments,
            cancel=Cancellation(arguments.cancel, partial(wait_cancelled, job_id)),
            known=known,
            state=state,
        )

    async def poll_once(self, job_id: str, state: dict[str, Any] | None, policy: PollPolicy | None) -> PollStep:
        """Make one status check of a wait whose times are UNIX times."""
        check_policy(policy)
        if policy is not None and state is not None:
            raise InvalidInputError("poll is for the first step; later steps follow the policy in their state.")
        engine = self.engine
        now: Callable[[], float] = getattr(engine.transport, "time", time.time)
        poll = self.new_poll(job_id, policy, now()) if state is None else JobPoll.from_json(state, job_id)
        call = status_call(engine.settings, job_id)
        wait = AsyncJobWait(engine=engine, recorder=self.recorder, poll=poll, now=now, call=call)
        with engine.reporter.operation(Operation(name="status", job_id=job_id)):
            step = await wait.check()
            if isinstance(step, Failed):
                raise status_error(job_id, step.error) from step.error
        if isinstance(step, TimedOut):
            timed_out(poll).raise_for_status()
        return PollStep(
            job=step.status if isinstance(step, Finished) else None,
            wait=step.seconds if isinstance(step, Wait) else 0.0,
            state=poll.to_json(),
        )

    async def result(
        self,
        last: JobStatusResponse,
        state: CallState,
        arguments: WaitArguments = WaitArguments(),  # noqa: B008 - it is frozen
        poll: JobPoll | None = None,
    ) -> AnyResult:
        """Fetch the result of a job into memory or a file, if it has one."""
        if last.status == "failed":
            return to_result(last)
        state.finished = True
        job_id = last.job_id
        transfer = self.transfer(job_id, arguments=arguments, poll=poll)
        with self.engine.reporter.operation(Operation(name="download", job_id=job_id)):
            try:
                result: AnyResult
                if arguments.save_to is not None:
                    result = to_result(last, path=await save(transfer, arguments.save_to))
                else:
                    result = to_result(last, data=await fetch(transfer))
            except FAILURES as cause:
                raise result_error(job_id, cause) from cause
        if self.recorder is not None:
            await self.recorder.delivered(job_id, arguments.save_to)
        return result

    def new_poll(self, job_id: str, policy: PollPolicy | None, now: float) -> JobPoll:
        """Begin a wait at a time on any clock."""
        config, memory = self.engine.config, self.engine.memory
        submitted = memory.submitted_at(job_id)
        own_policy = policy or config.poll
        return JobPoll(
            job_id=job_id,
            started=now,
            policy=own_policy or PollPolicy(),
            retry=config.retry,
            accepted=None if submitted is None else now - (self.engine.transport.now() - submitted),
            expectation=memory.expectation(job_id) if own_policy is None else None,
        )

    def transfer(
        self,
        job_id: str,
        *,
        arguments: WaitArguments = WaitArguments(),  # noqa: B008 - it is frozen
        poll: JobPoll | None = None,
        restartable: bool = True,
        requested: RequestedRange = RequestedRange(),  # noqa: B008 - it is frozen
    ) -> AsyncTransfer:
        """Begin a download, whose time counts from now; the deadline of a wait that it ends applies, too."""
        engine = self.engine
        now = engine.transport.now()
        patience = engine.config.retry.timeout if poll is None else poll.remaining(now)
        total = engine.settings.timeout.total
        download = Download(
            job_id=job_id,
            settings=engine.settings,
            retry=engine.config.retry,
            give_up=float("inf") if patience is None else now + patience,
            deadline=float("inf") if total is None else now + total,
            accepted=engine.memory.submitted_at(job_id),
            restartable=restartable,
            requested=requested,
        )
        return AsyncTransfer(
            engine=engine,
            download=download,
            meter=engine.reporter.meter("download", arguments.on_progress, engine.transport.now, job_id),
            cancel=Cancellation(arguments.cancel, partial(download_cancelled, job_id)),
        )


def recorder_of(engine: AsyncEngine) -> AsyncRecorder | None:
    """Return what records the jobs of a client with a journal."""
    journal = engine.shared.journal
    if journal is None:
        return None
    from .recorder import AsyncRecorder  # a client without a journal needs none of it

    return AsyncRecorder(engine, journal)
