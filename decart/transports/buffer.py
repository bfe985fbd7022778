"""A response body in memory."""

from __future__ import annotations

import io
from collections.abc import Mapping

TRUSTED_LENGTH = 16 * 1024 * 1024
"""The most bytes of memory that a Content-Length alone, before any of the body arrived, makes us reserve."""


def is_whole(first: bytes, limit: int | None, headers: Mapping[str, str]) -> bool:
    """Tell whether a first chunk is the whole body, as of most responses."""
    return 0 < len(first) == _announced_length(headers) and (limit is None or len(first) <= limit)


class BodyBuffer:
    """Collect a body in one buffer of the announced size, so that the peak of memory is the size of the body.

    A large body gets a sixteenth of its announced size first, and the rest once that has arrived: what is announced
    need not come.
    """

    def __init__(self, limit: int | None, headers: Mapping[str, str]) -> None:
        size = _announced_length(headers)
        self._limit = limit
        self._sizes = [size if limit is None else min(size, limit)]
        while self._sizes[-1] > TRUSTED_LENGTH:
            self._sizes.append(self._sizes[-1] // 16)
        self._reserved = self._sizes.pop()
        self._bytes = io.BytesIO(bytes(self._reserved))  # zeros, which take no memory until they are written over

    def add(self, chunk: bytes) -> bool:
        """Add a chunk up to the limit; return whether the limit is reached."""
        if self._limit is not None:
            chunk = chunk[: self._limit - self._bytes.tell()]
        while self._sizes and self._bytes.tell() + len(chunk) > self._reserved:
            self._reserved = self._sizes.pop()
            larger = io.BytesIO(bytes(self._reserved))
            larger.write(self._bytes.getbuffer()[: self._bytes.tell()])
            self._bytes = larger
        self._bytes.write(chunk)
        return self._limit is not None and self._bytes.tell() >= self._limit

    def value(self) -> bytes:
        self._bytes.truncate()
        return self._bytes.getvalue()


def _announced_length(headers: Mapping[str, str]) -> int:
    """Return the length that a body will have, or 0 if it is unknown, as for an encoded body."""
    length = headers.get("content-length", "")
    known = length.isascii() and length.isdigit() and len(length) < 19 and "content-encoding" not in headers
    return int(length) if known else 0
