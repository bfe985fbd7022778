"""What happens inside a client, told to an object of yours: for metrics, traces, a dashboard.

::

    class Metrics(EventHook):
        def response_received(self, event):
            histogram.record(event.seconds, {"status": event.status})

    client = DecartClient(api_key="...", event_hook=Metrics())

A hook is called where the thing happens: in the thread or the event loop of the caller, which waits for it. So it is
quick, and does not block. Bytes are told from whatever thread reads the file. What a hook raises goes to the log and
nowhere else: a broken metric must not lose a job that is paid for. No event holds the API key.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Literal

import attrs

from .errors import DecartSDKError


@attrs.frozen(kw_only=True)
class RequestSent:
    """A request is about to be sent; a repeat is another one.

    Attributes:
        method: ``"GET"`` or ``"POST"``.
        url: Where it goes.
        length: Bytes of its body.
    """

    method: str
    url: str
    length: int


@attrs.frozen(kw_only=True)
class ResponseReceived:
    """The head of an answer is there; its body may be still to come.

    Attributes:
        method, url: Those of the request.
        status: The HTTP status, whatever it is.
        headers: Those of its headers that are of use in a log (their names in lower case).
        seconds: Since the request.
    """

    method: str
    url: str
    status: int
    headers: Mapping[str, str]
    seconds: float


@attrs.frozen(kw_only=True)
class RequestFailed:
    """No answer came.

    Attributes:
        method, url: Those of the request.
        error: Why: a ``TransportError``.
        seconds: Since the request.
    """

    method: str
    url: str
    error: DecartSDKError
    seconds: float


@attrs.frozen(kw_only=True)
class Retry:
    """Something failed, and is tried again.

    Attributes:
        job_id: The job that it is about; ``None`` for a submit.
        error: What it failed with.
        attempt: How many attempts there were.
        seconds: Until the next one.
    """

    job_id: str | None
    error: BaseException
    attempt: int
    seconds: float


@attrs.frozen(kw_only=True)
class StatusChanged:
    """A job was accepted, or has another status than when this client last looked.

    Attributes:
        job_id: The job.
        status: ``"pending"``, ``"processing"``, ``"completed"``, ``"failed"``, or a word invented since.
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
    """A transfer has got on; told at its beginning, at its end, and at most ten times a second between.

    Attributes:
        job_id: The job whose video it is; ``None`` for the inputs of one that is being submitted.
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
    """One of the three things that take time, as the caller sees them; its requests and repeats are inside it.

    Attributes:
        name: ``"submit"``, ``"wait"`` or ``"download"`` (into memory, too).
        job_id: The job; ``None`` for a submit.
        model: The model's name, for a submit.
    """

    name: Literal["submit", "wait", "download"]
    job_id: str | None = None
    model: str | None = None


class EventHook:
    """What a client tells; inherit from it, and override what you want to hear."""

    def request_sent(self, event: RequestSent) -> None:
        """Hear of a request."""

    def response_received(self, event: ResponseReceived) -> None:
        """Hear of an answer."""

    def request_failed(self, event: RequestFailed) -> None:
        """Hear that there was none."""

    def retry(self, event: Retry) -> None:
        """Hear that something is tried again."""

    def status_changed(self, event: StatusChanged) -> None:
        """Hear of a job."""

    def bytes_moved(self, event: BytesMoved) -> None:
        """Hear how far a transfer is."""

    def operation(self, operation: Operation) -> AbstractContextManager[object]:
        """Return what surrounds an operation: entered when it begins, left with its error, if any, when it ends."""
        return nullcontext()
