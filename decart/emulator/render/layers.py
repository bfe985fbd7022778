"""Strips of landscape that scroll at different speeds."""

from __future__ import annotations

import attrs
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from decart.emulator.render.scenery import Colour, Palette, mix

Floats = NDArray[np.float64]


@attrs.frozen
class Layer:
    """A strip, wider than the frame, that scrolls to the left.

    Attributes:
        picture: The strip, RGBA.
        top: The row of the frame where the strip begins.
        travel: The number of pixels it scrolls between the first and the last frame.
    """

    picture: Image.Image
    top: int
    travel: int

    def draw_on(self, frame: Image.Image, progress: float) -> None:
        """Draw the strip at a point of the clip, from 0 at the start to 1 at the end."""
        left, rest = divmod(self.travel * progress, 1)
        view = self._view(int(left), frame.width)
        # Blend between whole pixels, or the slow, distant strips would scroll in jerks.
        view = Image.blend(view, self._view(int(left) + 1, frame.width), rest)
        frame.paste(view, (0, self.top), view)

    def _view(self, left: int, width: int) -> Image.Image:
        return self.picture.crop((left, 0, left + width, self.picture.height))


@attrs.frozen(kw_only=True)
class Plot:
    """The position and appearance of a strip.

    Attributes:
        kind: The kind of landscape, such as ``"city"``.
        width: The width of the strip.
        base: The row of the frame where the lowest points of the outline are.
        rise: The height of the outline's highest point above the base.
        bottom: The row of the frame where the strip ends.
        unit: The shorter side of the frame, by which everything is scaled.
        nearness: From 0 for the farthest strip to 1 for the nearest.
        palette: The colours of the scene.
    """

    kind: str
    width: int
    base: int
    rise: int
    bottom: int
    unit: int
    nearness: float
    palette: Palette

    @property
    def top(self) -> int:
        """The row of the frame where the strip begins."""
        return self.base - self.rise

    @property
    def colour(self) -> Colour:
        """The colour of the land, which is paler the farther away it is."""
        return mix(self.palette.far, self.palette.near, self.nearness)


def make_strip(plot: Plot, random: np.random.Generator) -> Image.Image:
    """Draw a strip of landscape."""
    if plot.kind == "city":
        return _city(plot, random)
    if plot.kind == "forest":
        return _forest(plot, random)
    return _ridge(plot, random)


def _noise(random: np.random.Generator, length: int, step: float) -> Floats:
    """Return smooth noise from 0 to 1, with one bump per ``step`` pixels or so."""
    places = np.arange(length) / max(1.0, step)
    knots = random.random(int(places[-1]) + 2)
    whole = places.astype(np.intp)
    rest = places - whole
    ease = rest * rest * (3 - 2 * rest)
    mixed: Floats = knots[whole] * (1 - ease) + knots[whole + 1] * ease
    return mixed


def _outline(plot: Plot, random: np.random.Generator) -> Floats:
    """Return the height of the land in each column, from 0 to 1."""
    rugged = plot.kind == "mountains"
    step = plot.unit * {"mountains": 0.42, "dunes": 0.7}.get(plot.kind, 0.55)
    outline = np.zeros(plot.width)
    for octave in range(6 if rugged else 2):
        wave = _noise(random, plot.width, step / 2**octave)
        if rugged:
            wave = 1 - abs(2 * wave - 1)
        outline += wave * (0.5 if rugged else 0.35) ** octave
    outline -= outline.min()
    highest = float(outline.max())
    return outline / highest if highest else outline


def _ridge(plot: Plot, random: np.random.Generator) -> Image.Image:
    """Draw mountains, hills or dunes: an outline that is lit from one side."""
    outline = _outline(plot, random)
    height = plot.bottom - plot.top
    rows = np.arange(height)[:, None]
    crest = plot.rise * (1 - outline)
    depth = rows - crest[None, :]
    strip = np.empty((height, plot.width, 4), np.uint8)
    colour = np.array(plot.colour, np.float32)
    haze = np.array(plot.palette.horizon, np.float32)
    light = _light(plot, outline, depth)
    # Mist gathers at the foot of distant land.
    mist = ((rows / max(1, height)) * 0.45 * (1 - plot.nearness)).astype(np.float32)[..., None]
    shaded = (colour * light[..., None]) * (1 - mist) + haze * mist
    if plot.kind == "mountains" and plot.nearness < 0.9:
        shaded += (255 - shaded) * _snow(plot, outline, depth, random)[..., None]
    strip[..., :3] = shaded.clip(0, 255)
    strip[..., 3] = (depth + 1).clip(0, 1) * 255
    return Image.fromarray(strip)


def _light(plot: Plot, outline: Floats, depth: Floats) -> NDArray[np.float32]:
    """Return the brightness of each pixel: the slopes on one side catch the light."""
    reach = max(2, round(plot.unit * 0.012))
    slope = np.gradient(np.convolve(outline, np.ones(reach) / reach, "same")) * plot.rise
    # Slopes run down at an angle, so the lookup shifts a little with each row.
    columns = np.arange(plot.width)[None, :] - depth * 0.55
    seen = slope[columns.clip(0, plot.width - 1).astype(np.intp)]
    strength = 0.3 if plot.kind == "mountains" else 0.14
    fall = np.exp(-depth.clip(0) / (plot.unit * 0.25))
    light: NDArray[np.float32] = (1 + strength * np.tanh(seen * 2) * fall).astype(np.float32)
    return light


def _snow(plot: Plot, outline: Floats, depth: Floats, random: np.random.Generator) -> NDArray[np.float32]:
    """Return the snow cover of each pixel: on high ground, with a ragged edge."""
    ragged = _noise(random, plot.width, plot.unit * 0.016)
    reach = (outline - 0.55).clip(0) * plot.rise * (0.5 + ragged)
    cover = ((reach[None, :] - depth) / 2).clip(0, 1)
    strength = 0.3 if plot.palette.dark else 0.55
    return (cover * strength).astype(np.float32)


def _city(plot: Plot, random: np.random.Generator) -> Image.Image:
    """Draw a skyline with lit windows."""
    height = plot.bottom - plot.top
    strip = Image.new("RGBA", (plot.width, height), (*plot.colour, 0))
    draw = ImageDraw.Draw(strip)
    scale = plot.unit * (0.05 + 0.06 * plot.nearness)
    left = -scale
    while left < plot.width:
        broad = scale * random.uniform(0.7, 1.7)
        crown = plot.rise * 0.82 * (1 - random.random() ** 1.4)
        body = mix(plot.colour, plot.palette.horizon, random.uniform(0, 0.12))
        draw.rectangle((left, crown, left + broad, height), (*body, 255))
        if random.random() < 0.35:
            middle, mast = left + broad / 2, plot.unit * 0.03
            thick = max(1, round(plot.unit / 350))
            draw.line((middle, crown - mast, middle, crown), (*body, 255), thick)
        _windows(draw, plot, (left, crown, broad), random)
        left += broad * random.uniform(0.85, 1.15)
    draw.rectangle((0, plot.rise, plot.width, height), (*plot.colour, 255))
    return strip


def _windows(
    draw: ImageDraw.ImageDraw,
    plot: Plot,
    house: tuple[float, float, float],
    random: np.random.Generator,
) -> None:
    """Draw the lit windows of a building, given as its left edge, top and width."""
    left, crown, broad = house
    cell = max(3.0, plot.unit * (0.009 + 0.011 * plot.nearness))
    lamps = ((255, 214, 130), (255, 236, 190), (120, 220, 255), (255, 120, 210))
    lamp = lamps[int(random.integers(0, 4 if plot.palette.dark else 2))]
    share = 0.42 if plot.palette.dark else 0.3
    pane = (*mix(plot.colour, lamp, (0.85 if plot.palette.dark else 0.35)), 255)
    top = crown + cell
    while top < plot.rise + cell * 4:
        for column in range(1, int(broad / cell)):
            if random.random() < share:
                x = left + (column - 0.1) * cell
                draw.rectangle((x, top, x + cell * 0.42, top + cell * 0.5), pane)
        top += cell * 1.25


def _forest(plot: Plot, random: np.random.Generator) -> Image.Image:
    """Draw rows of conifers on rolling ground, at double size for smooth edges."""
    height = plot.bottom - plot.top
    ground = _noise(random, plot.width, plot.unit * 0.5)
    strip = Image.new("RGBA", (plot.width * 2, height * 2), (*plot.colour, 0))
    draw = ImageDraw.Draw(strip)
    scale = plot.rise * 0.75
    left = 0.0
    while left < plot.width:
        foot = plot.rise * (1.02 - 0.25 * ground[int(left)])
        tall = scale * random.uniform(0.55, 1.0)
        colour = (*mix(plot.colour, plot.palette.horizon, random.uniform(0, 0.14)), 255)
        for tier in range(4):
            high, half = foot - tall * (1 - tier * 0.21), tall * (0.07 + 0.05 * tier)
            low = high + tall * 0.4
            draw.polygon(
                [(left * 2, high * 2), ((left - half) * 2, low * 2), ((left + half) * 2, low * 2)],
                colour,
            )
        left += scale * random.uniform(0.1, 0.32)
    points = [(x * 2, plot.rise * 2 * (0.98 - 0.25 * ground[x])) for x in range(plot.width)]
    corners = [(plot.width * 2, height * 2), (0, height * 2)]
    draw.polygon([*points, *corners], (*plot.colour, 255))
    return strip.reduce(2)
