"""An HTTP server in a process of its own whose answers name what was asked, so that a mixed-up answer is noticed.

=============================  =========================================================================
request                        answer
=============================  =========================================================================
``GET /v1/jobs/<id>``          the id, and ``processing``, or ``completed`` if the id begins with ``done``
``GET /v1/jobs/<id>/content``  the beginning of a video, and never the rest
``POST``                       the ``token-...`` in its body as the id, and ``pending``
``GET /connections``           how many connections were ever made
``GET /garbled``               how many of them carried something else than one request after the other
=============================  =========================================================================

If an id or a token contains ``halves``, the body is sent a moment after the head. Run as a program, it prints its
port, and ends with its input.
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
VIDEO = 1024 * 1024  # bytes that are announced
BEGINNING = b"\x00\x00\x00\x18ftypmp42" + bytes(4096)


class Connection(asyncio.Protocol):
    """One connection, and the answers to the requests on it."""

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
            self._answer(found["method"], found["target"].decode(), body)
        if b"\r\n\r\n" in self._received:
            self._give_up()

    def _give_up(self) -> None:
        Connection.garbled += 1
        self._transport.abort()

    def _answer(self, method: bytes, target: str, body: bytes) -> None:
        token = TOKEN.fullmatch(body)
        if target.endswith("/content"):
            self._transport.write(_head(VIDEO, "video/mp4") + BEGINNING)
        elif target in ("/connections", "/garbled"):
            self._say("count", str(Connection.made if target == "/connections" else Connection.garbled))
        elif method == b"GET":
            job_id = target.rpartition("/")[2]
            self._say(job_id, "completed" if job_id.startswith("done") else "processing")
        elif token is None:
            self._give_up()
        else:
            self._say(token["token"].decode(), "pending")

    def _say(self, job_id: str, status: str) -> None:
        answer = json.dumps({"job_id": job_id, "status": status}).encode()
        if "halves" in job_id:
            self._transport.write(_head(len(answer)))
            asyncio.get_running_loop().call_later(MOMENT, self._transport.write, answer)
        else:
            self._transport.write(_head(len(answer)) + answer)


def _head(length: int, kind: str = "application/json") -> bytes:
    return f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n".encode()


@contextlib.contextmanager
def echoing() -> Iterator[str]:
    """Run the server while the ``with`` block lasts, and give its address."""
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
