"""The layouts of result files: where an MP4 file has its index, and figures like those of the service's own files."""

from __future__ import annotations

from typing import Literal

import attrs

from .render import RenderJob

Layout = Literal["start", "end", "service"]
"""The index before the frames or after them; or after them, with the size, rate and length of the service's files."""


@attrs.frozen
class _Figures:
    width: int
    height: int
    frames: int = 0  # none for a picture
    fps: int = 0


_FULL = _Figures(1280, 720, 161, 32)
_SEEN = {
    "text-to-video": _FULL,
    "image-to-video": _FULL,
    "lucy-dev-i2v": _Figures(1280, 704, 81, 24),
    "text-to-image": _Figures(1280, 720),
    "image-to-image": _Figures(1280, 720),
}
"""The figures of files that the service made in 720p, by model or task; they differ from those of the catalogue."""


def laid_out(order: RenderJob, layout: Layout, fps: int | None) -> RenderJob:
    """Return an order with the index, the figures and the frame rate that an emulator was asked for.

    Args:
        order: The order, with the figures of the catalogue.
        layout: The layout. Tasks of which no file of the service is known keep the figures of the catalogue, an edited
            video has those of its source, and 480p keeps its size.
        fps: A frame rate that takes precedence.

    Example:
        >>> laid_out(order, "service", None).frame_count
        161
    """
    seen = _SEEN.get(order.model) or _SEEN.get(order.task) if layout == "service" else None
    if seen is not None and min(order.size) != 480:
        upright = order.height > order.width
        width, height = (seen.height, seen.width) if upright else (seen.width, seen.height)
        order = attrs.evolve(order, width=width, height=height)
    if seen is not None and seen.frames:
        order = attrs.evolve(order, fps=seen.fps, seconds=seen.frames / seen.fps)
    return attrs.evolve(order, layout="start" if layout == "start" else "end", fps=fps or order.fps)
