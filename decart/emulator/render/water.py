"""Draw water that reflects the scene above it."""

from __future__ import annotations

import attrs
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from decart.emulator.render.scenery import Palette, mix

Floats = NDArray[np.float64]


@attrs.frozen
class Water:
    """A stretch of water from the horizon down to the edge of the frame.

    Attributes:
        horizon: The first row of the water.
        unit: The shorter side of the frame.
        gain: The weight of the reflection in each row, times 256.
        tint: The colour that the water adds to it, times 256.
        glints: The row, left end, length, phase and speed of each sparkle.
        colour: The colour of the sparkles.
    """

    horizon: int
    unit: int
    gain: NDArray[np.uint16]
    tint: NDArray[np.uint16]
    glints: Floats
    colour: tuple[int, int, int]

    def draw_on(self, frame: Image.Image, second: float) -> Image.Image:
        """Return the frame with the water drawn in."""
        pixels = np.array(frame)
        rows = np.arange(len(self.gain))
        depth = rows / len(rows)
        # The closer waves are, the longer and higher they look.
        phase = 22 * np.log1p(4 * depth)
        waves = np.sin(phase * 1.9 - second * 2.1) + 0.6 * np.sin(phase * 4.3 - second * 3.4)
        source = rows + waves * self.unit * (0.002 + 0.014 * depth)
        source = (self.horizon - 1 - source).clip(0, self.horizon - 1).astype(np.intp)
        mirrored = pixels[source].astype(np.uint16)
        mirrored *= self.gain
        mirrored += self.tint
        mirrored >>= 8
        pixels[self.horizon :] = mirrored
        self._sparkle(pixels[self.horizon :], second)
        return Image.fromarray(pixels)

    def _sparkle(self, water: NDArray[np.uint8], second: float) -> None:
        """Add the light of sparkles to the water, in place."""
        thick = max(1, round(self.unit / 400))
        for row, left, length, phase, speed in self.glints:
            strength = np.sin(phase + second * speed)
            if strength > 0:
                part = water[int(row) : int(row) + thick, int(left) : int(left + length)]
                part[:] = part + (np.array(self.colour) - part) * (0.55 * strength)


def make_water(
    size: tuple[int, int],
    horizon: int,
    sun_x: int,
    palette: Palette,
    random: np.random.Generator,
) -> Water:
    """Prepare the water under a sky.

    Args:
        size: The width and height of the frame.
        horizon: The first row of the water.
        sun_x: The column of the sun; most sparkles are below it.
        palette: The colours of the scene.
        random: Scatters the sparkles.
    """
    width, height = size
    unit = min(size)
    depth = np.arange(height - horizon)[:, None, None] / (height - horizon)
    share = 0.82 - 0.3 * depth
    deep = np.array(mix(palette.top, palette.near, 0.35))
    count = max(10, round(width * (height - horizon) / 1600))
    rows = random.random(count) ** 1.3 * (height - horizon - 1)
    near = rows / (height - horizon)
    spread = width * (0.03 + 0.16 * near)
    lengths = unit * (0.004 + 0.03 * near * random.random(count))
    left = (random.normal(sun_x, spread) - lengths / 2).clip(0, width - 1)
    turns = random.random(count) * 6.28, random.uniform(1.2, 3.2, count)
    return Water(
        horizon,
        unit,
        (share * 256).astype(np.uint16),
        ((1 - share) * 256 * deep).astype(np.uint16),
        np.stack([rows, left, lengths, *turns], axis=1),
        palette.sun,
    )
