"""What the verbs of a client stand on: one exchange, repeated as its policy says, and the words for its failure."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import attrs

from ._config import Settings
from ._problems import Answer
from ._wire import Call
from .errors import (
    APIError,
    ClientClosedError,
    QueueError,
    QueueSubmitError,
    ResponseError,
    SubmitOutcomeUnknownError,
    TransportError,
)
from .policies import Deadline, PollPolicy, RetryPolicy, outcome_unknown, retrying
from .transports.base import HttpRequest, Timeout, Transport

T = TypeVar("T")
log = logging.getLogger("decart")


@attrs.define(kw_only=True)
class Core:
    """The settings of a client, its transport, and whether it is still open."""

    settings: Settings
    transport: Transport
    retry: RetryPolicy
    poll: PollPolicy
    closed: bool = False

    def send(self, call: Call[T], repeat: Callable[[BaseException], bool], deadline: Deadline | None = None) -> T:
        """Make an exchange, and repeat it where ``repeat`` says it is worth it and the policy has time for it."""
        from tenacity import Retrying

        deadline = deadline or self.deadline(self.retry.timeout)
        attempts = Retrying(sleep=self.transport.sleep, **retrying(self.retry, deadline, repeat))
        return attempts(lambda: self.once(call))

    def once(self, call: Call[T], timeout: Timeout | None = None) -> T:
        """Make an exchange once.

        Raises:
            ClientClosedError: The client was closed.
            APIError, ResponseError, TransportError: Why there is no value.
        """
        if self.closed:
            raise ClientClosedError("This client is closed; make a new DecartClient, or keep this one open for longer.")
        began = self.transport.now()
        with self.transport.send(call.request, timeout=timeout or self.settings.timeout) as response:
            answer = Answer(
                status=response.status,
                headers=response.headers,
                body=response.read(call.limit_for(response.status)),
            )
        _log_exchange(call.request, answer, self.transport.now() - began)
        return call.parse(answer)

    def deadline(self, seconds: float | None) -> Deadline:
        """Return the moment so many seconds from now, on the transport's clock."""
        return Deadline.after(seconds, self.transport.now)


def _log_exchange(request: HttpRequest, answer: Answer, seconds: float) -> None:
    log.debug("%s %s: %d, %d bytes in %.3f s", request.method, request.url, answer.status, len(answer.body), seconds)


@contextmanager
def blamed(kind: type[QueueError], doing: str, job_id: str | None = None) -> Iterator[None]:
    """Say where it went wrong: wrap the reason in the error of the verb, which carries the job's id."""
    try:
        yield
    except (APIError, ResponseError, TransportError) as cause:
        if kind is QueueSubmitError and outcome_unknown(cause):
            raise SubmitOutcomeUnknownError(
                f"The job may have been accepted, and you may have been charged, so it was not repeated: {cause} "
                "Look in your account before you submit it again.",
                None,
                cause,
            ) from cause
        raise kind(f"{doing}: {cause}", None, cause, job_id) from cause


@contextmanager
def resumable(job_id: str) -> Iterator[None]:
    """Make sure that whatever ends a wait (Ctrl-C, a callback's exception) tells how to come back to the job."""
    try:
        yield
    except BaseException as error:
        if getattr(error, "job_id", None) == job_id:
            raise  # it says so itself
        advice = f"The wait for job {job_id} ended; the job goes on. Resume with client.queue.poll({job_id!r})."
        log.warning("%s", advice)
        getattr(error, "add_note", str)(advice)  # Python 3.11 has notes
        raise
