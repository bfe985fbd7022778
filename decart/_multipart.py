"""A multipart/form-data body of exactly known length, read from its files while it is sent.

Nothing that a caller passes in can break the framing: the boundary is random, and a name is written the way browsers
write it (the WHATWG form encoding), with quotes, line breaks and control characters percent-encoded, the rest as UTF-8.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping

from .files import Upload

_UNSAFE = re.compile(r'[\x00-\x1f\x7f"\\]')


class MultipartBody:
    """The body of a submit; iterate over it as often as it must be sent.

    Args:
        parts: Field name -> its text, or the file.
    """

    def __init__(self, parts: Mapping[str, str | Upload]) -> None:
        self._boundary = os.urandom(16).hex()
        self._parts = [(self._head(name, part), part) for name, part in parts.items()]
        self._end = f"--{self._boundary}--\r\n".encode()
        self.in_memory = not any(isinstance(part, Upload) for part in parts.values())

    @property
    def content_type(self) -> str:
        """The value of the Content-Type header."""
        return f"multipart/form-data; boundary={self._boundary}"

    def _head(self, name: str, part: str | Upload) -> bytes:
        lines = f'--{self._boundary}\r\nContent-Disposition: form-data; name="{name}"'
        if isinstance(part, Upload):
            lines += f'; filename="{_quoted(part.filename)}"\r\nContent-Type: {part.content_type}'
        return f"{lines}\r\n\r\n".encode("utf-8", "replace")

    def __len__(self) -> int:
        sizes = (
            len(head) + (part.size if isinstance(part, Upload) else len(part.encode())) for head, part in self._parts
        )
        return sum(sizes) + 2 * len(self._parts) + len(self._end)

    def __iter__(self) -> Iterator[bytes]:
        for head, part in self._parts:
            yield head
            if isinstance(part, Upload):
                yield from part.chunks()
            else:
                yield part.encode()
            yield b"\r\n"
        yield self._end


def _quoted(filename: str) -> str:
    return _UNSAFE.sub(lambda match: f"%{ord(match[0]):02X}", filename)
