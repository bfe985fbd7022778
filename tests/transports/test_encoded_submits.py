"""The ID in a submit response is used, or else its text kept, whatever its Content-Encoding."""

from __future__ import annotations

import functools
import gzip
import tracemalloc
import zlib

import pytest
from support.exchanges import LONG, exchange, get
from support.fakes import KEY, LAKE
from support.servers import FIRST, Connection, reply, serving
from support.speed import at_any_speed

from decart import (
    DecartClient,
    QueueStatusError,
    RetryPolicy,
    SubmitOutcomeUnknownError,
    Timeout,
    TransportError,
)
from decart.transports.base import Transport

JSON = b'{"job_id": "j-1", "status": "pending"}'
HEAD = FIRST + b"Content-Type: application/json\r\n"
ONCE = RetryPolicy(attempts=1)


def encoded(name: str, body: bytes) -> bytes:
    return HEAD + f"Content-Encoding: {name}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def chunked(name: str, body: bytes, end: bytes) -> bytes:
    head = HEAD + f"Content-Encoding: {name}\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n".encode() % len(body)
    return head + body + b"\r\n" + end


def raw_deflate(data: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-15)
    return compressor.compress(data) + compressor.flush()


PLAIN = ["gzip", "x-gzip", "deflate", "DEFLATE", "br", "zstd", "compress", "gzip, gzip", "gzip, identity", "rot13", ""]
READABLE = {f"plain, called {name or 'nothing'}": encoded(name, JSON) for name in PLAIN} | {
    "gzip": encoded("gzip", gzip.compress(JSON)),
    "deflate": encoded("deflate", zlib.compress(JSON)),
    "deflate without a header": encoded("deflate", raw_deflate(JSON)),
    "gzip, called deflate in part": encoded("identity, gzip", gzip.compress(JSON)),
    "gzip and something behind it": encoded("gzip", gzip.compress(JSON) + b"<html>"),
    "deflate and something behind it": encoded("deflate", zlib.compress(JSON) + b"<html>"),
    "gzip without its checksum": encoded("gzip", gzip.compress(JSON)[:-8]),
    "gzip with a wrong checksum": encoded("gzip", gzip.compress(JSON)[:-8] + bytes(8)),
    "deflate without its checksum": encoded("deflate", zlib.compress(JSON)[:-4]),
    "plain text, called deflate, behind a line": encoded("deflate", b"\n\n" + JSON),
    "plain, called gzip, and no end": chunked("gzip", JSON, b""),
    "a malformed chunk behind it": chunked("identity", JSON, b"zz\r\n\r\n"),
    "gzip, and a malformed chunk behind it": chunked("gzip", gzip.compress(JSON), b"zz\r\n\r\n"),
    "gzip and no end": chunked("gzip", gzip.compress(JSON), b""),
}


@pytest.mark.parametrize("case", READABLE)
def test_the_id_of_a_readable_response_is_used(transport: Transport, case: str) -> None:
    with (
        serving(reply(READABLE[case])) as server,
        DecartClient(KEY, base_url=server.url, transport=transport) as client,
    ):
        assert client.queue.submit(LAKE).job_id == "j-1"


@at_any_speed
def test_a_malformed_chunk_after_the_job_id_does_not_lose_the_id(transport: Transport, scale: float) -> None:
    def script(connection: Connection) -> None:
        connection.read_request()
        connection.send(chunked("identity", JSON, b""))
        connection.pause(0.05 * scale)
        connection.send(b"zz\r\n\r\n")
        connection.until_closed()

    with (
        serving(script) as server,
        DecartClient(KEY, base_url=server.url, transport=transport, timeout=Timeout(read=0.5 * scale)) as client,
    ):
        assert client.queue.submit(LAKE).job_id == "j-1"


TEXT = f"accepted for {KEY} as j-1 ".encode() + b"x" * 5000


@pytest.mark.parametrize("name", ["gzip", "deflate", "br"])
def test_the_text_of_any_other_is_kept_without_the_key(transport: Transport, name: str) -> None:
    with (
        serving(reply(encoded(name, TEXT))) as server,
        DecartClient(KEY, base_url=server.url, transport=transport) as client,
        pytest.raises(SubmitOutcomeUnknownError) as caught,
    ):
        client.queue.submit(LAKE)
    body = caught.value.data["body"]
    assert body.startswith("accepted for *** as j-1 xxx")
    assert len(body) == 2000


def test_the_bytes_of_one_that_ends_before_anything_was_decoded_are_kept(transport: Transport) -> None:
    with serving(reply(encoded("gzip", gzip.compress(b"", mtime=0)[:10]))) as server:
        response = transport.send(get(server.url), timeout=LONG)
        with response, pytest.raises(TransportError, match="ends too early"):
            response.read()
        assert response.received.startswith(b"\x1f\x8b")


def test_an_empty_response_that_says_json_is_empty(transport: Transport) -> None:
    with serving(reply(HEAD + b"Content-Length: 0\r\n\r\n")) as server:
        assert exchange(transport, get(server.url))[2] == b""


def test_the_data_decoded_before_the_damage_is_kept(transport: Transport) -> None:
    packed = gzip.compress(b"accepted as j-1" + bytes(range(256)) * 500)
    with (
        serving(reply(encoded("gzip", packed[:200] + b"\xff" * 20))) as server,
        DecartClient(KEY, base_url=server.url, transport=transport) as client,
        pytest.raises(SubmitOutcomeUnknownError) as caught,
    ):
        client.queue.submit(LAKE)
    assert caught.value.data["body"].startswith("accepted as j-1")


@pytest.mark.parametrize("body", [gzip.compress(JSON)[:-9], JSON], ids=["cut", "plain"])
def test_a_status_check_that_cannot_be_decoded_is_an_error(transport: Transport, body: bytes) -> None:
    with (
        serving(reply(encoded("gzip", body))) as server,
        DecartClient(KEY, base_url=server.url, transport=transport, retry=ONCE) as client,
        pytest.raises(QueueStatusError),
    ):
        client.queue.status("j-1")


@functools.cache
def bomb() -> bytes:
    return gzip.compress(bytes(64 * 1024 * 1024), 9)


def test_a_compression_bomb_takes_no_more_memory_than_the_limit(transport: Transport) -> None:
    with serving(reply(encoded("gzip", bomb()))) as server:
        tracemalloc.start()
        try:
            with transport.send(get(server.url), timeout=LONG) as response:
                assert len(response.read(1024 * 1024)) == 1024 * 1024
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert peak < 8 * 1024 * 1024
