"""Mark every placeholder by a plain-text comment in the file, so that it cannot be mistaken for a real result.

The mark survives copying, and conversion by programs that preserve comments, such as ffmpeg. It is not embedded in the
pixels, so a program that strips comments strips it too.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

MARK = "placeholder made by decart.emulator"
"""The comment in every rendered file."""


def save_png(picture: Image.Image, target: Path) -> None:
    """Save a picture with the mark."""
    from PIL.PngImagePlugin import PngInfo  # the emulator needs nothing but the mark

    comment = PngInfo()
    comment.add_text("Comment", MARK)
    picture.save(target, format="PNG", pnginfo=comment)
