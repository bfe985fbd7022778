"""`decart.content`: what counts as a video, and what does not although it claims to be one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from support.fakes import KEY, MP4

from decart import ResponseError, RetryPolicy, Timeout
from decart.config import settings
from decart.content import announced_length, is_framed
from decart.downloads import Download
from decart.responses import BufferedResponse
from decart.transports.base import content_codings

SET = settings(KEY, "https://api.test/base", Timeout(), None)


def received(body: object, **headers: str) -> bytes:
    """Return the data of a download, if it accepts a body with these headers as a video."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    download = Download(job_id="j1", settings=SET, retry=RetryPolicy())
    assert download.observe_head(BufferedResponse(status=200, headers=names))
    for start in range(0, len(data), 7):
        if (flaw := download.observe_data(data[start : start + 7])) is not None:
            raise flaw
    download.observe_end(0.0)
    assert download.complete and download.size == len(data)
    return data


def test_a_result_is_the_received_bytes() -> None:
    assert received(MP4, content_type="video/mp4", content_length=str(len(MP4))) == MP4
    assert received(MP4) == MP4
    for nonsense in ("nonsense", "", "-1", "٣", "9" * 5000):
        assert received(MP4, content_type="video/mp4", content_length=nonsense) == MP4


def test_the_length_of_a_compressed_response_is_not_that_of_its_content() -> None:
    for coding in ("gzip", "x-gzip", "deflate", "identity, gzip"):
        assert received(MP4, content_type="video/mp4", content_length="9", content_encoding=coding) == MP4


@pytest.mark.parametrize(
    ("body", "headers", "why"),
    [
        (b"", {"content_type": "video/mp4"}, "it is empty"),
        (MP4, {"content_type": "video/mp4", "content_length": "9999"}, f"it has {len(MP4)} of 9999 bytes"),
        (MP4, {"content_type": "video/mp4", "content_length": "9"}, f"it has {len(MP4)} of 9 bytes"),
        (b"<html>", {"content_type": "Text/HTML; charset=utf-8"}, "it is text/html instead of a video"),
        (b"{}", {"content_type": "application/json"}, "it is application/json instead of a video"),
        (b"x", {"content_type": f"text/{KEY}"}, r"it is text/\S+ instead of a video"),
        (MP4, {"content_encoding": "br"}, r"its content encoding is not supported \(br\)"),
        (MP4, {"content_encoding": "gzip, deflate"}, r"its content encoding is not supported \(gzip, deflate\)"),
    ],
)
def test_an_empty_cut_textual_or_undecoded_result_is_an_error(body: bytes, headers: Any, why: str) -> None:
    with pytest.raises(ResponseError, match=why) as caught:
        received(body, **headers)
    assert KEY.lower() not in caught.value.message.lower()


def test_a_result_without_an_announced_length_is_an_error_if_its_structure_is_incomplete() -> None:
    with pytest.raises(ResponseError, match="no length was announced, and the file seems to be truncated"):
        received(MP4[:-1])
    assert received(MP4[:-1], transfer_encoding="chunked") == MP4[:-1]  # HTTP shows where it ends


@pytest.mark.parametrize(
    "kind",
    ["application/problem+json", "application/json; charset=utf-8", "application/xml", "application/atom+xml",
     "text/xml", "image/svg+xml", "application/xhtml+xml", "multipart/byteranges; boundary=x", "audio/mp4",
     "application/pdf", "video/mp4, text/html", "video", "TEXT/plain"],
)  # fmt: skip
def test_a_body_whose_type_is_neither_video_nor_image_is_not_a_result(kind: str) -> None:
    with pytest.raises(ResponseError, match="instead of a video"):
        received(MP4, content_type=kind, content_length=str(len(MP4)))


@pytest.mark.parametrize(
    "kind",
    ["video/mp4", "Video/MP4; codecs=avc1", "video/webm", "image/png", "application/octet-stream",
     "binary/octet-stream", "application/mp4", ""],
)  # fmt: skip
def test_a_video_or_image_or_what_names_no_type_is_a_result(kind: str) -> None:
    assert received(MP4, content_type=kind, content_length=str(len(MP4))) == MP4


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
def test_a_text_that_claims_to_be_a_video_is_refused(kind: str, body: bytes) -> None:
    with pytest.raises(ResponseError, match="it is text instead of a video"):
        received(body, content_type=kind, content_length=str(len(body)))


@pytest.mark.parametrize("size", range(0x20, 0x80))
def test_an_mp4_is_never_taken_for_text_whatever_the_length_of_its_first_box(size: int) -> None:
    data = bytes([0, 0, 0, size]) + b"ftyp" + bytes(size)
    assert received(data, content_type="video/mp4", content_length=str(len(data))) == data


@pytest.mark.parametrize(
    ("headers", "length", "framed"),
    [
        ({}, None, False),
        ({"content-length": "7"}, 7, True),
        ({"content-length": "7, 7"}, 7, True),
        ({"content-length": "7, 8"}, None, False),
        ({"content-length": "7", "content-encoding": "gzip"}, 7, False),
        ({"content-length": "7", "content-encoding": "identity"}, 7, True),
        ({"transfer-encoding": " Chunked"}, None, True),
        ({"transfer-encoding": "gzip, chunked"}, None, False),
        ({"transfer-encoding": "chunked", "content-encoding": "br"}, None, False),
    ],
)
def test_http_shows_where_a_body_ends_by_a_length_or_chunks_unless_it_is_encoded(
    headers: dict[str, str], length: int | None, framed: bool
) -> None:
    assert (announced_length(headers), is_framed(headers)) == (length, framed)


def test_content_codings_are_read_as_http_lists_them() -> None:
    assert content_codings({"content-encoding": " GZIP ,, identity,br"}) == ["gzip", "br"]
    assert content_codings({}) == []
