"""The programs of docs/task-queues.md: with each engine, no worker waits for a job, and no crash costs a job twice."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from support.engines import ENGINES, Engine, content
from support.forked import Starter, starter
from support.workers import Worker

LABELS = ["order-1", "order-2"]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def forks() -> Iterator[Starter]:
    with starter() as running:
        yield running


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest, tmp_path: Path, forks: Starter) -> Iterator[Engine]:
    if find_spec(request.param) is None:
        pytest.skip(f"{request.param} is not installed")
    with ENGINES[request.param](tmp_path, forks) as running:
        yield running


def wait_for_the_end(engine: Engine, worker: Worker, *labels: str) -> None:
    """Wait until jobs have ended, and let the worker end what it does."""
    worker.wait_for(*map(engine.report, labels))
    worker.stop()


def test_no_worker_waits_for_a_job_and_a_task_that_is_delivered_twice_submits_it_once(engine: Engine) -> None:
    for label in [*LABELS, LABELS[0]]:
        engine.enqueue(label)
    worker = engine.start_worker()
    engine.shop.log.wait_for(len(LABELS), route="submit")  # while the first job runs
    engine.shop.end_jobs()
    wait_for_the_end(engine, worker, *LABELS)
    assert engine.shop.accepted() == LABELS
    assert engine.shop.videos() == {f"{label}.mp4": content(label) for label in LABELS}


@pytest.mark.heavy
def test_a_job_whose_worker_is_killed_in_its_download_is_finished_by_another_one(engine: Engine) -> None:
    engine.shop.emulator.faults.add("stall:3600,bytes=5000,on=content")
    engine.enqueue("order-1")
    worker = engine.start_worker()
    engine.shop.log.wait_for(1, route="submit")
    engine.shop.end_jobs()
    engine.shop.log.wait_for(1, route="content")
    worker.kill()
    assert "order-1.mp4" not in engine.shop.videos()

    wait_for_the_end(engine, engine.recover(), "order-1")
    assert engine.shop.accepted() == ["order-1"]
    assert engine.shop.videos() == {"order-1.mp4": content("order-1")}


@pytest.mark.heavy
@pytest.mark.parametrize("engine", ["rq"], indirect=True)
def test_a_job_whose_worker_is_killed_in_its_submit_is_not_submitted_again_before_a_person_decides(
    engine: Engine,
) -> None:
    engine.shop.emulator.faults.add("stall:3600,on=submit")
    engine.enqueue("order-1")
    killed = engine.start_worker()
    engine.shop.log.wait_for(1, route="submit")
    killed.kill()
    worker = engine.recover()
    worker.wait_for("state='unknown'")

    (submit,) = engine.shop.log.submits
    engine.shop.end_jobs()
    journal = ("--journal", "jobs.db")
    engine.shop.run("python", "-m", "decart", "jobs", "settle", "order-1", *journal, "--job-id", str(submit.job_id))
    engine.enqueue("order-1")
    worker.wait_for("state='delivered'")
    assert engine.shop.accepted() == ["order-1"]
    assert engine.shop.videos() == {"order-1.mp4": content("order-1")}
