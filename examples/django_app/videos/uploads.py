"""What an uploaded file is, by its content: its name and declared type prove nothing."""

import re

HEAD = 16
"""Bytes at the start of a file that identify it."""

_STARTS = {
    "image/jpeg": re.compile(rb"\xff\xd8\xff"),
    "image/png": re.compile(rb"\x89PNG\r\n\x1a\n"),
    "image/webp": re.compile(rb"RIFF.{4}WEBP", re.DOTALL),
    "video/mp4": re.compile(rb".{4}ftyp(isom|iso[2-9]|mp4[12]|avc1|M4V |MSNV|dash)", re.DOTALL),
}
ACCEPTED = tuple(_STARTS)


def content_type(head: bytes) -> str | None:
    """Return the MIME type of a file that begins like this; ``None`` if we do not accept it."""
    return next((kind for kind, start in _STARTS.items() if start.match(head)), None)
