"""Responses to a request for an image: a picture that arrived is never lost, and half of one is never returned."""

from __future__ import annotations

import gzip
import threading
import zlib

import pytest
from support.fakes import KEY
from support.images import HAT, PNG, picture
from support.servers import FIRST, PATIENCE, Connection, http, reply, reset, serving, silent

from decart import (
    DecartClient,
    ProcessingCancelledError,
    ProcessingError,
    ProcessingOutcomeUnknownError,
    Timeout,
    TransportTimeout,
)
from decart.transports.base import Transport

TYPE = b"Content-Type: image/png\r\n"
HEAD = FIRST + TYPE


def framed(body: bytes, encoding: str = "") -> bytes:
    coding = f"Content-Encoding: {encoding}\r\n".encode() if encoding else b""
    return HEAD + coding + b"Content-Length: %d\r\n\r\n" % len(body) + body


def chunked(*chunks: bytes) -> bytes:
    return HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"".join(b"%x\r\n%s\r\n" % (len(c), c) for c in chunks)


COMPLETE = {
    "a length": framed(PNG),
    "chunks": chunked(PNG[:9], PNG[9:], b""),
    "no length": HEAD + b"\r\n" + PNG,
    "a length that is too large": HEAD + b"Content-Length: 5000\r\n\r\n" + PNG,
    "chunks without an end": chunked(PNG),
    "gzip": framed(gzip.compress(PNG), "gzip"),
    "deflate": framed(zlib.compress(PNG), "deflate"),
    "gzip without its last bytes": framed(gzip.compress(PNG)[:-4], "gzip"),
    "a lie about gzip": framed(PNG, "gzip"),
    "another 2xx": http(201, PNG, {"Content-Type": "image/png"}),
    "no type": FIRST + b"Content-Length: %d\r\n\r\n" % len(PNG) + PNG,
    "an interim response": b"HTTP/1.1 100 Continue\r\n\r\n" + framed(PNG),
}
INCOMPLETE = {
    "nothing": b"",
    "an empty 200": framed(b""),
    "a 204": b"HTTP/1.1 204 No Content\r\n\r\n",
    "half a length": HEAD + b"Content-Length: %d\r\n\r\n" % len(PNG) + PNG[:60],
    "half a chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\nff\r\n" + PNG[:60],
    "half without a length": HEAD + b"\r\n" + PNG[:60],
    "half of gzip": framed(gzip.compress(PNG)[:40], "gzip"),
    "an unknown encoding": framed(PNG, "br"),
    "a part": b"HTTP/1.1 206 Partial Content\r\n%sContent-Range: bytes 0-59/%d\r\nContent-Length: 60\r\n\r\n%s"
    % (TYPE, len(PNG), PNG[:60]),
    "two lengths": HEAD + b"Content-Length: 3\r\nContent-Length: 5\r\n\r\nabcde",
    "JSON": http(200, b'{"queued": true}', {"Content-Type": "application/json"}),
    "JSON that is called a picture": framed(b'{"queued": true}'),
    "a page": http(200, b"<html>", {"Content-Type": "text/html"}),
    "a video": http(200, b"\0\0\0\x18ftypmp42", {"Content-Type": "video/mp4"}),
    "a redirect": b"HTTP/1.1 307 Elsewhere\r\nLocation: https://elsewhere.invalid/\r\nContent-Length: 0\r\n\r\n",
    "504": http(504, b"<html><title>Gateway Time-out</title>"),
}


@pytest.mark.parametrize("case", COMPLETE)
def test_a_complete_picture_is_the_result_however_it_came(transport: Transport, case: str) -> None:
    with (
        serving(reply(COMPLETE[case])) as server,
        DecartClient(KEY, base_url=server.url, transport=transport) as client,
    ):
        result = client.process(HAT)
    assert (result.data, result.content_type) == (PNG, "image/png")


@pytest.mark.parametrize("case", INCOMPLETE)
def test_anything_else_may_be_billed_and_is_asked_for_once(transport: Transport, case: str) -> None:
    with (
        serving(reply(INCOMPLETE[case])) as server,
        DecartClient(KEY, base_url=server.url, transport=transport) as client,
        pytest.raises(ProcessingOutcomeUnknownError, match="may have been made and billed") as caught,
    ):
        client.process(HAT)
    assert len(server.requests) == 1
    assert KEY not in f"{caught.value} {caught.value.data} {caught.value.cause!r}"


def test_a_reset_or_silence_after_the_body_is_an_unknown_outcome(transport: Transport) -> None:
    with serving(reset(), silent) as server:
        client = DecartClient(KEY, base_url=server.url, transport=transport, timeout=Timeout(read=0.2))
        for _ in range(2):
            with pytest.raises(ProcessingOutcomeUnknownError) as caught:
                client.process(HAT)
    assert isinstance(caught.value.cause, TransportTimeout)
    assert len(server.requests) == 2


@pytest.mark.parametrize("code", [400, 401, 402, 403, 413, 422])
def test_a_refusal_is_not_billed_although_its_body_is_cut(transport: Transport, code: int) -> None:
    refusal = b'HTTP/1.1 %d Refused\r\nContent-Length: 500\r\n\r\n{"detail": "No' % code
    with (
        serving(reply(refusal)) as server,
        DecartClient(KEY, base_url=server.url, transport=transport) as client,
        pytest.raises(ProcessingError) as caught,
    ):
        client.process(HAT)
    assert (caught.value.status_code, len(server.requests)) == (code, 1)


def test_an_image_of_many_megabytes_arrives(transport: Transport) -> None:
    big = PNG[:-12] + b"\x01\0\0\0note" + bytes(16 * 1024 * 1024) + bytes(4) + PNG[-12:]
    with serving(reply(framed(big))) as server, DecartClient(KEY, base_url=server.url, transport=transport) as client:
        assert client.process(HAT).data == big


def test_of_pictures_of_other_kinds_http_says_whether_they_are_complete(transport: Transport) -> None:
    data = picture("WEBP")
    response = http(200, data, {"Content-Type": "image/webp"})
    with serving(reply(response)) as server, DecartClient(KEY, base_url=server.url, transport=transport) as client:
        assert client.process(HAT).to_pil().format == "WEBP"


def test_what_is_cancelled_after_the_request_was_sent_brings_its_picture_nevertheless(transport: Transport) -> None:
    cancel = threading.Event()

    def script(connection: Connection) -> None:
        connection.read_request()
        cancel.set()
        connection.send(framed(PNG))

    with serving(script) as server, DecartClient(KEY, base_url=server.url, transport=transport) as client:
        assert client.process(HAT, cancel=cancel).data == PNG
        with pytest.raises(ProcessingCancelledError):
            client.process(HAT, cancel=cancel)
    assert cancel.wait(PATIENCE) and len(server.requests) == 1
