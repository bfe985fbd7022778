"""What a client does, told: to the log, and to the caller's event hook if there is one.

========================  =======  =====================================================
what                      level    event (`decart.events`)
========================  =======  =====================================================
an exchange               DEBUG    ``request_sent``, ``response_received``, ``request_failed``
a repeat                  INFO     ``retry``
a job and its status      INFO     ``status_changed``
bytes                     -        ``bytes_moved``
========================  =======  =====================================================

Headers are told only by the list below: no key, no cookie, nothing that we do not know.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

from .config import Settings
from .errors import TransportError
from .jobs import JobStatusResponse
from .log import log
from .responses import clean
from .transports.base import HttpRequest

if TYPE_CHECKING:
    from .events import EventHook
    from .progress import Progress

TOLD = (
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
"""The headers of an answer that may be told, in lower case."""


class Reporter:
    """Tells of one client's doings.

    Args:
        settings: The client's, with the key that no header may show: a server may echo it.
        hook: The caller's; what it raises ends up in the log.
    """

    def __init__(self, settings: Settings, hook: EventHook | None = None) -> None:
        self._settings, self.hook = settings, hook

    @property
    def listens(self) -> bool:
        """Whether anybody wants to hear of repeats."""
        return self.hook is not None or log.isEnabledFor(logging.INFO)

    @property
    def hears_bytes(self) -> bool:
        """Whether anybody wants to hear how far transfers are."""
        return self.hook is not None

    def request(self, request: HttpRequest) -> None:
        """Tell that a request is about to be sent."""
        if self.hook is not None:
            length = 0 if request.body is None else len(request.body)
            self._tell("request_sent", "RequestSent", method=request.method, url=request.url, length=length)

    def response(self, request: HttpRequest, status: int, headers: Mapping[str, str], seconds: float) -> None:
        """Tell of the head of an answer."""
        if self.hook is None and not log.isEnabledFor(logging.DEBUG):
            return
        told = {name: clean(headers[name], self._settings) for name in TOLD if name in headers}
        log.debug("%s %s: %d in %.3f s, %s", request.method, request.url, status, seconds, told)
        self._tell(
            "response_received", "ResponseReceived",
            method=request.method, url=request.url, status=status, headers=told, seconds=seconds,
        )  # fmt: skip

    def failure(self, request: HttpRequest, error: TransportError, seconds: float) -> None:
        """Tell that no answer came."""
        log.debug("%s %s: no answer in %.3f s: %s", request.method, request.url, seconds, error)
        self._tell(
            "request_failed", "RequestFailed", method=request.method, url=request.url, error=error, seconds=seconds
        )

    def retry(self, what: str, job_id: str | None, error: BaseException | None, attempt: int, seconds: float) -> None:
        """Tell that something has failed and is tried again."""
        log.info("%s (%s); again in %.1f s", what, error, seconds)
        self._tell("retry", "Retry", job_id=job_id, error=error, attempt=attempt, seconds=seconds)

    def status(self, job: JobStatusResponse, doing: str = "is") -> None:
        """Tell where a job is."""
        log.info("job %s %s %s", job.job_id, doing, job.status)
        self._tell(
            "status_changed", "StatusChanged",
            job_id=job.job_id, status=job.status, error=job.error, model=job.model, elapsed=job.elapsed,
        )  # fmt: skip

    def progress(self, progress: Progress, job_id: str | None) -> None:
        """Tell how far a transfer is."""
        self._tell(
            "bytes_moved", "BytesMoved",
            job_id=job_id, direction=progress.direction, done=progress.done, total=progress.total,
        )  # fmt: skip

    def operation(
        self, name: Literal["submit", "wait", "download"], *, job_id: str | None = None, model: str | None = None
    ) -> AbstractContextManager[object]:
        """Return what surrounds an operation."""
        if self.hook is None:
            return nullcontext()
        from .events import Operation

        return _Guarded(self.hook, Operation(name=name, job_id=job_id, model=model))

    def _tell(self, method: str, event: str, /, **facts: Any) -> None:
        if self.hook is None:
            return
        from . import events

        try:
            getattr(self.hook, method)(getattr(events, event)(**facts))
        except Exception:
            _failed(method)


class _Guarded:
    """Surrounds an operation with what the hook gave for it, and keeps what that raises to the log."""

    def __init__(self, hook: EventHook, operation: Any) -> None:
        self._hook, self._operation = hook, operation
        self._inner: AbstractContextManager[object] | None = None

    def __enter__(self) -> None:
        try:
            inner = self._hook.operation(self._operation)
            inner.__enter__()
            self._inner = inner
        except Exception:
            _failed("operation")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._inner is not None:
                self._inner.__exit__(kind, error, trace)
        except Exception as raised:
            if raised is not error:
                _failed("operation")


def _failed(method: str) -> None:
    log.warning("the event hook failed in %s; the work goes on", method, exc_info=True)
