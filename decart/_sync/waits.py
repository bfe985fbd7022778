# Generated from decart/_async by scripts/unasync.py. Do not edit.
"""The status checks of a wait."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import attrs

from ..arguments import WaitArguments
from ..errors import DecartSDKError
from ..jobs import FailedJob, JobStatusResponse
from ..outcomes import CallState, Cancellation, status_error, timed_out
from ..policies import FAILURES, LAST_REQUEST
from ..polling import Failed, Finished, JobPoll, NextStep, Wait
from ..protocol import Call
from .backend import result_of
from .engine import Engine

if TYPE_CHECKING:
    from .recorder import Recorder


@attrs.define(kw_only=True, eq=False)
class JobWait:
    """The status checks of one wait.

    Attributes:
        engine: What sends the requests.
        recorder: What records each new status, if the client has a journal.
        poll: Decides.
        now: The clock that ``poll`` counts on.
        call: The status check.
        arguments: What the caller asked for.
        cancel: What ends it.
        state: How far the call has come. If it has submitted the job, the first status need not be requested.
        error: Why the last status check failed, if it did.
    """

    engine: Engine
    recorder: Recorder | None
    poll: JobPoll
    now: Callable[[], float]
    call: Call[JobStatusResponse]
    arguments: WaitArguments = WaitArguments()
    cancel: Cancellation = Cancellation()
    state: CallState = attrs.field(factory=CallState)
    error: DecartSDKError | None = attrs.field(default=None, init=False)

    def check(self) -> NextStep:
        """Check the status once, report it, and say what is next."""
        engine, poll = self.engine, self.poll
        status, self.state.first, self.error = self.state.first, None, None
        try:
            if status is None:
                timeout = engine.settings.timeout.within(max(poll.deadline - self.now(), LAST_REQUEST))
                status = engine.send_once(self.call, timeout, self.cancel)
                status = engine.memory.with_age(status, engine.transport.now())
        except FAILURES as error:
            error.__traceback__ = None  # an event hook may keep the error, and its frames hold the request
            self.error = error
            step = poll.observe_error(error, self.now())
            if isinstance(step, Wait):
                engine.reporter.retry(poll.job_id, error, poll.failures, step.seconds)
            return step
        step = poll.observe(status, self.now())
        if self.arguments.on_poll is not None:
            self.arguments.on_poll(status)
        if poll.status_changed:
            if self.recorder is not None:
                self.recorder.note(status)
            engine.reporter.status(status)
            if self.arguments.on_status_change is not None:
                self.state.in_callback = True
                result_of(self.arguments.on_status_change(status))
                self.state.in_callback = False
        return step

    def end(self, step: NextStep) -> JobStatusResponse | FailedJob:
        """Return the last status of a wait that has ended, or what the caller gets if its deadline has passed.

        How long the job took is remembered.

        Raises:
            QueueStatusError: No status check can succeed.
        """
        poll = self.poll
        if isinstance(step, Failed):
            raise status_error(poll.job_id, step.error) from step.error
        if not isinstance(step, Finished):
            return timed_out(poll)
        if step.status.status == "completed" and poll.last_running is not None:
            now = self.engine.transport.now()  # the clock of the memory
            self.engine.memory.completed(poll.job_id, now, now - (self.now() - poll.last_running))
        return step.status
