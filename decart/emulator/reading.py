"""Read requests within limits, which cheroot does not have for lines and chunks."""

from __future__ import annotations

import io
import re
import socket
from typing import TYPE_CHECKING, Any

from cheroot.makefile import StreamReader
from cheroot.server import HTTPConnection

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

HEAD = 64 * 1024
"""The largest request head, and the longest line, in bytes."""


class Reader(StreamReader):
    """The input of a connection, with a limit for lines; after a failure it is at its end."""

    failed = False

    def read(self, size: int | None = None) -> bytes:
        if self.failed:
            return b""
        try:
            data: bytes = super().read(size)  # type: ignore[no-untyped-call]
        except OSError:
            self.failed = True
            raise
        return data

    def readline(self, size: int | None = None) -> bytes:
        line: bytes = super().readline(HEAD if size is None else size)
        return line


class Connection(HTTPConnection):
    """A connection whose idle timeout is longer than its timeout during a request.

    Attributes:
        is_new: Whether it has not been polled for data yet.
    """

    is_new = True

    def __init__(self, server: Any, sock: socket.socket, makefile: Any) -> None:
        super().__init__(server, sock, makefile)
        self.rfile = Reader(sock, "rb", self.rbufsize)

    def communicate(self) -> bool:
        """Handle a request; return whether there may be another."""
        self.socket.settimeout(self.server.silence)
        return bool(super().communicate()) and not self.rfile.failed  # type: ignore[no-untyped-call]


class Chunked(io.RawIOBase):
    """Read a chunked body as it arrives; a chunk may have any size.

    Raises:
        ValueError: The body is malformed.
    """

    def __init__(self, stream: Reader) -> None:
        self._stream = stream
        self._left = 0
        self._ended = False

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Read from the current chunk; return 0 at the end."""
        view = memoryview(buffer)
        if not self._left and not self._ended:
            self._begin()
        if self._ended:
            return 0
        data = self._stream.read(min(len(view), self._left))
        view[: len(data)] = data
        self._left -= len(data)
        if not data or (not self._left and self._stream.read(2) != b"\r\n"):
            raise self._wrong("a chunk has another size than it says")
        return len(data)

    def _begin(self) -> None:
        size = self._stream.readline().partition(b";")[0].strip()
        if not re.fullmatch(rb"[0-9A-Fa-f]{1,15}", size):
            raise self._wrong("a chunk does not say its size")
        self._left = int(size, 16)
        if not self._left:
            self._ended = True
            self._pass_over_trailers()

    def _pass_over_trailers(self) -> None:
        read = 0
        while (line := self._stream.readline()) not in (b"\r\n", b"\n", b""):
            read += len(line)
            if read > HEAD:
                raise self._wrong("what follows the body is too long")

    def _wrong(self, what: str) -> ValueError:
        """Return the error; where the next request begins is unknown, so the connection ends."""
        self._stream.failed = True
        return ValueError(what)
