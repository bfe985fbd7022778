"""Pictures from disk: opened with care, and fitted without stretching."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from decart.emulator.render.job import MAX_PIXELS, MAX_SIDE, RenderError

PICTURE_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
"""What is read. Pillow also knows formats that start other programs (EPS)."""


def open_picture(path: Path, name: str) -> Image.Image:
    """Read a picture as upright RGB.

    Args:
        path: The file.
        name: What the request calls the file, for the error message.

    Raises:
        RenderError: The file is no picture, is broken or is too large.
    """
    try:
        with Image.open(path, formats=_readable_formats()) as picture:
            refuse_huge(picture.width, picture.height, name)
            picture.load()
            return _opaque(ImageOps.exif_transpose(picture))
    except RenderError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise RenderError(f"{name} has too many pixels") from None
    except UnidentifiedImageError:
        raise RenderError(f"{name} is not a picture that can be decoded") from None
    except Exception as error:
        # Pillow's decoders answer broken files with nearly any exception type.
        raise RenderError(f"{name} is a broken picture") from error


def refuse_huge(width: int, height: int, name: str) -> None:
    """Refuse a picture or a frame by its declared size, before it is decoded.

    Raises:
        RenderError: It is empty or larger than the limits.
    """
    if width < 1 or height < 1:
        raise RenderError(f"{name} has no pixels")
    if max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
        raise RenderError(f"{name} has too many pixels ({width}x{height})")


def cover(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Fill a size with the middle of a picture, cut but never stretched."""
    return ImageOps.fit(picture, size, Image.Resampling.LANCZOS)


def _readable_formats() -> list[str]:
    """Return the formats that this build of Pillow knows."""
    Image.init()
    return [name for name in PICTURE_FORMATS if name in Image.OPEN]


def _opaque(picture: Image.Image) -> Image.Image:
    """Turn any mode into RGB, with white behind what is transparent."""
    if picture.mode.startswith("I"):
        # Pillow clips 16 bits to 8 where it ought to scale them.
        picture = Image.fromarray((np.asarray(picture) >> 8).clip(0, 255).astype(np.uint8))
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    layer = picture.convert("RGBA")
    paper = Image.new("RGBA", layer.size, "white")
    return Image.alpha_composite(paper, layer).convert("RGB")
