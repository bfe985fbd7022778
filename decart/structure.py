"""Check by its structure whether a video or picture is complete, if HTTP does not announce its length.

An MP4 is a sequence of boxes, a PNG one of chunks, and a JPEG one of segments, followed by a scan that ends with a
marker. Each begins with its length, so the headers alone show whether the last one is complete; the content is skipped
and never kept. A file whose end cannot be recognized counts as incomplete: other formats (such as WebM), an MP4 whose
last box has no length, and a fragmented MP4 without the index (``mfra``) that may follow its last fragment. An MP4 that
has media before its first fragment counts as complete if it was cut exactly there.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
JPEG_START, JPEG_SCAN, JPEG_END = b"\xff\xd8\xff", b"\xff\xda", b"\xff\xd9"


class Structure:
    """Read the structure of a file as it arrives, in constant memory.

    Example:
        >>> structure = Structure()
        >>> for chunk in chunks:
        ...     structure.feed(chunk)
        >>> structure.is_complete
        True
    """

    def __init__(self) -> None:
        self._format: Literal["mp4", "png", "jpeg", "other"] | None = None  # None until 8 bytes have arrived
        self._header = bytearray()  # the part of the next header that has arrived
        self._remaining = 0  # bytes of the current box, chunk or segment that have not arrived
        self._missing: set[bytes] = set()  # what the file must contain and has not contained so far
        self._scan: bytes | None = None  # the last two bytes of a JPEG's scan, which has no length

    @property
    def is_complete(self) -> bool:
        """Whether the file would be complete if nothing followed."""
        if self._scan is not None:
            return self._scan == JPEG_END
        return self._format in ("mp4", "png") and not (self._missing or self._header or self._remaining)

    def feed(self, data: bytes) -> None:
        """Read the next bytes of the file."""
        offset = 0
        while offset < len(data) and self._format != "other":
            available = len(data) - offset
            if self._remaining:
                step = min(self._remaining, available)
                self._remaining -= step
            elif self._scan is not None:
                step = available
                self._scan = (self._scan + data[max(offset, len(data) - 2) :])[-2:]
            else:
                length = self._header_length()
                step = min(length - len(self._header), available)
                self._header += data[offset : offset + step]
                if len(self._header) == self._header_length():
                    self._read_header()
            offset += step

    def _header_length(self) -> int:
        """Return the length of the next header: 4 bytes in a JPEG, else 8, or 16 if an MP4 box has a 64-bit length."""
        if self._format == "jpeg":
            return 4
        has_64_bits = self._format != "png" and len(self._header) >= 8 and self._header[:4] == b"\0\0\0\1"
        return 16 if has_64_bits else 8

    def _read_header(self) -> None:
        """Parse a complete header to find out how many bytes of content follow."""
        header = bytes(self._header)
        self._header.clear()
        if self._format is None and header == PNG_SIGNATURE:
            self._format, self._missing = "png", {b"IEND"}
            return
        if self._format is None and header[:3] == JPEG_START:
            self._format = "jpeg"
            rest = int.from_bytes(header[4:6], "big") - 4  # the start marker, a header, and two bytes of its content
        elif self._format == "jpeg":
            rest = int.from_bytes(header[2:], "big") - 2 if header[0] == 0xFF else -1
            if header[:2] == JPEG_SCAN:
                self._scan = b""
        elif self._format == "png":
            rest = int.from_bytes(header[:4], "big") + 4 if self._missing else -1  # nothing may follow IEND
            self._missing.discard(header[4:8])
        else:
            rest = self._read_box(header)
        self._remaining = max(rest, 0)
        if rest < 0:
            self._format, self._scan = "other", None

    def _read_box(self, header: bytes) -> int:
        """Return how many bytes of an MP4 box follow its header; -1 if it is not a valid box, or has no length."""
        name = header[4:8]
        if self._format is None:
            if name != b"ftyp":
                return -1
            self._format, self._missing = "mp4", {b"moov", b"mdat"}
        if name == b"moof":  # from here on, a cut between two fragments looks like an end
            self._missing.add(b"mfra")
        self._missing.discard(name)
        return int.from_bytes(header[8:] or header[:4], "big") - len(header)


def is_complete(chunks: Iterable[bytes]) -> bool:
    """Return whether these chunks form a complete MP4, PNG or JPEG."""
    structure = Structure()
    for chunk in chunks:
        structure.feed(chunk)
    return structure.is_complete
