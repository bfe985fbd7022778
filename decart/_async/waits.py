"""The status checks of a wait."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import attrs

from ..arguments import WaitArguments
from ..jobs import JobStatusResponse
from ..outcomes import CallState, Cancellation
from ..policies import FAILURES, LAST_REQUEST
from ..polling import JobPoll, NextStep, Wait
from ..protocol import Call
from .backend import result_of
from .engine import AsyncEngine

if TYPE_CHECKING:
    from .recorder import AsyncRecorder


@attrs.define(kw_only=True, eq=False)
class AsyncJobWait:
    """The status checks of one wait.

    Attributes:
        engine: What sends the requests.
        recorder: What records each new status, if the client has a journal.
        poll: Decides.
        now: The clock that ``poll`` counts on.
        call: The status check.
        arguments: What the caller asked for.
        cancel: What ends it.
        known: A first status that need not be requested: the response to the submit.
        state: How far the call has come.
    """

    engine: AsyncEngine
    recorder: AsyncRecorder | None
    poll: JobPoll
    now: Callable[[], float]
    call: Call[JobStatusResponse]
    arguments: WaitArguments = WaitArguments()
    cancel: Cancellation = Cancellation()
    known: JobStatusResponse | None = None
    state: CallState = attrs.field(factory=CallState)

    async def check(self) -> NextStep:
        """Check the status once, report it, and say what is next."""
        engine, poll = self.engine, self.poll
        status, self.known = self.known, None
        try:
            if status is None:
                timeout = engine.settings.timeout.within(max(poll.remaining(self.now()), LAST_REQUEST))
                status = await engine.send_once(self.call, timeout, self.cancel)
                status = engine.memory.with_age(status, engine.transport.now())
        except FAILURES as error:
            error.__traceback__ = None  # an event hook may keep the error, and its frames hold the request
            step = poll.observe_error(error, self.now())
            if isinstance(step, Wait):
                engine.reporter.retry(poll.job_id, error, poll.failures, step.seconds)
            return step
        step = poll.observe(status, self.now())
        if self.arguments.on_poll is not None:
            self.arguments.on_poll(status)
        if poll.status_changed:
            if self.recorder is not None:
                await self.recorder.note(status)
            engine.reporter.status(status)
            if self.arguments.on_status_change is not None:
                self.state.in_callback = True
                await result_of(self.arguments.on_status_change(status))
                self.state.in_callback = False
        return step
