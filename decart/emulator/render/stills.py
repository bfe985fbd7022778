"""Videos out of pictures: a camera move, a trajectory, and a morph."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from decart.emulator.render.job import RenderJob
from decart.emulator.render.morph import make_morph
from decart.emulator.render.pictures import cover, open_picture
from decart.emulator.render.text import overlay
from decart.emulator.render.words import matches

ZOOM = 1.18
"""How much closer the camera gets."""

MOVES = {
    "out": ("out", "away", "back", "wide", "reveal"),
    "left": ("left",),
    "right": ("right",),
    "up": ("up", "rise", "rising", "sky"),
    "down": ("down", "fall", "falling"),
    "in": ("in", "zoom", "closer", "close", "toward", "forward"),
}
"""Words that choose a camera move; without one, the hash of the job does."""

_ENDS = {
    "in": ((0.5, 0.5, 1.0), (0.5, 0.45, ZOOM)),
    "out": ((0.5, 0.45, ZOOM), (0.5, 0.5, 1.0)),
    "left": ((1.0, 0.5, ZOOM), (0.0, 0.5, ZOOM)),
    "right": ((0.0, 0.5, ZOOM), (1.0, 0.5, ZOOM)),
    "up": ((0.5, 1.0, ZOOM), (0.5, 0.0, ZOOM)),
    "down": ((0.5, 0.0, ZOOM), (0.5, 1.0, ZOOM)),
}
"""Where each move starts and ends: x and y of the view, and the zoom."""


def camera_frames(job: RenderJob) -> Iterator[Image.Image]:
    """Move a camera slowly over the picture ``data``."""
    picture = _fitted(job, "data")
    writing = overlay(job.size, job.model)
    named = matches(job.prompt, MOVES)
    move = named[0] if named else str(job.random("move").choice(list(MOVES)))
    start, end = np.array(_ENDS[move])
    for part in _parts(job):
        x, y, zoom = start + (end - start) * _ease(part)
        yield writing.stamp(_view(picture, x, y, zoom))


def morph_frames(job: RenderJob) -> Iterator[Image.Image]:
    """Turn the picture ``start`` into the picture ``end``: the first frame is the one and the last frame the other."""
    pictures = [open_picture(job.input(name), name) for name in ("start", "end")]
    morph = make_morph(pictures[0], pictures[1], job.size)
    writing = overlay(job.size, job.model)
    for part in _parts(job):
        yield writing.stamp(morph.draw(_ease(part)))


def motion_frames(job: RenderJob) -> Iterator[Image.Image]:
    """Move the picture ``data`` along the trajectory.

    The point of the picture that the trajectory starts at follows it; a thin
    line and a dot show the way. What comes in at the edges is the picture
    again, mirrored. Before the first and after the last point it stands still.
    """
    picture = _fitted(job, "data")
    writing = overlay(job.size, job.model)
    if not job.trajectory:
        for _ in range(job.frame_count):
            yield writing.stamp(picture.copy())
        return
    path = _path(job)
    way = _drawn_path(path, job.size)
    moves = path - path[0]
    reach = np.ceil(np.abs(moves).max(axis=0)).astype(int) + 2
    wide = _mirrored(picture, int(reach[0]), int(reach[1]))
    for point, move in zip(path, moves, strict=True):
        left, top = reach - move
        view = wide.resize(job.size, Image.Resampling.BILINEAR, (left, top, left + job.width, top + job.height))
        view.paste(way, (0, 0), way)
        _draw_dot(view, float(point[0]), float(point[1]))
        yield writing.stamp(view)


def _fitted(job: RenderJob, name: str) -> Image.Image:
    return cover(open_picture(job.input(name), name), job.size)


def _parts(job: RenderJob) -> Iterator[float]:
    """Yield how far each frame is from the first, 0, to the last, 1."""
    last = max(1, job.frame_count - 1)
    return (number / last for number in range(job.frame_count))


def _ease(part: float) -> float:
    """Start and stop softly."""
    return 0.5 - 0.5 * math.cos(math.pi * part)


def _view(picture: Image.Image, x: float, y: float, zoom: float) -> Image.Image:
    """Return what a camera sees: at zoom 1 all, closer from left 0 to right 1."""
    width, height = picture.width / zoom, picture.height / zoom
    left, top = (picture.width - width) * x, (picture.height - height) * y
    box = (left, top, left + width, top + height)
    return picture.resize(picture.size, Image.Resampling.BILINEAR, box)


def _path(job: RenderJob) -> NDArray[np.float64]:
    """Return where the trajectory is in each frame, in pixels."""
    # A frame that is given twice counts once, with its last point.
    points = {frame: (x, y) for frame, x, y in job.trajectory}
    frames = sorted(points)
    places = np.array([points[frame] for frame in frames]).clip(0, 1)
    at = np.arange(job.frame_count)
    columns = [np.interp(at, frames, places[:, axis]) * job.size[axis] for axis in (0, 1)]
    return np.stack(columns, axis=1)


def _mirrored(picture: Image.Image, across: int, down: int) -> Image.Image:
    """Return the picture with its mirror image added around it."""
    border = ((down, down), (across, across), (0, 0))
    return Image.fromarray(np.pad(np.asarray(picture), border, "symmetric"))


def _drawn_path(path: NDArray[np.float64], size: tuple[int, int]) -> Image.Image:
    """Draw the whole way, at double size for a clean line."""
    thick = max(2, round(min(size) / 180))
    picture = Image.new("RGBA", (size[0] * 2, size[1] * 2), (255, 255, 255, 0))
    points = [(float(x) * 2, float(y) * 2) for x, y in path]
    ImageDraw.Draw(picture).line(points, (255, 255, 255, 170), thick, "curve")
    return picture.reduce(2)


def _draw_dot(frame: Image.Image, x: float, y: float) -> None:
    """Draw the place reached."""
    thick = max(1, round(min(frame.size) / 360))
    reach = thick * 4
    box = (x - reach, y - reach, x + reach, y + reach)
    ImageDraw.Draw(frame).ellipse(box, (255, 196, 64), (30, 30, 30), thick)
