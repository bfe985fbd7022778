"""Byte ranges in HTTP terms: which part of a video a browser requests, and which part a server says it sends."""

from __future__ import annotations

import re
from collections.abc import Mapping

import attrs

from .inputs import refuse

_RANGE = re.compile(r"bytes=(?:(\d{1,18})-(\d{0,18})|-\d{1,18})", re.ASCII)
_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)", re.ASCII)
_IF_RANGE = re.compile(r"[\x20-\x7e]{1,500}")


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


@attrs.frozen
class RequestedRange:
    """The part of a video that a caller requests.

    Attributes:
        range: The value of ``Range``; None for the complete video.
        if_range: The value of ``If-Range``: unless the content still has this validator, all of it is requested.
    """

    range: str | None = None
    if_range: str | None = None

    @classmethod
    def parse(cls, range: object, if_range: object) -> RequestedRange:
        """Read the two headers of a browser's request; what HTTP lets servers ignore means the complete video.

        Raises:
            InvalidInputError: A value is neither None nor a str.
        """
        for name, value in (("range", range), ("if_range", if_range)):
            if value is not None and not isinstance(value, str):
                raise refuse(name, "the value of a header", value)
        value, condition = str(range or "").strip(), None if if_range is None else str(if_range).strip()
        match = _RANGE.fullmatch(value)
        is_usable = match is not None and not (match[2] and int(match[2]) < int(match[1]))
        if not is_usable or (condition is not None and not _IF_RANGE.fullmatch(condition)):
            return cls()
        return cls(value, condition)

    def accepts(self, content: ContentRange) -> bool:
        """Return whether a part starts where it should and does not end after what was requested."""
        first, last = self._bounds(content.total)
        return (first is None or content.first == first) and (last is None or content.last <= last)

    def last_byte(self, content: ContentRange) -> int:
        """Return the offset of the last requested byte, although the server may send the beginning only."""
        if content.total is None:
            return content.last
        _, last = self._bounds(content.total)
        return content.total - 1 if last is None else min(last, content.total - 1)

    def _bounds(self, total: int | None) -> tuple[int | None, int | None]:
        """Return the offsets of the first and last requested byte; None where that is unknown."""
        first, _, last = (self.range or "").removeprefix("bytes=").partition("-")
        if first:
            return int(first), int(last) if last else None
        return (None if total is None else max(0, total - int(last))), None
