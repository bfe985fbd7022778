"""How the server reads a connection: within bounds, whatever comes over it. What cheroot has for that has none."""

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
"""Bytes of a request before its body, and of any line in that."""


class Reader(StreamReader):
    """Where a connection's requests come from: no line is longer than a head may be, and a failure is the end."""

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
    """A connection that may idle for longer than it may stall.

    Attributes:
        is_new: Whether nobody has looked yet whether anything came.
    """

    is_new = True

    def __init__(self, server: Any, sock: socket.socket, makefile: Any) -> None:
        super().__init__(server, sock, makefile)
        self.rfile = Reader(sock, "rb", self.rbufsize)

    def communicate(self) -> bool:
        """Answer a request; say whether there may be another."""
        self.socket.settimeout(self.server.silence)
        return bool(super().communicate()) and not self.rfile.failed  # type: ignore[no-untyped-call]


class Chunked(io.RawIOBase):
    """A body in chunks, given as it comes: a chunk may be of any size.

    Raises:
        ValueError: It is no such body.
    """

    def __init__(self, stream: Reader) -> None:
        self._stream = stream
        self._left = 0
        self._ended = False

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Read a part of a chunk; nothing is the end."""
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
        """Return the error, after which nobody knows where the next request begins."""
        self._stream.failed = True
        return ValueError(what)
