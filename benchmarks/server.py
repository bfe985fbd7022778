"""A minimal server, on raw sockets and in a separate process, so that only the client is measured.

It receives and discards uploads, responds to status checks, and generates videos while it sends them. It validates
uploads, so that a fast but wrong one cannot win: the response has the ID
``<verdict>-<announced>-<received>-<number>-<due>``, where the verdict is ``complete``, ``cut`` or ``wrong``, and
``due`` is the time at which the job will be completed, on the monotonic clock that all processes share. The job
``video.<bytes>`` always exists, and its video has that size.

A video, in either direction, consists of zeros with a number at the start of each block. It costs next to nothing to
create and store (as a sparse file), and reveals bytes that were lost, duplicated or moved.

Run by the harness: ``python server.py <shortest>-<longest> [<certificate> <key>]``, with the seconds that a job takes
and a certificate for TLS. It prints its port, and a report for each line on stdin, since the last one: the number of
calls and connections, or after ``jobs`` what became of each submitted job. It exits when stdin ends.
"""

from __future__ import annotations

import json
import os
import socket
import ssl
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

MIB = 1024 * 1024
BLOCK = 64 * 1024
STAMP = 8  # bytes of the number at the start of a block
VIDEO = 200 * 1024  # bytes of the video of a submitted job
MAX_HEAD = 64 * 1024  # bytes of a form within which its file must begin

EVENLY = 0.6180339887498949  # the golden ratio: its multiples, modulo 1, are spread evenly, however many there are


@dataclass
class Job:
    """What became of a submitted job: when it was completed, its status checks, and the requests for its result."""

    due: float
    checks: int = 0
    fetches: int = 0
    fetched: float | None = None  # when the last of these requests arrived


counts = {"calls": 0, "connections": 0}
jobs: dict[str, Job] = {}
lock = threading.Lock()


@dataclass(frozen=True)
class Durations:
    """How many seconds jobs take: spread evenly between two limits, by the number of the job."""

    shortest: float
    longest: float

    def of(self, number: int) -> float:
        """Return the seconds that the job with this number takes."""
        return self.shortest + (self.longest - self.shortest) * (number * EVENLY % 1)


def stamp(number: int) -> bytes:
    """Return the first bytes of the block with this number."""
    return number.to_bytes(STAMP, "big")


def make_file(path: Path, size: int) -> None:
    """Create a video of ``size`` bytes as a sparse file.

    It is read once, so that it is in the page cache for the next reader.
    """
    with path.open("wb") as file:
        file.truncate(size)
        for start in range(0, size - STAMP + 1, BLOCK):
            file.seek(start)
            file.write(stamp(start // BLOCK))
    with path.open("rb", buffering=0) as file:
        while file.read(MIB):
            pass


def is_video(blocks: Iterator[bytes], size: int) -> bool:
    """Return whether these blocks form a complete, correct video of ``size`` bytes."""
    length = 0
    for number, block in enumerate(blocks):
        if block != (stamp(number) + bytes(BLOCK))[: len(block)]:
            return False
        length += len(block)
    return length == size


def count(what: str) -> None:
    with lock:
        counts[what] += 1


class Form:
    """Validate the body of a form while it is received."""

    def __init__(self, boundary: bytes) -> None:
        self._end = b"--" + boundary + b"--\r\n" if boundary else b""
        self._head: bytearray | None = bytearray()  # until the file begins
        self._tail = b""
        self._at = 0  # where in the file the next byte belongs
        self._wrong = False

    def feed(self, chunk: memoryview) -> None:
        """Validate the next bytes."""
        self._tail = (self._tail + bytes(chunk[-100:]))[-100:]
        if self._head is None:
            self._check(chunk)
        elif len(self._head) < MAX_HEAD:
            self._head += chunk
            field = self._head.find(b'name="data"')
            begins = self._head.find(b"\r\n\r\n", field) + 4 if field >= 0 else 3
            if begins > 3:
                rest, self._head = self._head[begins:], None
                self._check(memoryview(rest))

    def _check(self, chunk: memoryview) -> None:
        """Check the first number in a piece of the file, which shows whether the piece is at the right offset."""
        first = -self._at % BLOCK
        found = bytes(chunk[first : first + STAMP])
        if len(found) == STAMP and b"\r\n" not in found:  # the end of the form does not belong to the file
            self._wrong |= found != stamp((self._at + first) // BLOCK)
        self._at += len(chunk)

    def verdict(self) -> str:
        """Return ``complete``, ``cut`` or ``wrong``."""
        if not self._tail.endswith(self._end):
            return "cut"
        has_prompt = self._head is None or b"prompt" in self._head
        return "complete" if has_prompt and not self._wrong else "wrong"


class Connection:
    """The connection of one client."""

    def __init__(self, sock: socket.socket, durations: Durations) -> None:
        self._sock, self._durations = sock, durations
        self._buffer = memoryview(bytearray(MIB))

    def serve(self) -> None:
        """Respond to requests until the client closes the connection."""
        self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        data = b""
        while True:
            while b"\r\n\r\n" not in data:
                more = self._sock.recv(BLOCK)
                if not more:
                    return
                data += more
            head, _, data = data.partition(b"\r\n\r\n")
            count("calls")
            lines = head.split(b"\r\n")
            method, path, _ = lines[0].split(b" ")
            if method == b"POST":
                self._receive_form(_headers(lines), data)
                data = b""
            elif path.endswith(b"/content"):
                self._note_fetch(path.split(b"/")[-2].decode())
                self._send_video(_headers(lines), _size(path))
            else:
                self._check(path.rpartition(b"/")[2].decode())

    def _check(self, job_id: str) -> None:
        with lock:
            if job := jobs.get(job_id):
                job.checks += 1
        self._send_status(job_id, time.monotonic() >= _due(job_id))

    def _note_fetch(self, job_id: str) -> None:
        with lock:
            if job := jobs.get(job_id):
                job.fetches += 1
                job.fetched = time.monotonic()

    def _send_status(self, job_id: str, done: bool) -> None:
        body = json.dumps({"job_id": job_id, "status": "completed" if done else "processing"}).encode()
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
        self._sock.sendall(head + body)

    def _receive_form(self, headers: dict[bytes, bytes], first: bytes) -> None:
        form = Form(headers[b"content-type"].partition(b"boundary=")[2].strip(b'"'))
        announced, received = int(headers[b"content-length"]), len(first)
        form.feed(memoryview(first))
        while received < announced:
            got = self._sock.recv_into(self._buffer[: announced - received])
            if not got:
                return  # the client closed the connection
            received += got
            form.feed(self._buffer[:got])
        with lock:
            number = len(jobs)
            due = time.monotonic() + self._durations.of(number)
            job_id = f"{form.verdict()}-{announced}-{received}-{number}-{due:.6f}"
            jobs[job_id] = Job(due)
        self._send_status(job_id, False)

    def _send_video(self, headers: dict[bytes, bytes], size: int) -> None:
        part = b"range" in headers
        first = int(headers[b"range"].partition(b"=")[2].partition(b"-")[0]) if part else 0
        head = [
            b"HTTP/1.1 " + (b"206 Partial Content" if part else b"200 OK"),
            b"Content-Type: video/mp4",
            b"Content-Length: %d" % (size - first),
            b"Accept-Ranges: bytes",
            b'ETag: "%d"' % size,
            *([b"Content-Range: bytes %d-%d/%d" % (first, size - 1, size)] if part else []),
        ]
        self._sock.sendall(b"\r\n".join(head) + b"\r\n\r\n")
        room = min(MIB, size)
        self._buffer[:room] = bytes(room)
        for start in range(first - first % MIB, size, MIB):
            for at in range(0, room, BLOCK):
                self._buffer[at : at + STAMP] = stamp((start + at) // BLOCK)
            self._sock.sendall(self._buffer[max(0, first - start) : size - start])


def _headers(lines: list[bytes]) -> dict[bytes, bytes]:
    pairs = (line.partition(b":") for line in lines[1:])
    return {name.lower(): value.strip() for name, _, value in pairs}


def _due(job_id: str) -> float:
    """Return the time at which a job is completed; 0 for ``video.<bytes>``."""
    _, dash, due = job_id.rpartition("-")
    return float(due) if dash else 0.0


def _size(path: bytes) -> int:
    """Return the size of the video at ``/v1/jobs/<id>/content``."""
    kind, _, size = path.split(b"/")[-2].partition(b".")
    return int(size) if kind == b"video" else VIDEO


def serve(sock: socket.socket, durations: Durations, tls: ssl.SSLContext | None) -> None:
    """Serve one connection, in its own thread."""
    count("connections")
    with sock:
        try:
            with tls.wrap_socket(sock, server_side=True) if tls else sock as ours:
                Connection(ours, durations).serve()
        except (ConnectionError, ssl.SSLError):
            return  # the client is gone


def accept(listener: socket.socket, durations: Durations, tls: ssl.SSLContext | None) -> None:
    """Accept connections forever."""
    while True:
        sock, _ = listener.accept()
        threading.Thread(target=serve, args=(sock, durations, tls), daemon=True).start()


def main() -> None:
    durations, certificate = Durations(*map(float, sys.argv[1].split("-"))), sys.argv[2:]
    tls = None
    if certificate:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(*certificate)
    listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
    threading.Thread(target=accept, args=(listener, durations, tls), daemon=True).start()
    print(listener.getsockname()[1], flush=True)
    for line in sys.stdin:
        with lock:
            if line == "jobs\n":
                print(json.dumps({job_id: asdict(job) for job_id, job in jobs.items()}), flush=True)
                jobs.clear()
            else:
                print(json.dumps(counts), flush=True)
                counts.update(calls=0, connections=0)
    os._exit(0)  # the threads are still waiting for their clients


if __name__ == "__main__":
    main()
