"""Is a video or picture whole? Told by its structure alone, where HTTP does not say how long it is.

An MP4 is a row of boxes and a PNG a row of chunks. Each begins with its length, so that reading these headers alone
shows whether the last one is complete. The content in between is skipped, and never kept. What they cannot show is that
a fragmented MP4 was cut exactly between two of its fragments.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
TO_THE_END = float("inf")
"""The length of an MP4's last box if that is not told: it reaches to the end of the file, wherever that is."""


class Structure:
    """Read the structure of a file as it arrives, in memory that does not grow.

    Example:
        >>> structure = Structure()
        >>> for chunk in chunks:
        ...     structure.feed(chunk)
        >>> structure.is_whole
        True
    """

    def __init__(self) -> None:
        self._format: Literal["mp4", "png", "another"] | None = None  # None until 8 bytes have told
        self._header = bytearray()  # of the next box, as far as it has arrived
        self._left: float = 0  # bytes to come of the box at hand
        self._missing: set[bytes] = set()  # the boxes that such a file must have, as far as they have not come

    @property
    def is_whole(self) -> bool:
        """Whether the file would be complete if nothing followed. Files of other formats never are: nobody can tell."""
        is_between_boxes = not self._header and self._left in (0, TO_THE_END)
        return self._format in ("mp4", "png") and not self._missing and is_between_boxes

    def feed(self, data: bytes) -> None:
        """Read the next bytes of the file."""
        at = 0
        while at < len(data) and self._format != "another":
            if self._left:
                step = int(min(self._left, len(data) - at))
                self._left -= step
            else:
                step = min(self._header_length() - len(self._header), len(data) - at)
                self._header += data[at : at + step]
                if len(self._header) == self._header_length():
                    self._read_header()
            at += step

    def _header_length(self) -> int:
        """Return how long the header of the next box is: 8 bytes, or 16 if its length has 64 bits."""
        has_64_bits = self._format != "png" and self._header[:4] == b"\0\0\0\1"
        return 16 if has_64_bits and len(self._header) >= 8 else 8

    def _read_header(self) -> None:
        """Learn from a complete header how much of its box is to come."""
        header = bytes(self._header)
        self._header.clear()
        if self._format is None and header == PNG_SIGNATURE:
            self._format, self._missing = "png", {b"IEND"}
        elif self._format == "png":
            self._read_chunk(int.from_bytes(header[:4], "big"), header[4:8])
        elif self._format is None and header[4:8] == b"ftyp":
            self._format, self._missing = "mp4", {b"moov", b"mdat"}
            self._read_box(header)
        elif self._format == "mp4":
            self._read_box(header)
        else:
            self._format = "another"

    def _read_chunk(self, length: int, name: bytes) -> None:
        """Read the header of a PNG's chunk, whose length does not count the checksum after it."""
        if not self._missing:
            self._format = "another"  # nothing may follow IEND
        self._left = length + 4
        self._missing.discard(name)

    def _read_box(self, header: bytes) -> None:
        """Read the header of an MP4's box, whose length counts the header."""
        length = int.from_bytes(header[8:] or header[:4], "big")
        if length == 0 and len(header) == 8:
            self._left = TO_THE_END
        elif length < len(header):
            self._format = "another"
        else:
            self._left = length - len(header)
        self._missing.discard(header[4:8])


def is_whole(chunks: Iterable[bytes]) -> bool:
    """Say whether these chunks are a complete MP4 or PNG."""
    structure = Structure()
    for chunk in chunks:
        structure.feed(chunk)
    return structure.is_whole
