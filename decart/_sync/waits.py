# Generated from decart/_async by scripts/unasync.py. Do not edit.
"""Carry out a wait: check the status of a job until it finishes, or the wait ends."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import attrs
from tenacity import Retrying, RetryCallState

from ..arguments import WaitArguments
from ..jobs import JobStatusResponse
from ..outcomes import CallState, Cancellation, wait_cancelled
from ..policies import FAILURES
from ..polling import JobPoll, NextStep, Wait
from ..protocol import Call, status_call
from ..retrying import Outcome, Sleep, outcome_of
from .backend import result_of, sleep
from .engine import Engine, captured


@attrs.define(kw_only=True, eq=False)
class JobWait:
    """The status checks of one wait.

    Attributes:
        engine: What sends the requests.
        poll: Decides.
        now: The clock that ``poll`` counts on.
        arguments: What the caller asked for.
        known: A first status that need not be requested: the response to the submit.
        state: How far the call has come.
    """

    engine: Engine
    poll: JobPoll
    now: Callable[[], float]
    arguments: WaitArguments = WaitArguments()
    known: JobStatusResponse | None = None
    state: CallState = attrs.field(factory=CallState)
    _call: Call[JobStatusResponse] = attrs.field(init=False)
    _cancel: Cancellation = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        job_id = self.poll.job_id
        self._call = status_call(self.engine.settings, job_id)
        self._cancel = Cancellation(self.arguments.cancel, lambda: wait_cancelled(job_id))

    def run(self) -> NextStep:
        """Check the status until there is nothing left to wait for."""
        sleeping = Sleep(partial(sleep, self.engine.transport, cancel=self.arguments.cancel))
        try:
            retrying = Retrying(retry=_goes_on, wait=_seconds, sleep=sleeping)
            outcome: Outcome[Any] = retrying(captured, self.check)
        finally:
            sleeping.release()
        step: NextStep = outcome.unwrap()
        return step

    def check(self) -> NextStep:
        """Check the status once, report it, and say what is next."""
        status, self.known = self.known, None
        try:
            if status is None:
                status = self._request()
        except FAILURES as error:
            error.__traceback__ = None  # an event hook may keep the error, and its frames hold the request
            step = self.poll.observe_error(error, self.now())
            if isinstance(step, Wait):
                self.engine.reporter.retry(self.poll.job_id, error, self.poll.failures, step.seconds)
            return step
        step = self.poll.observe(status, self.now())
        if self.arguments.on_poll is not None:
            self.arguments.on_poll(status)
        if self.poll.status_changed:
            self.engine.reporter.status(status)
            if self.arguments.on_status_change is not None:
                self.state.in_callback = True
                result_of(self.arguments.on_status_change(status))
                self.state.in_callback = False
        return step

    def _request(self) -> JobStatusResponse:
        timeout = self.engine.settings.timeout.within(self.poll.time_for_check(self.now()))
        return self.engine.with_age(self.engine.send_once(self._call, timeout, self._cancel))


def _goes_on(state: RetryCallState) -> bool:
    """Return whether there is another status check."""
    return isinstance(outcome_of(state).value, Wait)


def _seconds(state: RetryCallState) -> float:
    """Return how long to wait for it."""
    step = outcome_of(state).value
    return step.seconds if isinstance(step, Wait) else 0.0
