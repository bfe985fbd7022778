"""What makes a response a video: its type, its encoding, its first bytes and its length."""

from __future__ import annotations

import re
from collections.abc import Mapping

from .config import Settings
from .errors import ResponseError
from .redaction import clean
from .responses import BufferedResponse, unreadable

BEGINNING = 64
"""Bytes at the start of a result that show whether it is text."""

DECODED = {"gzip", "x-gzip", "deflate"}
"""Content encodings that a transport decodes, although it asks for none."""

_RESULT_TYPE = re.compile(
    r"|application/octet-stream|binary/octet-stream|application/mp4|(?:video|image)/(?!.*\+(?:xml|json)$)[\w.+-]+"
)
_TEXT = re.compile(rb"\xef\xbb\xbf|\xfe\xff|\xff\xfe|\s*[<{\[]|\0[<{\[]\0")
"""How text begins: with a byte order mark, a tag, or JSON. Videos and images begin with none of these."""


def check_type(response: BufferedResponse, settings: Settings) -> None:
    """Refuse what is not a video or image by its type, such as the error page of a proxy, or cannot be decoded."""
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not _RESULT_TYPE.fullmatch(kind):
        raise unreadable(f"it is {clean(kind, settings, limit=50)} instead of a video", response, settings)
    codings = content_codings(response.headers)
    if len(codings) > 1 or not DECODED.issuperset(codings):
        raise unreadable(f"it is encoded ({clean(', '.join(codings), settings, limit=50)})", response, settings)


def check_beginning(beginning: bytes, response: BufferedResponse, settings: Settings) -> None:
    """Refuse text that claims to be a video."""
    if _TEXT.match(beginning):
        raise unreadable("it is text instead of a video", response, settings)


def check_length(length: int, expected: int | None, response: BufferedResponse, settings: Settings) -> None:
    """Refuse a result that is empty, or not as long as announced."""
    if not length:
        raise unreadable("it is empty", response, settings)
    if expected is not None and length != expected:
        raise unreadable(f"it has {length} of {expected} bytes", response, settings)


def incomplete(response: BufferedResponse, settings: Settings) -> ResponseError:
    """Return the error of a result without an announced length whose structure is incomplete."""
    return unreadable("no length was announced, and the file seems to be cut off", response, settings)


def content_codings(headers: Mapping[str, str]) -> list[str]:
    """Return the content encodings of a body; most have none."""
    named = headers.get("content-encoding", "").lower().split(",")
    return [coding for name in named if (coding := name.strip()) not in ("", "identity")]


def is_framed(headers: Mapping[str, str]) -> bool:
    """Return whether HTTP shows where a body ends: it has a length or is chunked, and is not encoded."""
    is_chunked = headers.get("transfer-encoding", "").strip().lower() == "chunked"
    return not content_codings(headers) and (is_chunked or announced_length(headers) is not None)


def announced_length(headers: Mapping[str, str]) -> int | None:
    """Return the length of a body in bytes, if it was announced and the body is not encoded."""
    length = re.fullmatch(r"(\d{1,18})(?:, *\1)*", headers.get("content-length", ""), re.ASCII)
    return int(length[1]) if length and not content_codings(headers) else None
