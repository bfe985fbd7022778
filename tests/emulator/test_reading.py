"""The server reads within limits, and responds or closes the connection, whatever a client sends."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from support.raw import multipart
from support.studio import Studio

from decart.emulator import Emulator, EmulatorServer
from decart.emulator.limits import LINE, UPLOAD_LIMIT

MIB = 1024 * 1024
FORM = multipart({"prompt": "a lake"}, {"data": b"x" * 100_000})
OPENING = (
    b"POST /v1/jobs/lucy-clip HTTP/1.1\r\nHost: emulator\r\nX-API-KEY: dct_x\r\n"
    b"Content-Type: multipart/form-data; boundary=x\r\n"
)
CHUNKED = OPENING + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.fixture
def studio() -> Studio:
    return Studio()


@pytest.fixture
def server(studio: Studio) -> Iterator[EmulatorServer]:
    with Emulator(renderer=studio) as emulator, EmulatorServer(emulator) as server:
        yield server


@contextmanager
def connected(server: EmulatorServer) -> Iterator[socket.socket]:
    address = ("127.0.0.1", int(server.url.rsplit(":", 1)[1]))
    with socket.create_connection(address, timeout=20) as sock:
        yield sock


def chunks(data: bytes, size: int) -> bytes:
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    return b"".join(b"%x;a=b\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\nX-After: all\r\n\r\n"


def statuses(sock: socket.socket, count: int) -> list[int]:
    """Read so many responses, or until the server closes the connection; return their statuses."""
    found = []
    with sock.makefile("rb") as file:
        while len(found) < count and (line := file.readline()):
            found.append(int(line.split()[1]))
            head = dict(header.strip().lower().split(b": ", 1) for header in iter(file.readline, b"\r\n"))
            file.read(int(head[b"content-length"]))
    return found


@pytest.mark.parametrize("size", [7, 4096, len(FORM)])
def test_a_chunked_body_is_read_to_its_end_and_the_next_request_begins_after_it(
    server: EmulatorServer, studio: Studio, size: int
) -> None:
    with connected(server) as sock:
        sock.sendall(2 * (CHUNKED + chunks(FORM, size)))
        assert statuses(sock, 2) == [200, 200]
    studio.wait_for(2)
    assert [files["data"] for files in studio.files] == [b"x" * 100_000] * 2


@pytest.mark.parametrize(
    "body",
    [
        b"x\r\n",
        b"\r\n",
        b"-5\r\nhello\r\n",
        b"0x5\r\nhello\r\n",
        b"5\r\nhello, and more\r\n",
        b"1" * LINE + b"\r\n",
        b"0\r\n" + b"X: y\r\n" * LINE,
    ],
    ids=["a word", "nothing", "negative", "0x", "another size", "a long size", "long trailers"],
)
def test_nothing_after_a_malformed_chunked_body_is_read_as_a_request(server: EmulatorServer, body: bytes) -> None:
    with connected(server) as sock:
        sock.sendall(CHUNKED + body)
        try:
            sock.sendall(b"GET /v1/jobs/x HTTP/1.1\r\nHost: emulator\r\n\r\n")
            found = statuses(sock, 2)
        except ConnectionError:  # it hung up with unread bytes in its hands, which resets
            found = []
    assert found in ([400], [])
    assert server.emulator.requests.count(route="status") == 0


@pytest.mark.parametrize(
    ("header", "status"),
    [
        (b"Content-Length: many", 400),
        (b"Content-Length: -1", 400),
        (b"Content-Length: 0\r\nContent-Length: 0", 400),
        (b"Content_Length: 9", 400),
        (b"Transfer-Encoding : chunked", 400),
        (b"Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip", 400),
        (b"no colon\r\nContent-Length: 9", 400),
        (b"Transfer-Encoding: gzip", 501),
    ],
)
def test_a_body_whose_length_is_unknown_is_refused_and_not_read_as_a_request(
    server: EmulatorServer, header: bytes, status: int
) -> None:
    with connected(server) as sock:
        sock.sendall(OPENING + header + b"\r\n\r\nGET /v1/jobs/x HTTP/1.1\r\n\r\n")
        with sock.makefile("rb") as file:
            received = file.read()
    assert received.startswith(b"HTTP/1.1 %d " % status)
    assert b'\r\n\r\n{"detail": "The ' in received
    assert list(server.emulator.requests) == []


@pytest.mark.parametrize("target", [b"/v1/jobs/x?a=b", b"http://emulator/v1/jobs/x?a=b"])
@pytest.mark.parametrize("before", [b"", b"\r\n"])
def test_both_forms_of_a_request_line_and_an_empty_line_before_it_are_read(
    server: EmulatorServer, target: bytes, before: bytes
) -> None:
    with connected(server) as sock:
        for _ in range(2):
            sock.sendall(before + b"GET %s HTTP/1.1\r\nHost: emulator\r\nX-API-KEY: dct_x\r\n\r\n" % target)
        assert statuses(sock, 2) == [404, 404]
    assert [entry.path for entry in server.emulator.requests.of(route="status")] == ["/v1/jobs/x"] * 2


def test_a_key_in_a_header_with_an_underscore_is_none(server: EmulatorServer) -> None:
    with connected(server) as sock:
        sock.sendall(b"GET /v1/jobs/x HTTP/1.1\r\nHost: emulator\r\nX_API_KEY: dct_x\r\n\r\n")
        assert statuses(sock, 1) == [401]


@pytest.mark.parametrize(
    ("line", "status"), [(b"GET", 400), (b"GET / HTTP/x", 400), (b"a b c d", 400), (b"FETCH /v1/jobs/x HTTP/1.1", 405)]
)
def test_nonsense_gets_a_status(server: EmulatorServer, line: bytes, status: int) -> None:
    with connected(server) as sock:
        sock.sendall(line + b"\r\nConnection: close\r\n\r\n")
        assert statuses(sock, 2) == [status]


@pytest.mark.parametrize("begun", [b"GET /", b"GET / HTTP/1.1\r\nX: ", b"GET / HTTP/1.1\r\n", CHUNKED + b"5;"])
def test_an_endless_request_is_refused_early(server: EmulatorServer, begun: bytes) -> None:
    more = b"Y: x\r\n" if begun.endswith(b"\n") else b"x" * 1024
    with connected(server) as sock:
        sock.sendall(begun)
        with pytest.raises(ConnectionError):
            for _ in range(1024):
                sock.sendall(more * (100_000 // len(more)))


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_a_chunk_of_any_size_takes_no_memory(server: EmulatorServer) -> None:
    def peak() -> int:
        return int(Path("/proc/self/status").read_text("utf-8").partition("VmHWM:")[2].split()[0]) // 1024

    with connected(server) as sock:
        sock.sendall(CHUNKED + b"fffffffff\r\n" + FORM[: FORM.index(b"xxxx")])
        sock.sendall(bytes(MIB))
        before = peak()
        for _ in range(100):
            sock.sendall(bytes(MIB))
        assert peak() - before < 32


@pytest.mark.parametrize("begun", [b"Content-Length: 200000\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n30d40\r\n"])
def test_a_client_that_falls_silent_gets_a_response_and_its_connection_is_closed(studio: Studio, begun: bytes) -> None:
    with (
        Emulator(renderer=studio) as emulator,
        EmulatorServer(emulator, silence=0.2) as server,
        connected(server) as sock,
    ):
        sock.sendall(OPENING + begun + FORM[:1000])
        assert statuses(sock, 2) == [400]


def test_idle_connections_block_no_other_client(studio: Studio) -> None:
    with Emulator(renderer=studio) as emulator, EmulatorServer(emulator, silence=3600) as server, ExitStack() as many:
        for _ in range(200):
            many.enter_context(connected(server))
        with connected(server) as sock:
            sock.sendall(b"GET /v1/jobs/x HTTP/1.1\r\nHost: emulator\r\nX-API-KEY: dct_x\r\n\r\n")
            assert statuses(sock, 1) == [404]


def test_a_body_longer_than_the_limit_is_refused_before_it_is_sent(server: EmulatorServer) -> None:
    with connected(server) as sock:
        sock.sendall(OPENING + b"Content-Length: %d\r\n\r\n" % (UPLOAD_LIMIT + 1))
        assert statuses(sock, 2) == [413]


def test_a_body_longer_than_the_limit_is_not_asked_for(server: EmulatorServer) -> None:
    with connected(server) as sock:
        sock.sendall(OPENING + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % (UPLOAD_LIMIT + 1))
        assert statuses(sock, 2) == [413]


def test_a_client_that_waits_to_be_asked_for_its_body_is_asked(server: EmulatorServer) -> None:
    with connected(server) as sock:
        sock.sendall(OPENING + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(FORM))
        asked = b"HTTP/1.1 100 Continue\r\n\r\n"
        assert sock.recv(len(asked), socket.MSG_WAITALL) == asked
        sock.sendall(FORM)
        assert statuses(sock, 1) == [200]
