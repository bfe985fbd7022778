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


def _text(name: str, value: object) -> str:
    if value is not None and not isinstance(value, str):
        raise refuse(name, "the text of a header", value)
    return (value or "").strip()


def span_of(headers: Mapping[str, str]) -> tuple[int, int, int | None]:
    """Return the first and the last byte of a part that is sent, and how many there are; -1 for what is not said."""
    found = _SENT.fullmatch(headers.get("content-range", ""))
    return (int(found[1]), int(found[2]), None if found[3] == "*" else int(found[3])) if found else (-1, -1, None)
