"""Every method that takes a job accepts its ID, and every object that the queue returned for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
from support.fakes import KEY, FakeTransport, client_of, make_response, status, video

from decart import (
    AsyncDecartClient,
    InvalidInputError,
    JobStatusResponse,
    JobSubmitResponse,
    ModelDefinition,
    PollStep,
    QueueJobResult,
    QueueStatusError,
)

Call = Callable[[Any, Any, Path], Any]


CALLS: dict[str, Call] = {
    "status": lambda queue, job, path: queue.status(job),
    "result": lambda queue, job, path: queue.result(job),
    "download": lambda queue, job, path: queue.download(job, path),
    "stream": lambda queue, job, path: queue.stream(job).open(),
    "poll": lambda queue, job, path: queue.poll(job),
    "poll_once": lambda queue, job, path: queue.poll_once(job),
}

JOBS = [
    "j1",
    JobSubmitResponse(job_id="j1", status="pending"),
    JobStatusResponse(job_id="j1", status="processing"),
    QueueJobResult(job_id="j1", status="failed", timed_out=True),
]

calls = pytest.mark.parametrize("name", CALLS)
sides = pytest.mark.parametrize("awaited", [False, True], ids=["sync", "async"])


def made(name: str, job: Any, path: Path, transport: FakeTransport, awaited: bool) -> None:
    """Make a call with a job, through the sync or the async client."""

    async def main() -> None:
        async with AsyncDecartClient(KEY, transport=transport) as client:
            await CALLS[name](client.queue, job, path)

    if awaited:
        asyncio.run(main())
    else:
        CALLS[name](client_of(transport).queue, job, path)


@sides
@calls
@pytest.mark.parametrize("job", JOBS, ids=lambda job: type(job).__name__)
def test_a_job_is_given_by_its_id_or_by_what_the_queue_returned(
    job: Any, name: str, awaited: bool, tmp_path: Path
) -> None:
    transport = FakeTransport(status("completed"), video())
    made(name, job, tmp_path / "lake.mp4", transport, awaited)
    assert {sent.removesuffix("/content") for sent in transport.sent} == {"GET /v1/jobs/j1"}


class Impostor:
    """An object whose job_id is not an ID."""

    job_id = 7

    def __str__(self) -> str:
        return "impostor " * 99


class Unprintable:
    """It fails whatever is asked of it."""

    def __repr__(self) -> str:
        raise RuntimeError("no words")

    __str__ = __repr__


WRONG: list[Any] = [
    None, 7, True, b"j1", "", "  ", ".", "..", "\ud800", [], ["j1"], {"job_id": "j1"}, Impostor(), Unprintable(),
    JobSubmitResponse(job_id="", status="pending"), ModelDefinition(name="a-model", task="text-to-video"),
    PollStep(job=None, wait=0.5, state={"job_id": "j1"}),
]  # fmt: skip


@sides
@calls
@pytest.mark.parametrize("job", WRONG, ids=lambda job: type(job).__name__)
def test_anything_else_is_one_error_before_anything_is_sent(job: Any, name: str, awaited: bool, tmp_path: Path) -> None:
    transport = FakeTransport()
    with pytest.raises(InvalidInputError, match="^job_id must be the id that submit returned, not ") as caught:
        made(name, job, tmp_path / "lake.mp4", transport, awaited)
    assert len(caught.value.message) < 200
    assert transport.sent == []
    assert list(tmp_path.iterdir()) == []


class Job(str, Enum):  # noqa: UP042 - a StrEnum prints as its value
    LAKE = "j1"


class Broken:
    @property
    def job_id(self) -> str:
        raise RuntimeError("no connection to the database")


def test_an_id_of_a_subclass_of_str_is_shown_as_what_is_sent() -> None:
    transport = FakeTransport(make_response(401))
    with pytest.raises(QueueStatusError, match="^The status of job j1 could not be read") as caught:
        client_of(transport).queue.status(Job.LAKE)
    assert transport.sent == ["GET /v1/jobs/j1"]
    assert type(caught.value.job_id) is str


def test_a_job_that_fails_when_its_id_is_read_is_refused() -> None:
    job: Any = Broken()
    with pytest.raises(InvalidInputError, match="^job_id must be the id that submit returned, not <"):
        client_of(FakeTransport()).queue.status(job)


@sides
@calls
@pytest.mark.parametrize("job", [KEY, f" {KEY}\n", f"Bearer {KEY}", JobStatusResponse(job_id=KEY, status="pending")])
def test_the_api_key_in_place_of_an_id_is_refused_without_being_shown(
    job: Any, name: str, awaited: bool, tmp_path: Path
) -> None:
    transport = FakeTransport()
    with pytest.raises(InvalidInputError) as caught:
        made(name, job, tmp_path / "lake.mp4", transport, awaited)
    assert caught.value.message == "job_id must be the id that submit returned, not the API key."
    assert transport.sent == []
