"""Whether a video or a picture was made here: what the service's watermark tells there.

The service finds a watermark in the pictures themselves, which survives re-encoding. The emulator looks for the words
that its renderer writes into a file's comment (`decart.emulator.render.mark`): they survive copies and programs that
keep comments, and nothing else. The file is only searched, never decoded, so it may be anything.
"""

from __future__ import annotations

from typing import IO

from .render.mark import MARK

VERIFY_LIMIT = 200 * 1024 * 1024  # bytes of one request
_PIECE = 256 * 1024


def verdict(file: IO[bytes]) -> dict[str, object]:
    """Return what is said of a file: whether it was made here, and how sure that is.

    The shape is the emulator's own guess: the service's is not published.

    Example:
        >>> verdict(io.BytesIO(b"holiday.mp4"))
        {'detected': False, 'confidence': 0.0}
    """
    found = _holds(file, MARK.encode())
    return {"detected": found, "confidence": 1.0 if found else 0.0}


def _holds(file: IO[bytes], words: bytes) -> bool:
    """Search a file piece by piece, where the words may lie across two pieces, too."""
    end = b""
    while piece := file.read(_PIECE):
        window = end + piece
        if words in window:
            return True
        end = window[1 - len(words) :]
    return False
