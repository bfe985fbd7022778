"""How many jobs an emulator keeps, and what is deleted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from support.studio import Studio

from decart import DecartClient, NotFoundError, QueueStatusError, models
from decart.emulator import Emulator, EmulatorServer, EmulatorTransport, VirtualClock

WORDS: Any = {"model": models.video("lucy-pro-t2v"), "prompt": "a lake"}
FILE: Any = {"model": models.video("lucy-clip"), "prompt": "a lake", "data": b"clip"}


@pytest.fixture
def small(studio: Studio) -> Iterator[DecartClient]:
    """A client of an emulator that keeps two jobs."""
    clock = VirtualClock()
    with (
        Emulator(clock=clock, renderer=studio, background=False, keep=2) as emulator,
        DecartClient(api_key="dct_test", transport=EmulatorTransport(emulator)) as client,
    ):
        yield client


def test_the_oldest_job_that_has_ended_is_deleted_with_its_files(small: DecartClient, studio: Studio) -> None:
    first, second, third = [small.queue.submit_and_poll(WORDS).job_id for _ in range(3)]
    with pytest.raises(QueueStatusError) as caught:
        small.queue.status(first)
    assert isinstance(caught.value.cause, NotFoundError)
    assert [small.queue.result(kept).data for kept in (second, third)] == [b"video of a lake"] * 2
    assert [target.parent.exists() for target in studio.targets] == [False, True, True]


def test_a_job_in_progress_is_never_deleted(small: DecartClient) -> None:
    slow = small.queue.submit(WORDS).job_id
    for _ in range(3):
        small.queue.submit_and_poll(WORDS)
    assert small.queue.poll(slow).data == b"video of a lake"


def test_a_job_that_was_rendered_early_is_kept_until_its_time_is_up(studio: Studio) -> None:
    with (
        Emulator(renderer=studio, pending=1000, keep=1) as emulator,
        EmulatorServer(emulator) as server,
        DecartClient(api_key="dct_test", base_url=server.url) as client,
    ):
        jobs = [client.queue.submit(WORDS) for _ in range(3)]
        while len(studio.targets) < 3:
            client.queue.status(jobs[2])
        client.queue.submit(WORDS)
        assert [client.queue.status(job).status for job in jobs] == ["pending"] * 3


def test_a_job_whose_status_was_never_checked_is_deleted_without_rendering_it(
    small: DecartClient, studio: Studio
) -> None:
    for _ in range(5):
        small.queue.submit(WORDS)
    assert studio.orders == []


def test_a_video_that_is_deleted_while_it_is_downloaded_arrives_completely(small: DecartClient) -> None:
    first = small.queue.submit_and_poll(WORDS).job_id
    with small.queue.stream(first) as video:
        for _ in range(3):
            small.queue.submit_and_poll(WORDS)
        assert b"".join(video) == b"video of a lake"


@pytest.mark.parametrize("prompt", ["a lake", "fail"])
def test_uploads_are_deleted_when_the_job_has_ended(client: DecartClient, studio: Studio, prompt: str) -> None:
    client.queue.submit_and_poll({**FILE, "prompt": prompt})
    assert studio.files == [{"data": b"clip"}]
    assert [path.exists() for path in studio.orders[0].inputs.values()] == [False]
