"""Choose the contents of a scene by the words of a prompt."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
from PIL import ImageColor

from decart.emulator.render.job import RenderJob, words

Colour = tuple[int, ...]


def _rgb(colour: str | Colour) -> Colour:
    return ImageColor.getrgb(colour) if isinstance(colour, str) else colour


@attrs.frozen
class Palette:
    """The colours of a scene.

    Attributes:
        top: The sky overhead.
        middle: The sky half-way down.
        horizon: The sky at the horizon, and the haze over distant things.
        sun: The disc and glow of the sun or moon.
        far: The farthest land.
        near: The nearest land.
        dark: Whether it is night, with stars and lit windows.
    """

    top: Colour = attrs.field(converter=_rgb)
    middle: Colour = attrs.field(converter=_rgb)
    horizon: Colour = attrs.field(converter=_rgb)
    sun: Colour = attrs.field(converter=_rgb)
    far: Colour = attrs.field(converter=_rgb)
    near: Colour = attrs.field(converter=_rgb)
    dark: bool = False


PALETTES = {
    "neon": Palette("#0c062a", "#4c1676", "#f05ca0", "#ffc88c", "#542678", "#0c0922", True),
    "night": Palette("#05091e", "#101e4a", "#3e5286", "#e8ecfc", "#24305c", "#060a18", True),
    "sunset": Palette("#282460", "#bc546e", "#ffbc70", "#ffeec4", "#844e70", "#1a142a"),
    "dawn": Palette("#5880c0", "#e2aab4", "#ffe2b8", "#fff8e2", "#8c88ac", "#263046"),
    "storm": Palette("#2c3442", "#5c6674", "#a6acb0", "#d6dce0", "#5e6874", "#1a2028"),
    "winter": Palette("#7096c2", "#b8d0e6", "#f2f3f8", "#fffffa", "#9cb2ce", "#3a4e68"),
    "desert": Palette("#4086c2", "#b6ccd2", "#fce2b6", "#fffae2", "#d4a074", "#78422a"),
    "day": Palette("#2268be", "#70b0e6", "#d8ecf6", "#fffce8", "#7098b4", "#204c36"),
}

PALETTE_WORDS = words(
    neon="futuristic neon cyberpunk synthwave scifi robot hologram",
    night="night midnight moon moonlit star starry galaxy space dark",
    sunset="sunset dusk evening golden twilight orange fire",
    dawn="dawn sunrise morning serene pink dreamy",
    storm="storm stormy rain rainy fog foggy cloudy grey thunder",
    winter="winter snow snowy ice icy frozen arctic glacier",
    desert="desert dune sand sandy sahara canyon mars",
    day="day sunny noon summer blue green spring meadow",
)

LAND_WORDS = words(
    mountains="mountain mountains alps peak cliff volcano glacier canyon",
    dunes="desert dune sand sahara mars",
    hills="hill valley field meadow countryside grass farm garden",
    city="city cities cityscape skyline street building skyscraper tower town urban tokyo york cyberpunk metropolis",
    forest="forest tree wood woods jungle pine park",
)
"""Kinds of land, farthest first."""

OTHER_WORDS = words(
    water="lake sea ocean river beach pond water island wave boat harbor harbour coast ship bay fish",
    snowfall="snow snowy snowfall snowing blizzard winter christmas",
    rainfall="rain rainy raining storm stormy thunder",
    flyers="car flying drone spaceship spacecraft plane rocket futuristic",
    birds="bird eagle seagull gull swan serene nature wildlife",
)

LAND_LAYERS = {
    "mountains": ["mountains", "mountains", "hills"],
    "forest": ["hills", "forest", "forest"],
}
"""The strips of land to draw, farthest first, if a prompt names only one kind; three of the same by default."""


@attrs.frozen
class Scenery:
    """The contents of a scene: its colours, the kinds of land (farthest first), and keys of ``OTHER_WORDS``."""

    palette: Palette
    lands: Sequence[str]
    extras: frozenset[str]


def choose_scenery(job: RenderJob) -> Scenery:
    """Choose by the words of the prompt, or by the hash of the job if no word is known."""
    random = job.random("scenery")
    palettes = job.matches(PALETTE_WORDS) or [random.choice(list(PALETTES))]
    lands, extras = job.matches(LAND_WORDS), frozenset(job.matches(OTHER_WORDS))
    if not lands and not extras:
        lands = [random.choice(list(LAND_WORDS))]
        extras = frozenset(name for name in ("water", "birds") if random.random() < 0.5)
    elif not lands:
        lands = [random.choice(["mountains", "hills"])]
    if len(lands) == 1:
        lands = LAND_LAYERS.get(lands[0], lands * 3)
    shift = [random.randint(-10, 10) for _ in range(3)]  # seeds differ in mood as well as in shape
    tinted = {
        name: _tint(getattr(PALETTES[palettes[0]], name), shift) for name in ("top", "middle", "horizon", "far", "near")
    }
    return Scenery(attrs.evolve(PALETTES[palettes[0]], **tinted), lands, extras)


def _tint(colour: Colour, shift: Sequence[int]) -> Colour:
    return tuple(min(255, max(0, part + change)) for part, change in zip(colour, shift, strict=True))
