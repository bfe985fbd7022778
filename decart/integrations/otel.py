"""OpenTelemetry spans for submits, waits, downloads, images and all other calls (extra ``otel``).

::

    from decart.integrations.otel import Tracing

    client = DecartClient(api_key="...", event_hooks=[Tracing()])

================  ========  ======================================================================
span              kind      contents
================  ========  ======================================================================
decart submit     CLIENT    ``decart.model``, ``decart.job.id``
decart wait       INTERNAL  ``decart.job.id``, ``decart.job.status``; a span event for each change of the status
decart download   CLIENT    ``decart.job.id``, ``decart.bytes``
decart job        INTERNAL  a job of a pool, with all of the above but ``wait`` below it; attributes as of both
decart process    CLIENT    ``decart.model``
decart token      CLIENT    creating a client token, or fetching the public keys
decart file       CLIENT    uploading, finding or deleting a file
================  ========  ======================================================================

A retry is a span event named ``retry``. The span of an operation that raised records the exception and has the status
ERROR; so does the wait for a job that failed, which raises nothing. No attribute contains the prompt or the key.
"""

from __future__ import annotations

from contextlib import AbstractContextManager

from .._version import __version__
from ..events import BytesMoved, EventHook, Operation, Retry, StatusChanged
from ..extras import require

try:
    from opentelemetry import trace
except ImportError:
    require("otel", "opentelemetry")
    raise

_INTERNAL = ("wait", "job")  # operations that are not requests to the service, but contain some


class Tracing(EventHook):
    """An event hook that creates spans, each a child of the span that is current when the client is called.

    Args:
        tracer_provider: The provider to use; the global one by default.

    Example:
        >>> client = DecartClient(api_key="your-api-key", event_hooks=[Tracing()])
    """

    def __init__(self, tracer_provider: trace.TracerProvider | None = None) -> None:
        self._tracer = trace.get_tracer("decart", __version__, tracer_provider)

    def operation(self, operation: Operation) -> AbstractContextManager[object]:
        """Create a span that is current during the operation."""
        known = {"decart.job.id": operation.job_id, "decart.model": operation.model}
        attributes = {name: value for name, value in known.items() if value is not None}
        kind = trace.SpanKind.INTERNAL if operation.name in _INTERNAL else trace.SpanKind.CLIENT
        return self._tracer.start_as_current_span(f"decart {operation.name}", kind=kind, attributes=attributes)

    def status_changed(self, event: StatusChanged) -> None:
        """Record the status of the job in the current span."""
        span = trace.get_current_span()
        span.set_attribute("decart.job.id", event.job_id)
        span.set_attribute("decart.job.status", event.status)
        if event.model is not None:
            span.set_attribute("decart.model", event.model)
        span.add_event("status", {"decart.job.status": event.status})
        if event.status == "failed":
            span.set_status(trace.StatusCode.ERROR, event.error or "the job failed")

    def retry(self, event: Retry) -> None:
        """Record a retry in the current span."""
        what = {"exception.type": type(event.error).__name__, "exception.message": str(event.error)}
        trace.get_current_span().add_event("retry", {**what, "attempt": event.attempt, "seconds": event.seconds})

    def bytes_moved(self, event: BytesMoved) -> None:
        """Record the number of downloaded bytes in the span of a download."""
        if event.direction == "download":
            trace.get_current_span().set_attribute("decart.bytes", event.done)
