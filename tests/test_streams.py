"""`client.queue.stream`: a video in pieces."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from support.fakes import KEY, FakeTransport, always, client_of, make_response, status
from support.served_video import VIDEO, ServedVideo, client_for

from decart import (
    APIError,
    AsyncDecartClient,
    JobFailedError,
    QueueResultError,
)

# streams


def test_a_stream_gives_the_pieces_with_status_length_and_type() -> None:
    client, transport = client_for(ServedVideo())
    with client.queue.stream("j1") as video:
        assert (video.job_id, video.status, video.length, video.content_type) == ("j1", 200, len(VIDEO), "video/mp4")
        pieces = list(video)
    assert b"".join(pieces) == VIDEO
    assert len(pieces) == 11
    assert list(video) == []
    assert repr(video) == "VideoStream(job_id='j1')"


def test_nothing_is_sent_before_a_stream_is_opened() -> None:
    client, transport = client_for(ServedVideo())
    video = client.queue.stream("j1")
    assert (transport.sent, video.status, video.length) == ([], 0, None)
    assert video.open() is video.open()
    assert transport.sent == ["GET /v1/jobs/j1", "GET /v1/jobs/j1/content"]
    assert b"".join(video) == VIDEO


def test_the_first_piece_opens_a_stream_too() -> None:
    client, _ = client_for(ServedVideo())
    assert b"".join(client.queue.stream("j1")) == VIDEO


def test_a_stream_that_is_left_early_releases_its_connection() -> None:
    served = ServedVideo()
    with client_for(served)[0].queue.stream("j1") as video:
        next(video)
        assert served.closed == 0
    assert served.closed == 1
    assert list(video) == []
    video.close()


def test_a_stream_that_was_closed_before_it_was_opened_sends_nothing() -> None:
    client, transport = client_for(ServedVideo())
    video = client.queue.stream("j1")
    video.close()
    assert (list(video), transport.sent) == ([], [])


def test_a_stream_that_breaks_off_continues_with_the_rest() -> None:
    served = ServedVideo(breaks=(300, 250))
    with client_for(served)[0].queue.stream("j1") as video:
        assert b"".join(video) == VIDEO
    assert served.asked == [(None, None), ("bytes=300-", '"v1"'), ("bytes=550-", '"v1"')]


@pytest.mark.parametrize(
    "served",
    [
        ServedVideo(breaks=(300,), headers={}),
        ServedVideo(breaks=(300,), ranges=False),
    ],
    ids=["no name for the content", "no ranges"],
)
def test_a_stream_that_cannot_be_resumed_is_an_error_and_never_mixes_two_videos(served: ServedVideo) -> None:
    with client_for(served)[0].queue.stream("j1") as video, pytest.raises(QueueResultError) as caught:
        list(video)
    assert caught.value.job_id == "j1"


def test_a_stream_whose_range_no_longer_exists_ends() -> None:
    answers: Any = iter([ServedVideo(breaks=(300,)), lambda request: make_response(416)])
    client, _ = client_for(lambda request: next(answers)(request))
    with pytest.raises(QueueResultError, match="it has no such range"):
        list(client.queue.stream("j1"))


def test_a_stream_of_a_job_without_a_video_says_so_when_it_is_opened() -> None:
    with pytest.raises(JobFailedError):
        client_of(FakeTransport(status("failed"))).queue.stream("j1").open()
    with pytest.raises(QueueResultError):
        client_of(FakeTransport(status("pending"))).queue.stream("j1").open()
    with pytest.raises(QueueResultError) as caught:
        client_of(FakeTransport(status("completed"), make_response(401))).queue.stream("j1").open()
    assert isinstance(caught.value.cause, APIError)


def test_an_async_stream_is_the_same_as_a_sync_one() -> None:
    served = ServedVideo(breaks=(300,))

    async def main() -> None:
        client = AsyncDecartClient(KEY, transport=FakeTransport(status("completed"), always(lambda: served)))
        video = client.queue.stream("j1")
        assert video.status == 0
        async with video:
            assert (video.status, video.length, video.content_type) == (200, len(VIDEO), "video/mp4")
            assert b"".join([chunk async for chunk in video]) == VIDEO
            assert [chunk async for chunk in video] == []
        left = client.queue.stream("j1")
        await left.close()
        assert [chunk async for chunk in left] == []

    asyncio.run(main())
    assert served.closed == 2


def test_an_async_stream_that_is_left_early_releases_its_connection() -> None:
    served = ServedVideo()

    async def main() -> None:
        client = AsyncDecartClient(KEY, transport=FakeTransport(status("completed"), always(lambda: served)))
        async with client.queue.stream("j1") as video:
            await anext(video)
            assert served.closed == 0

    asyncio.run(main())
    assert served.closed == 1
