"""A part of a video, in the words of HTTP: what a browser wants of it, and what a server says that it sends."""

from __future__ import annotations

import re
from collections.abc import Mapping

import attrs

from .inputs import refuse

_WANTED = re.compile(r"bytes=(?:(\d{1,18})-(\d{0,18})|-\d{1,18})", re.ASCII)
_SENT = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)", re.ASCII)
_CONDITION = re.compile(r"[\x20-\x7e]{1,500}")


@attrs.frozen
class Wanted:
    """The part of a video that somebody wants.

    Attributes:
        range: The value of ``Range``; None for the whole.
        if_range: The value of ``If-Range``: what the content must still be, or else the whole is wanted.
    """

    range: str | None = None
    if_range: str | None = None

    @classmethod
    def of(cls, range: object, if_range: object) -> Wanted:
        """Read what a browser sent. What cannot be used stands for the whole, as HTTP has it.

        Raises:
            InvalidInputError: It is no text.
        """
        wanted = _text("range", range)
        condition = None if if_range is None else _text("if_range", if_range)
        found = _WANTED.fullmatch(wanted)
        backwards = found is not None and bool(found[2]) and int(found[2]) < int(found[1])
        usable = condition is None or _CONDITION.fullmatch(condition) is not None
        return cls(wanted, condition) if found is not None and usable and not backwards else cls()

    def begins(self, span: Span) -> bool:
        """Say whether a part begins where it should, and does not end behind what is wanted."""
        first, last = self._bounds(span.whole)
        return (first is None or span.first == first) and (last is None or span.last <= last)

    def last_of(self, span: Span) -> int:
        """Return where all that is wanted ends, of which a server may have sent the beginning only."""
        if span.whole is None:
            return span.last
        _, last = self._bounds(span.whole)
        return span.whole - 1 if last is None else min(last, span.whole - 1)

    def _bounds(self, whole: int | None) -> tuple[int | None, int | None]:
        """Return the first and the last byte that are wanted of a video of so many; None for what nothing tells."""
        first, _, last = (self.range or "").removeprefix("bytes=").partition("-")
        if first:
            return int(first), int(last) if last else None
        return (None if whole is None else max(0, whole - int(last))), None


def _text(name: str, value: object) -> str:
    if value is not None and not isinstance(value, str):
        raise refuse(name, "the text of a header", value)
    return (value or "").strip()


@attrs.frozen(kw_only=True)
class Span:
    """The part of a video that a server says it sends; as text, the value of ``Content-Range``.

    Attributes:
        first, last: The places of its first and of its last byte.
        whole: How many bytes the video has, if the server said.
    """

    first: int
    last: int
    whole: int | None

    def __str__(self) -> str:
        return f"bytes {self.first}-{self.last}/{'*' if self.whole is None else self.whole}"


def span_of(headers: Mapping[str, str]) -> Span | None:
    """Return which part an answer says that it sends; None if it does not say, or it cannot be."""
    found = _SENT.fullmatch(headers.get("content-range", ""))
    if found is None:
        return None
    span = Span(first=int(found[1]), last=int(found[2]), whole=None if found[3] == "*" else int(found[3]))
    possible = span.first <= span.last and (span.whole is None or span.last < span.whole)
    return span if possible else None
