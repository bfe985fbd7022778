"""An HTTP server in a separate process whose responses name the request, so that a mixed-up response is detected.

=============================  =========================================================================
request                        response
=============================  =========================================================================
``GET /v1/jobs/<id>``          the id, and ``processing``, or ``completed`` if the id begins with ``done``
``GET /v1/jobs/<id>/content``  the beginning of a video, but never the rest
``POST``                       the ``token-...`` in its body as the id, and ``pending``
``GET /connections``           the number of connections so far
``GET /garbled``               the number of connections with anything but complete requests
=============================  =========================================================================

If an id or a token contains ``halves``, the body is sent a moment after the head. Run as a program, it prints its
port, and exits when stdin ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from workers.running import small_environment

MOMENT = 0.0003  # seconds; about as long as an exchange takes
REQUEST = re.compile(rb"(?P<method>GET|POST) (?P<target>/\S*) HTTP/1\.1(?P<headers>\r\n.*?)\r\n\r\n", re.DOTALL)
TOKEN = re.compile(rb"(--.*\r\n\r\n)?(?P<token>token-[\w-]+)(\r\n--.*)?", re.DOTALL)  # alone, or in a form
VIDEO = 1024 * 1024  # the announced length, in bytes
BEGINNING = b"\x00\x00\x00\x18ftypmp42" + bytes(4096)


class Connection(asyncio.Protocol):
    """One connection, and the responses to its requests."""

    made = 0
    garbled = 0

    def __init__(self) -> None:
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        Connection.made += 1

    def data_received(self, data: bytes) -> None:
        self._received += data
        while found := REQUEST.match(self._received):
            announced = re.search(rb"\r\ncontent-length: *(\d+)", found["headers"], re.IGNORECASE)
            ends = found.end() + (int(announced[1]) if announced else 0)
            if len(self._received) < ends:
                return
            body, self._received = self._received[found.end() : ends], self._received[ends:]
            self._respond(found["method"], found["target"].decode(), body)
        if b"\r\n\r\n" in self._received:
            self._abort()

    def _abort(self) -> None:
        Connection.garbled += 1
        self._transport.abort()

    def _respond(self, method: bytes, target: str, body: bytes) -> None:
        token = TOKEN.fullmatch(body)
        if target.endswith("/content"):
            self._transport.write(_head(VIDEO, "video/mp4") + BEGINNING)
        elif target in ("/connections", "/garbled"):
            self._send_job("count", str(Connection.made if target == "/connections" else Connection.garbled))
        elif method == b"GET":
            job_id = target.rpartition("/")[2]
            self._send_job(job_id, "completed" if job_id.startswith("done") else "processing")
        elif token is None:
            self._abort()
        else:
            self._send_job(token["token"].decode(), "pending")

    def _send_job(self, job_id: str, status: str) -> None:
        body = json.dumps({"job_id": job_id, "status": status}).encode()
        if "halves" in job_id:
            self._transport.write(_head(len(body)))
            asyncio.get_running_loop().call_later(MOMENT, self._transport.write, body)
        else:
            self._transport.write(_head(len(body)) + body)


def _head(length: int, kind: str = "application/json") -> bytes:
    return f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n".encode()


@contextlib.contextmanager
def echoing() -> Iterator[str]:
    """Run the server during the ``with`` block, and yield its address."""
    command = [sys.executable, "-m", "support.echo"]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=small_environment(), **pipes) as process:
        assert process.stdin is not None and process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.stdin.close()


async def main() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Connection, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
