"""A video on a server, for tests of downloads and streams."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from decart import DecartClient, RetryPolicy, TransportError
from decart.progress import PAUSE
from decart.transports.base import HttpRequest, HttpResponse
from support.fakes import FakeTransport, always, client_of, status
from support.servers import Connection, Script, http

VIDEO = bytes(range(256)) * 4
STEADY = RetryPolicy(jitter=0)
RANGE = {"Content-Type": "video/mp4", "ETag": '"v1"'}


class ServedVideo:
    """A script entry that serves a video in pieces, and may break off.

    Args:
        data: The video.
        breaks: The number of bytes after which each response breaks off; further responses are complete.
        ranges: Whether range requests are supported.
        headers: More headers for each response.
        on_piece: Called before each piece.
    """

    def __init__(
        self,
        data: bytes = VIDEO,
        *,
        breaks: tuple[int, ...] = (),
        ranges: bool = True,
        headers: dict[str, str] | None = None,
        on_piece: Callable[[], object] = lambda: None,
    ) -> None:
        self.data, self.ranges, self.on_piece = data, ranges, on_piece
        self.headers = {"ETag": '"v1"'} if headers is None else headers
        self._breaks = iter(breaks)
        self.asked: list[tuple[str | None, str | None]] = []
        self.closed = 0
        self.given = 0

    def __call__(self, request: HttpRequest) -> HttpResponse:
        wanted = request.headers.get("Range")
        self.asked.append((wanted, request.headers.get("If-Range")))
        headers = {"Content-Type": "video/mp4", **self.headers}
        same = request.headers.get("If-Range") in (None, headers.get("ETag"), headers.get("Last-Modified"))
        if wanted is None or not self.ranges or not same:
            return self._answer(200, self.data, headers)
        first, last = wanted.removeprefix("bytes=").split("-")
        start = int(first) if first else len(self.data) - int(last)
        end = int(last) if first and last else len(self.data) - 1
        span = f"bytes {start}-{end}/{len(self.data)}"
        return self._answer(206, self.data[start : end + 1], {"Content-Range": span, **headers})

    def _answer(self, code: int, data: bytes, headers: dict[str, str]) -> HttpResponse:
        length = {"Content-Length": str(len(data))}
        return HttpResponse(code, {**length, **headers}, self._pieces(data, next(self._breaks, None)), self._close)

    def _pieces(self, data: bytes, end: int | None) -> Iterator[bytes]:
        for piece in pieces_of(data, end):
            self.on_piece()
            self.given += len(piece)
            yield piece

    def _close(self) -> None:
        self.closed += 1


def pieces_of(data: bytes, end: int | None = None) -> Iterator[bytes]:
    """Yield a body in pieces of 100 bytes; if ``end`` is given, break off after so many bytes."""
    for start in range(0, len(data) if end is None else end, 100):
        yield data[start : min(start + 100, len(data) if end is None else end)]
    if end is not None:
        raise TransportError("The connection broke off.")


def client_for(served: Any, *before: Any, **settings: Any) -> tuple[DecartClient, FakeTransport]:
    """Return a client of a service with a completed job, whose further responses come from ``served``."""
    transport = FakeTransport(*(before or [status("completed")]), always(lambda: served))
    return client_of(transport, **{"retry": STEADY, **settings}), transport


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def slowly(data: bytes) -> Script:
    """Send the second half of a video byte by byte, unless the request has a range."""
    half = len(data) // 2
    headers = {"ETag": '"v1"', "Content-Type": "video/mp4"}

    def script(connection: Connection) -> None:
        request = connection.read_request()
        while not request.target.endswith("/content"):
            connection.send(http(200, b'{"job_id": "j1", "status": "completed"}'))
            request = connection.read_request()
        if "range" not in request.headers:
            connection.send(http(200, data, headers)[:-half])
            connection.drip(data[-half:-1], PAUSE)
            return
        start = int(request.headers["range"][6:-1])
        span = {"Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"}
        connection.send(http(206, data[start:], {**headers, **span}))

    return script
