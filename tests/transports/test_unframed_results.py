"""A result that ends with its connection, or was encoded, is complete only if its structure says so."""

from __future__ import annotations

import gzip
import ssl
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from support.fakes import KEY, MP4
from support.servers import FIRST, Connection, Script, http, serving

from decart import DecartClient, QueueResultError, RetryPolicy
from decart.transports.base import Transport

VIDEO = b"Content-Type: video/mp4\r\n"
FINISHED = http(200, b'{"job_id": "j1", "status": "completed"}', {"Content-Type": "application/json"})


def giving(content: bytes) -> Script:
    """BufferedResponse status checks, and end the connection after the content."""

    def script(connection: Connection) -> None:
        while not connection.read_request().target.endswith("/content"):
            connection.send(FINISHED)
        connection.send(content)

    return script


def in_memory(client: DecartClient, folder: Path) -> bytes:
    data = client.queue.result("j1").data
    assert data is not None
    return data


def to_a_file(client: DecartClient, folder: Path) -> bytes:
    try:
        return client.queue.download("j1", folder / "lake.mp4").read_bytes()
    except QueueResultError:
        assert not (folder / "lake.mp4").exists()
        raise


def as_a_stream(client: DecartClient, folder: Path) -> bytes:
    return b"".join(client.queue.stream("j1"))


every_way = pytest.mark.parametrize("fetch", [in_memory, to_a_file, as_a_stream])
Fetch = Callable[[DecartClient, Path], bytes]


def encoded(name: str, data: bytes) -> bytes:
    return FIRST + VIDEO + f"Content-Encoding: {name}\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data


def raw_deflate(data: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-15)
    return compressor.compress(data) + compressor.flush()


UNFRAMED = FIRST + VIDEO + b"\r\n"
ZIPPED, DEFLATED = gzip.compress(MP4), zlib.compress(MP4)
WHOLE = {
    "no length": UNFRAMED + MP4,
    "HTTP/1.0": b"HTTP/1.0 200 OK\r\n" + VIDEO + b"\r\n" + MP4,
    "gzip": encoded("gzip", ZIPPED),
    "deflate": encoded("deflate", DEFLATED),
    "raw deflate": encoded("deflate", raw_deflate(MP4)),
    "identity": encoded("identity", MP4),
    "chunks": FIRST + VIDEO + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(MP4), MP4),
}
CUT = {
    "no length, cut": UNFRAMED + MP4[:-1],
    "no length, and nothing": UNFRAMED,
    "no length, and a page behind it": UNFRAMED + MP4 + b"<html>502</html>",
    "a head cut after a line": FIRST + VIDEO,
    "a cut gzip": encoded("gzip", ZIPPED[:-40]),
    "an empty gzip": encoded("gzip", b""),
    "a gzip of a cut video": encoded("gzip", gzip.compress(MP4[:-1])),
    "a cut deflate": encoded("deflate", DEFLATED[:-40]),
    "a raw deflate, cut": encoded("deflate", raw_deflate(MP4)[:-40]),
    "gzip that is none": encoded("gzip", MP4),
    "br": encoded("br", b"\x0b\x02\x80abc\x03"),
    "zstd": encoded("zstd", b"\x28\xb5\x2f\xfd\x04\x00\x19\x00\x00abc"),
    "br of what is a video": encoded("br", MP4),
    "compress": encoded("compress", MP4),
    "an unknown encoding": encoded("rot13", MP4),
    "gzip twice": encoded("gzip, gzip", gzip.compress(ZIPPED)),
    "gzip, cut in chunks": FIRST
    + VIDEO
    + b"Content-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (50, ZIPPED[:50]),
}


def client_of(transport: Transport, url: str) -> DecartClient:
    return DecartClient(KEY, base_url=url, transport=transport, retry=RetryPolicy(attempts=1))


@every_way
@pytest.mark.parametrize("case", WHOLE)
def test_a_complete_video_is_accepted(transport: Transport, case: str, fetch: Fetch, tmp_path: Path) -> None:
    with serving(giving(WHOLE[case])) as server, client_of(transport, server.url) as client:
        assert fetch(client, tmp_path) == MP4


@every_way
@pytest.mark.parametrize("case", CUT)
def test_a_video_that_is_cut_or_cannot_be_decoded_is_an_error(
    transport: Transport, case: str, fetch: Fetch, tmp_path: Path
) -> None:
    with (
        serving(giving(CUT[case])) as server,
        client_of(transport, server.url) as client,
        pytest.raises(QueueResultError),
    ):
        fetch(client, tmp_path)


@every_way
@pytest.mark.parametrize("cut", [0, 1])
def test_the_end_of_a_tls_connection_without_close_notify_is_not_the_end_of_a_video(
    transport: Transport, trusted: None, tls: ssl.SSLContext, cut: int, fetch: Fetch, tmp_path: Path
) -> None:
    content = UNFRAMED + MP4[: len(MP4) - cut]
    with serving(giving(content), tls=tls) as server, client_of(transport, server.url) as client:
        if cut:
            with pytest.raises(QueueResultError):
                fetch(client, tmp_path)
        else:
            assert fetch(client, tmp_path) == MP4
