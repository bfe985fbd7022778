"""Carry out exchanges: send once, and retry as the policy says. What to send and what it means is decided elsewhere.

tenacity is the loop, from the first attempt on. Its objects refer to themselves, and an exception that it gets would
close a reference cycle with the frames of the attempt. So it gets no values and no exceptions, and `Attempts` forgets
each call at its end: otherwise connections, files and request bodies would stay around until the next collection.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any, NoReturn, TypeVar, cast

import attrs
from tenacity import RetryCallState, Retrying

from ..config import ClientConfig, Shared
from ..errors import DecartSDKError, QueueError, TransportError
from ..events import Operation, log
from ..jobs import JobStatusResponse
from ..outcomes import Cancellation, client_closed, status_error
from ..policies import FAILURES, Exchange, repeat_read
from ..polling import Wait
from ..protocol import ERROR_LIMIT, Call, status_call
from ..reporter import Reporter
from ..responses import BufferedResponse
from ..transports.base import AsyncHttpResponse, AsyncTransport, HttpRequest, Timeout

T = TypeVar("T")

PauseAfter = Callable[[DecartSDKError], float | None]

Pause = Callable[[float, Any], Awaitable[None]]
"""Sleeps for so many seconds, or until an event is set, if there is one."""


@attrs.frozen
class Notes:
    """What a journal does while a job is submitted.

    Attributes:
        first: Called before the first byte of an attempt is sent.
        pause: Sleeps before another attempt, in place of the transport.
    """

    first: tuple[Callable[[], None], ...] = ()
    pause: Pause | None = None


NEVER = Cancellation()


class Attempts:
    """A tenacity loop and what it asks, for one call after another: to make a new one costs more than to use it.

    Args:
        reporter: What retries are reported to.

    Attributes:
        loop: Yields attempts until one is the last. It does not sleep: `AsyncEngine.with_retries` does, which only the
            async client can await.
        pause_after, job_id, what: See `AsyncEngine.with_retries`.
        seconds: The pause before the attempt that the loop yielded; ``None`` before the first.
        value: What the last attempt returned.
        error: What it raised.
    """

    pause_after: PauseAfter | None = None
    job_id: str | None = None
    what: str = ""
    seconds: float | None = None
    value: Any = None
    error: BaseException | None = None

    def __init__(self, reporter: Reporter) -> None:
        self.reporter = reporter
        self.loop = Retrying(retry=self._repeats, sleep=lambda seconds: None)

    def _repeats(self, state: RetryCallState) -> bool:
        """Decide whether there is another attempt, and report it."""
        self.seconds = self.value.seconds if isinstance(self.value, Wait) else None
        if self.pause_after is not None and isinstance(self.error, FAILURES):
            self.seconds = self.pause_after(self.error)
            if self.seconds is not None:
                self.reporter.retry(self.job_id, self.error, state.attempt_number, self.seconds, self.what)
        return self.seconds is not None


class AsyncEngine:
    """The exchanges of one client.

    Args:
        config: How the client behaves.
        shared: What it shares with the clients derived from it.
        transport: What sends its requests.

    Attributes:
        on_status: Records each status that ``status`` reads, if the client has a journal.
    """

    def __init__(self, config: ClientConfig, shared: Shared, transport: AsyncTransport) -> None:
        self.config, self.shared, self.transport = config, shared, transport
        self.settings = config.settings
        self.memory = shared.memory
        self.reporter = Reporter(config.settings, config.event_hooks)
        self._idle: list[Attempts] = []
        self.on_status: Callable[[JobStatusResponse], Awaitable[None]] | None = None

    async def status(
        self, job_id: str, error_of: Callable[[str, DecartSDKError], QueueError] = status_error
    ) -> JobStatusResponse:
        """Check the status of a job; ``error_of`` makes the error of a failed check."""
        call = status_call(self.settings, job_id)
        operation = Operation(name="status", job_id=job_id)
        status = await self.call(operation, call, repeat_read, partial(error_of, job_id))
        status = self.memory.with_age(status, self.transport.now())
        if self.on_status is not None:
            await self.on_status(status)
        return status

    async def call(
        self,
        operation: Operation,
        call: Call[T],
        repeat: Callable[[BaseException], bool],
        error_of: Callable[[DecartSDKError], DecartSDKError],
        *,
        cancel: Cancellation = NEVER,
        timeout: Timeout | None = None,
    ) -> T:
        """Make an exchange that is an operation of its own; ``error_of`` makes the error of one that failed.

        Raises:
            ClientClosedError: The client was closed.
            DecartSDKError: What ``error_of`` returned for the failure of the last attempt.
        """
        with self.reporter.operation(operation):
            try:
                return await self.send(call, repeat, cancel=cancel, timeout=timeout)
            except FAILURES as cause:
                raise error_of(cause) from cause

    async def send(
        self,
        call: Call[T],
        repeat: Callable[[BaseException], bool],
        *,
        cancel: Cancellation = NEVER,
        timeout: Timeout | None = None,
        pause: Pause | None = None,
    ) -> T:
        """Make an exchange, and retry it where ``repeat`` says that it is worth it and the policy allows it.

        Args:
            timeout: Takes the place of the client's.
            pause: Takes the place of the transport's sleep between two attempts.

        Raises:
            ClientClosedError: The client was closed.
            APIError, ResponseError, TransportError: The last attempt failed.
        """
        now, job_id = self.transport.now, call.job_id
        exchange = Exchange(policy=self.config.retry, started=now(), repeat=repeat)

        def pause_after(error: DecartSDKError) -> float | None:
            accepted = None if job_id is None else self.memory.submitted_at(job_id)
            return exchange.pause_after(error, now(), accepted)

        attempt = partial(self.send_once, call, timeout or self.settings.timeout, cancel)
        return await self.with_retries(attempt, pause_after, job_id=job_id, what=call.what, cancel=cancel, pause=pause)

    async def with_retries(
        self,
        attempt: Callable[[], Awaitable[T]],
        pause_after: PauseAfter | None,
        *,
        job_id: str | None,
        what: str = "",
        cancel: Cancellation = NEVER,
        pause: Pause | None = None,
    ) -> T:
        """Make attempts until one succeeds, or fails with an error that is not retried; it is raised.

        Args:
            attempt: Makes an attempt. One that returns a `Wait` is repeated after its seconds.
            pause_after: Called with the error of an attempt; returns seconds, or ``None`` to let the error end the
                call. Without it, every error does.
            job_id, what: What the attempts are about, for the event hooks.
            cancel: Ends a pause.
            pause: Takes the place of the transport's sleep.
        """
        try:
            attempts = self._idle.pop()
        except IndexError:
            attempts = Attempts(self.reporter)
        attempts.pause_after, attempts.job_id, attempts.what = pause_after, job_id, what
        event: Any = cancel.event  # that it is one of this side was checked with the other arguments
        try:
            for attempted in attempts.loop:
                if attempts.seconds is not None:
                    await (pause or self.transport.asleep)(attempts.seconds, event)
                with attempted:
                    attempts.value = attempts.error = None
                    try:
                        attempts.value = await attempt()
                    except BaseException as error:
                        attempts.error = error
            value, failure = attempts.value, attempts.error
        finally:
            attempts.pause_after = attempts.value = attempts.error = attempts.seconds = None
            self._idle.append(attempts)
        if failure is None:
            return cast(T, value)
        try:
            raise failure
        finally:
            del failure  # this frame is part of its traceback

    async def send_once(self, call: Call[T], timeout: Timeout, cancel: Cancellation = NEVER) -> T:
        """Make one attempt at an exchange.

        Raises:
            ClientClosedError: The client was closed.
            APIError, ResponseError, TransportError: It failed.
        """
        if cancel.event is not None:
            cancel.check()
        check = cancel.check if call.request.body is None else NEVER.check  # a submit that was sent is read to its end
        response = await self.open(call.request, timeout)
        try:
            status, failure = response.status, None
            try:
                await response.aread(call.limit if 200 <= status < 300 else ERROR_LIMIT, check=check)
            except TransportError as error:
                if call.salvage is None:
                    raise
                failure = error.with_traceback(None)
                failure.may_have_been_sent = True  # a response began: whatever broke it off, the request was received
            # not in the handler: an error that these raise must not refer to the request
            received = BufferedResponse(status=status, headers=response.headers, body=response.received)
            if failure is None or call.salvage is None:
                return call.parse(received)
            return call.salvage(received, failure)
        except BaseException as end:
            if call.salvage is not None and response.received and not isinstance(end, FAILURES):  # such as Ctrl-C
                received = BufferedResponse(status=response.status, headers=response.headers, body=response.received)
                with suppress(DecartSDKError):  # it names no job
                    call.salvage(received, TransportError("Interrupted."))
            raise
        finally:
            await response.aclose()

    async def open(self, request: HttpRequest, timeout: Timeout) -> AsyncHttpResponse:
        """Send a request, and return the response, whose body is still to be read.

        Raises:
            ClientClosedError: The client was closed.
            TransportError: There is no response.
        """
        if self.shared.closed:
            raise client_closed()
        reporter = self.reporter
        if not (reporter.hooks or log.isEnabledFor(logging.DEBUG)):
            return await self.transport.asend(request, timeout=timeout)
        started = self.transport.now()
        reporter.request(request)
        try:
            response = await self.transport.asend(request, timeout=timeout)
        except TransportError as error:
            reporter.failure(request, error, self.transport.now() - started)
            raise
        reporter.response(request, response.status, response.headers, self.transport.now() - started)
        return response

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "A client holds a key and connections, and is neither copied nor pickled; make one in each process instead."
        )

    def check_open(self) -> None:
        """Raise ``ClientClosedError`` if this client, one that shares its connections, or its sync side was closed."""
        if self.shared.closed:
            raise client_closed()
