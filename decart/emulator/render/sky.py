"""The sky of a scene: gradient, sun or moon, stars and clouds."""

from __future__ import annotations

import attrs
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from decart.emulator.render.layers import Layer
from decart.emulator.render.scenery import Palette, mix

Floats = NDArray[np.float32]


@attrs.frozen
class Sky:
    """A still sky with twinkling stars.

    Attributes:
        picture: The sky without its stars.
        sun_x: The column of the sun, in pixels.
        stars: Rows, columns, brightness and phase of the stars.
    """

    picture: Image.Image
    sun_x: int
    stars: NDArray[np.float64]

    def draw(self, second: float) -> Image.Image:
        """Draw the sky at this time, in seconds."""
        if not self.stars.size:
            return self.picture.copy()
        pixels = np.array(self.picture)
        rows, columns, bright, phase = self.stars
        glow = bright * (0.7 + 0.3 * np.sin(phase + second * 3))
        places = rows.astype(np.intp), columns.astype(np.intp)
        lit = pixels[places] + glow[:, None] * 200
        pixels[places] = lit.clip(0, 255).astype(np.uint8)
        return Image.fromarray(pixels)


def make_sky(size: tuple[int, int], horizon: int, palette: Palette, random: np.random.Generator) -> Sky:
    """Paint a sky.

    Args:
        size: The width and height of the frame.
        horizon: The row at which the gradient ends.
        palette: The colours of the scene.
        random: Chooses the position of the sun and the stars.
    """
    width, height = size
    stops = np.array([palette.top, palette.middle, palette.horizon], np.float32)
    at = np.arange(height) / max(1, horizon)
    column = np.stack([np.interp(at, (0.0, 0.6, 1.0), stops[:, c]) for c in range(3)], axis=1)
    pixels = np.repeat(column[:, None, :], width, axis=1).astype(np.float32)
    sun_x = round(width * random.uniform(0.25, 0.75))
    # The moon is high up, where it does not outshine the lit windows.
    sun_y = round(horizon * (random.uniform(0, 0.12) + (0.2 if palette.dark else 0.45)))
    _shine(pixels, sun_x, sun_y, min(size) * 0.05, palette)
    # Add fine noise, or the encoder would turn the gradient into visible bands.
    pixels += random.random((height, width, 1), np.float32) * 2 - 1
    picture = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
    return Sky(picture, sun_x, _stars(size, horizon, random) if palette.dark else np.empty(0))


def make_clouds(
    size: tuple[int, int], horizon: int, travel: int, palette: Palette, random: np.random.Generator
) -> Layer:
    """Paint a strip of clouds that drifts across the sky.

    Args:
        size: The width and height of the frame.
        horizon: The row below which there are no clouds.
        travel: The number of pixels the strip moves during the clip.
        palette: The colours of the scene.
        random: Shapes the clouds.
    """
    width, height = size[0] + travel + 2, max(2, round(horizon * 0.8))
    scale = min(size) * 0.5
    noise = np.zeros((height, width), np.float32)
    for octave in range(5):
        step = max(1.0, scale / 2**octave)
        # Clouds are seen from the side, so they are wider than tall.
        cells = round(width / step / 1.6) + 2, round(height / step * 1.6) + 2
        small = Image.fromarray(random.random((cells[1], cells[0]), np.float32))
        noise += np.asarray(small.resize((width, height), Image.Resampling.BICUBIC)) / 2**octave
    cover = ((noise - noise.mean()) * 1.5 - 0.15).clip(0, 1)
    fade = np.sin(np.linspace(0, np.pi, height, dtype=np.float32)).clip(0) ** 0.7
    opacity = 0.45 if palette.dark else 0.8
    colour = mix(palette.middle, palette.sun, 0.25 if palette.dark else 0.72)
    strip = np.empty((height, width, 4), np.uint8)
    strip[..., :3] = colour
    strip[..., 3] = (cover * fade[:, None] * opacity * 255).astype(np.uint8)
    return Layer(Image.fromarray(strip), 0, travel)


def _shine(pixels: Floats, x: int, y: int, radius: float, palette: Palette) -> None:
    """Add a disc with a glow, in place."""
    rows = np.arange(pixels.shape[0], dtype=np.float32)[:, None] - y
    columns = np.arange(pixels.shape[1], dtype=np.float32)[None, :] - x
    distance = np.hypot(rows, columns)
    disc = (radius - distance + 0.5).clip(0, 1)
    glow = 0.55 * np.exp(-distance / (radius * 1.6)) + 0.3 * np.exp(-distance / (radius * 6))
    light = np.maximum(disc, glow * (0.5 if palette.dark else 1.0))[..., None]
    pixels += (np.array(palette.sun, np.float32) - pixels) * light


def _stars(size: tuple[int, int], horizon: int, random: np.random.Generator) -> NDArray[np.float64]:
    """Scatter stars, most of them faint and high up."""
    count = max(8, size[0] * horizon // 3500)
    rows = random.random(count) ** 1.5 * horizon * 0.8
    columns = random.random(count) * size[0]
    return np.stack([rows, columns, random.random(count) ** 2, random.random(count) * 6.28])
