"""Morph one picture into another: shapes move towards similar shapes in the other picture while the colours blend."""

from __future__ import annotations

import attrs
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from decart.emulator.render.pictures import cover

Floats = NDArray[np.float64]

CELLS = 12
"""The number of mesh cells along the shorter side of the frame."""

REACH = 0.45
"""The longest distance that a point moves, as a fraction of the shorter side of the frame."""

FINE = 2
"""The scale at which pictures are warped. At double size the nearest pixel is good enough, and three times faster."""

_LEVELS = (10, 20, 40)
"""The shorter sides of the small copies that are compared, from coarse to fine."""

_ROUNDS = 60


@attrs.frozen
class Morph:
    """Two pictures, and how the points of one correspond to those of the other.

    Attributes:
        first: The first picture, enlarged.
        last: The last picture, enlarged.
        size: The width and height of the frames.
        flow: The movement of each mesh corner from the first to the last picture, in pixels of the frame: an array of
            rows, columns, and x and y.
    """

    first: Image.Image
    last: Image.Image
    size: tuple[int, int]
    flow: Floats

    def draw(self, progress: float) -> Image.Image:
        """Return the picture at a point between the two, from 0 for the first to 1 for the last."""
        return Image.blend(self._warp(self.first, -progress), self._warp(self.last, 1 - progress), progress)

    def _warp(self, picture: Image.Image, distance: float) -> Image.Image:
        """Return a picture warped along the flow."""
        corners = _corners(self.size, self.flow.shape)
        # Pillow reads nothing beyond the last pixel.
        source = ((corners + distance * self.flow) * FINE).clip(0, np.array(picture.size) - 1)
        mesh = list(zip(_boxes(corners), _quads(source), strict=True))
        return picture.transform(self.size, Image.Transform.MESH, mesh, Image.Resampling.NEAREST)


def make_morph(first: Image.Image, last: Image.Image, size: tuple[int, int]) -> Morph:
    """Prepare a morph by finding the corresponding points of two pictures.

    Args:
        first: The first picture, RGB.
        last: The last picture, RGB.
        size: The width and height of the frames. Both pictures are scaled and cropped to fill it.
    """
    large = size[0] * FINE, size[1] * FINE
    flow = _flow(cover(first, size), cover(last, size))
    return Morph(cover(first, large), cover(last, large), size, flow)


def _corners(size: tuple[int, int], shape: tuple[int, ...]) -> Floats:
    """Return the corners of the mesh, rounded to whole pixels."""
    across = np.linspace(0, size[0], shape[1]).round()
    down = np.linspace(0, size[1], shape[0]).round()
    return np.stack(np.meshgrid(across, down), axis=2)


def _quads(corners: Floats) -> list[tuple[float, ...]]:
    """Return the corners of each cell in Pillow's order: counter-clockwise from the top left."""
    around = corners[:-1, :-1], corners[1:, :-1], corners[1:, 1:], corners[:-1, 1:]
    cells: list[list[float]] = np.concatenate(around, axis=2).reshape(-1, 8).tolist()
    return [tuple(cell) for cell in cells]


def _boxes(corners: Floats) -> list[tuple[int, int, int, int]]:
    """Return the left, top, right and bottom of each cell."""
    return [(round(cell[0]), round(cell[1]), round(cell[4]), round(cell[5])) for cell in _quads(corners)]


def _flow(first: Image.Image, last: Image.Image) -> Floats:
    """Return the flow at each corner of the mesh, in pixels.

    This is Thirion's demons algorithm, from coarse to fine: each picture pushes the points of the other along its
    edges. The flow is smoothed after each step, so that the mesh bends but does not fold.
    """
    flow = np.zeros((2, 2, 2))
    for side in _LEVELS:
        one, other = (_contrast(picture, side) for picture in (first, last))
        flow = _resize(flow, one.shape)
        for _ in range(_ROUNDS):
            flow = _step(flow, one, other, side)
    short = min(first.size)
    rows, columns = (min(length, round(CELLS * length / short)) for length in (first.height, first.width))
    mesh = _pin_edges(_resize(flow, (rows + 1, columns + 1)))
    for _ in range(3):
        mesh = _pin_edges(_smooth(mesh))
    return mesh * short


def _pin_edges(mesh: Floats) -> Floats:
    """Return the flow with the edges of the frame pinned."""
    mesh[:, [0, -1], 0] = 0
    mesh[[0, -1], :, 1] = 0
    return mesh


def _contrast(picture: Image.Image, side: int) -> Floats:
    """Shrink a picture, and return how much each pixel stands out from the rest, from 0 to 1.

    Brightness would not work: a dark object on a light background may become a light one on a dark background.
    """
    scale = side / min(picture.size)
    size = max(2, round(picture.width * scale)), max(2, round(picture.height * scale))
    pixels = np.asarray(picture.resize(size, Image.Resampling.BOX), np.float64)
    away = np.sqrt(((pixels - np.median(pixels, axis=(0, 1))) ** 2).sum(axis=2))
    most: Floats = away / max(1.0, float(away.max()))
    return most


def _step(flow: Floats, one: Floats, other: Floats, side: int) -> Floats:
    """Return the flow, in units of the shorter side, after one step."""
    here, there = _displace(one, -flow * side / 2), _displace(other, flow * side / 2)
    away = here - there
    down, across = np.gradient((here + there) / 2)
    slope = np.stack((across, down), axis=2)
    force = away[..., None] * slope / ((slope**2).sum(axis=2) + away**2 * 0.2 + 1e-3)[..., None]
    pushed = _smooth(flow + force.clip(-1, 1) / side)
    length = np.hypot(pushed[..., 0], pushed[..., 1])[..., None]
    shortened: Floats = pushed * np.minimum(1, REACH / np.maximum(length, 1e-9))
    return shortened


def _displace(values: Floats, moves: Floats) -> Floats:
    """Return the values at each position displaced by ``moves``, interpolated."""
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


def _resize(flow: Floats, shape: tuple[int, ...]) -> Floats:
    """Return a flow resampled to another number of rows and columns."""
    planes = (Image.fromarray(flow[..., axis].astype(np.float32)) for axis in (0, 1))
    resized = [np.asarray(plane.resize((shape[1], shape[0]), Image.Resampling.BICUBIC)) for plane in planes]
    return np.stack(resized, axis=2).astype(np.float64)
