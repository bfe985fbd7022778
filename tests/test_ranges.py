"""Byte ranges, as a browser requests them when the user seeks: `client.queue.stream(job_id, range=...)`."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fakes import FakeTransport, client_of, make_response, status
from support.served_video import VIDEO, ServedVideo, client_for

from decart import AsyncDecartClient, InvalidInputError, NotFoundError, QueueResultError
from decart.content import ContentRange
from decart.downloads import RequestedRange
from decart.transports.base import HttpResponse


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [("bytes=100-299", 100, 299), ("bytes=900-", 900, 1023), ("bytes=-24", 1000, 1023), (" bytes=0-0 ", 0, 0)],
)
def test_a_part_has_the_status_and_headers_that_a_browser_needs(asked: str, first: int, last: int) -> None:
    served = ServedVideo(headers={"ETag": '"v1"', "Accept-Ranges": "bytes", "Server": "theirs", "Set-Cookie": "a=b"})
    with client_for(served)[0].queue.stream("j1", range=asked) as video:
        assert (video.status, video.length) == (206, last - first + 1)
        assert video.headers == {
            "Content-Type": "video/mp4",
            "Content-Range": f"bytes {first}-{last}/1024",
            "Accept-Ranges": "bytes",
            "ETag": '"v1"',
            "Content-Length": str(last - first + 1),
        }
        assert b"".join(video) == VIDEO[first : last + 1]
    assert served.asked == [(asked.strip(), None)]


def test_the_browsers_condition_is_sent_with_its_range() -> None:
    served = ServedVideo()
    assert b"".join(client_for(served)[0].queue.stream("j1", range="bytes=5-9", if_range='"v1"')) == VIDEO[5:10]
    assert b"".join(client_for(served)[0].queue.stream("j1", range="bytes=5-9", if_range='"v0"')) == VIDEO
    assert served.asked == [("bytes=5-9", '"v1"'), ("bytes=5-9", '"v0"')]


@pytest.mark.parametrize(
    ("wanted", "condition"),
    [
        (None, None),
        (None, '"v1"'),
        ("", None),
        ("bytes=9-5", None),
        ("bytes=-", None),
        ("bytes=1-2,4-5", None),
        ("items=1-2", None),
        ("bytes=1-2\r\nX-Evil: 1", None),
        ("bytes=\u0661-2", None),
        ("bytes=" + "9" * 19 + "-", None),
        ("bytes=1-2", '"v1"\r\nX-Evil: 1'),
        ("bytes=1-2", ""),
    ],
)
def test_a_range_that_http_lets_servers_ignore_means_the_complete_video(
    wanted: str | None, condition: str | None
) -> None:
    served = ServedVideo()
    with client_for(served)[0].queue.stream("j1", range=wanted, if_range=condition) as video:
        assert (video.status, b"".join(video)) == (200, VIDEO)
    assert served.asked == [(None, None)]


@given(st.text() | st.none(), st.text() | st.none())
def test_only_a_plain_range_is_sent_on_whatever_a_browser_sends(wanted: str | None, condition: str | None) -> None:
    part = RequestedRange.parse(wanted, condition)
    assert part.range is None or (part.range.startswith("bytes=") and part.range.isascii() and part.range.isprintable())
    assert part.if_range is None or (part.range is not None and part.if_range.isascii() and part.if_range.isprintable())


def test_a_range_that_is_not_a_str_is_refused_before_anything_is_sent() -> None:
    client, transport = client_for(ServedVideo())
    wrong: Any = 100
    with pytest.raises(InvalidInputError, match="range must be the value of a header, not 100"):
        client.queue.stream("j1", range=wrong)
    with pytest.raises(InvalidInputError, match="if_range must be the value of a header"):
        client.queue.stream("j1", range="bytes=0-", if_range=wrong)
    assert transport.sent == []


def test_without_range_support_the_complete_video_comes() -> None:
    with client_for(ServedVideo(ranges=False))[0].queue.stream("j1", range="bytes=100-199") as video:
        assert (video.status, video.length, b"".join(video)) == (200, len(VIDEO), VIDEO)
        assert "Content-Range" not in video.headers


def test_a_range_after_the_end_is_an_error_with_its_status() -> None:
    client = client_of(FakeTransport(status("completed"), make_response(416, {"detail": "no such range"})))
    with pytest.raises(QueueResultError) as caught:
        client.queue.stream("j1", range="bytes=5000-").open()
    assert caught.value.status_code == 416


def test_an_interrupted_part_is_resumed_to_its_own_end() -> None:
    served = ServedVideo(breaks=(300, 150))
    with client_for(served)[0].queue.stream("j1", range="bytes=100-799") as video:
        assert b"".join(video) == VIDEO[100:800]
        assert video.length == 700
    assert served.asked == [("bytes=100-799", None), ("bytes=400-799", '"v1"'), ("bytes=550-799", '"v1"')]


def other_end(request: Any) -> HttpResponse:
    return HttpResponse(206, {"Content-Range": "bytes 400-1023/1024", "ETag": '"v1"'}, [VIDEO[400:]])


@pytest.mark.parametrize("then", [other_end, ServedVideo(ranges=False)], ids=["another part", "the whole"])
def test_a_part_that_cannot_be_resumed_is_an_error(then: Any) -> None:
    answers: Any = iter([ServedVideo(breaks=(300,)), then])
    client, _ = client_for(lambda request: next(answers)(request))
    with client.queue.stream("j1", range="bytes=100-799") as video, pytest.raises(QueueResultError):
        list(video)


def test_headers_that_a_browser_has_received_stay_true() -> None:
    answers: Any = iter([ServedVideo(breaks=(0,)), ServedVideo(ranges=False)])
    client, _ = client_for(lambda request: next(answers)(request))
    with client.queue.stream("j1", range="bytes=100-799") as video:
        assert video.status == 206
        with pytest.raises(QueueResultError, match="its status or length is not that of the first response"):
            list(video)


def test_a_part_without_a_content_range_is_an_error() -> None:
    client, _ = client_for(lambda request: HttpResponse(206, {"Content-Length": "3"}, [b"abc"]))
    with pytest.raises(QueueResultError, match="it does not say which part of the video it is"):
        client.queue.stream("j1", range="bytes=1-3").open()


def test_a_part_from_the_middle_may_start_like_text() -> None:
    served = ServedVideo(b"0123<html>", headers={"Content-Type": "application/octet-stream"})
    assert b"".join(client_for(served)[0].queue.stream("j1", range="bytes=4-")) == b"<html>"


def test_headers_are_empty_before_a_stream_is_open() -> None:
    assert client_for(ServedVideo())[0].queue.stream("j1").headers == {}


async def parts_of(transport: FakeTransport) -> tuple[int, bytes]:
    async with (
        AsyncDecartClient("dct_x", transport=transport) as client,
        client.queue.stream("j1", range="bytes=100-299") as video,
    ):
        return video.status, b"".join([chunk async for chunk in video])


def test_the_async_side_takes_a_range_too() -> None:
    assert asyncio.run(parts_of(FakeTransport(status("completed"), ServedVideo()))) == (206, VIDEO[100:300])
    with pytest.raises(QueueResultError) as caught:
        asyncio.run(parts_of(FakeTransport(status("completed"), make_response(404))))
    assert isinstance(caught.value.cause, NotFoundError)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("bytes 0-9/100", ContentRange(first=0, last=9, total=100)),
        ("bytes 0-9/*", ContentRange(first=0, last=9, total=None)),
        ("bytes */100", None),
        ("bytes 9-0/100", None),
        ("bytes 0-100/100", None),
        ("", None),
        ("bytes 0-9/100 ", None),
    ],
)
def test_a_content_range_is_parsed_strictly(value: str, expected: ContentRange | None) -> None:
    assert ContentRange.from_headers({"content-range": value}) == expected
    assert expected is None or str(expected) == value


@pytest.mark.parametrize(
    ("requested", "content", "expected"),
    [
        ("bytes=5-9", "bytes 5-9/100", "bytes 5-9/100"),
        ("bytes=5-9", "bytes 5-7/100", "bytes 5-9/100"),
        ("bytes=5-9", "bytes 5-7/*", "bytes 5-7/*"),
        ("bytes=5-9", "bytes 5-10/100", None),
        ("bytes=5-9", "bytes 4-9/100", None),
        ("bytes=5-500", "bytes 5-99/100", "bytes 5-99/100"),
        ("bytes=5-", "bytes 5-7/100", "bytes 5-99/100"),
        ("bytes=-10", "bytes 90-99/100", "bytes 90-99/100"),
        ("bytes=-10", "bytes 90-99/*", "bytes 90-99/*"),
        ("bytes=-500", "bytes 0-99/100", "bytes 0-99/100"),
        ("bytes=-10", "bytes 0-9/100", None),
    ],
)
def test_a_servers_part_must_start_where_requested_and_end_no_later(
    requested: str, content: str, expected: str | None
) -> None:
    part = ContentRange.from_headers({"content-range": content})
    assert part is not None
    wanted = RequestedRange.parse(requested, None).expected(part)
    assert (wanted and str(wanted)) == expected
