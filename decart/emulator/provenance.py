"""Detect files that an emulator made, in place of the service's watermark detection.

The service detects a watermark in the pixels, which survives re-encoding. The emulator searches for the text that its
renderer writes into a file's comment (`decart.emulator.render.job`), which survives only where comments are kept. The
file is never decoded, so it may be anything.
"""

from __future__ import annotations

from typing import IO

from .render.job import MARK

VERIFY_LIMIT = 200 * 1024 * 1024  # bytes of one request
_PIECE = 256 * 1024


def verdict(file: IO[bytes]) -> dict[str, object]:
    """Return whether a file was made by an emulator, and with which confidence.

    The shape of the result is a guess: the service's is not published.

    Example:
        >>> verdict(io.BytesIO(b"holiday.mp4"))
        {'detected': False, 'confidence': 0.0}
    """
    found = _holds(file, MARK.encode())
    return {"detected": found, "confidence": 1.0 if found else 0.0}


def _holds(file: IO[bytes], words: bytes) -> bool:
    """Search a file piece by piece, and across the boundaries of pieces."""
    end = b""
    while piece := file.read(_PIECE):
        window = end + piece
        if words in window:
            return True
        end = window[1 - len(words) :]
    return False
