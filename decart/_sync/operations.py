# Generated from decart/_async by scripts/unasync.py. Do not edit.
"""The operations that the queue's methods are made of: submit, status, wait and download."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from ..arguments import WaitArguments, check_policy
from ..downloads import Download, RequestedRange
from ..errors import DecartSDKError, InvalidInputError, QueueError
from ..inputs import JobInput
from ..jobs import JobStatusResponse, JobSubmitResponse, PollStep
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
)
from ..policies import FAILURES, PollPolicy, outcome_unknown, repeat_read, repeat_submit
from ..polling import Failed, Finished, JobPoll, TimedOut, Wait
from ..progress import OnProgress
from ..protocol import status_call, submit_call
from ..results import CompletedJob, FailedJob, SavedJob, to_result
from .backend import CancelEvent, in_thread
from .engine import Engine
from .transfers import Transfer, fetch, save
from .waits import JobWait

AnyResult = CompletedJob | SavedJob | FailedJob


class Operations:
    """The operations of one client's queue. Each is reported to the event hooks."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def submit(
        self,
        options: JobOptions | JobInput,
        state: CallState,
        on_progress: OnProgress | None,
        cancel: CancelEvent | None = None,
    ) -> JobSubmitResponse:
        """Submit a job, and note its id as soon as it is known."""
        job = from_options(options)
        engine = self.engine
        cancellation = Cancellation(cancel, submit_cancelled)
        meter = engine.meter("upload", on_progress)

        def may_start() -> None:
            engine.check_open()
            cancellation.check()

        def on_sent(done: int, total: int) -> None:
            state.sent = True
            meter.at(done, total)

        def repeat(error: BaseException) -> bool:
            state.sent = outcome_unknown(error)  # after a refusal, a call that is interrupted has cost nothing
            return repeat_submit(error)

        build = partial(
            submit_call, engine.settings, job, on_sent=on_sent, may_start=may_start, on_accepted=state.accept
        )
        call = in_thread(build) if job.has_files else build()
        with engine.reporter.operation("submit", model=job.model.name):
            try:
                accepted = engine.send(call, repeat, cancel=cancellation)
            except FAILURES as cause:
                raise submit_error(cause) from cause
            engine.accepted(job, accepted)
        return accepted

    def status(
        self, job_id: str, error: Callable[[str, DecartSDKError], QueueError] = status_error
    ) -> JobStatusResponse:
        """Check the status of a job; ``error`` makes the error of a failed check."""
        call = status_call(self.engine.settings, job_id)
        with self.engine.reporter.operation("status", job_id=job_id):
            try:
                status = self.engine.send(call, repeat_read)
            except FAILURES as cause:
                raise error(job_id, cause) from cause
        return self.engine.with_age(status)

    def last_status(self, job_id: str) -> JobStatusResponse:
        """Return the last status of a job that has finished."""
        return finished(self.status(job_id, result_error))

    def wait(
        self, job_id: str, state: CallState, arguments: WaitArguments, known: JobStatusResponse | None = None
    ) -> AnyResult:
        engine = self.engine
        poll = self.new_poll(job_id, arguments.poll, engine.transport.now())
        wait = JobWait(
            engine=engine, poll=poll, now=engine.transport.now, arguments=arguments, known=known, state=state
        )
        with engine.reporter.operation("wait", job_id=job_id):
            try:
                step = wait.run()
            finally:  # a callback may end it once the job is done
                state.finished = poll.status is not None and poll.status.status == "completed"
            if isinstance(step, Finished) and step.status.status == "completed" and poll.last_running is not None:
                engine.memory.completed(job_id, engine.transport.now(), poll.last_running)
            if isinstance(step, Failed):
                raise status_error(job_id, step.error) from step.error
        if isinstance(step, Finished):
            return self.result(step.status, state, arguments, poll)
        return timed_out(poll)

    def poll_once(self, job_id: str, state: dict[str, Any] | None, policy: PollPolicy | None) -> PollStep:
        """Make one status check of a wait whose times are UNIX times."""
        check_policy(policy)
        if policy is not None and state is not None:
            raise InvalidInputError("poll is for the first step; later steps follow the policy in their state.")
        clock = self.engine.time
        poll = self.new_poll(job_id, policy, clock()) if state is None else JobPoll.from_json(state, job_id)
        with self.engine.reporter.operation("status", job_id=job_id):
            step = JobWait(engine=self.engine, poll=poll, now=clock).check()
            if isinstance(step, Failed):
                raise status_error(job_id, step.error) from step.error
        if isinstance(step, TimedOut):
            timed_out(poll).raise_for_status()
        return PollStep(
            job=step.status if isinstance(step, Finished) else None,
            wait=step.seconds if isinstance(step, Wait) else 0.0,
            state=poll.to_json(),
        )

    def result(
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
        with self.engine.reporter.operation("download", job_id=job_id):
            try:
                if arguments.save_to is not None:
                    return to_result(last, path=save(transfer, arguments.save_to))
                return to_result(last, data=fetch(transfer))
            except FAILURES as cause:
                raise result_error(job_id, cause) from cause

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
    ) -> Transfer:
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
        return Transfer(
            engine=engine,
            download=download,
            meter=engine.meter("download", arguments.on_progress, job_id),
            cancel=Cancellation(arguments.cancel, partial(download_cancelled, job_id)),
        )
