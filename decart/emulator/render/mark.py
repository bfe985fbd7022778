"""The mark that every placeholder carries, in plain words in the file, so that it can be told from anything else.

Copying keeps it, and so do programs that keep a file's comment when they make another one of it, as ffmpeg does. It is
not hidden in the picture: a program that drops comments drops it.
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo

MARK = "placeholder made by decart.emulator"
"""What the comment of a made file says."""


def save_png(picture: Image.Image, target: Path) -> None:
    """Write a picture to a file, with the mark."""
    comment = PngInfo()
    comment.add_text("Comment", MARK)
    picture.save(target, format="PNG", pnginfo=comment)
