"""What a client does, reported to the log and to the caller's event hooks.

========================  =======  =======================================================
what                      level    event (`decart.events`)
========================  =======  =======================================================
an exchange               DEBUG    ``request_sent``, ``response_received``, ``request_failed``
a retry                   INFO     ``retry``
a job and its status      INFO     ``status_changed``
bytes                     -        ``bytes_moved``
========================  =======  =======================================================

Only the headers listed below are reported: no key, no cookie, nothing unknown.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Literal

from .config import Settings
from .errors import TransportError
from .events import (
    BytesMoved,
    EventHook,
    Operation,
    RequestFailed,
    RequestSent,
    ResponseReceived,
    Retry,
    StatusChanged,
    log,
)
from .jobs import KNOWN, JobStatusResponse
from .progress import Meter, OnProgress, Progress
from .redaction import clean
from .transports.base import HttpRequest

REPORTED = (
    "content-length",
    "content-range",
    "content-type",
    "date",
    "etag",
    "retry-after",
    "server",
    "traceparent",
    "x-ratelimit-limit",
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
    "x-request-id",
)
"""The response headers that are reported, in lower case."""


class Reporter:
    """Reports what one client does.

    Args:
        settings: The client's; a server may echo its key in a header.
        hooks: The caller's; their exceptions are logged.

    Attributes:
        operation: Returns a context manager that surrounds an operation.
    """

    def __init__(self, settings: Settings, hooks: tuple[EventHook, ...] = ()) -> None:
        self.hooks = hooks
        self.operation: Callable[[Operation], AbstractContextManager[object]]
        self.operation = self._operation if hooks else nullcontext
        self._settings = settings

    def request(self, request: HttpRequest) -> None:
        """Report that a request is about to be sent."""
        if self.hooks:
            length = 0 if request.body is None else len(request.body)
            event = RequestSent(method=request.method, url=request.url, length=length)
            self._call("request_sent", lambda hook: hook.request_sent(event))

    def response(self, request: HttpRequest, status: int, headers: Mapping[str, str], seconds: float) -> None:
        """Report the head of a response."""
        reported = {name: clean(headers[name], self._settings) for name in REPORTED if name in headers}
        log.debug("%s %s: %d in %.3f s, %s", request.method, request.url, status, seconds, reported)
        event = ResponseReceived(
            method=request.method, url=request.url, status=status, headers=reported, seconds=seconds
        )
        self._call("response_received", lambda hook: hook.response_received(event))

    def failure(self, request: HttpRequest, error: TransportError, seconds: float) -> None:
        """Report that there is no response."""
        log.debug("%s %s: no response in %.3f s: %s", request.method, request.url, seconds, error)
        event = RequestFailed(method=request.method, url=request.url, error=error, seconds=seconds)
        self._call("request_failed", lambda hook: hook.request_failed(event))

    def retry(self, job_id: str | None, error: BaseException, attempt: int, seconds: float, what: str = "") -> None:
        """Report that an attempt failed, and when the next one begins."""
        what = what if job_id is None else f"request for job {job_id}"
        log.info("attempt %d of the %s failed (%s); the next one is in %.1f s", attempt, what, error, seconds)
        event = Retry(job_id=job_id, error=error.with_traceback(None), attempt=attempt, seconds=seconds)
        self._call("retry", lambda hook: hook.retry(event))

    def status(self, job: JobStatusResponse, doing: str = "is") -> None:
        """Report the status of a job."""
        if job.status in KNOWN and not (self.hooks or log.isEnabledFor(logging.INFO)):
            return
        log.info("job %s %s %s", job.job_id, doing, job.status)
        if job.status not in KNOWN:
            log.warning("job %s has a status unknown to this version, %r; still waiting", job.job_id, job.status)
        if self.hooks:
            event = StatusChanged(
                job_id=job.job_id, status=job.status, error=job.error, model=job.model, elapsed=job.elapsed
            )
            self._call("status_changed", lambda hook: hook.status_changed(event))

    def meter(
        self,
        direction: Literal["upload", "download"],
        on_progress: OnProgress | None,
        now: Callable[[], float],
        job_id: str | None = None,
    ) -> Callable[[int, int | None], None] | None:
        """Return what is called with the bytes of a transfer so far and in all; ``None`` if nobody wants to know."""
        if on_progress is None and not self.hooks:
            return None

        def report(progress: Progress) -> None:
            event = BytesMoved(job_id=job_id, direction=direction, done=progress.done, total=progress.total)
            self._call("bytes_moved", lambda hook: hook.bytes_moved(event))

        return Meter(callback=on_progress, direction=direction, now=now, report=report if self.hooks else None).at

    @contextmanager
    def _operation(self, operation: Operation) -> Iterator[None]:
        """Enter what each hook returns for an operation, and leave it with the operation's error, if any."""
        entered: list[AbstractContextManager[object]] = []
        for hook in self.hooks:
            with _logged("operation"):
                manager = hook.operation(operation)
                manager.__enter__()
                entered.append(manager)
        try:
            yield
        except BaseException as error:
            for manager in reversed(entered):
                with _logged("operation", unless=error):
                    manager.__exit__(type(error), error, error.__traceback__)
            raise
        for manager in reversed(entered):
            with _logged("operation"):
                manager.__exit__(None, None, None)

    def _call(self, method: str, tell: Callable[[EventHook], None]) -> None:
        for hook in self.hooks:
            with _logged(method):
                tell(hook)


@contextmanager
def _logged(method: str, unless: BaseException | None = None) -> Iterator[None]:
    """Log what an event hook raises, unless it is the error of the operation itself."""
    try:
        yield
    except Exception as error:
        if error is not unless:
            log.warning("an event hook failed in %s; the call continues", method, exc_info=True)
