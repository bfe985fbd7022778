"""What a status check leaves in a journal."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.fakes import LAKE
from support.labelled import content, record_of, render

from decart import DecartClient, MemoryJournal
from decart.emulator import VirtualEmulator


@pytest.fixture
def emulator() -> Iterator[VirtualEmulator]:
    with VirtualEmulator() as emulator:
        yield emulator


@pytest.fixture
def client(emulator: VirtualEmulator) -> Iterator[DecartClient]:
    with emulator.client(journal=MemoryJournal()) as client:
        yield client


def noted(client: DecartClient) -> tuple[str, str | None, str | None]:
    record = client.jobs.get("one")
    assert record is not None
    return record.state, record.status, record.error


def test_a_status_check_is_recorded(client: DecartClient, emulator: VirtualEmulator) -> None:
    job = client.queue.submit(LAKE, label="one")
    seen = []
    for seconds in (0, 2, 2):
        emulator.clock.advance(seconds)
        client.queue.status(job)
        seen.append(noted(client))
    assert seen == [
        ("accepted", "pending", None),
        ("accepted", "processing", None),
        ("completed", "completed", None),
    ]


def test_an_awaited_status_check_is_recorded(client: DecartClient, emulator: VirtualEmulator) -> None:
    emulator.faults.add("job-fails")
    job = client.queue.submit(LAKE, label="one")
    emulator.clock.advance(4)
    status = asyncio.run(client.aio.queue.status(job))
    assert noted(client) == ("failed", "failed", status.error)


def test_a_status_check_of_a_job_that_is_not_in_the_journal_records_nothing(
    client: DecartClient, emulator: VirtualEmulator
) -> None:
    with emulator.client() as other:
        job = other.queue.submit(LAKE)
    assert client.queue.status(job).status == "pending"
    assert [*client.jobs] == []


def test_a_video_that_was_only_streamed_is_saved_by_the_next_resume(tmp_path: Path) -> None:
    with VirtualEmulator(renderer=render) as emulator, emulator.client(journal=MemoryJournal()) as client:
        job = client.queue.submit(LAKE, label="order-1")
        emulator.clock.sleep(60)
        with client.queue.stream(job) as video:
            assert b"".join(video) == content(str(LAKE["prompt"]))
        assert record_of(client).state == "completed"
        [resumed] = client.jobs.resume(save_to=tmp_path / "{label}.mp4")
        saved = (tmp_path / "order-1.mp4").read_bytes()
        assert (resumed.record.state, saved) == ("delivered", content(str(LAKE["prompt"])))
