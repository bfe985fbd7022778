"""A multipart/form-data body of known length that reads its files while it is sent.

No value can break the framing: the boundary is random, and file names are written as browsers write them (the WHATWG
form encoding), with quotes, line breaks and control characters percent-encoded and everything else in UTF-8.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .files import Upload


class MultipartBody:
    """The body of a submit; iterate over it once per attempt.

    Args:
        parts: Field name -> its text or file.
        on_progress: Called with the bytes consumed so far and the bytes in total.

    Attributes:
        content_type: The value of the Content-Type header.
        in_memory: Whether the body contains no files.
    """

    def __init__(
        self, parts: Mapping[str, str | Upload], on_progress: Callable[[int, int], None] | None = None
    ) -> None:
        boundary = os.urandom(16).hex()
        self.content_type = f"multipart/form-data; boundary={boundary}"
        self.in_memory = all(isinstance(part, str) for part in parts.values())
        self._on_progress = on_progress
        self._end = f"--{boundary}--\r\n".encode()
        self._parts: list[tuple[bytes, bytes | Upload]] = []
        for name, part in parts.items():
            head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"'
            if not isinstance(part, str):
                filename = re.sub(r'[\x00-\x1f\x7f"\\]', lambda match: f"%{ord(match[0]):02X}", part.filename)
                head += f'; filename="{filename}"\r\nContent-Type: {part.content_type}'
            content = part.encode() if isinstance(part, str) else part
            self._parts.append((f"{head}\r\n\r\n".encode("utf-8", "replace"), content))

    def __len__(self) -> int:
        sizes = (len(head) + (len(part) if isinstance(part, bytes) else part.size) + 2 for head, part in self._parts)
        return sum(sizes) + len(self._end)

    def __iter__(self) -> Iterator[bytes]:
        if self._on_progress is None:
            yield from self._chunks()
            return
        done, total = 0, len(self)
        self._on_progress(done, total)
        for chunk in self._chunks():
            yield chunk
            done += len(chunk)
            self._on_progress(done, total)

    def _chunks(self) -> Iterator[bytes]:
        for head, part in self._parts:
            yield head
            if isinstance(part, bytes):
                yield part
            else:
                yield from part.chunks()
            yield b"\r\n"
        yield self._end
