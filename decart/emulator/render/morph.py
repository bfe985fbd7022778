"""One picture that turns into another: shapes flow to where the other has its like, while the colours change."""

from __future__ import annotations

import attrs
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from decart.emulator.render.pictures import cover

Floats = NDArray[np.float64]

CELLS = 12
"""Cells of the mesh along the shorter side of the frame."""

REACH = 0.45
"""Longest way that a point flows, in shorter sides of the frame."""

FINE = 2
"""How much larger the pictures are that are bent: then the nearest pixel is near enough, and three times faster."""

_LEVELS = (10, 20, 40)
"""Shorter sides of the small copies that are compared, from the rough to the fine."""

_ROUNDS = 60


@attrs.frozen
class Morph:
    """Two pictures and how the points of one belong to those of the other.

    Attributes:
        first: The first picture, enlarged.
        last: The last picture, enlarged.
        size: Width and height of the frames.
        flow: Where each corner of the mesh goes from the first to the last picture, in pixels of the frame: an array
            of rows, columns, and x and y.
    """

    first: Image.Image
    last: Image.Image
    size: tuple[int, int]
    flow: Floats

    def draw(self, part: float) -> Image.Image:
        """Return the picture that lies a part of the way between the two: 0 gives the first and 1 the last."""
        return Image.blend(self._bent(self.first, -part), self._bent(self.last, 1 - part), part)

    def _bent(self, picture: Image.Image, along: float) -> Image.Image:
        """Return a picture whose points are moved along the flow."""
        corners = _corners(self.size, self.flow.shape)
        # Beyond the last pixel there is nothing, not even an edge.
        source = ((corners + along * self.flow) * FINE).clip(0, np.array(picture.size) - 1)
        mesh = list(zip(_boxes(corners), _quads(source), strict=True))
        return picture.transform(self.size, Image.Transform.MESH, mesh, Image.Resampling.NEAREST)


def make_morph(first: Image.Image, last: Image.Image, size: tuple[int, int]) -> Morph:
    """Find out which points of two pictures belong together.

    Args:
        first: Where it starts, RGB.
        last: Where it ends, RGB.
        size: Width and height of the frames; both pictures fill it, and are cut where they have another shape.
    """
    large = size[0] * FINE, size[1] * FINE
    flow = _flow(cover(first, size), cover(last, size))
    return Morph(cover(first, large), cover(last, large), size, flow)


def _corners(size: tuple[int, int], shape: tuple[int, ...]) -> Floats:
    """Return the corners of the mesh, on whole pixels."""
    across = np.linspace(0, size[0], shape[1]).round()
    down = np.linspace(0, size[1], shape[0]).round()
    return np.stack(np.meshgrid(across, down), axis=2)


def _quads(corners: Floats) -> list[tuple[float, ...]]:
    """Return the corners of each cell as Pillow wants them, against the clock from the top left."""
    around = corners[:-1, :-1], corners[1:, :-1], corners[1:, 1:], corners[:-1, 1:]
    cells: list[list[float]] = np.concatenate(around, axis=2).reshape(-1, 8).tolist()
    return [tuple(cell) for cell in cells]


def _boxes(corners: Floats) -> list[tuple[int, int, int, int]]:
    """Return left, top, right and bottom of each cell."""
    return [(round(cell[0]), round(cell[1]), round(cell[4]), round(cell[5])) for cell in _quads(corners)]


def _flow(first: Image.Image, last: Image.Image) -> Floats:
    """Return the flow at each corner of the mesh, in pixels.

    Thirion's demons: each picture pushes the points of the other along its outlines, from a rough copy to a fine one.
    The flow is smoothed after every push, so that the mesh bends and does not fold.
    """
    flow = np.zeros((2, 2, 2))
    for side in _LEVELS:
        one, other = (_small(picture, side) for picture in (first, last))
        flow = _resized(flow, one.shape)
        for _ in range(_ROUNDS):
            flow = _pushed(flow, one, other, side)
    short = min(first.size)
    rows, columns = (min(length, round(CELLS * length / short)) for length in (first.height, first.width))
    mesh = _framed(_resized(flow, (rows + 1, columns + 1)))
    for _ in range(3):
        mesh = _framed(_smooth(mesh))
    return mesh * short


def _framed(mesh: Floats) -> Floats:
    """Return the flow with the edges of the frame held where they are."""
    mesh[:, [0, -1], 0] = 0
    mesh[[0, -1], :, 1] = 0
    return mesh


def _small(picture: Image.Image, side: int) -> Floats:
    """Return how much each place of a picture, made small, stands out from the rest, from 0 to 1.

    Brightness will not do: a dark thing on light ground is to become a light one on dark ground.
    """
    scale = side / min(picture.size)
    size = max(2, round(picture.width * scale)), max(2, round(picture.height * scale))
    pixels = np.asarray(picture.resize(size, Image.Resampling.BOX), np.float64)
    away = np.sqrt(((pixels - np.median(pixels, axis=(0, 1))) ** 2).sum(axis=2))
    most: Floats = away / max(1.0, float(away.max()))
    return most


def _pushed(flow: Floats, one: Floats, other: Floats, side: int) -> Floats:
    """Return the flow, in shorter sides, after one push."""
    here, there = _moved(one, -flow * side / 2), _moved(other, flow * side / 2)
    away = here - there
    down, across = np.gradient((here + there) / 2)
    slope = np.stack((across, down), axis=2)
    force = away[..., None] * slope / ((slope**2).sum(axis=2) + away**2 * 0.2 + 1e-3)[..., None]
    pushed = _smooth(flow + force.clip(-1, 1) / side)
    length = np.hypot(pushed[..., 0], pushed[..., 1])[..., None]
    shortened: Floats = pushed * np.minimum(1, REACH / np.maximum(length, 1e-9))
    return shortened


def _moved(values: Floats, moves: Floats) -> Floats:
    """Return the values found at each place moved by so much."""
    rows, columns = np.indices(values.shape)
    down = (rows + moves[..., 1]).clip(0, values.shape[0] - 1.001)
    across = (columns + moves[..., 0]).clip(0, values.shape[1] - 1.001)
    top, left = down.astype(np.intp), across.astype(np.intp)
    below, right = down - top, across - left
    upper = values[top, left] * (1 - right) + values[top, left + 1] * right
    lower = values[top + 1, left] * (1 - right) + values[top + 1, left + 1] * right
    moved: Floats = upper * (1 - below) + lower * below
    return moved


def _smooth(flow: Floats) -> Floats:
    """Blur a flow."""
    for axis in (0, 1):
        for _ in range(2):
            padded = np.pad(flow, [(1, 1) if axis == at else (0, 0) for at in range(3)], "edge")
            count = flow.shape[axis]
            before, here, after = (np.take(padded, np.arange(step, step + count), axis) for step in range(3))
            flow = (before + here + after) / 3
    return flow


def _resized(flow: Floats, shape: tuple[int, ...]) -> Floats:
    """Return a flow with another number of rows and columns."""
    planes = (Image.fromarray(flow[..., axis].astype(np.float32)) for axis in (0, 1))
    resized = [np.asarray(plane.resize((shape[1], shape[0]), Image.Resampling.BICUBIC)) for plane in planes]
    return np.stack(resized, axis=2).astype(np.float64)
