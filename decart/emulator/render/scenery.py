"""Choose the contents of a scene by the words of a prompt."""

from __future__ import annotations

import attrs

from decart.emulator.render.job import RenderJob
from decart.emulator.render.words import matches

Colour = tuple[int, int, int]


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

    top: Colour
    middle: Colour
    horizon: Colour
    sun: Colour
    far: Colour
    near: Colour
    dark: bool = False


PALETTES = {
    "neon": Palette(
        (12, 6, 42), (76, 22, 118), (240, 92, 160),
        (255, 200, 140), (84, 38, 120), (12, 9, 34), True
    ),
    "night": Palette(
        (5, 9, 30), (16, 30, 74), (62, 82, 134), (232, 236, 252), (36, 48, 92), (6, 10, 24), True
    ),
    "sunset": Palette(
        (40, 36, 96), (188, 84, 110), (255, 188, 112), (255, 238, 196), (132, 78, 112), (26, 20, 42)
    ),
    "dawn": Palette(
        (88, 128, 192), (226, 170, 180), (255, 226, 184),
        (255, 248, 226), (140, 136, 172), (38, 48, 70)
    ),
    "storm": Palette(
        (44, 52, 66), (92, 102, 116), (166, 172, 176), (214, 220, 224), (94, 104, 116), (26, 32, 40)
    ),
    "winter": Palette(
        (112, 150, 194), (184, 208, 230), (242, 243, 248),
        (255, 255, 250), (156, 178, 206), (58, 78, 104)
    ),
    "desert": Palette(
        (64, 134, 194), (182, 204, 210), (252, 226, 182),
        (255, 250, 226), (212, 160, 116), (120, 66, 42)
    ),
    "day": Palette(
        (34, 104, 190), (112, 176, 230), (216, 236, 246),
        (255, 252, 232), (112, 152, 180), (32, 76, 54)
    ),
}  # fmt: skip

PALETTE_WORDS = {
    "neon": ("futuristic", "neon", "cyberpunk", "synthwave", "scifi", "robot", "hologram"),
    "night": ("night", "midnight", "moon", "moonlit", "star", "starry", "galaxy", "space", "dark"),
    "sunset": ("sunset", "dusk", "evening", "golden", "twilight", "orange", "fire"),
    "dawn": ("dawn", "sunrise", "morning", "serene", "pink", "dreamy"),
    "storm": ("storm", "stormy", "rain", "rainy", "fog", "foggy", "cloudy", "grey", "thunder"),
    "winter": ("winter", "snow", "snowy", "ice", "icy", "frozen", "arctic", "glacier"),
    "desert": ("desert", "dune", "sand", "sandy", "sahara", "canyon", "mars"),
    "day": ("day", "sunny", "noon", "summer", "blue", "green", "spring", "meadow"),
}

LAND_WORDS = {
    "mountains": ("mountain", "mountains", "alps", "peak", "cliff", "volcano", "glacier", "canyon"),
    "dunes": ("desert", "dune", "sand", "sahara", "mars"),
    "hills": ("hill", "valley", "field", "meadow", "countryside", "grass", "farm", "garden"),
    "city": (
        "city", "cities", "cityscape", "skyline", "street", "building", "skyscraper", "tower",
        "town", "urban", "tokyo", "york", "cyberpunk", "metropolis",
    ),
    "forest": ("forest", "tree", "wood", "woods", "jungle", "pine", "park"),
}  # fmt: skip
"""Kinds of land, farthest first."""

LAND_LAYERS = {
    "mountains": ("mountains", "mountains", "hills"),
    "dunes": ("dunes", "dunes", "dunes"),
    "hills": ("hills", "hills", "hills"),
    "city": ("city", "city", "city"),
    "forest": ("hills", "forest", "forest"),
}
"""The strips of land to draw, farthest first, if a prompt names only one kind."""

OTHER_WORDS = {
    "water": (
        "lake", "sea", "ocean", "river", "beach", "pond", "water", "island", "wave", "boat",
        "harbor", "harbour", "coast", "ship", "bay", "fish",
    ),
    "snowfall": ("snow", "snowy", "snowfall", "snowing", "blizzard", "winter", "christmas"),
    "rainfall": ("rain", "rainy", "raining", "storm", "stormy", "thunder"),
    "flyers": (
        "car", "flying", "drone", "spaceship", "spacecraft", "plane", "rocket", "futuristic",
    ),
    "birds": ("bird", "eagle", "seagull", "gull", "swan", "serene", "nature", "wildlife"),
}  # fmt: skip


@attrs.frozen
class Scenery:
    """The contents of a scene.

    Attributes:
        palette: Its colours.
        lands: The kinds of land, farthest first.
        extras: Keys of ``OTHER_WORDS``.
    """

    palette: Palette
    lands: tuple[str, ...]
    extras: frozenset[str]


def choose_scenery(job: RenderJob) -> Scenery:
    """Choose by the words of the prompt, or by the hash of the job if no word is known."""
    random = job.random("scenery")
    palettes = matches(job.prompt, PALETTE_WORDS)
    palette = PALETTES[palettes[0] if palettes else str(random.choice(list(PALETTES)))]
    lands = matches(job.prompt, LAND_WORDS)
    extras = frozenset(matches(job.prompt, OTHER_WORDS))
    if not lands and not extras:
        lands = [str(random.choice(list(LAND_WORDS)))]
        extras = frozenset(name for name in ("water", "birds") if random.random() < 0.5)
    elif not lands:
        lands = [str(random.choice(["mountains", "hills"]))]
    layers = LAND_LAYERS[lands[0]] if len(lands) == 1 else tuple(lands)
    shift = random.integers(-10, 11, 3)
    return Scenery(_shift(palette, (int(shift[0]), int(shift[1]), int(shift[2]))), layers, extras)


def mix(one: Colour, other: Colour, fraction: float) -> Colour:
    """Return the colour at a point between two others, from 0 for the first to 1 for the second."""
    red, green, blue = (round(a + (b - a) * fraction) for a, b in zip(one, other, strict=True))
    return red, green, blue


def _shift(palette: Palette, shift: Colour) -> Palette:
    """Tint all colours a little, so that seeds differ in mood as well as in shape."""

    def tint(colour: Colour) -> Colour:
        red, green, blue = (min(255, max(0, c + s)) for c, s in zip(colour, shift, strict=True))
        return red, green, blue

    return Palette(
        tint(palette.top),
        tint(palette.middle),
        tint(palette.horizon),
        palette.sun,
        tint(palette.far),
        tint(palette.near),
        palette.dark,
    )
