"""`decart.downloads.Download`: a transfer as a state machine, without I/O and without a clock."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.downloads import (
    CUT,
    SIZE,
    VIDEO,
    complete,
    cut_at,
    feed,
    head,
    new_download,
    part,
)
from support.fakes import KEY, MP4

from decart import ResponseError
from decart.downloads import Download, RequestedRange
from decart.responses import BufferedResponse


def requested(download: Download) -> tuple[str | None, str | None]:
    headers = download.next_request().headers
    return headers.get("Range"), headers.get("If-Range")


# the table


def test_the_first_request_is_for_everything() -> None:
    request = new_download().next_request()
    assert (request.method, request.url) == ("GET", "https://api.test/v1/jobs/j1/content")
    assert requested(new_download()) == (None, None)


def test_a_complete_response_ends_the_download() -> None:
    download = new_download()
    assert download.observe_head(complete())
    assert (download.status, download.total, download.size) == (200, SIZE, 0)
    feed(download, VIDEO)
    download.observe_end(0.0)
    assert (download.complete, download.size) == (True, SIZE)


def test_after_a_cut_the_rest_is_requested_and_continued_with() -> None:
    download = cut_at(300)
    assert requested(download) == ("bytes=300-", '"v1"')
    assert download.observe_head(part(300, SIZE - 1))
    assert (download.size, download.total) == (300, SIZE)
    feed(download, VIDEO[300:])
    download.observe_end(0.0)
    assert download.complete


def test_a_part_that_is_shorter_than_requested_is_continued_with_unless_time_is_up() -> None:
    download = cut_at(300, deadline=10.0)
    download.observe_head(part(300, 399))
    feed(download, VIDEO[300:400])
    download.observe_end(9.0)
    assert not download.complete
    assert requested(download) == ("bytes=400-", '"v1"')
    download.observe_head(part(400, 499))
    feed(download, VIDEO[400:500])
    with pytest.raises(ResponseError, match=f"it has 500 of {SIZE} bytes"):
        download.observe_end(10.0)


def test_a_complete_response_starts_a_file_over() -> None:
    download = cut_at(300)
    assert download.observe_head(complete(etag='"v2"'))
    assert (download.size, download.validator) == (0, '"v2"')


def test_a_complete_response_ends_a_stream_whose_bytes_are_handed_out() -> None:
    download = cut_at(300, restartable=False)
    with pytest.raises(ResponseError, match="it starts over, but some bytes have already been passed on") as caught:
        download.observe_head(complete())
    assert download.pause_after(caught.value, 0.0) is None


MISFITS = [
    head(416),
    part(299, SIZE - 1),
    part(301, SIZE - 1),
    part(300, SIZE, SIZE + 1),
    part(300, SIZE - 1, etag='"v2"'),
    part(300, SIZE - 1, etag=""),
    part(300, SIZE - 1, content_length="1"),
    part(300, SIZE - 1, content_encoding="gzip"),
    part(SIZE - 1, 300),
    head(206),
]


@pytest.mark.parametrize("response", MISFITS, ids=lambda response: str(response.headers.get("content-range")))
def test_a_part_that_does_not_fit_is_forgotten_by_a_file_and_ends_a_stream(response: BufferedResponse) -> None:
    for restartable in (True, False):
        download = cut_at(300, restartable=restartable)
        with pytest.raises(ResponseError) as caught:
            download.observe_head(response)
        pause = download.pause_after(caught.value, 0.0)
        assert pause == (0.5 if restartable else None)
        assert requested(download) == (None, None)


def test_a_part_longer_than_it_says_is_an_error_before_its_bytes_are_kept() -> None:
    download = cut_at(300)
    download.observe_head(part(300, 399))
    flaw = download.observe_data(VIDEO[300:401])
    assert flaw is not None and "it is longer than its Content-Range" in flaw.message
    assert (download.size, requested(download)) == (300, (None, None))


@pytest.mark.parametrize("response", [head(200, content_type="text/html"), part(0, 9, content_type="text/html")])
def test_the_page_of_a_proxy_is_retried(response: BufferedResponse) -> None:
    download = new_download()
    with pytest.raises(ResponseError, match="it is text/html instead of a video") as caught:
        download.observe_head(response)
    assert download.pause_after(caught.value, 0.0) == 0.5
    download = new_download()
    download.observe_head(complete())
    flaw = download.observe_data(b"<html>")
    assert flaw is not None and "it is text instead of a video" in flaw.message
    assert flaw.__traceback__ is None  # its frames would hold the page


def test_a_part_that_nobody_requested_is_an_error() -> None:
    with pytest.raises(ResponseError, match="it is only a part of the video"):
        new_download().observe_head(part(0, 99))


@pytest.mark.parametrize("status", [301, 401, 404, 416, 500])
def test_any_other_status_has_no_video(status: int) -> None:
    assert not new_download().observe_head(head(status))


def test_a_response_that_ends_too_early_is_an_error() -> None:
    download = cut_at(300)
    download.observe_head(part(300, 399))
    feed(download, VIDEO[300:350])
    with pytest.raises(ResponseError, match="it ended 50 bytes too early"):
        download.observe_end(0.0)
    for data, why in ((b"", "it is empty"), (VIDEO[:9], f"it has 9 of {SIZE} bytes")):
        download = new_download()
        download.observe_head(complete())
        feed(download, data)
        with pytest.raises(ResponseError, match=why):
            download.observe_end(0.0)


# how much there is


def test_without_a_length_the_structure_decides_and_nothing_is_appended_to_what_is_incomplete() -> None:
    for data in (MP4, MP4[:-1]):
        download = new_download()
        download.observe_head(head(200))
        feed(download, data)
        if data is MP4:
            download.observe_end(0.0)
            assert download.complete
        else:
            with pytest.raises(ResponseError, match="the file seems to be truncated"):
                download.observe_end(0.0)
            assert requested(download) == (None, None)


def test_chunks_show_where_a_video_ends() -> None:
    download = new_download()
    download.observe_head(head(200, transfer_encoding="chunked"))
    feed(download, VIDEO)
    download.observe_end(0.0)
    assert download.complete


def test_a_range_response_has_the_length_that_the_first_response_lacked() -> None:
    download = cut_at(300, head(200))
    download.observe_head(part(300, 399))
    assert download.total == SIZE


# what a file holds already


def test_the_part_of_an_earlier_download_is_resumed() -> None:
    download = new_download()
    download.resume(300, SIZE, '"v1"')
    assert requested(download) == ("bytes=300-", '"v1"')
    assert not download.complete
    download.observe_head(part(300, SIZE - 1))
    feed(download, VIDEO[300:])
    download.observe_end(0.0)
    assert download.complete


@pytest.mark.parametrize(
    ("size", "total", "done"), [(SIZE, SIZE, True), (300, SIZE, False), (300, None, False), (0, 0, False)]
)
def test_a_file_that_has_all_bytes_is_complete(size: int, total: int | None, done: bool) -> None:
    download = new_download()
    download.resume(size, total, '"v1"')
    assert download.complete is done


# a part for a browser


def test_a_range_is_requested_and_continued_within_it() -> None:
    download = new_download(restartable=False, requested=RequestedRange("bytes=100-199", '"v1"'))
    assert requested(download) == ("bytes=100-199", '"v1"')
    download.observe_head(part(100, 149))
    assert (download.status, download.total, download.headers["content-range"]) == (206, 100, "bytes 100-199/1024")
    feed(download, VIDEO[100:150])
    download.observe_end(0.0)
    assert requested(download) == ("bytes=150-199", '"v1"')
    with pytest.raises(ResponseError, match="it is not the part that was requested"):
        download.observe_head(part(150, 200))


def test_a_range_without_a_validator_is_what_the_response_has() -> None:
    download = new_download(restartable=False, requested=RequestedRange("bytes=100-199"))
    download.observe_head(part(100, 149, etag=""))
    assert (download.total, download.headers["content-range"]) == (50, "bytes 100-149/1024")


def test_another_part_than_requested_is_an_error() -> None:
    download = new_download(restartable=False, requested=RequestedRange("bytes=100-199"))
    with pytest.raises(ResponseError, match="it is not the part that was requested"):
        download.observe_head(part(0, 99))


def test_a_stream_does_not_accept_another_length_than_it_announced() -> None:
    download = new_download(restartable=False)
    download.observe_head(complete())
    with pytest.raises(ResponseError, match="its status or length is not that of the first response") as caught:
        download.observe_head(complete(content_length="9"))
    assert download.pause_after(caught.value, 0.0) is None


# validators


@pytest.mark.parametrize(
    ("headers", "validator"),
    [
        ({}, '"v1"'),
        ({"etag": 'W/"v1"'}, None),
        ({"etag": 'W/"v1"', "last_modified": "Mon, 23 Nov 2026 10:00:00 GMT"}, "Mon, 23 Nov 2026 10:00:00 GMT"),
        ({"etag": '"a b"'}, None),
        ({"etag": f'"{KEY}"'}, None),
        ({"etag": "", "last_modified": KEY}, None),
        ({"content_encoding": "gzip"}, None),
    ],
)
def test_later_requests_refer_to_a_strong_etag_or_a_date_that_does_not_echo_the_key(
    headers: dict[str, str], validator: str | None
) -> None:
    download = new_download()
    download.observe_head(complete(**headers))
    assert download.validator == validator


# the promise of all that

OTHER = bytes(reversed(VIDEO)) + b"longer"


@st.composite
def responses(draw: st.DrawFn) -> tuple[BufferedResponse, bytes, bytes]:
    """Return the head of a response, the name of its content, and the body; ``v1`` is the video."""
    etag = draw(st.sampled_from(['"v1"', '"v1"', '"v2"', 'W/"v1"', ""]))
    content = VIDEO if etag == '"v1"' else OTHER
    if draw(st.booleans()):
        length = {"content_length": str(len(content))} if draw(st.booleans()) else {"transfer_encoding": "chunked"}
        return head(200, etag=etag, **length), content, content
    first = draw(st.sampled_from([0, 100, 300]) | st.integers(0, len(content) - 1))
    last = draw(st.just(len(content) - 1) | st.integers(first, len(content) - 1))
    whole = draw(st.sampled_from([str(len(content)), str(len(content)), "*", "999"]))
    return part(first, last, whole, etag=etag), content, content[first : last + 1]


@given(st.lists(st.tuples(responses(), st.none() | st.integers(0, 1024)), max_size=12), st.booleans(), st.booleans())
def test_a_download_that_is_complete_has_exactly_the_bytes_of_one_content(
    script: list[tuple[tuple[BufferedResponse, bytes, bytes], int | None]], restartable: bool, obliging: bool
) -> None:
    download = new_download(restartable=restartable)
    received, contents = b"", [VIDEO]
    for (response, content, body), cut in script:
        if obliging and download.size and download.validator == '"v1"':  # sends the part that was requested
            response, content, body = part(download.size, SIZE - 1), VIDEO, VIDEO[download.size :]
        error: Exception = CUT
        try:
            download.observe_head(response)
            if not download.size:
                received, contents = b"", [content]
            contents.append(content)
            for start in range(0, len(body[:cut]), 100):
                chunk = body[:cut][start : start + 100]
                feed(download, chunk)
                received += chunk
            if cut is None or cut >= len(body):
                download.observe_end(0.0)
                if download.complete:
                    break
                continue
        except ResponseError as flaw:
            error = flaw
        if download.pause_after(error, 0.0) is None:
            break
    assert download.size == len(received) or not received
    if download.complete:
        assert received in (VIDEO, OTHER)
        assert received == contents[-1]
