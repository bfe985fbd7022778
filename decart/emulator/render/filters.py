"""Image filters, chosen by the words of a prompt."""

from __future__ import annotations

import colorsys
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from PIL import Image, ImageChops, ImageEnhance, ImageFilter, ImageOps

from decart.emulator.render.job import RenderJob
from decart.emulator.render.scenery import Colour
from decart.emulator.render.words import matches

Filter = Callable[[Image.Image], Image.Image]

FILTER_WORDS = {
    "sketch": ("sketch", "pencil", "drawing", "draw", "charcoal", "ink", "outline"),
    "pixel": ("pixel", "pixelated", "pixelart", "8bit", "minecraft", "lego", "voxel", "retro"),
    "anime": ("anime", "cartoon", "comic", "manga", "ghibli", "animated", "pixar", "toon"),
    "paint": ("paint", "painting", "watercolor", "watercolour", "oil", "impressionist", "gogh"),
    "noir": ("noir", "monochrome", "grayscale", "greyscale", "bw", "black", "detective"),
    "sepia": ("sepia", "vintage", "old", "antique", "western", "historic", "film"),
    "neon": ("neon", "cyberpunk", "futuristic", "synthwave", "vaporwave", "glow", "robot"),
    "night": ("night", "dark", "midnight", "moonlight", "horror"),
    "cold": ("cold", "winter", "ice", "icy", "snow", "snowy", "blue", "frozen", "underwater"),
    "warm": ("warm", "sunset", "golden", "autumn", "summer", "orange", "desert", "fire"),
    "negative": ("negative", "invert", "inverted", "xray"),
}


def choose_filter(job: RenderJob, reference: Image.Image | None = None) -> Filter:
    """Return the filter for a job.

    It depends on the first known word of the prompt, otherwise on the colours of the reference picture, and without one
    on the hash of the job.
    """
    known = matches(job.prompt, FILTER_WORDS)
    if known:
        return _FILTERS[known[0]]
    if reference is not None:
        return _duotone((12, 12, 20), _main_colour(reference), (255, 252, 246), 0.6)
    hue = int(job.random("filter").integers(0, 256))
    dark, light = _from_hsv(hue, 190, 60), _from_hsv((hue + 110) % 256, 150, 235)
    return _duotone(dark, light, (255, 250, 240), 0.62)


def _from_hsv(hue: int, saturation: int, value: int) -> Colour:
    """Convert a colour from hue, saturation and value, each from 0 to 255."""
    red, green, blue = colorsys.hsv_to_rgb(hue / 255, saturation / 255, value / 255)
    return round(red * 255), round(green * 255), round(blue * 255)


def _main_colour(picture: Image.Image) -> Colour:
    """Return the median colour of a picture's centre."""
    small = np.asarray(ImageOps.fit(picture, (24, 24), centering=(0.5, 0.5)))
    red, green, blue = np.median(small[6:18, 6:18].reshape(-1, 3), axis=0)
    return int(red), int(green), int(blue)


def _duotone(dark: Colour, middle: Colour, light: Colour, strength: float) -> Filter:
    """Return a filter that maps brightness to a gradient of three colours."""

    def apply(frame: Image.Image) -> Image.Image:
        grey = ImageOps.grayscale(frame)
        tinted = ImageOps.colorize(grey, dark, light, middle)
        return Image.blend(ImageOps.posterize(frame, 3), tinted, strength)

    return apply


def _curves(red: float, green: float, blue: float, gamma: float = 1.0) -> Filter:
    """Return a filter that amplifies or attenuates each colour channel."""
    ramp = (np.arange(256) / 255) ** gamma * 255
    table = np.concatenate([(ramp * gain).clip(0, 255) for gain in (red, green, blue)])
    values = [round(float(value)) for value in table]
    return lambda frame: frame.point(values)


def _edges(grey: Image.Image, gain: int) -> Image.Image:
    """Return the strength of a picture's edges, as a greyscale picture."""
    # Working at half the size makes the lines bold, and takes a quarter of the time.
    soft = grey.reduce(2)
    across = ImageChops.difference(soft, ImageChops.offset(soft, 1, 0))
    down = ImageChops.difference(soft, ImageChops.offset(soft, 0, 1))
    lines = ImageChops.add(across, down).point([min(255, level * gain) for level in range(256)])
    return lines.resize(grey.size, Image.Resampling.BILINEAR)


def _sketch(frame: Image.Image) -> Image.Image:
    grey = ImageOps.grayscale(frame)
    soft = np.asarray(grey.filter(ImageFilter.BoxBlur(max(2, min(frame.size) // 90))), np.float32)
    # A pencil would draw what is darker than its surroundings.
    lines = (np.asarray(grey, np.float32) + 6) / (soft + 6)
    paper = Image.fromarray(((lines**3).clip(0, 1) * 255).astype(np.uint8))
    return ImageOps.colorize(paper, (38, 38, 48), (250, 246, 236))


def _pixel(frame: Image.Image) -> Image.Image:
    block = max(2, round(min(frame.size) / 72))
    small = frame.resize((max(1, frame.width // block), max(1, frame.height // block)), Image.Resampling.BOX)
    small = ImageOps.posterize(ImageEnhance.Color(small).enhance(1.5), 3)
    return small.resize(frame.size, Image.Resampling.NEAREST)


def _anime(frame: Image.Image) -> Image.Image:
    flat = ImageEnhance.Color(frame.reduce(3)).enhance(1.5)
    flat = flat.resize(frame.size, Image.Resampling.BILINEAR).point(_STEPS * 3)
    lines = ImageOps.invert(_edges(ImageOps.grayscale(frame), 5))
    return ImageChops.multiply(flat, Image.merge("RGB", (lines, lines, lines)))


def _paint(frame: Image.Image) -> Image.Image:
    # In a small copy each patch of one colour becomes a brush stroke.
    small = frame.reduce(max(1, min(frame.size) // 110))
    strokes = small.filter(ImageFilter.MinFilter(3)).filter(ImageFilter.MaxFilter(3))
    light = ImageEnhance.Color(strokes.filter(ImageFilter.SHARPEN)).enhance(1.4)
    return light.resize(frame.size, Image.Resampling.BILINEAR)


def _noir(frame: Image.Image) -> Image.Image:
    grey = ImageOps.grayscale(frame).point(_CONTRAST)
    return ImageChops.multiply(grey, _vignette(frame.size)).convert("RGB")


def _sepia(frame: Image.Image) -> Image.Image:
    grey = ImageChops.multiply(ImageOps.grayscale(frame), _vignette(frame.size))
    return ImageOps.colorize(grey, (36, 22, 12), (255, 240, 208), (164, 120, 78))


def _neon(frame: Image.Image) -> Image.Image:
    grey = ImageOps.grayscale(frame)
    base = ImageOps.colorize(grey, (8, 4, 30), (140, 230, 255), (150, 30, 150))
    base.paste((80, 255, 240), mask=_edges(grey, 5))
    return base


def _negative(frame: Image.Image) -> Image.Image:
    return ImageOps.invert(frame)


@lru_cache(maxsize=4)
def _vignette(size: tuple[int, int]) -> Image.Image:
    """Return a greyscale picture that darkens towards its corners."""
    fall = Image.radial_gradient("L").resize(size)
    return fall.point([255 - max(0, level - 70) * 0.8 for level in range(256)])


_STEPS = [min(255, round(level / 36) * 36 + 3) for level in range(256)]
_CONTRAST = [round(255 / (1 + np.exp(-(level - 118) / 30))) for level in range(256)]

_FILTERS: dict[str, Filter] = {
    "sketch": _sketch,
    "pixel": _pixel,
    "anime": _anime,
    "paint": _paint,
    "noir": _noir,
    "sepia": _sepia,
    "neon": _neon,
    "night": _curves(0.42, 0.52, 0.92, 1.25),
    "cold": _curves(0.72, 0.95, 1.3),
    "warm": _curves(1.28, 1.0, 0.62),
    "negative": _negative,
}
