"""Parts of a video are joined only if the server's validator in every response says that they belong together."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fakes import KEY, FakeTransport, always, status
from support.served_video import STEADY, VIDEO, ServedVideo, client_for, files, pieces_of

from decart import (
    AsyncDecartClient,
    QueueResultError,
    RetryPolicy,
    Timeout,
    TransportError,
)
from decart.transports.base import HttpRequest, HttpResponse

V1 = {"Content-Type": "video/mp4", "ETag": '"v1"'}
OLD = b"\x00" + b"old content " * 90


def part(first: int, last: int, *, whole: int | None = len(VIDEO), data: bytes = VIDEO, **headers: str) -> HttpResponse:
    span = f"bytes {first}-{last}/{'*' if whole is None else whole}"
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return HttpResponse(206, {**V1, "Content-Range": span, **names}, [data[first : last + 1]])


def parts_of(size: int, breaks: int = 50) -> Any:
    """Return a server that breaks off the video, and then sends at most this number of bytes per response."""
    beginning = ServedVideo(breaks=(breaks,))

    def answer(request: HttpRequest) -> HttpResponse:
        if "Range" not in request.headers:
            return beginning(request)
        first = int(request.headers["Range"][6:].partition("-")[0])
        return part(first, min(first + size, len(VIDEO)) - 1)

    return answer


@pytest.mark.parametrize("size", [1, 100, 973, 974, 5000])
def test_a_part_that_is_shorter_than_requested_is_not_the_end(size: int, tmp_path: Path) -> None:
    client, transport = client_for(parts_of(size))
    assert client.queue.download("j1", tmp_path / "lake.mp4").read_bytes() == VIDEO
    assert transport.sleeps == [0.5]  # after the break only
    assert b"".join(client_for(parts_of(size))[0].queue.stream("j1")) == VIDEO


def test_nor_is_it_the_end_when_awaited(tmp_path: Path) -> None:
    async def main() -> None:
        answer = parts_of(100)
        transport = FakeTransport(status("completed"), always(lambda: answer))
        client = AsyncDecartClient(KEY, transport=transport, retry=STEADY)
        path = await client.queue.download("j1", tmp_path / "lake.mp4")
        assert path.read_bytes() == VIDEO

    asyncio.run(main())


def test_short_parts_of_a_video_of_unknown_length_never_end_as_if_it_were_complete(tmp_path: Path) -> None:
    begun = HttpResponse(200, V1, pieces_of(VIDEO, 50))
    short = part(50, 99, whole=None)
    answers: Any = iter([lambda request: begun, lambda request: short, ServedVideo()])
    client, _ = client_for(lambda request: next(answers)(request))
    assert client.queue.download("j1", tmp_path / "lake.mp4").read_bytes() == VIDEO


def test_parts_without_end_are_ended_by_the_total_timeout(tmp_path: Path) -> None:
    answer = parts_of(1)

    def slow(request: HttpRequest) -> HttpResponse:
        transport.sleep(10)
        response: HttpResponse = answer(request)
        return response

    client, transport = client_for(slow, timeout=Timeout(total=100))
    with pytest.raises(QueueResultError):
        client.queue.download("j1", tmp_path / "lake.mp4")
    assert transport.now() < 150


@pytest.mark.parametrize(
    "bad",
    [
        part(50, 1023, ETag='"v2"'),
        part(50, 1023, ETag='W/"v1"'),
        HttpResponse(206, {"Content-Range": "bytes 50-1023/1024"}, [VIDEO[50:]]),
        HttpResponse(206, {"Content-Range": "bytes 50-1023/1024", "Last-Modified": '"v1"x'}, [VIDEO[50:]]),
        part(51, 1023),
        part(50, 1023, whole=1025),
        part(50, 1024, whole=1025),
        HttpResponse(206, {**V1, "Content-Range": "bytes 50-40/1024"}, [VIDEO[50:]]),
        HttpResponse(206, {**V1, "Content-Range": "bytes 50-1024/1024"}, [VIDEO[50:]]),
        part(50, 99, Content_Length="974"),
        part(50, 1023, Content_Encoding="gzip"),
        HttpResponse(206, {**V1, "Content-Range": "bytes 50-99/1024"}, [VIDEO[50:]]),
    ],
    ids=[
        "another etag", "a weak etag", "no validator", "another kind of validator", "a later start", "another length",
        "a longer whole", "backwards", "behind its end", "another Content-Length", "encoded",
        "more than it says",
    ],
)  # fmt: skip
def test_a_part_that_does_not_fit_is_not_joined(bad: HttpResponse, tmp_path: Path) -> None:
    chunks = list(bad.chunks())
    again = ServedVideo()
    for fetch in ("download", "stream"):
        answers: Any = iter([ServedVideo(breaks=(50,)), lambda request: HttpResponse(206, bad.headers, chunks), again])
        client, _ = client_for(lambda request, answers=answers: next(answers)(request))
        if fetch == "download":
            assert client.queue.download("j1", tmp_path / "lake.mp4").read_bytes() == VIDEO
        else:
            with pytest.raises(QueueResultError):
                list(client.queue.stream("j1"))


def test_a_multipart_range_response_is_not_used() -> None:
    several = part(50, 1023, Content_Type="multipart/byteranges; boundary=x")
    answers: Any = iter([ServedVideo(breaks=(50,)), lambda request: several, ServedVideo()])
    client, _ = client_for(lambda request: next(answers)(request))
    assert b"".join(client.queue.stream("j1")) == VIDEO


def test_where_a_weak_etag_changes_a_date_does_not_join() -> None:
    date = {"Last-Modified": "Mon, 23 Nov 2026 10:00:00 GMT"}
    begun = ServedVideo(headers={**date, "ETag": 'W/"v1"'}, breaks=(50,))
    answers: Any = iter([begun, lambda request: part(50, 1023, ETag='W/"v2"', **date)])
    client, _ = client_for(lambda request: next(answers)(request))
    with pytest.raises(QueueResultError):
        list(client.queue.stream("j1"))


@pytest.mark.parametrize(
    ("asked", "span", "length"),
    [("bytes=100-799", "bytes 100-799/1024", 700), ("bytes=900-", "bytes 900-1023/1024", 124),
     ("bytes=-24", "bytes 1000-1023/1024", 24), ("bytes=1000-5000", "bytes 1000-1023/1024", 24)],
)  # fmt: skip
def test_a_browser_gets_all_of_the_part_it_requested(asked: str, span: str, length: int) -> None:
    def answer(request: HttpRequest) -> HttpResponse:
        first, _, last = request.headers["Range"][6:].partition("-")
        start = int(first) if first else len(VIDEO) - int(last)
        end = min(start + 9, int(last) if first and last else len(VIDEO) - 1, len(VIDEO) - 1)
        return part(start, end)

    with client_for(answer)[0].queue.stream("j1", range=asked) as video:
        assert (video.headers["Content-Range"], video.length) == (span, length)
        start = int(span[6:].partition("-")[0])
        assert b"".join(video) == VIDEO[start : start + length]


@pytest.mark.parametrize("asked", ["bytes=100-199", "bytes=-24"])
def test_a_browser_never_gets_another_part_than_it_requested(asked: str) -> None:
    with pytest.raises(QueueResultError, match="it is not the part that was requested"):
        client_for(lambda request: part(0, 9))[0].queue.stream("j1", range=asked).open()


@attrs.frozen
class Reply:
    """What a server does with a request; it may lie about none, some or all of it."""

    shift: int
    length: int
    breaks: bool
    etag: str | None
    whole: int | None
    status: int


REPLIES = st.builds(
    Reply,
    shift=st.sampled_from([0, 0, 0, 0, 1, -1]),
    length=st.sampled_from([1, 10, 400, 2000]),
    breaks=st.booleans(),
    etag=st.sampled_from(['"v1"', '"v1"', '"v1"', '"v2"', 'W/"v1"', None]),
    whole=st.sampled_from([len(VIDEO), len(VIDEO), None, 999]),
    status=st.sampled_from([206, 206, 206, 200, 416, 503]),
)


def honest(reply: Reply) -> bool:
    return reply.etag == '"v1"'


def play(reply: Reply, request: HttpRequest) -> HttpResponse:
    """Respond with the video for ``v1``, and with other content for anything else."""
    data = VIDEO if honest(reply) else OLD
    etag = {} if reply.etag is None else {"ETag": reply.etag}
    headers = {"Content-Type": "video/mp4", **etag}
    wanted = request.headers.get("Range")
    if reply.status in (416, 503):
        return HttpResponse(reply.status, {})
    if wanted is None or reply.status == 200:
        return HttpResponse(200, {**headers, "Content-Length": str(len(data))}, pieces(data, reply))
    first = max(0, int(wanted[6:].partition("-")[0]) + reply.shift)
    last = min(first + reply.length, len(data)) - 1
    span = f"bytes {first}-{last}/{'*' if reply.whole is None else reply.whole}"
    return HttpResponse(206, {**headers, "Content-Range": span}, pieces(data[first : last + 1], reply))


def pieces(data: bytes, reply: Reply) -> Any:
    yield data[: len(data) // 2]
    if reply.breaks:
        raise TransportError("The connection broke off.")
    yield data[len(data) // 2 :]


@given(st.lists(REPLIES, min_size=1, max_size=12))
def test_any_sequence_of_partial_responses_gives_the_exact_bytes_or_an_error(replies: list[Reply]) -> None:
    for to_file in (True, False):
        script = iter(replies)
        last = Reply(shift=0, length=9999, breaks=False, etag='"v1"', whole=len(VIDEO), status=206)
        client, _ = client_for(
            lambda request, script=script, last=last: play(next(script, last), request),
            retry=RetryPolicy(attempts=3, jitter=0),
        )
        with tempfile.TemporaryDirectory() as folder:
            try:
                if to_file:
                    data = client.queue.download("j1", Path(folder) / "lake.mp4").read_bytes()
                    assert files(Path(folder)) == ["lake.mp4"]
                else:
                    data = b"".join(client.queue.stream("j1"))
            except QueueResultError:
                assert "lake.mp4" not in files(Path(folder))
            else:
                assert data in (VIDEO, OLD)
