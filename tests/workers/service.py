"""A service in a separate process, whose responses can be checked, and which records who uses its connections.

The beginning of a job's name determines what happens to it:

===================  ============================================================================
``job``              it is completed
``failed``           it failed; the response has the reason, but not the job
``looks``            it is completed at the third status check
``late``             its status is sent after ``LATE`` seconds
``held``             the responses to its submit and status check are sent after a request to ``/release``
``half``             so is the second half of its video; after ``/break`` the connection is cut there instead
``together-<n>``     its status is sent when n status checks are waiting at the same time
``all-<n>``          it is completed when the status of n such jobs has been checked
===================  ============================================================================

If a body is larger than a MiB, the rest is read after ``PATIENCE`` other calls have arrived.

Run it as a program, with a certificate and its key for TLS: it prints its port, and exits when stdin ends. ``/seen``
returns the requests on each connection, and ``/waiting`` the number of calls that wait for a release.
"""

from __future__ import annotations

import json
import os
import re
import socket
import ssl
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import TypedDict

from workers.answers import content_of, id_of, process_of, reason_of

BLOCK = 64 * 1024
LARGE = 1024 * 1024
PATIENCE = 50
LATE = 3.0
SECONDS = 20.0  # after which a wait gives up; never reached when all is well


class Seen(TypedDict):
    """What came over one connection.

    Attributes:
        processes: How many calls came from each process.
        crowded: Whether a call came before the one before it was answered.
    """

    processes: dict[str, int]
    crowded: bool


class Service:
    """What all connections share."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.lock = threading.Lock()
        self._changed = threading.Condition()
        self._released = ""
        self._waiting = 0
        self._calls = 0
        self._looks: Counter[str] = Counter()
        self._all: defaultdict[int, set[str]] = defaultdict(set)
        self._barriers: dict[int, threading.Barrier] = {}

    def came(self) -> None:
        """Take note of a call."""
        with self._changed:
            self._calls += 1
            self._changed.notify_all()

    def let_others(self) -> None:
        """Wait until a number of other calls have arrived."""
        with self._changed:
            before = self._calls
            self._must(lambda: self._calls >= before + PATIENCE)

    def hold(self) -> str:
        """Wait to be released; return the reason."""
        with self._changed:
            self._waiting += 1
            self._must(lambda: bool(self._released))
            self._waiting -= 1
            return self._released

    def release(self, what: str) -> None:
        """Release all calls that wait for this."""
        with self._changed:
            self._released = what
            self._changed.notify_all()

    def _must(self, happens: Callable[[], bool]) -> None:
        if not self._changed.wait_for(happens, SECONDS):
            raise ConnectionError("waited in vain")

    def control(self, path: str) -> object:
        """Handle the control requests of the test."""
        if path == "/seen":
            return self.seen
        if path == "/waiting":
            return self._waiting
        self.release(path[1:])
        return None

    def submitted(self, job_id: str) -> dict[str, str]:
        """Return the response to a submit, once it may be sent."""
        if job_id.startswith("held"):
            self.hold()
        return {"job_id": job_id, "status": "pending"}

    def status(self, job_id: str) -> dict[str, str]:
        """Return the status of a job, when it is time to."""
        kind, _, count = job_id.partition(".")[0].partition("-")
        if kind == "failed":
            return {"status": "failed", "error": reason_of(job_id)}
        if kind == "held":
            self.hold()
        if kind == "late":
            time.sleep(LATE)
        if kind == "together":
            self._together(int(count))
        done = kind not in ("looks", "all") or (self._looked(job_id) if kind == "looks" else self._met(job_id, count))
        return {"job_id": job_id, "status": "completed" if done else "processing"}

    def _together(self, count: int) -> None:
        with self.lock:
            barrier = self._barriers.setdefault(count, threading.Barrier(count))
        barrier.wait(SECONDS)

    def _looked(self, job_id: str) -> bool:
        with self.lock:
            self._looks[job_id] += 1
            return self._looks[job_id] > 2 and bool(self._looks.pop(job_id))

    def _met(self, job_id: str, count: str) -> bool:
        with self.lock:
            self._all[int(count)].add(job_id)
            return len(self._all[int(count)]) >= int(count)


class Connection:
    """One connection, and the responses to its requests."""

    def __init__(self, service: Service, sock: socket.socket) -> None:
        self._service, self._sock = service, sock
        self._data = b""
        self._note: Seen | None = None

    def serve(self) -> None:
        """BufferedResponse until the other side hangs up."""
        while head := self._head():
            self._service.came()
            method, path, _ = head.split(b"\r\n")[0].decode().split(" ")
            body = self._body(head)
            if not path.startswith("/v1/jobs/"):
                self._say(self._service.control(path))
                continue
            job_id = id_of(_prompt(body)) if method == "POST" else path.split("/")[3]
            self._take_note(job_id)
            if method == "POST":
                self._say(self._service.submitted(job_id))
            elif path.endswith("/content"):
                self._give(job_id, head)
            else:
                self._say(self._service.status(job_id))

    def _head(self) -> bytes:
        while b"\r\n\r\n" not in self._data:
            more = self._sock.recv(BLOCK)
            if not more:
                return b""
            self._data += more
        head, _, self._data = self._data.partition(b"\r\n\r\n")
        return head

    def _body(self, head: bytes) -> bytes:
        found = re.search(rb"\r\ncontent-length: *(\d+)", head, re.IGNORECASE)
        length = int(found[1]) if found else 0
        if length > LARGE:
            self._service.let_others()
        pieces, left = [self._data[:length]], length - len(self._data)
        self._data = self._data[length:]
        while left > 0:
            piece = self._sock.recv(min(left, LARGE))
            if not piece:
                raise ConnectionError("the body is cut")
            pieces.append(piece)
            left -= len(piece)
        return b"".join(pieces)

    def _take_note(self, job_id: str) -> None:
        with self._service.lock:
            if self._note is None:
                self._note = Seen(processes={}, crowded=False)
                self._service.seen.append(self._note)
            process = str(process_of(job_id))
            self._note["processes"][process] = self._note["processes"].get(process, 0) + 1
            self._note["crowded"] |= bool(self._data)

    def _say(self, value: object) -> None:
        body = json.dumps(value).encode()
        self._sock.sendall(_answer(b"200 OK", b"application/json", len(body)) + body)

    def _give(self, job_id: str, head: bytes) -> None:
        video = content_of(job_id)
        wanted = re.search(rb"\r\nrange: *bytes=(\d+)-\r\n", head + b"\r\n", re.IGNORECASE)
        if wanted:
            first = int(wanted[1])
            about = b"Content-Range: bytes %d-%d/%d\r\n" % (first, len(video) - 1, len(video))
            part = video[first:]
            self._sock.sendall(_answer(b"206 Partial Content", b"video/mp4", len(part), about + _etag(video)) + part)
            return
        self._sock.sendall(_answer(b"200 OK", b"video/mp4", len(video), _etag(video)))
        if job_id.startswith("half"):
            middle = len(video) // 2
            self._sock.sendall(video[:middle])
            if self._service.hold() == "break":
                raise ConnectionError("as was asked for")
            video = video[middle:]
        self._sock.sendall(video)


def _answer(status: bytes, kind: bytes, length: int, more: bytes = b"") -> bytes:
    return b"HTTP/1.1 %b\r\nContent-Type: %b\r\nContent-Length: %d\r\n%b\r\n" % (status, kind, length, more)


def _etag(video: bytes) -> bytes:
    return b'ETag: "%d"\r\n' % len(video)


def _prompt(body: bytes) -> str:
    found = re.search(rb'name="prompt"\r\n\r\n(.*?)\r\n--', body)
    return found[1].decode() if found else ""


def answer(service: Service, sock: socket.socket, tls: ssl.SSLContext | None) -> None:
    """Serve one connection, in its own thread."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        with tls.wrap_socket(sock, server_side=True) if tls else sock as ours:
            Connection(service, ours).serve()
    except (OSError, threading.BrokenBarrierError):
        return  # the other side sees it


def accept(listener: socket.socket, tls: ssl.SSLContext | None) -> None:
    """Take connections for ever."""
    service = Service()
    while True:
        sock, _ = listener.accept()
        threading.Thread(target=answer, args=(service, sock, tls), daemon=True).start()


def main(certificate: list[str]) -> None:
    tls = None
    if certificate:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(*certificate)
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    threading.Thread(target=accept, args=(listener, tls), daemon=True).start()
    print(listener.getsockname()[1], flush=True)
    sys.stdin.read()
    os._exit(0)  # the threads wait for their clients


if __name__ == "__main__":
    main(sys.argv[1:])
