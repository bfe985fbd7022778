"""The chunked body of a request, read within limits."""

from __future__ import annotations

import io
import re
from http.client import HTTPException, parse_headers
from typing import TYPE_CHECKING

from werkzeug.exceptions import BadRequest, ClientDisconnected

from .limits import LINE

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class Chunked(io.RawIOBase):
    """A chunked body, read as it arrives; a chunk may have any size.

    Attributes:
        is_exhausted: Whether it has been read to its end.
    """

    def __init__(self, stream: io.BufferedReader) -> None:
        self._stream = stream
        self._left = 0
        self._is_malformed = False
        self.is_exhausted = False

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Read from the current chunk; return 0 at the end.

        Raises:
            BadRequest: The body is malformed, or the client is silent or has disconnected.
        """
        if self._is_malformed:  # nothing that follows can be told from a chunk
            raise BadRequest
        try:
            return self._read(memoryview(buffer))
        except OSError:
            raise ClientDisconnected from None
        except BadRequest:
            self._is_malformed = True
            raise

    def _read(self, view: memoryview) -> int:
        if not self._left and not self.is_exhausted:
            self._begin_chunk()
        if self.is_exhausted:
            return 0
        count = self._stream.readinto1(view[: self._left])
        self._left -= count
        if not count or (not self._left and self._stream.readline(LINE) != b"\r\n"):
            raise BadRequest("A chunk has another size than it says.")
        return count

    def _begin_chunk(self) -> None:
        """Read the size of a chunk, and the lines after the last one."""
        size = self._stream.readline(LINE).partition(b";")
        if not re.fullmatch(rb"[0-9A-Fa-f]{1,15}", size[0].strip()) or len(b"".join(size)) == LINE:
            raise BadRequest("A chunk does not say its size.")
        self._left = int(size[0], 16)
        if not self._left:
            try:
                parse_headers(self._stream)
            except HTTPException:
                raise BadRequest("The lines after the body are too long, or too many.") from None
            self.is_exhausted = True
