"""A multipart/form-data body of exactly known length, read from its files while it is sent.

Nothing that a caller passes in can break the framing: the boundary is random, and a name is written the way browsers
write it (the WHATWG form encoding), with quotes, line breaks and control characters percent-encoded, the rest as UTF-8.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .files import Upload


class MultipartBody:
    """The body of a submit; iterate over it as often as it must be sent.

    Args:
        parts: Field name -> its text, or the file.
        tell: Called with the bytes that have been taken so far, and with their number in all.
    """

    def __init__(self, parts: Mapping[str, str | Upload], tell: Callable[[int, int], None] | None = None) -> None:
        self._tell = tell
        self._boundary = os.urandom(16).hex()
        self._parts = [(self._head(name, part), part) for name, part in parts.items()]
        self._end = f"--{self._boundary}--\r\n".encode()
        self.in_memory = all(isinstance(part, str) for part in parts.values())

    @property
    def content_type(self) -> str:
        """The value of the Content-Type header."""
        return f"multipart/form-data; boundary={self._boundary}"

    def _head(self, name: str, part: str | Upload) -> bytes:
        lines = f'--{self._boundary}\r\nContent-Disposition: form-data; name="{name}"'
        if not isinstance(part, str):
            lines += f'; filename="{_quoted(part.filename)}"\r\nContent-Type: {part.content_type}'
        return f"{lines}\r\n\r\n".encode("utf-8", "replace")

    def __len__(self) -> int:
        sizes = (len(head) + (len(part.encode()) if isinstance(part, str) else part.size) for head, part in self._parts)
        return sum(sizes) + 2 * len(self._parts) + len(self._end)

    def __iter__(self) -> Iterator[bytes]:
        return self._chunks() if self._tell is None else self._told(self._tell)

    def _told(self, tell: Callable[[int, int], None]) -> Iterator[bytes]:
        done, total = 0, len(self)
        tell(done, total)
        for chunk in self._chunks():
            yield chunk
            done += len(chunk)
            tell(done, total)

    def _chunks(self) -> Iterator[bytes]:
        for head, part in self._parts:
            yield head
            if isinstance(part, str):
                yield part.encode()
            else:
                yield from part.chunks()
            yield b"\r\n"
        yield self._end


def _quoted(filename: str) -> str:
    return re.sub(r'[\x00-\x1f\x7f"\\]', lambda match: f"%{ord(match[0]):02X}", filename)
