"""What a response says about the video that it carries: its type, encoding, length, part, identity and structure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Literal

import attrs

from .config import Settings
from .redaction import clean, holds_key
from .responses import BufferedResponse, unreadable
from .transports.base import content_codings

BEGINNING = 64
"""Bytes at the start of a result that are checked for text."""

DECODED = {"gzip", "x-gzip", "deflate"}
"""Content encodings that a transport decodes, although it asks for none."""

OCTET_STREAM = "application/octet-stream"

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
JPEG_START, JPEG_SCAN, JPEG_END = b"\xff\xd8\xff", b"\xff\xda", b"\xff\xd9"

_BINARY = r"|application/octet-stream|binary/octet-stream"
_NO_TEXT = r"/(?!.*\+(?:xml|json)$)[\w.+-]+"
_TYPES = {
    "video": re.compile(rf"{_BINARY}|application/mp4|(?:video|image){_NO_TEXT}"),  # a job may have made an image
    "image": re.compile(rf"{_BINARY}|image{_NO_TEXT}"),
}
TEXT = re.compile(rb"\xef\xbb\xbf|\xfe\xff|\xff\xfe|\s*[<{\[]|\0[<{\[]\0")
"""The beginning of a text: a byte order mark, a tag, or JSON; no video or image begins like this."""

_STRONG_ETAG = re.compile(r'"[\x21\x23-\x7e]{1,500}"')
_DATE = re.compile(r"[\x20-\x7e]{10,50}")
_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)", re.ASCII)


def check_type(response: BufferedResponse, settings: Settings, expected: Literal["video", "image"] = "video") -> bool:
    """Refuse what is not a video or image by its type, such as the error page of a proxy, or cannot be decoded.

    Returns:
        Whether the body is encoded: then its length and validator are not those of the video or image.
    """
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not _TYPES[expected].fullmatch(kind):
        article = "an image" if expected == "image" else "a video"
        raise unreadable(f"it is {clean(kind, settings, limit=50)} instead of {article}", response, settings)
    codings = content_codings(response.headers)
    if len(codings) > 1 or not DECODED.issuperset(codings):
        named = clean(", ".join(codings), settings, limit=50)
        raise unreadable(f"its content encoding is not supported ({named})", response, settings)
    return bool(codings)


def image_type(response: BufferedResponse) -> str:
    """Return the MIME type of an image that has passed ``check_type``: the declared one, or what its bytes say."""
    declared = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if declared.startswith("image/"):
        return declared
    signatures = {PNG_SIGNATURE: "image/png", JPEG_START: "image/jpeg"}
    return next((kind for start, kind in signatures.items() if response.body.startswith(start)), OCTET_STREAM)


def is_framed(headers: Mapping[str, str]) -> bool:
    """Return whether HTTP shows where a body ends: it has a length or is chunked, and is not encoded."""
    is_chunked = headers.get("transfer-encoding", "").strip().lower() == "chunked"
    return not content_codings(headers) and (is_chunked or announced_length(headers) is not None)


def announced_length(headers: Mapping[str, str]) -> int | None:
    """Return the announced length of a body in bytes, as it is sent: encoded or not."""
    length = re.fullmatch(r"(\d{1,18})(?:, *\1)*", headers.get("content-length", ""), re.ASCII)
    return int(length[1]) if length else None


def validator_of(headers: Mapping[str, str], settings: Settings) -> str | None:
    """Return the strong ``ETag`` or the date of this content, by which a later request may ask for the rest of it.

    A weak ``ETag`` does not identify bytes. What cannot stand in a header or echoes the key is not used, either: a
    validator is kept in a file.
    """
    etag, date = headers.get("etag", ""), headers.get("last-modified", "")
    if _STRONG_ETAG.fullmatch(etag):
        validator = etag
    elif _DATE.fullmatch(date):
        validator = date
    else:
        return None
    return None if holds_key(validator, settings) else validator


@attrs.frozen(kw_only=True)
class ContentRange:
    """The part of a video that a server sends; as text, the value of ``Content-Range``.

    Attributes:
        first, last: Offsets of its first and last byte.
        total: Bytes of the complete video, if the server said.
    """

    first: int
    last: int
    total: int | None

    @classmethod
    def from_headers(cls, headers: Mapping[str, str]) -> ContentRange | None:
        """Read the header of a response; return None if it is missing or impossible."""
        match = _CONTENT_RANGE.fullmatch(headers.get("content-range", ""))
        if match is None:
            return None
        first, last, total = int(match[1]), int(match[2]), None if match[3] == "*" else int(match[3])
        is_possible = first <= last and (total is None or last < total)
        return cls(first=first, last=last, total=total) if is_possible else None

    def __str__(self) -> str:
        return f"bytes {self.first}-{self.last}/{'*' if self.total is None else self.total}"


class Structure:
    """Read the structure of a file as it arrives, in constant memory, to see whether it is complete.

    This decides where HTTP does not say how long the file is. An MP4 is a sequence of boxes, a PNG one of chunks, and a
    JPEG one of segments, followed by a scan that ends with a marker. Each begins with its length, so the headers alone
    show whether the last one is complete; the content is skipped and never kept. A file whose end cannot be recognized
    counts as incomplete: other formats (such as WebM), an MP4 whose last box has no length, and a fragmented MP4
    without the index (``mfra``) that may follow its last fragment. An MP4 that has media before its first fragment
    counts as complete if it was cut exactly there.

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
