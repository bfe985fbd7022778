# Generated from decart/_async by scripts/unasync.py. Do not edit.
"""Carry out exchanges: send once, and retry as the policy says. What to send and what it means is decided elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, Literal, TypeVar

import attrs
from tenacity import Retrying

from ..client_config import ClientConfig, Shared
from ..errors import ClientClosedError, DecartSDKError, TransportError
from ..inputs import JobInput
from ..jobs import JobStatusResponse, JobSubmitResponse, first_status
from ..outcomes import Cancellation
from ..policies import FAILURES, Exchange
from ..progress import Meter, OnProgress
from ..protocol import ERROR_LIMIT, JSON_LIMIT, Call
from ..reporter import Reporter
from ..responses import BufferedResponse
from ..retrying import Outcome, RetryLoop, Sleep
from ..transports.base import HttpResponse, Transport, HttpRequest, Timeout
from .backend import sleep

T = TypeVar("T")

NEVER = Cancellation()


def captured(attempt: Callable[[], T]) -> Outcome[T]:
    """Make an attempt, and return how it ended."""
    try:
        return Outcome(value=attempt())
    except BaseException as error:
        return Outcome(error=error)


class Engine:
    """The exchanges of one client.

    Args:
        config: How the client behaves.
        shared: What it shares with the clients derived from it.
        transport: What sends its requests.
    """

    def __init__(self, config: ClientConfig, shared: Shared, transport: Transport) -> None:
        self.config, self.shared, self.transport = config, shared, transport
        self.settings = config.settings
        self.memory = shared.memory
        self.reporter = Reporter(config.settings, config.event_hooks)

    def send(
        self,
        call: Call[T],
        repeat: Callable[[BaseException], bool],
        *,
        cancel: Cancellation = NEVER,
    ) -> T:
        """Make an exchange, and retry it where ``repeat`` says that it is worth it and the policy allows it.

        Raises:
            ClientClosedError: The client was closed.
            APIError, ResponseError, TransportError: The last attempt failed.
        """
        now = self.transport.now
        job_id = call.job_id
        exchange = Exchange(policy=self.config.retry, started=now(), repeat=repeat)

        def pause_after(error: DecartSDKError) -> float | None:
            accepted = None if job_id is None else self.memory.submitted_at(job_id)
            return exchange.pause_after(error, now(), accepted)

        attempt = partial(self.send_once, call, self.settings.timeout, cancel)
        return self.with_retries(attempt, pause_after, job_id=job_id, cancel=cancel)

    def with_retries(
        self,
        attempt: Callable[[], T],
        pause_after: Callable[[DecartSDKError], float | None],
        *,
        job_id: str | None,
        cancel: Cancellation = NEVER,
    ) -> T:
        """Make attempts until one succeeds, or ``pause_after`` returns ``None`` for an error; it is raised then."""
        sleeping = Sleep(partial(sleep, self.transport, cancel=cancel.event))
        loop = RetryLoop(pause_after, partial(self.reporter.retry, job_id), sleeping)
        try:
            retrying = Retrying(retry=loop.repeats, wait=loop.wait, sleep=loop.sleep, before_sleep=loop.report)
            outcome: Outcome[Any] = retrying(captured, attempt)
        finally:
            loop.release()
        value: T = outcome.unwrap()
        return value

    def send_once(self, call: Call[T], timeout: Timeout, cancel: Cancellation = NEVER) -> T:
        """Make one attempt at an exchange.

        Raises:
            ClientClosedError: The client was closed.
            APIError, ResponseError, TransportError: It failed.
        """
        if cancel is not NEVER:
            cancel.check()
        check = cancel.check if call.request.body is None else NEVER.check  # a submit that was sent is read to its end
        with self.open(call.request, timeout) as response:
            limit = JSON_LIMIT if 200 <= response.status < 300 else ERROR_LIMIT
            received = partial(BufferedResponse, status=response.status, headers=response.headers)
            parse = call.parse
            try:
                try:
                    buffered = received(body=response.read(limit, check=check))  # its repr hides the body
                except TransportError as error:
                    if call.salvage is None:
                        raise
                    parse = partial(call.salvage, failure=error.with_traceback(None))
                    buffered = received(body=response.received)
                return parse(buffered)  # not in the handler: an error that it raises must not refer to the request
            except BaseException as end:
                if call.salvage is not None and response.received and not isinstance(end, FAILURES):  # such as Ctrl-C
                    with suppress(TransportError):  # it names no job
                        call.salvage(received(body=response.received), TransportError("Interrupted."))
                raise

    def open(self, request: HttpRequest, timeout: Timeout) -> HttpResponse:
        """Send a request, and return the response, whose body is still to be read.

        Raises:
            ClientClosedError: The client was closed.
            TransportError: There is no response.
        """
        self.check_open()
        if not self.reporter.listens:
            return self.transport.send(request, timeout=timeout)
        reporter, started = self.reporter, self.transport.now()
        reporter.request(request)
        try:
            response = self.transport.send(request, timeout=timeout)
        except TransportError as error:
            reporter.failure(request, error, self.transport.now() - started)
            raise
        reporter.response(request, response.status, response.headers, self.transport.now() - started)
        return response

    def check_open(self) -> None:
        """Raise ``ClientClosedError`` if the client was closed."""
        if self.shared.is_closed:
            raise ClientClosedError(
                "This client is closed, and the request was not sent; create a new one, or keep this one open longer."
            )

    def with_age(self, status: JobStatusResponse) -> JobStatusResponse:
        """Add the model and the age of a job that this client submitted to its status."""
        model, elapsed = self.memory.age(status.job_id, self.transport.now(), finished=status.finished)
        return status if model is None else attrs.evolve(status, model=model, elapsed=elapsed)

    def accepted(self, job: JobInput, accepted: JobSubmitResponse) -> None:
        """Remember a job of this client, and report it, so that its id is in the log whatever happens next."""
        size = job.resolution or "720p", getattr(job, "orientation", None) or "landscape"  # the service's defaults
        self.memory.accepted(accepted.job_id, (job.model.name, *size), self.transport.now())
        self.reporter.status(first_status(accepted), "was submitted, and is")

    def meter(
        self, direction: Literal["upload", "download"], on_progress: OnProgress | None, job_id: str | None = None
    ) -> Meter:
        """Return what reports the progress of a transfer."""
        return self.reporter.meter(direction, on_progress, self.transport.now, job_id)

    def time(self) -> float:
        """Return the UNIX time, on the transport's clock if it has one."""
        clock: Callable[[], float] = getattr(self.transport, "time", time.time)
        return clock()
