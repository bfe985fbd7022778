"""What the queue's methods are made of: submit, wait and download. Each operation is reported to the event hooks."""

from __future__ import annotations

import io
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from ..arguments import WaitArguments, check_policy
from ..downloads import Download, RequestedRange
from ..errors import InvalidInputError
from ..events import Operation
from ..inputs import JobInput
from ..jobs import CompletedJob, FailedJob, JobStatusResponse, JobSubmitResponse, PollStep, SavedJob, to_result
from ..options import JobOptions, from_options
from ..outcomes import (
    CallState,
    Cancellation,
    Sending,
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
from .engine import AsyncEngine, Notes
from .transfers import AsyncTransfer, save
from .waits import AsyncJobWait

if TYPE_CHECKING:
    from .recorder import AsyncRecorder

Send = Callable[..., Awaitable[JobSubmitResponse]]
"""Submits a job, of form fields if they were made already, and with the notes of a journal."""

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
        repeated: bool = False,
        fields: Mapping[str, str | Upload] | None = None,
        send: Send | None = None,
        patience: float | None = None,
    ) -> JobSubmitResponse:
        """Submit a job and record it, if there is a journal, or return the one that its label names already.

        Args:
            decided: Give up a job whose outcome is unknown.
            repeated: Write over the record of the attempt before, which was refused.
            fields: The form fields of the job, if they have been made already.
            send: Submits the job, in place of ``send`` of this object.
            patience: The most seconds to wait for another call with the same label.
        """
        job = from_options(options, "video")
        send = send or partial(self.send, job, state, on_progress, cancel)
        if self.recorder is not None:
            from .recorder import PATIENCE, LabelArguments  # it is loaded

            arguments = LabelArguments(
                label=label,
                again=again,
                decided=decided,
                repeated=repeated,
                fields=fields,
                cancel=Cancellation(cancel, submit_cancelled),
                patience=PATIENCE if patience is None else patience,
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
        notes: Notes = Notes(),  # noqa: B008 - it is frozen
    ) -> JobSubmitResponse:
        """Submit a job, and note its id as soon as it is known.

        Args:
            fields: The form fields of the job, if they have been made already.
            notes: What the journal does meanwhile.
        """
        engine, cancellation = self.engine, Cancellation(cancel, submit_cancelled)
        meter = engine.reporter.meter("upload", on_progress, engine.transport.now)
        sending = Sending(state, engine.check_open, cancellation, meter, notes.first)
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
                accepted = await engine.send(call, sending.repeat, cancel=cancellation, pause=notes.pause)
            except FAILURES as cause:
                raise submit_error(cause) from cause
            # remembered and logged before anything else can happen; the sizes are the service's defaults
            kind = job.model.name, job.resolution or "720p", getattr(job, "orientation", None) or "landscape"
            engine.memory.accepted(accepted.job_id, kind, engine.transport.now())
            state.first = JobStatusResponse(
                job_id=accepted.job_id, status=accepted.status, model=accepted.model, elapsed=0.0
            )
            engine.reporter.status(state.first, "was submitted, and is")
        return accepted

    async def last_status(self, job_id: str) -> JobStatusResponse:
        """Return the last status of a job that has finished."""
        return finished(await self.engine.status(job_id, result_error))

    async def wait(self, job_id: str, state: CallState, arguments: WaitArguments) -> AnyResult:
        """Check the status of a job until it finishes or the wait ends, and fetch its result."""
        engine = self.engine
        try:
            wait = self.new_wait(job_id, state, arguments)
            with engine.reporter.operation(Operation(name="wait", job_id=job_id)):
                try:
                    step = await engine.with_retries(wait.check, None, job_id=job_id, cancel=wait.cancel)
                finally:  # a callback may end it once the job is done
                    state.finished = wait.poll.status is not None and wait.poll.status.status == "completed"
                last = wait.end(step)
            if isinstance(last, FailedJob):
                return last
            return await self.result(last, state, arguments, wait.poll)
        finally:
            if self.recorder is not None and state.claim is not None:
                await self.recorder.release(job_id, state.claim)

    def new_wait(
        self,
        job_id: str,
        state: CallState,
        arguments: WaitArguments,
        *,
        clock: Callable[[], float] | None = None,
        poll: JobPoll | None = None,
    ) -> AsyncJobWait:
        """Begin a wait for a job, or continue one.

        Args:
            clock: What its times are read from; the transport's clock by default.
            poll: Its state so far.
        """
        engine, memory, now = self.engine, self.engine.memory, self.engine.transport.now
        clock = clock or now
        if poll is None:
            started, submitted = clock(), memory.submitted_at(job_id)
            own_policy = arguments.poll or engine.config.poll
            poll = JobPoll(
                job_id=job_id,
                started=started,
                policy=own_policy or PollPolicy(),
                retry=engine.config.retry,
                accepted=None if submitted is None else started - (now() - submitted),
                expectation=memory.expectation(job_id) if own_policy is None else None,
            )
        return AsyncJobWait(
            engine=engine,
            recorder=self.recorder,
            poll=poll,
            now=clock,
            call=status_call(engine.settings, job_id),
            arguments=arguments,
            cancel=Cancellation(arguments.cancel, partial(wait_cancelled, job_id)),
            state=state,
        )

    async def poll_once(self, job_id: str, state: dict[str, Any] | None, policy: PollPolicy | None) -> PollStep:
        """Make one status check of a wait whose times are UNIX times."""
        if policy is not None:
            check_policy(policy)
            if state is not None:
                raise InvalidInputError("poll is for the first step; later steps follow the policy in their state.")
        engine = self.engine
        clock: Callable[[], float] = getattr(engine.transport, "time", time.time)
        begun = None if state is None else JobPoll.from_json(state, job_id)
        wait = self.new_wait(job_id, CallState(), WaitArguments(poll=policy), clock=clock, poll=begun)
        with engine.reporter.operation(Operation(name="status", job_id=job_id)):
            step = await wait.check()
            if isinstance(step, Failed):
                raise status_error(job_id, step.error) from step.error
        if isinstance(step, TimedOut):
            timed_out(wait.poll).raise_for_status()
        return PollStep(
            job=step.status if isinstance(step, Finished) else None,
            wait=step.seconds if isinstance(step, Wait) else 0.0,
            state=wait.poll.to_json(),
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
                    transfer.memory = io.BytesIO()
                    await transfer.run(transfer.receive)
                    result = to_result(last, data=transfer.memory.getvalue())
            except FAILURES as cause:
                raise result_error(job_id, cause) from cause
            finally:
                await transfer.close()
        if self.recorder is not None:
            await self.recorder.delivered(job_id, arguments.save_to)
        return result

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
        now, patience, total = engine.transport.now(), engine.config.retry.timeout, engine.settings.timeout.total
        if poll is None:
            give_up = float("inf") if patience is None else now + patience
            accepted = engine.memory.submitted_at(job_id)
        else:
            give_up, accepted = max(poll.deadline, now), poll.accepted
        download = Download(
            job_id=job_id,
            settings=engine.settings,
            retry=engine.config.retry,
            give_up=give_up,
            deadline=float("inf") if total is None else now + total,
            accepted=accepted,
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
