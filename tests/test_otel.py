"""OpenTelemetry: spans for submit, wait and download, seen by the in-memory exporter."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from support.fakes import KEY, LAKE, MP4, FakeTransport, accepted, make_response, status, video

from decart import AsyncDecartClient, DecartClient, QueueStatusError, QueueSubmitError
from decart.integrations.otel import Tracing


class Traces:
    """A program that is traced."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))

    def play(self, *script: Any, awaited: bool = False) -> None:
        """Submit a job and wait for it, inside a span of the program."""
        transport, hook = FakeTransport(*script), Tracing(self.provider)

        async def main() -> None:
            async with AsyncDecartClient(KEY, transport=transport, event_hooks=[hook]) as client:
                await client.queue.submit_and_poll(LAKE)

        with self.provider.get_tracer("program").start_as_current_span("order"):
            if awaited:
                asyncio.run(main())
            else:
                DecartClient(KEY, transport=transport, event_hooks=[hook]).queue.submit_and_poll(LAKE)

    def spans(self) -> dict[str, ReadableSpan]:
        return {span.name: span for span in self.exporter.get_finished_spans()}


@pytest.mark.parametrize("awaited", [False, True], ids=["sync", "async"])
def test_submit_wait_and_download_are_spans_of_the_programs_trace(awaited: bool) -> None:
    traces = Traces()
    traces.play(accepted(), status("processing"), status("completed"), video(), awaited=awaited)
    spans = traces.spans()
    assert list(spans) == ["decart submit", "decart wait", "decart download", "order"]
    order = spans.pop("order").get_span_context()
    assert all(span.parent is not None and span.parent.span_id == order.span_id for span in spans.values())
    assert [span.kind for span in spans.values()] == [SpanKind.CLIENT, SpanKind.INTERNAL, SpanKind.CLIENT]
    assert all(span.status.status_code is StatusCode.UNSET for span in spans.values())
    assert dict(spans["decart submit"].attributes or {}) == {
        "decart.model": "lucy-pro-t2v",
        "decart.job.id": "j1",
        "decart.job.status": "pending",
    }
    assert dict(spans["decart wait"].attributes or {}) == {
        "decart.job.id": "j1",
        "decart.job.status": "completed",
        "decart.model": "lucy-pro-t2v",
    }
    assert dict(spans["decart download"].attributes or {}) == {"decart.job.id": "j1", "decart.bytes": len(MP4)}


def test_a_status_check_is_a_span_of_its_own_with_its_retries_inside() -> None:
    traces = Traces()
    transport = FakeTransport(make_response(503), status("processing"))
    client = DecartClient(KEY, transport=transport, event_hooks=[Tracing(traces.provider)])
    client.queue.status("j1")
    (span,) = traces.exporter.get_finished_spans()
    assert (span.name, span.kind, [event.name for event in span.events]) == (
        "decart status",
        SpanKind.CLIENT,
        ["retry"],
    )


def test_each_status_and_each_repeat_is_an_event_of_the_span() -> None:
    traces = Traces()
    traces.play(accepted(), make_response(503), status("processing"), status("completed"), video())
    events = traces.spans()["decart wait"].events
    reported = [(event.name, (event.attributes or {}).get("decart.job.status")) for event in events]
    assert reported == [("status", "pending"), ("retry", None), ("status", "processing"), ("status", "completed")]
    assert (events[1].attributes or {})["exception.type"] == "ServerError"
    assert (events[1].attributes or {})["attempt"] == 1


def test_an_operation_that_raised_has_the_exception_and_is_an_error() -> None:
    for script, error, name in (
        ([make_response(401)], QueueSubmitError, "decart submit"),
        ([accepted(), make_response(401)], QueueStatusError, "decart wait"),
    ):
        traces = Traces()
        with pytest.raises(error):
            traces.play(*script)
        span = traces.spans()[name]
        assert span.status.status_code is StatusCode.ERROR
        assert [event.name for event in span.events][-1] == "exception"


def test_a_job_that_failed_raises_nothing_and_is_an_error_of_its_wait() -> None:
    traces = Traces()
    traces.play(accepted(), status("failed", error="too dark"))
    wait = traces.spans()["decart wait"]
    assert (wait.status.status_code, wait.status.description) == (StatusCode.ERROR, "too dark")
    assert "decart download" not in traces.spans()


def test_no_span_holds_the_key_or_the_prompt() -> None:
    traces = Traces()
    with pytest.raises(QueueSubmitError):
        traces.play(make_response(400, {"detail": f"bad {KEY}"}))
    reported = "".join(span.to_json() for span in traces.exporter.get_finished_spans())
    assert KEY not in reported
    assert LAKE["prompt"] not in reported


def test_an_unknown_model_and_an_unsaid_reason_are_left_out() -> None:
    traces = Traces()
    hook = Tracing(traces.provider)
    client = DecartClient(KEY, transport=FakeTransport(status("failed")), event_hooks=[hook])
    client.queue.poll("j1")
    wait = traces.spans()["decart wait"]
    assert wait.status.description == "the job failed"
    assert "decart.model" not in (wait.attributes or {})


def run(script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)


def test_opentelemetry_is_not_imported_unless_it_is_used() -> None:
    script = """
import sys, decart
from decart import *
client = DecartClient("dct_x", event_hooks=[EventHook()])
print([name for name in sys.modules if name.startswith("opentelemetry")])
"""
    assert run(script).stdout == "[]\n"


@pytest.mark.parametrize(
    ("package", "module"),
    [
        ("opentelemetry", "decart.integrations.otel"),
        ("tqdm", "decart.integrations.progress_bar"),
        ("sqlalchemy", "decart.integrations.sql"),
    ],
)
def test_the_import_error_of_a_broken_package_is_raised_unchanged(
    package: str, module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / f"{package}.py").write_text("raise ImportError('it is broken')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert run(f"import {module}").stderr.splitlines()[-1] == "ImportError: it is broken"


def test_without_opentelemetry_its_hook_says_what_to_install() -> None:
    error = run("import sys; sys.modules['opentelemetry'] = None; import decart.integrations.otel").stderr
    assert error.splitlines()[-1] == (
        "decart.errors.MissingExtraError: This feature needs opentelemetry, from the extra 'otel': "
        "pip install 'decart-queue[otel]'"
    )
