"""Open pictures defensively, and scale them without distortion."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from decart.emulator.render.job import MAX_PIXELS, MAX_SIDE, RenderError

PICTURE_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
"""The formats that are accepted. Pillow also reads one (EPS) for which it runs another program."""


def open_picture(path: Path, name: str) -> Image.Image:
    """Read a picture as RGB, rotated upright.

    Args:
        path: The file.
        name: The name of the file's field in the request, for error messages.

    Raises:
        RenderError: The file is not a picture, or is broken or too large.
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
        # Pillow's decoders raise nearly any type of exception for broken files.
        raise RenderError(f"{name} is a broken picture") from error


def refuse_huge(width: int, height: int, name: str) -> None:
    """Refuse a picture or frame by its declared size, before it is decoded.

    Raises:
        RenderError: It is empty or exceeds the limits.
    """
    if width < 1 or height < 1:
        raise RenderError(f"{name} has no pixels")
    if max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
        raise RenderError(f"{name} has too many pixels ({width}x{height})")


def cover(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Scale and crop a picture to fill a size, without distortion."""
    return ImageOps.fit(picture, size, Image.Resampling.LANCZOS)


def _readable_formats() -> list[str]:
    """Return the accepted formats that this build of Pillow supports."""
    Image.init()
    return [name for name in PICTURE_FORMATS if name in Image.OPEN]


def _opaque(picture: Image.Image) -> Image.Image:
    """Convert any mode to RGB, with transparent areas on white."""
    if picture.mode.startswith("I"):
        # Pillow would clip 16 bits to 8 instead of scaling them.
        picture = Image.fromarray((np.asarray(picture) >> 8).clip(0, 255).astype(np.uint8))
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    layer = picture.convert("RGBA")
    paper = Image.new("RGBA", layer.size, "white")
    return Image.alpha_composite(paper, layer).convert("RGB")
