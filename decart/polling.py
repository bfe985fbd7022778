"""What one wait for a job has seen so far, and what follows from it: look again, when, or stop.

tenacity is the loop, and asks a ``Watch`` its three questions: is it worth another look (``retry``), after how many
seconds (``wait``), and is it time to give up (``stop``)? The answers are functions of what was seen, by the rules of
`decart.policies`; how long jobs like this one take is `decart.pace`'s part.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import attrs

from .errors import NotFoundError, QueueStatusError, WaitCancelledError
from .jobs import KNOWN, JobStatusResponse
from .log import log
from .pace import Lesson
from .policies import Deadline, PollPolicy, RetryPolicy, error_of, hooks, pause, repeat_read, retry_after
from .protocol import Call
from .reporter import Reporter
from .results import FailedJob
from .transports.base import Timeout

if TYPE_CHECKING:
    from tenacity import RetryCallState

    from .policies import Pace


MISSING = 3  # answers of 404 to take for "not visible yet" before they are taken at their word


@attrs.define(kw_only=True)
class Watch:
    """What one wait for a job has seen so far, and the decisions that follow from it.

    The front door does the rest: look, call ``saw``, tell the callback when there are ``news``, and let tenacity go
    round. A look that fails is raised as a ``QueueStatusError``; what counts is its cause.
    """

    job_id: str
    question: Call[JobStatusResponse] = attrs.field(repr=False)
    poll: PollPolicy
    retry: RetryPolicy
    deadline: Deadline
    reporter: Reporter = attrs.field(repr=False)
    callback: Callable[[JobStatusResponse], Any] | None = None
    cancel: Any = None  # an Event, of a kind that the transport can wait for
    known: JobStatusResponse | None = None  # a status that need not be asked for: the submit's answer
    lesson: Lesson | None = None  # what was learned from jobs like this one
    looked: Callable[[JobStatusResponse], None] | None = None  # told after each look, for a bar
    status: JobStatusResponse | None = attrs.field(default=None, init=False)
    _news: bool = attrs.field(default=False, init=False)
    _failures: int = attrs.field(default=0, init=False)  # in a row
    _missing: int = attrs.field(default=0, init=False)  # answers of 404
    _warned: set[str] = attrs.field(factory=set, init=False)
    _error: BaseException | None = attrs.field(default=None, init=False)

    def take_known(self) -> JobStatusResponse | None:
        """Return, the first time, the status that is known already."""
        known, self.known = self.known, None
        return known

    def saw(self, status: JobStatusResponse) -> None:
        """Take note of a status."""
        if self.lesson is not None:
            self.lesson.saw(status.status)
        if self.looked is not None:
            self.looked(status)
        self._news = self.status is None or self.status.status != status.status
        self.status = status
        if self._news:
            self.reporter.status(status)
            if status.status not in KNOWN | self._warned:
                self._warned.add(status.status)
                log.warning("job %s has a status unknown to this version, %r; waiting on", self.job_id, status.status)

    def news(self) -> JobStatusResponse | None:
        """Return the status if it has changed since this was last called."""
        news, self._news = self._news, False
        return self.status if news else None

    def ended(self) -> JobStatusResponse | None:
        """Return the status if it is the job's last."""
        return self.status if self.status is not None and self.status.finished else None

    def timeout(self, timeout: Timeout) -> Timeout:
        """Return the time that a look begun now has.

        Raises:
            WaitCancelledError: The caller has ended the wait.
        """
        if self.cancel is not None and self.cancel.is_set():
            raise self.cancelled()
        return timeout.within(self.deadline.for_request())

    def settings(self) -> Mapping[str, Any]:
        """Return tenacity's settings for this wait."""
        return {
            "retry": self._goes_on,
            "wait": self._wait,
            "stop": lambda state: self.deadline.passed(),
            **hooks(self._say, self.reporter),
            "retry_error_callback": lambda state: None,  # the deadline is a result of its own, not an error
        }

    def _goes_on(self, state: RetryCallState) -> bool:
        error = error_of(state)
        self._error = error.cause if isinstance(error, QueueStatusError) else error
        if self._error is None:
            self._failures = self._missing = 0
            return self.ended() is None
        self._failures += 1
        if isinstance(self._error, NotFoundError):
            self._missing += 1
            return self._missing < MISSING
        return repeat_read(self._error)

    def _wait(self, state: RetryCallState) -> float:
        pace: Pace = self.retry if self._failures else self.poll
        asked = retry_after(self._error, pace)
        return self.deadline.clip(self._own(pace, state.attempt_number) if asked is None else asked)

    def _own(self, pace: Pace, turn: int) -> float:
        """Return the pause of our own choice, jitter taken off."""
        if self._failures or self.lesson is None:
            return pause(pace, self._failures or turn, random.random())
        return self.lesson.pause(turn, random.random())

    def _say(self, state: RetryCallState) -> None:
        if self._error is not None:
            what = f"a look at job {self.job_id} failed"
            self.reporter.retry(what, self.job_id, self._error, self._failures, state.upcoming_sleep)

    def cancelled(self) -> WaitCancelledError:
        """Return the error of a wait that its caller has ended."""
        return WaitCancelledError(
            f"The wait for job {self.job_id} was cancelled. The job goes on, and is billed: "
            f"client.queue.poll({self.job_id!r}) waits for it again.",
            job_id=self.job_id,
        )

    def timed_out(self) -> FailedJob:
        """Return the result of a wait whose deadline came before the job's end."""
        seen = f"its last status was {self.status.status}" if self.status else "its status was never seen"
        trouble = f"; the last look at it failed: {self._error}" if self._error else ""
        return FailedJob(
            job_id=self.job_id,
            timed_out=True,
            model=self.status.model if self.status else None,
            elapsed=self.status.elapsed if self.status else None,
            error=(
                f"The wait for job {self.job_id} ended after {self.poll.timeout:g} s; {seen}{trouble.rstrip('.')}. "
                f"The job may still finish, and is billed: client.queue.poll({self.job_id!r}) waits for it again."
            ),
        )
