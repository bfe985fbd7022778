"""The moving objects of a scene: birds, flying cars, snow and rain."""

from __future__ import annotations

import math
from typing import Protocol

import attrs
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from decart.emulator.render.scenery import Colour, Scenery, mix

Floats = NDArray[np.float64]

_FINE = 4
"""Birds are drawn this many times larger and then reduced, for smooth edges."""


class Mover(Protocol):
    """Something that is drawn at a new position in each frame."""

    def draw_on(self, frame: Image.Image, second: float) -> None:
        """Draw it at its position at this time, in seconds."""


@attrs.frozen
class Snow:
    """Falling snowflakes; the columns of ``flakes`` are x, y, speed, sway and size."""

    flakes: Floats

    def draw_on(self, frame: Image.Image, second: float) -> None:
        """Draw the flakes."""
        draw = ImageDraw.Draw(frame)
        width, height = frame.size
        for x, y, speed, sway, size in self.flakes:
            across = (x * width + math.sin(sway + second * 1.3) * size * 6) % width
            down = (y * height + second * speed * height) % height
            draw.ellipse((across, down, across + size, down + size), (250, 252, 255))


@attrs.frozen
class Rain:
    """Falling raindrops; the columns of ``drops`` are x, y, speed and length."""

    drops: Floats
    colour: Colour

    def draw_on(self, frame: Image.Image, second: float) -> None:
        """Draw the drops."""
        draw = ImageDraw.Draw(frame)
        width, height = frame.size
        for x, y, speed, length in self.drops:
            down = (y + second * speed) % 1 * (height + length) - length
            across = (x * width + down * 0.12) % width
            draw.line((across, down, across + length * 0.12, down + length), self.colour)


@attrs.frozen
class Birds:
    """A loose flock of birds; the columns of ``flock`` are x, y, span, phase and speed."""

    flock: Floats
    colour: Colour

    def draw_on(self, frame: Image.Image, second: float) -> None:
        """Draw the birds."""
        width, height = frame.size
        for x, y, span, phase, speed in self.flock:
            reach = width + 4 * span
            across = (x * width + second * speed * width) % reach - 2 * span
            down = y * height + math.sin(phase + second) * span * 0.4
            flap = math.sin(phase + second * 7)
            sprite = self._sprite(span, flap, across % 1)
            frame.paste(self.colour, (int(across // 1), int(down)), sprite)

    def _sprite(self, span: float, flap: float, rest: float) -> Image.Image:
        """Draw a bird as a mask, shifted right by a fraction of a pixel."""
        side = math.ceil(span) + 2
        mask = Image.new("L", (side * _FINE, side * _FINE))
        middle, half = (span / 2 + rest) * _FINE, span / 2 * _FINE
        body, tip = half, half * (1 - 0.62 * flap)
        bend = (body + tip) / 2 - half * 0.24
        wing = [
            (middle - half, tip),
            (middle - half * 0.5, bend),
            (middle, body),
            (middle + half * 0.5, bend),
            (middle + half, tip),
        ]
        ImageDraw.Draw(mask).line(wing, 255, max(3, round(span * 0.3)), "curve")
        return mask.reduce(_FINE)


@attrs.frozen
class Flyers:
    """Flying cars, drawn as lights; each has a picture, x, y and speed."""

    cars: tuple[tuple[Image.Image, float, float, float], ...]

    def draw_on(self, frame: Image.Image, second: float) -> None:
        """Draw the lights."""
        width, height = frame.size
        for sprite, x, y, speed in self.cars:
            reach = width + sprite.width
            across = (x * reach + second * speed * width) % reach - sprite.width
            down = y * height + math.sin(x * 9 + second * 1.5) * height * 0.004
            frame.paste(sprite, (round(across), round(down)), sprite)


def make_movers(size: tuple[int, int], scenery: Scenery, random: np.random.Generator) -> tuple[Mover, ...]:
    """Prepare what a scene's extras ask for."""
    unit = min(size)
    movers: list[Mover] = []
    if "birds" in scenery.extras:
        movers.append(_birds(unit, scenery, random))
    if "flyers" in scenery.extras:
        movers.append(_flyers(unit, random))
    if "snowfall" in scenery.extras:
        chance = random.random((220, 5))
        least = np.array((0, 0, 0.06, 0, unit * 0.003))
        most = np.array((1, 1, 0.2, 6.28, unit * 0.008))
        movers.append(Snow(least + chance * (most - least)))
    elif "rainfall" in scenery.extras:
        chance = random.random((260, 4))
        least = np.array((0, 0, 1.1, unit * 0.02))
        most = np.array((1, 1, 1.8, unit * 0.05))
        colour = mix(scenery.palette.horizon, (255, 255, 255), 0.3)
        movers.append(Rain(least + chance * (most - least), colour))
    return tuple(movers)


def _birds(unit: int, scenery: Scenery, random: np.random.Generator) -> Birds:
    """Place a flock of birds that all fly in about the same direction."""
    count = 7
    start, height = random.uniform(0.05, 0.5), random.uniform(0.16, 0.26)
    columns = (
        start + random.normal(0, 0.06, count),
        height + random.normal(0, 0.03, count),
        unit * random.uniform(0.022, 0.036, count),
        random.random(count) * 6.28,
        random.uniform(0.045, 0.055, count),
    )
    colour = mix(scenery.palette.near, scenery.palette.top, 0.2)
    return Birds(np.stack(columns, axis=1), colour)


def _flyers(unit: int, random: np.random.Generator) -> Flyers:
    """Place flying cars in lanes that run in both directions."""
    lamps = ((120, 230, 255), (255, 120, 200), (255, 214, 130), (150, 255, 190))
    cars = []
    for number in range(12):
        leftward = number % 2 == 1
        nearness = random.random()
        length = max(6, round(unit * (0.04 + 0.09 * nearness)))
        sprite = _car(length, lamps[int(random.integers(0, len(lamps)))], leftward)
        speed = (0.05 + 0.13 * nearness) * (-1 if leftward else 1)
        cars.append((sprite, random.random(), random.uniform(0.12, 0.6), speed))
    return Flyers(tuple(cars))


def _car(length: int, lamp: Colour, leftward: bool) -> Image.Image:
    """Draw a car: a bright headlight and a trail of light."""
    high = max(3, length // 6)
    along = np.linspace(0, 1, length)[None, :]
    across = np.abs(np.linspace(-1, 1, high))[:, None]
    trail = along**2.2 * (1 - across).clip(0) ** 1.3
    head = np.exp(-(((along - 0.92) / 0.05) ** 2) - (across / 0.6) ** 2)
    pixels = np.empty((high, length, 4), np.uint8)
    white = head[..., None] * (255 - np.array(lamp))
    pixels[..., :3] = (np.array(lamp) + white).clip(0, 255)
    pixels[..., 3] = (np.maximum(trail * 0.8, head) * 255).clip(0, 255)
    return Image.fromarray(pixels[:, ::-1] if leftward else pixels)
