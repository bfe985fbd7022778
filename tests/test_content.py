"""`decart.content`: what counts as a video, and what only calls itself one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from support.fakes import KEY, MP4

from decart import ResponseError, Timeout
from decart.config import settings
from decart.protocol import parse_content
from decart.responses import BufferedResponse

SET = settings(KEY, "https://api.test/base", Timeout(), None)


def reply(body: object, status: int = 200, **headers: str) -> BufferedResponse:
    names = {"content-type": "application/json", **{name.replace("_", "-"): value for name, value in headers.items()}}
    return BufferedResponse(
        status=status, headers=names, body=body if isinstance(body, bytes) else json.dumps(body).encode()
    )


def content_of(answer: BufferedResponse) -> bytes:
    return parse_content(answer, SET)


def test_a_result_is_the_bytes_as_they_came() -> None:
    assert content_of(reply(MP4, content_type="video/mp4", content_length=str(len(MP4)))) == MP4
    assert content_of(BufferedResponse(status=200, headers={}, body=MP4)) == MP4
    for nonsense in ("nonsense", "", "-1", "٣", "9" * 5000):
        assert content_of(reply(MP4, content_type="video/mp4", content_length=nonsense)) == MP4


def test_the_length_of_a_compressed_answer_is_not_that_of_its_content() -> None:
    for named in ("gzip", "x-gzip", "deflate", "identity, gzip"):
        assert content_of(reply(MP4, content_type="video/mp4", content_length="9", content_encoding=named)) == MP4


@pytest.mark.parametrize(
    ("body", "headers", "why"),
    [
        (b"", {"content_type": "video/mp4"}, "it is empty"),
        (MP4, {"content_type": "video/mp4", "content_length": "9999"}, f"it has {len(MP4)} bytes of 9999"),
        (MP4, {"content_type": "video/mp4", "content_length": "9"}, f"it has {len(MP4)} bytes of 9 "),
        (b"<html>", {"content_type": "Text/HTML; charset=utf-8"}, "it is text/html where a video should be"),
        (b"{}", {}, "it is application/json where a video should be"),
        (b"x", {"content_type": f"text/{KEY}"}, r"it is text/\S+ where a video should be"),
    ],
)
def test_an_empty_cut_or_textual_result_is_an_error(body: bytes, headers: Any, why: str) -> None:
    with pytest.raises(ResponseError, match=why) as caught:
        content_of(reply(body, **headers))
    assert KEY.lower() not in caught.value.message.lower()


@pytest.mark.parametrize(
    "kind",
    ["application/problem+json", "application/json; charset=utf-8", "application/xml", "application/atom+xml",
     "text/xml", "image/svg+xml", "application/xhtml+xml", "multipart/byteranges; boundary=x", "audio/mp4",
     "application/pdf", "video/mp4, text/html", "video", "TEXT/plain"],
)  # fmt: skip
def test_what_is_no_video_or_picture_by_its_type_is_no_result(kind: str) -> None:
    with pytest.raises(ResponseError, match="where a video should be"):
        content_of(reply(MP4, content_type=kind, content_length=str(len(MP4))))


@pytest.mark.parametrize(
    "kind",
    ["video/mp4", "Video/MP4; codecs=avc1", "video/webm", "image/png", "application/octet-stream",
     "binary/octet-stream", "application/mp4", ""],
)  # fmt: skip
def test_a_video_or_picture_or_what_does_not_say_is_a_result(kind: str) -> None:
    assert content_of(reply(MP4, content_type=kind, content_length=str(len(MP4)))) == MP4


@pytest.mark.parametrize("kind", ["video/mp4", "image/png", "application/octet-stream", "binary/octet-stream", ""])
@pytest.mark.parametrize(
    "body",
    [
        b"<!DOCTYPE html><html>",
        b"\r\n\t  <html>",
        b"\xef\xbb\xbf<html>",
        b"\xef\xbb\xbfplain words",
        "<html>".encode("utf-16"),
        "<html>".encode("utf-16-le"),
        "<html>".encode("utf-16-be"),
        b'<?xml version="1.0"?><Error/>',
        b'{"detail": "not ready"}',
        b' [{"detail": "not ready"}]',
    ],
)
def test_a_text_that_calls_itself_a_video_is_refused(kind: str, body: bytes) -> None:
    with pytest.raises(ResponseError, match="it is text where a video should be"):
        content_of(reply(body, content_type=kind, content_length=str(len(body))))


@pytest.mark.parametrize("size", range(0x20, 0x80))
def test_an_mp4_is_no_text_whatever_the_length_of_its_first_box(size: int) -> None:
    data = bytes([0, 0, 0, size]) + b"ftyp" + bytes(size)
    assert content_of(reply(data, content_type="video/mp4", content_length=str(len(data)))) == data


def test_a_part_is_not_the_whole_that_was_asked_for() -> None:
    with pytest.raises(ResponseError, match="it is a part"):
        content_of(reply(MP4, 206, content_type="video/mp4", content_length=str(len(MP4))))
