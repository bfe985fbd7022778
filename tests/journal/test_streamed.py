"""What a stream leaves in a journal: a job is delivered once its complete video was read, and not before."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from support.labelled import LAKE, Failing, content, record_of, render, writes_of

from decart import DecartClient, JobSubmitResponse, QueueResultError, RetryPolicy
from decart.emulator import VirtualEmulator

VIDEO = content(str(LAKE["prompt"]))


@pytest.fixture
def emulator() -> Iterator[VirtualEmulator]:
    with VirtualEmulator(renderer=render) as emulator:
        yield emulator


@pytest.fixture
def journal() -> Failing:
    return Failing()


@pytest.fixture
def client(emulator: VirtualEmulator, journal: Failing) -> Iterator[DecartClient]:
    with emulator.client(journal=journal, retry=RetryPolicy(attempts=1)) as client:
        yield client


@pytest.fixture
def job(client: DecartClient, emulator: VirtualEmulator) -> JobSubmitResponse:
    """A job that has completed."""
    job = client.queue.submit(LAKE, label="order-1")
    emulator.clock.sleep(60)
    return job


Read = Callable[..., list[bytes]]


@pytest.fixture(params=["sync", "async"])
def read(request: pytest.FixtureRequest, client: DecartClient) -> Read:
    """Return what reads a stream, or so many chunks of it, and closes it."""

    def blocking(job: Any, chunks: int | None = None, **part: Any) -> list[bytes]:
        with client.queue.stream(job, **part) as video:
            received = list(islice(video, chunks))
        assert list(video) == []
        return received

    async def awaited(job: Any, chunks: int | None = None, **part: Any) -> list[bytes]:
        received: list[bytes] = []
        async with client.aio.queue.stream(job, **part) as video:
            while len(received) != chunks and (chunk := await anext(video, None)) is not None:
                received.append(chunk)
        assert [chunk async for chunk in video] == []
        return received

    return blocking if request.param == "sync" else lambda *given, **part: asyncio.run(awaited(*given, **part))


def test_a_video_that_was_streamed_to_its_end_is_delivered(client: DecartClient, job: Any, read: Read) -> None:
    assert b"".join(read(job)) == VIDEO
    streamed = record_of(client)
    assert (streamed.state, streamed.status, streamed.saved_to, streamed.owner) == ("delivered", "completed", None, "")
    assert client.jobs.pending() == []
    client.queue.result(job)
    assert record_of(client) == streamed, "a result in memory leaves the same record"


def test_the_file_of_a_video_stays_on_record(client: DecartClient, job: Any, read: Read, tmp_path: Path) -> None:
    client.queue.download(job, tmp_path / "lake.mp4")
    saved = record_of(client)
    assert b"".join(read(job)) == VIDEO
    assert record_of(client) == saved
    assert saved.saved_to == str(tmp_path / "lake.mp4")


@pytest.mark.parametrize("chunks", [0, 1])
def test_a_stream_that_is_closed_early_delivers_nothing(
    client: DecartClient, emulator: VirtualEmulator, job: Any, read: Read, chunks: int
) -> None:
    emulator.faults.add("drip:0.1,bytes=1000,on=content")
    assert len(b"".join(read(job, chunks))) < len(VIDEO)
    assert record_of(client).state == "completed"


@pytest.mark.parametrize("fault", ["drop-midway,on=content", "truncate:1000,on=content"])
def test_a_stream_that_breaks_delivers_nothing(
    client: DecartClient, emulator: VirtualEmulator, job: Any, read: Read, fault: str
) -> None:
    emulator.faults.add(fault)
    with pytest.raises(QueueResultError):
        read(job)
    assert record_of(client).state == "completed"
    assert b"".join(read(job)) == VIDEO
    assert record_of(client).state == "delivered"


@pytest.mark.parametrize("part", [{"range": "bytes=0-"}, {"range": "bytes=10-19"}, {"delivers": False}])
def test_what_was_streamed_to_a_visitor_is_saved_by_the_next_resume(
    client: DecartClient, job: Any, read: Read, part: dict[str, Any], tmp_path: Path
) -> None:
    assert b"".join(read(job, **part)) in VIDEO
    assert record_of(client).state == "completed"
    [resumed] = client.jobs.resume(save_to=tmp_path / "{label}.mp4")
    assert (resumed.record.state, (tmp_path / "order-1.mp4").read_bytes()) == ("delivered", VIDEO)


def test_a_journal_that_fails_ends_no_stream(
    client: DecartClient, journal: Failing, job: Any, read: Read, caplog: pytest.LogCaptureFixture
) -> None:
    journal.fails = writes_of("delivered")
    assert b"".join(read(job)) == VIDEO
    assert f"the journal could not record what became of job {job.job_id}" in caplog.text
    assert record_of(client).state == "completed"
