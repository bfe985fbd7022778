"""Make videos from pictures: a camera move, a movement along a trajectory, or a morph."""

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
"""The zoom factor when the camera is closest."""

MOVES = {
    "out": ("out", "away", "back", "wide", "reveal"),
    "left": ("left",),
    "right": ("right",),
    "up": ("up", "rise", "rising", "sky"),
    "down": ("down", "fall", "falling"),
    "in": ("in", "zoom", "closer", "close", "toward", "forward"),
}
"""The words that choose a camera move; without one, the hash of the job does."""

_ENDS = {
    "in": ((0.5, 0.5, 1.0), (0.5, 0.45, ZOOM)),
    "out": ((0.5, 0.45, ZOOM), (0.5, 0.5, 1.0)),
    "left": ((1.0, 0.5, ZOOM), (0.0, 0.5, ZOOM)),
    "right": ((0.0, 0.5, ZOOM), (1.0, 0.5, ZOOM)),
    "up": ((0.5, 1.0, ZOOM), (0.5, 0.0, ZOOM)),
    "down": ((0.5, 0.0, ZOOM), (0.5, 1.0, ZOOM)),
}
"""The start and end of each move: x and y of the view, and the zoom factor."""


def camera_frames(job: RenderJob) -> Iterator[Image.Image]:
    """Move the camera slowly over the picture ``data``."""
    picture = _fit(job, "data")
    label = overlay(job.size, job.model)
    named = matches(job.prompt, MOVES)
    move = named[0] if named else str(job.random("move").choice(list(MOVES)))
    start, end = np.array(_ENDS[move])
    for progress in _progress_of_frames(job):
        x, y, zoom = start + (end - start) * _ease(progress)
        yield label.stamp(_view(picture, x, y, zoom))


def morph_frames(job: RenderJob) -> Iterator[Image.Image]:
    """Morph the picture ``start``, the first frame, into the picture ``end``, the last frame."""
    pictures = [open_picture(job.input(name), name) for name in ("start", "end")]
    morph = make_morph(pictures[0], pictures[1], job.size)
    label = overlay(job.size, job.model)
    for progress in _progress_of_frames(job):
        yield label.stamp(morph.draw(_ease(progress)))


def motion_frames(job: RenderJob) -> Iterator[Image.Image]:
    """Move the picture ``data`` along the trajectory.

    The point where the trajectory starts follows it; a thin line and a dot show the path. The picture is mirrored at
    its edges. It stands still before the first point and after the last one.
    """
    picture = _fit(job, "data")
    label = overlay(job.size, job.model)
    if not job.trajectory:
        for _ in range(job.frame_count):
            yield label.stamp(picture.copy())
        return
    path = _path(job)
    line = _draw_path(path, job.size)
    moves = path - path[0]
    reach = np.ceil(np.abs(moves).max(axis=0)).astype(int) + 2
    wide = _mirror(picture, int(reach[0]), int(reach[1]))
    for point, move in zip(path, moves, strict=True):
        left, top = reach - move
        view = wide.resize(job.size, Image.Resampling.BILINEAR, (left, top, left + job.width, top + job.height))
        view.paste(line, (0, 0), line)
        _draw_dot(view, float(point[0]), float(point[1]))
        yield label.stamp(view)


def _fit(job: RenderJob, name: str) -> Image.Image:
    return cover(open_picture(job.input(name), name), job.size)


def _progress_of_frames(job: RenderJob) -> Iterator[float]:
    """Yield the position of each frame in the clip, from 0 for the first to 1 for the last."""
    last = max(1, job.frame_count - 1)
    return (number / last for number in range(job.frame_count))


def _ease(progress: float) -> float:
    """Ease in and out."""
    return 0.5 - 0.5 * math.cos(math.pi * progress)


def _view(picture: Image.Image, x: float, y: float, zoom: float) -> Image.Image:
    """Crop a picture to the camera's view: all of it at zoom 1, else at x and y from 0 to 1."""
    width, height = picture.width / zoom, picture.height / zoom
    left, top = (picture.width - width) * x, (picture.height - height) * y
    box = (left, top, left + width, top + height)
    return picture.resize(picture.size, Image.Resampling.BILINEAR, box)


def _path(job: RenderJob) -> NDArray[np.float64]:
    """Return the point of the trajectory in each frame, in pixels."""
    # If a frame is given twice, its last point counts.
    points = {frame: (x, y) for frame, x, y in job.trajectory}
    frames = sorted(points)
    places = np.array([points[frame] for frame in frames]).clip(0, 1)
    at = np.arange(job.frame_count)
    columns = [np.interp(at, frames, places[:, axis]) * job.size[axis] for axis in (0, 1)]
    return np.stack(columns, axis=1)


def _mirror(picture: Image.Image, across: int, down: int) -> Image.Image:
    """Return the picture with a border of its mirror image."""
    border = ((down, down), (across, across), (0, 0))
    return Image.fromarray(np.pad(np.asarray(picture), border, "symmetric"))


def _draw_path(path: NDArray[np.float64], size: tuple[int, int]) -> Image.Image:
    """Draw the complete path, at double size for a smooth line."""
    thick = max(2, round(min(size) / 180))
    picture = Image.new("RGBA", (size[0] * 2, size[1] * 2), (255, 255, 255, 0))
    points = [(float(x) * 2, float(y) * 2) for x, y in path]
    ImageDraw.Draw(picture).line(points, (255, 255, 255, 170), thick, "curve")
    return picture.reduce(2)


def _draw_dot(frame: Image.Image, x: float, y: float) -> None:
    """Draw the current point of the trajectory."""
    thick = max(1, round(min(frame.size) / 360))
    reach = thick * 4
    box = (x - reach, y - reach, x + reach, y + reach)
    ImageDraw.Draw(frame).ellipse(box, (255, 196, 64), (30, 30, 30), thick)
