"""What a client reports: events for metrics, traces or a dashboard, and the log.

::

    class Metrics(EventHook):
        def response_received(self, event):
            histogram.record(event.seconds, {"status": event.status})

    client = DecartClient(api_key="...", event_hooks=[Metrics()])

A hook is called where the event happens, in the caller's thread or event loop, which waits for it: keep it quick, and
do not block. ``bytes_moved`` of an upload is called in the thread that reads the file. What a hook raises is logged and
goes no further: a broken metric must not lose a paid job. No event holds the API key. `decart.reporter` says what is
logged, under the name ``decart``.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Literal

import attrs

from .errors import DecartSDKError


class SafeLog(logging.LoggerAdapter[logging.Logger]):
    """A logger that ignores errors in its handlers and filters: they must not end the wait for a paid job."""

    def log(self, level: int, msg: object, *args: object, **options: Any) -> None:
        """Log a message."""
        try:
            super().log(level, msg, *args, stacklevel=2, **options)
        except Exception:  # there is nowhere left to report it
            return


log = SafeLog(logging.getLogger("decart"))

OperationName = Literal["submit", "status", "wait", "download", "job", "process", "token", "file", "resolve", "verify"]


@attrs.frozen(kw_only=True)
class RequestSent:
    """A request is about to be sent; each retry is a request of its own.

    Attributes:
        method: ``"GET"``, ``"POST"`` or ``"DELETE"``.
        url: Where it goes.
        length: Bytes of its body.
    """

    method: str
    url: str
    length: int


@attrs.frozen(kw_only=True)
class ResponseReceived:
    """The head of a response has arrived; its body may still be on its way.

    Attributes:
        method: That of the request.
        url: Where it went.
        status: The HTTP status, whatever it is.
        headers: Those of its headers that are useful in a log, with lower-case names.
        seconds: Since the request.
    """

    method: str
    url: str
    status: int
    headers: Mapping[str, str]
    seconds: float


@attrs.frozen(kw_only=True)
class RequestFailed:
    """There was no response.

    Attributes:
        method: That of the request.
        url: Where it went.
        error: Why: a ``TransportError``.
        seconds: Since the request.
    """

    method: str
    url: str
    error: DecartSDKError
    seconds: float


@attrs.frozen(kw_only=True)
class Retry:
    """An attempt failed, and is repeated.

    Attributes:
        job_id: The job that it is about; ``None`` for a submit.
        error: Why it failed.
        attempt: The number of attempts so far.
        seconds: The pause before the next one.
    """

    job_id: str | None
    error: BaseException
    attempt: int
    seconds: float


@attrs.frozen(kw_only=True)
class StatusChanged:
    """A job was accepted, or its status changed since the last check.

    Attributes:
        job_id: The job.
        status: ``"pending"``, ``"processing"``, ``"completed"``, ``"failed"``, or a word introduced since.
        error: Why it failed, when it failed and the service said why.
        model: The model's name, if this client submitted the job.
        elapsed: Seconds since it was accepted, if this client submitted it.
    """

    job_id: str
    status: str
    error: str | None
    model: str | None
    elapsed: float | None


@attrs.frozen(kw_only=True)
class BytesMoved:
    """A transfer made progress: reported at its start and end, and at most ten times a second in between.

    Attributes:
        job_id: The job whose result it is; ``None`` for the inputs of a submit.
        direction: ``"upload"`` or ``"download"``.
        done: Bytes so far.
        total: Bytes in all; ``None`` when the server did not say.
    """

    job_id: str | None
    direction: Literal["upload", "download"]
    done: int
    total: int | None


@attrs.frozen(kw_only=True)
class Operation:
    """One operation as the caller sees it; its requests and retries happen inside it.

    Attributes:
        name: ``"submit"``, ``"status"``, ``"wait"`` or ``"download"`` (also into memory) for a job; ``"job"`` for all
            that a pool does about one; ``"process"`` for an image; ``"token"``, ``"file"``, ``"resolve"`` or
            ``"verify"``.
        job_id: The job; ``None`` for a submit, and where there is no job.
        model: The model's name, for a submit, an image or a job of a pool.
    """

    name: OperationName
    job_id: str | None = None
    model: str | None = None


class EventHook:
    """Base class of event hooks: override the methods that you need."""

    def request_sent(self, event: RequestSent) -> None:
        """Called before a request is sent."""

    def response_received(self, event: ResponseReceived) -> None:
        """Called when the head of a response has arrived."""

    def request_failed(self, event: RequestFailed) -> None:
        """Called when there was no response."""

    def retry(self, event: Retry) -> None:
        """Called before the pause that precedes a retry."""

    def status_changed(self, event: StatusChanged) -> None:
        """Called when a job was accepted or its status changed."""

    def bytes_moved(self, event: BytesMoved) -> None:
        """Called while bytes are transferred."""

    def operation(self, operation: Operation) -> AbstractContextManager[object]:
        """Return a context manager: entered when an operation begins, left with its error, if any, when it ends."""
        return nullcontext()
