"""OpenTelemetry traces what the transports send, and failures are reported to Sentry without the API key."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.instrumentation.instrumentor import BaseInstrumentor
from opentelemetry.instrumentation.requests import RequestsInstrumentor
from opentelemetry.instrumentation.urllib3 import URLLib3Instrumentor
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode
from support.fakes import KEY, LAKE, MP4
from support.servers import PATIENCE, Received, answering, http, nobody, reply, serving

from decart import DecartClient, QueueError, QueueStatusError, RetryPolicy

ACCEPTED = http(200, b'{"job_id": "j1", "status": "pending"}', {"Content-Type": "application/json"})
COMPLETED = http(200, b'{"job_id": "j1", "status": "completed"}', {"Content-Type": "application/json"})
EXCHANGES = ["POST", "GET", "GET", "GET"]  # submit, status, and for the result another status and the video


def client_at(url: str, transport: Any) -> DecartClient:
    return DecartClient(KEY, base_url=url, transport=transport, retry=RetryPolicy(attempts=1))


def service(request: Received, number: int) -> bytes:
    if request.target.endswith("/content"):
        return http(200, MP4, {"Content-Type": "video/mp4"})
    return ACCEPTED if request.method == "POST" else COMPLETED


def run_job(url: str, transport: Any) -> None:
    """Submit a job, ask for its status and fetch its result."""
    with client_at(url, transport) as client:
        job = client.queue.submit(LAKE)
        client.queue.status(job.job_id)
        client.queue.result(job.job_id)


# ---------------------------------------------------------------- OpenTelemetry


@contextmanager
def tracing(*instrumentors: BaseInstrumentor) -> Iterator[InMemorySpanExporter]:
    """Trace the ``with`` block."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    for instrumentor in instrumentors:
        instrumentor.instrument(tracer_provider=provider)
    try:
        yield exporter
    finally:
        for instrumentor in instrumentors:
            instrumentor.uninstrument()


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


TRACED = [
    pytest.param("requests", RequestsInstrumentor, id="requests"),
    pytest.param("requests", URLLib3Instrumentor, id="urllib3 below requests"),
    pytest.param("urllib3", URLLib3Instrumentor, id="urllib3"),
]


@pytest.mark.parametrize(("transport", "instrumentor"), TRACED)
def test_opentelemetry_makes_a_span_of_each_exchange(transport: str, instrumentor: type[BaseInstrumentor]) -> None:
    with serving(answering(service)) as server, tracing(instrumentor()) as exporter:
        run_job(server.url, transport)
    spans = exporter.get_finished_spans()
    assert [attributes(span)["http.method"] for span in spans] == EXCHANGES
    assert [attributes(span)["http.url"] for span in spans] == [server.url + made.target for made in server.requests]
    assert {attributes(span)["http.status_code"] for span in spans} == {200}


@pytest.mark.parametrize(("transport", "instrumentor"), TRACED)
def test_tracing_may_begin_and_end_while_a_client_is_in_use(
    transport: str, instrumentor: type[BaseInstrumentor]
) -> None:
    with serving(answering(service)) as server, client_at(server.url, transport) as client:
        client.queue.status("j1")
        with tracing(instrumentor()) as exporter:
            client.queue.status("j1")
        client.queue.status("j1")
    assert len(exporter.get_finished_spans()) == 1
    assert ["traceparent" in request.headers for request in server.requests] == [False, True, False]


@pytest.mark.parametrize(("transport", "instrumentor"), TRACED)
def test_the_trace_is_propagated_to_the_service(transport: str, instrumentor: type[BaseInstrumentor]) -> None:
    with serving(answering(service)) as server, tracing(instrumentor()) as exporter:
        run_job(server.url, transport)
    ids = [format(span.get_span_context().span_id, "016x") for span in exporter.get_finished_spans()]
    assert [request.headers["traceparent"].split("-")[2] for request in server.requests] == ids
    assert {request.headers["x-api-key"] for request in server.requests} == {KEY}


def test_with_both_instrumentations_each_exchange_is_one_span() -> None:
    with serving(answering(service)) as server, tracing(RequestsInstrumentor(), URLLib3Instrumentor()) as exporter:
        run_job(server.url, "requests")
    assert len(exporter.get_finished_spans()) == len(EXCHANGES)


@pytest.mark.parametrize(("transport", "instrumentor"), TRACED)
def test_a_refusal_of_the_service_is_a_span_with_its_status(
    transport: str, instrumentor: type[BaseInstrumentor]
) -> None:
    with (
        serving(reply(http(500, b"no"))) as server,
        tracing(instrumentor()) as exporter,
        client_at(server.url, transport) as client,
        pytest.raises(QueueStatusError),
    ):
        client.queue.status("j1")
    [span] = exporter.get_finished_spans()
    assert attributes(span)["http.status_code"] == 500
    assert span.status.status_code is StatusCode.ERROR


@pytest.mark.parametrize(("transport", "instrumentor"), TRACED)
def test_a_failed_connection_is_a_span_with_an_error(transport: str, instrumentor: type[BaseInstrumentor]) -> None:
    with (
        nobody() as url,
        tracing(instrumentor()) as exporter,
        client_at(url, transport) as client,
        pytest.raises(QueueError),
    ):
        client.queue.submit(LAKE)
    [span] = exporter.get_finished_spans()
    assert span.status.status_code is StatusCode.ERROR


@pytest.mark.parametrize(("transport", "instrumentor"), TRACED)
def test_no_span_of_opentelemetry_holds_the_key(transport: str, instrumentor: type[BaseInstrumentor]) -> None:
    with serving(answering(service)) as server, nobody() as url, tracing(instrumentor()) as exporter:
        run_job(server.url, transport)
        with client_at(url, transport) as client, pytest.raises(QueueError):
            client.queue.submit(LAKE)
    spans = exporter.get_finished_spans()
    assert len(spans) == len(EXCHANGES) + 1
    assert KEY not in "".join(span.to_json() for span in spans)


# ---------------------------------------------------------------- Sentry


@functools.cache
def sentry_report(transport: str) -> Any:
    """Run the program that fails in each way; see `support.sentry_program`."""
    program = subprocess.run(
        [sys.executable, "-m", "support.sentry_program", transport],
        cwd=Path(__file__).parent,
        env={**os.environ, "DECART_API_KEY": KEY},
        capture_output=True,
        text=True,
        timeout=3 * PATIENCE,
    )
    assert program.returncode == 0, program.stderr
    return json.loads(program.stdout)


each_failure = pytest.mark.parametrize("failure", ["connection refused", "reset after the request", "500"])
each_transport = pytest.mark.parametrize("transport", ["requests", "urllib3"])


@each_failure
@each_transport
def test_sentry_receives_our_error_messages(transport: str, failure: str) -> None:
    reported = sentry_report(transport)[failure]
    last = reported["event"]["exception"]["values"][-1]
    assert last["module"] == "decart.errors"
    assert last["type"] == ("QueueSubmitError" if failure == "connection refused" else "SubmitOutcomeUnknownError")


@each_failure
@each_transport
def test_nothing_that_sentry_is_sent_holds_the_key(transport: str, failure: str) -> None:
    reported = sentry_report(transport)[failure]
    assert "/v1/jobs/lucy-clip" in reported["sent"] or failure == "connection refused"  # it does trace the request
    assert KEY not in reported["sent"]


@each_failure
@each_transport
def test_no_stack_frame_of_a_failure_shows_the_key(transport: str, failure: str) -> None:
    assert sentry_report(transport)[failure]["with_key"] == []


@each_failure
@each_transport
def test_sentry_is_sent_the_local_variables_of_the_caller(transport: str, failure: str) -> None:
    values = sentry_report(transport)[failure]["event"]["exception"]["values"]
    frames = [
        frame
        for value in values
        for frame in value.get("stacktrace", {"frames": []})["frames"]
        if frame["function"] == "order"
    ]
    assert frames
    assert all(frame["vars"]["precious"] == "'mine'" for frame in frames)


@each_failure
@each_transport
def test_the_stack_frame_of_the_caller_keeps_its_local_variables(transport: str, failure: str) -> None:
    assert sentry_report(transport)[failure]["precious"] == ["'mine'"]
