"""Open an image with Pillow (extra ``images``)."""

from __future__ import annotations

import io

from ..extras import require

try:
    from PIL import Image
except ImportError:
    require("images", "PIL")
    raise


def open_image(data: bytes) -> Image.Image:
    """Decode an image."""
    image = Image.open(io.BytesIO(data))
    image.load()  # now, and not at its first use
    return image
