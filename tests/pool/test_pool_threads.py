"""Threads, tasks and contexts of a pool, and one run over real sockets."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode
from support.pools import both_doors, content, door_of, emulator_of, lake, render

from decart import AsyncDecartClient, ClientClosedError, DecartClient, EventHook, PollPolicy
from decart.emulator import Emulator, EmulatorServer
from decart.integrations.otel import Tracing

ORDER: ContextVar[str] = ContextVar("order", default="none")


def pool_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("decart-pool")]


def test_a_pool_starts_threads_as_it_needs_them_and_ends_them() -> None:
    with emulator_of() as emulator, emulator.client() as client:
        with client.queue.pool(workers=4) as pool:
            assert pool_threads() == []
            pool.submit(lake()).result()
            assert pool_threads() == ["decart-pool_1", "decart-pool_2"]
            list(pool.map(map(lake, range(40))))
            assert len(pool_threads()) <= 4
        assert pool_threads() == []


def test_one_worker_is_one_thread() -> None:
    with emulator_of() as emulator, emulator.client() as client, client.queue.pool(workers=1) as pool:
        list(pool.map(map(lake, range(20))))
        assert pool_threads() == ["decart-pool_1"]


@both_doors
def test_each_job_runs_in_the_context_of_its_caller(door: str) -> None:
    seen: dict[str, set[str]] = {}

    class Seeing(EventHook):
        def status_changed(self, event: Any) -> None:
            seen.setdefault(event.job_id, set()).add(ORDER.get())

    def submit(number: int) -> Any:
        ORDER.set(f"order {number}")
        return pool.submit(lake(number))

    with emulator_of() as emulator, door_of(door, emulator, {"event_hooks": [Seeing()]}, workers=4) as pool, pool:
        for number in range(5):
            submit(number).result()
    assert sorted(seen.values(), key=str) == [{f"order {number}"} for number in range(5)]


@both_doors
def test_the_spans_of_a_job_are_below_its_own_and_that_is_below_the_callers(door: str) -> None:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    settings = {"event_hooks": [Tracing(provider)]}
    with (
        emulator_of(faults="job-fails,after=1") as emulator,
        door_of(door, emulator, settings, workers=4) as pool,
        pool,
    ):
        with provider.get_tracer("program").start_as_current_span("order"):
            futures = [pool.submit(lake(number)) for number in range(2)]
        for future in futures:
            future.result()
    spans = exporter.get_finished_spans()
    order = next(span for span in spans if span.name == "order")
    jobs = [span for span in spans if span.name == "decart job"]
    assert [job.parent.span_id if job.parent else 0 for job in jobs] == [order.context.span_id] * 2
    below = {
        job.attributes["decart.job.id"]: [s.name for s in spans if s.parent and s.parent.span_id == job.context.span_id]
        for job in jobs
    }
    assert sorted(below.values()) == [["decart submit"], ["decart submit", "decart download"]]
    ends = {job.attributes["decart.job.status"]: job.status.status_code for job in jobs}
    assert ends == {"completed": StatusCode.UNSET, "failed": StatusCode.ERROR}


def test_a_callback_may_submit_the_next_job() -> None:
    done = threading.Event()
    with emulator_of() as emulator, emulator.client() as client, client.queue.pool() as pool:
        pool.submit(lake()).add_done_callback(
            lambda future: pool.submit(lake(1)).add_done_callback(lambda future: done.set())
        )
        assert done.wait(30)


@both_doors
def test_a_pool_that_was_used_before_a_fork_takes_no_job_in_the_child(door: str, monkeypatch: Any) -> None:
    with emulator_of() as emulator, door_of(door, emulator) as pool, pool:
        pool.submit(lake()).result()
        with monkeypatch.context() as child, pytest.raises(ClientClosedError, match="before the fork"):
            child.setattr(os, "getpid", lambda: -1)
            pool.submit(lake(1))
        assert len(emulator.requests.submits) == 1


FORKED = """
import os
from decart import ClientClosedError, models
from decart.emulator import VirtualEmulator

LAKE = {"model": models.video("lucy-pro-t2v"), "prompt": "A lake"}
with VirtualEmulator() as emulator, emulator.client() as client:
    used, unused = client.queue.pool(), client.queue.pool()
    used.submit(LAKE).result()
    child = os.fork()
    if child:
        os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    try:
        used.submit(LAKE)
    except ClientClosedError:
        os._exit(0 if unused.submit(LAKE).result(timeout=30).status == "completed" else 2)
    os._exit(1)
"""


def test_a_pool_without_jobs_works_in_a_forked_child() -> None:
    ended = subprocess.run([sys.executable, "-c", FORKED], timeout=60, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (0, ""), ended.stderr


def run_over_sockets(url: str, folder: Path, jobs: int) -> list[bytes]:
    settings: dict[str, Any] = {
        "api_key": "dct_test",
        "base_url": url,
        "poll": PollPolicy(interval=0.05, max_interval=0.2),
    }
    with DecartClient(**settings) as client, client.queue.pool(max_in_flight=50) as pool:
        results = list(pool.map(map(lake, range(jobs)), save_to=folder / "{index}.mp4"))

    async def awaited() -> list[Any]:
        async with AsyncDecartClient(**settings) as client, client.queue.pool(max_in_flight=50) as pool:
            return [result async for result in pool.map(map(lake, range(jobs)))]

    assert [result.data for result in asyncio.run(awaited())] == [content(number) for number in range(jobs)]
    return [result.path.read_bytes() for result in results if result.path]


def test_a_pool_works_over_real_sockets(tmp_path: Path) -> None:
    """Beside threads, sockets and files, the service refuses and drops some requests."""
    faults = [
        "status:429,on=submit,times=3",
        "status:503,on=status,times=5,retry_after=0.1",
        "drop-before,on=content,times=2",
    ]
    with (
        Emulator(pending=0.1, processing=0.3, renderer=render, faults=faults) as emulator,
        EmulatorServer(emulator) as server,
    ):
        found = run_over_sockets(server.url, tmp_path, 60)
    assert found == [content(number) for number in range(60)]
    assert len([request for request in emulator.requests.submits if request.status == 200]) == 120
