"""Choose the contents of a scene by the words of a prompt."""

import attrs
from PIL import ImageColor

from decart.emulator.render.job import RenderJob, words

Colour = tuple[int, ...]


@attrs.frozen
class Palette:
    """The colours of a scene."""

    top: Colour  # the sky overhead
    middle: Colour  # the sky half-way down
    horizon: Colour  # the sky at the horizon, and the haze over distant things
    far: Colour  # the farthest land
    near: Colour  # the nearest land
    sun: Colour  # the disc and glow of the sun or moon
    dark: bool  # whether it is night, with stars and lit windows


PALETTES = {
    "neon": "#0c062a #4c1676 #f05ca0 #542678 #0c0922 #ffc88c",
    "night": "#05091e #101e4a #3e5286 #24305c #060a18 #e8ecfc",
    "sunset": "#282460 #bc546e #ffbc70 #844e70 #1a142a #ffeec4",
    "dawn": "#5880c0 #e2aab4 #ffe2b8 #8c88ac #263046 #fff8e2",
    "storm": "#2c3442 #5c6674 #a6acb0 #5e6874 #1a2028 #d6dce0",
    "winter": "#7096c2 #b8d0e6 #f2f3f8 #9cb2ce #3a4e68 #fffffa",
    "desert": "#4086c2 #b6ccd2 #fce2b6 #d4a074 #78422a #fffae2",
    "day": "#2268be #70b0e6 #d8ecf6 #7098b4 #204c36 #fffce8",
}
"""For each palette, the colours of a ``Palette``, in its order."""

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


@attrs.frozen
class Scenery:
    """The contents of a scene: its colours, the kinds of land (farthest first), and keys of ``OTHER_WORDS``."""

    palette: Palette
    lands: list[str]
    extras: frozenset[str]


def choose_scenery(job: RenderJob) -> Scenery:
    """Choose by the words of the prompt, or by the hash of the job if no word is known."""
    random = job.random("scenery")
    name = (job.matches(PALETTE_WORDS) or [random.choice(list(PALETTES))])[0]
    lands, extras = job.matches(LAND_WORDS), frozenset(job.matches(OTHER_WORDS))
    if not lands and not extras:
        lands = [random.choice(list(LAND_WORDS))]
        extras = frozenset(name for name in ("water", "birds") if random.random() < 0.5)
    elif not lands:
        lands = [random.choice(["mountains", "hills"])]
    if len(lands) == 1:  # three strips of land
        lands = {"mountains": ["mountains"] * 2 + ["hills"], "forest": ["hills"] + ["forest"] * 2}.get(
            lands[0], lands * 3
        )
    shift = [random.randint(-10, 10) for _ in range(3)]  # seeds differ in mood as well as in shape
    *colours, sun = map(ImageColor.getrgb, PALETTES[name].split())
    top, middle, horizon, far, near = (
        tuple(min(255, max(0, a + b)) for a, b in zip(colour, shift, strict=True)) for colour in colours
    )
    return Scenery(Palette(top, middle, horizon, far, near, sun, name in ("neon", "night")), lands, extras)


def mix(one: Colour, other: Colour, fraction: float) -> Colour:
    """Return the colour at a point between two others, from 0 for the first to 1 for the second."""
    return tuple(round(a + (b - a) * fraction) for a, b in zip(one, other, strict=True))
