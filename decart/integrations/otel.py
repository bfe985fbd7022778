"""OpenTelemetry spans for what takes time: submit, wait and download (extra ``otel``).

::

    from decart.integrations.otel import Tracing

    client = DecartClient(api_key="...", event_hooks=[Tracing()])

================  ========  ======================================================================
span              kind      holds
================  ========  ======================================================================
decart submit     CLIENT    ``decart.model``, ``decart.job.id``
decart wait       INTERNAL  ``decart.job.id``, ``decart.job.status``; a span event for each change of the status
decart download   CLIENT    ``decart.job.id``, ``decart.bytes``
================  ========  ======================================================================

A repeat is a span event named ``retry``. An operation that raised has the exception and the status ERROR; so has the
wait for a job that failed, which raises nothing. No attribute holds the prompt or the key.
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

_INTERNAL = ("wait",)  # operations that are not requests to the service, but contain some


class Tracing(EventHook):
    """An event hook that makes spans, each a child of whatever span is current where the client is called.

    Args:
        tracer_provider: Where the spans go; the program's global provider unless given.

    Example:
        >>> client = DecartClient(api_key="your-api-key", event_hooks=[Tracing()])
    """

    def __init__(self, tracer_provider: trace.TracerProvider | None = None) -> None:
        self._tracer = trace.get_tracer("decart", __version__, tracer_provider)

    def operation(self, operation: Operation) -> AbstractContextManager[object]:
        """Make a span, current for as long as the operation lasts."""
        known = {"decart.job.id": operation.job_id, "decart.model": operation.model}
        attributes = {name: value for name, value in known.items() if value is not None}
        kind = trace.SpanKind.INTERNAL if operation.name in _INTERNAL else trace.SpanKind.CLIENT
        return self._tracer.start_as_current_span(f"decart {operation.name}", kind=kind, attributes=attributes)

    def status_changed(self, event: StatusChanged) -> None:
        """Note in the current span where the job is."""
        span = trace.get_current_span()
        span.set_attribute("decart.job.id", event.job_id)
        span.set_attribute("decart.job.status", event.status)
        if event.model is not None:
            span.set_attribute("decart.model", event.model)
        span.add_event("status", {"decart.job.status": event.status})
        if event.status == "failed":
            span.set_status(trace.StatusCode.ERROR, event.error or "the job failed")

    def retry(self, event: Retry) -> None:
        """Note in the current span that something is tried again."""
        what = {"exception.type": type(event.error).__name__, "exception.message": str(event.error)}
        trace.get_current_span().add_event("retry", {**what, "attempt": event.attempt, "seconds": event.seconds})

    def bytes_moved(self, event: BytesMoved) -> None:
        """Note in the span of a download how much of it there is."""
        if event.direction == "download":
            trace.get_current_span().set_attribute("decart.bytes", event.done)
