"""What makes an answer a video: its type, its encoding, its first bytes and its length."""

from __future__ import annotations

import re
from collections.abc import Mapping

from .config import Settings
from .errors import ResponseError
from .responses import BufferedResponse, clean, unreadable, without_frames

BEGINNING = 64  # bytes of a result that show whether it is a text

DECODED = {"gzip", "x-gzip", "deflate"}
"""Content encodings that a transport may decode, though it asks for none."""

_RESULT_TYPE = re.compile(
    r"|application/octet-stream|binary/octet-stream|application/mp4|(?:video|image)/(?!.*\+(?:xml|json)$)[\w.+-]+"
)
_TEXT = re.compile(rb"\xef\xbb\xbf|\xfe\xff|\xff\xfe|\s*[<{\[]|\0[<{\[]\0")
"""How a text begins: with a byte order mark, a tag, or JSON. A video or picture begins with none of these."""


@without_frames
def check_type(answer: BufferedResponse, settings: Settings) -> None:
    """Refuse what is not a video or picture by its type, such as the page of some proxy, or is encoded unreadably."""
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not _RESULT_TYPE.fullmatch(kind):
        raise unreadable(f"it is {clean(kind, settings, limit=50)} where a video should be", answer, settings)
    codings = content_codings(answer.headers)
    if len(codings) > 1 or not DECODED.issuperset(codings):
        raise unreadable(f"it is encoded ({clean(', '.join(codings), settings, limit=50)})", answer, settings)


def check_beginning(beginning: bytes, answer: BufferedResponse, settings: Settings) -> None:
    """Refuse a text that calls itself a video."""
    if _TEXT.match(beginning):
        raise unreadable("it is text where a video should be", answer, settings)


def check_length(length: int, promised: int | None, answer: BufferedResponse, settings: Settings) -> None:
    """Refuse a result that is empty, or not as long as was promised."""
    if not length:
        raise unreadable("it is empty", answer, settings)
    if promised is not None and length != promised:
        raise unreadable(f"it has {length} bytes of {promised}", answer, settings)


def unfinished(answer: BufferedResponse, settings: Settings) -> ResponseError:
    """Return the error of a result that came without a length, and is not whole by its structure."""
    return unreadable("no length was announced, and the file seems to be cut", answer, settings)


def content_codings(headers: Mapping[str, str]) -> list[str]:
    """Return how a body is encoded: nothing for most."""
    named = headers.get("content-encoding", "").lower().split(",")
    return [coding for name in named if (coding := name.strip()) not in ("", "identity")]


def is_framed(headers: Mapping[str, str]) -> bool:
    """Say whether HTTP shows where a body ends: by a length or chunks, of a body that is not encoded."""
    is_chunked = headers.get("transfer-encoding", "").strip().lower() == "chunked"
    return not content_codings(headers) and (is_chunked or promised_length(headers) is not None)


def promised_length(headers: Mapping[str, str]) -> int | None:
    """Return how many bytes the server says a body has, unless they are encoded, and come out as more."""
    promised = re.fullmatch(r"(\d{1,18})(?:, *\1)*", headers.get("content-length", ""), re.ASCII)
    return int(promised[1]) if promised and not content_codings(headers) else None
