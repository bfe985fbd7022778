"""Draw the parts of a scene, each one once: sky, clouds, land, weather, birds and flying cars."""

from __future__ import annotations

import attrs
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from decart.emulator.render.scenery import Colour, Palette

Floats = NDArray[np.float32]

PHASES = 4
"""The copies of a drifting strip, half a pixel apart: filters only move pictures by an even number of pixels."""

BEATS = 16
"""The pictures of a bird's wingbeat."""


@attrs.frozen(kw_only=True)
class Layer:
    """A window into a picture, and its place in the frame; positions are expressions of the time ``t`` in seconds.

    Attributes:
        picture: A picture with transparency.
        size: The width and height of the window.
        left: The left edge of the window in the picture.
        top: The upper edge of the window in the picture.
        x: The left edge of the window in the frame.
        y: The upper edge of the window in the frame.
    """

    picture: Image.Image
    size: tuple[int, int]
    left: str = "0"
    top: str = "0"
    x: str = "0"
    y: str = "0"


@attrs.frozen(kw_only=True)
class Canvas:
    """What the drawings of one scene have in common.

    Attributes:
        width: The width of the frame; even, like the height.
        height: The height of the frame.
        seconds: The length of the clip.
        palette: The colours.
        random: The source of all shapes.
    """

    width: int
    height: int
    seconds: float
    palette: Palette
    random: np.random.Generator

    @property
    def unit(self) -> int:
        """The shorter side of the frame, by which everything is scaled."""
        return min(self.width, self.height)

    def drift(self, strip: NDArray[np.uint8], y: int, speed: float) -> Layer:
        """Return a layer that scrolls to the left by a number of pixels per second, in steps of half a pixel."""
        half = ((strip[:, :-1].astype(np.uint16) + strip[:, 1:]) >> 1).astype(np.uint8)
        wide = strip.shape[1] - 2
        phases = np.concatenate([strip[:, :wide], half[:, :wide], strip[:, 1:][:, :wide], half[:, 1:][:, :wide]])
        size = self.width, strip.shape[0]
        row = f"{size[1]}*floor(mod({speed}*t*2,{PHASES}))"
        return Layer(picture=Image.fromarray(phases), size=size, left=f"2*floor({speed}*t/2)", top=row, y=str(y))

    def reach(self, speed: float) -> int:
        """Return the width of a strip that drifts at a speed."""
        return self.width + round(self.seconds * speed) // 2 * 2 + 4

    def noise(self, length: int, step: float) -> Floats:
        """Return smooth noise from 0 to 1, with one bump per ``step`` pixels or so."""
        places = np.arange(length, dtype=np.float32) / max(1.0, step)
        knots = self.random.random(int(places[-1]) + 2, np.float32)
        whole = places.astype(np.intp)
        rest = places - whole
        ease = rest * rest * (3 - 2 * rest)
        smooth: Floats = knots[whole] * (1 - ease) + knots[whole + 1] * ease
        return smooth


def mix(one: Colour, other: Colour, fraction: float) -> Colour:
    """Return the colour at a point between two others, from 0 for the first to 1 for the second."""
    return tuple(round(a + (b - a) * fraction) for a, b in zip(one, other, strict=True))


def draw_sky(canvas: Canvas, horizon: int, sun_x: int) -> Image.Image:
    """Paint a gradient down to the horizon, and a glowing sun or moon."""
    palette = canvas.palette
    stops = np.array([palette.top, palette.middle, palette.horizon], np.float32)
    at = np.arange(canvas.height) / max(1, horizon)
    column = np.stack([np.interp(at, (0.0, 0.6, 1.0), stops[:, c]) for c in range(3)], axis=1)
    # Fine noise, or the encoder would turn the gradient into visible bands.
    pixels = (
        column[:, None].astype(np.float32) + canvas.random.random((canvas.height, canvas.width, 1), np.float32) * 2 - 1
    )
    # The moon is high up, where it does not outshine the lit windows.
    sun_y = horizon * (canvas.random.uniform(0, 0.12) + (0.2 if palette.dark else 0.45))
    # At half the size, since the light has no details.
    rows, columns = np.ogrid[: canvas.height : 2, : canvas.width : 2]
    distance = np.hypot(rows - np.float32(sun_y), columns - np.float32(sun_x)) / np.float32(canvas.unit * 0.05)
    glow = (0.55 * np.exp(-distance / 1.6) + 0.3 * np.exp(-distance / 6)) * np.float32(0.5 if palette.dark else 1)
    light = np.maximum(((1 - distance) * canvas.unit * 0.025 + 0.5).clip(0, 1), glow)
    light = np.asarray(Image.fromarray(light).resize((canvas.width, canvas.height), Image.Resampling.BILINEAR))
    pixels += (np.array(palette.sun, np.float32) - pixels) * light[..., None]
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def draw_stars(canvas: Canvas, horizon: int) -> list[Layer]:
    """Scatter stars, most of them faint and high up; a third of them twinkles at a time."""
    layers = []
    for turn in range(3):
        sky = np.zeros((horizon // 2 * 2, canvas.width, 4), np.uint8)
        count = max(8, canvas.width * horizon // 10500)
        rows = (canvas.random.random(count) ** 1.5 * horizon * 0.8).astype(np.intp)
        columns = (canvas.random.random(count) * canvas.width).astype(np.intp)
        sky[rows, columns, :3], sky[rows, columns, 3] = 255, canvas.random.random(count) ** 2 * 220
        sky = np.concatenate([sky, sky // (1, 1, 1, 2)]).astype(np.uint8)
        row = f"{horizon // 2 * 2}*lt(mod(t*0.9+{turn / 3},1),0.33)"
        layers.append(Layer(picture=Image.fromarray(sky), size=(canvas.width, horizon // 2 * 2), top=row))
    return layers


def draw_clouds(canvas: Canvas, horizon: int) -> Layer:
    """Paint a strip of clouds that drifts across the sky."""
    speed, palette = canvas.width * 0.01, canvas.palette
    width, height = canvas.reach(speed), max(2, round(horizon * 0.4) * 2)
    noise = np.zeros((height, width), np.float32)
    for octave in range(5):
        step = max(1.0, canvas.unit * 0.5 / 2**octave)
        # Clouds are seen from the side, so they are wider than tall.
        cells = canvas.random.random((round(height / step * 1.6) + 2, round(width / step / 1.6) + 2), np.float32)
        noise += np.asarray(Image.fromarray(cells).resize((width, height), Image.Resampling.BICUBIC)) / 2**octave
    cover = ((noise - noise.mean()) * 1.5 - 0.15).clip(0, 1)
    fade = np.sin(np.linspace(0, np.pi, height, dtype=np.float32)).clip(0) ** 0.7
    strip = np.empty((height, width, 4), np.uint8)
    strip[..., :3] = mix(palette.middle, palette.sun, 0.25 if palette.dark else 0.72)
    strip[..., 3] = cover * fade[:, None] * (115 if palette.dark else 204)
    return canvas.drift(strip, 0, speed)


@attrs.frozen(kw_only=True)
class Plot:
    """A strip of land.

    Attributes:
        kind: The kind of land.
        width: The width of the strip; even, like the height.
        height: The height of the strip.
        rise: The height of the highest point above the lowest point of the outline.
        nearness: From 0 for the farthest strip to 1 for the nearest.
        colour: The colour of the land, which is paler the farther away it is.
    """

    kind: str
    width: int
    height: int
    rise: int
    nearness: float
    colour: Colour


def draw_land(canvas: Canvas, kind: str, bottom: int, nearness: float) -> Layer:
    """Draw a strip of land; at a shore it ends at the ``bottom`` row, inland it fills the frame."""
    wet = bottom < canvas.height
    base = bottom if wet else round(canvas.height * (0.66 + 0.2 * nearness))
    rise = max(2, round(min(canvas.height, canvas.width * 1.3) * (0.36 - (0.26 if wet else 0.12) * nearness)))
    top = max(0, base - rise) // 2 * 2
    speed = canvas.width * (0.006 + 0.03 * nearness**1.5)
    near = 0.15 + 0.75 * nearness if wet else nearness
    plot = Plot(
        kind=kind,
        width=canvas.reach(speed),
        height=(bottom - top) // 2 * 2,
        rise=rise,
        nearness=near,
        colour=mix(canvas.palette.far, canvas.palette.near, near),
    )
    draw = {"city": _city, "forest": _forest}.get(kind, _ridge)
    return canvas.drift(draw(canvas, plot), top, speed)


def _ridge(canvas: Canvas, plot: Plot) -> NDArray[np.uint8]:
    """Draw mountains, hills or dunes: an outline that is lit from one side, with snow and mist."""
    unit, rugged = canvas.unit, plot.kind == "mountains"
    outline = np.zeros(plot.width, np.float32)
    for octave in range(6 if rugged else 2):
        wave = canvas.noise(plot.width, unit * {"mountains": 0.42, "dunes": 0.7}.get(plot.kind, 0.55) / 2**octave)
        outline += (1 - abs(2 * wave - 1) if rugged else wave) * (0.5 if rugged else 0.35) ** octave
    outline = (outline - outline.min()) / max(float(np.ptp(outline)), 1e-6)
    rows = np.arange(plot.height, dtype=np.float32)[:, None]
    depth = rows - plot.rise * (1 - outline)
    # Slopes on one side catch the light; they run down at an angle, so the lookup shifts with each row.
    reach = max(2, round(unit * 0.012))
    slope = np.tanh(np.gradient(np.convolve(outline, np.ones(reach, np.float32) / reach, "same")) * plot.rise * 2)
    lit = slope.astype(np.float32)[(np.arange(plot.width) - depth * 0.55).clip(0, plot.width - 1).astype(np.int32)]
    light = 1 + (0.3 if rugged else 0.14) * lit * np.exp(-depth.clip(0) / (unit * 0.25))
    mist = rows[..., None] / plot.height * 0.45 * (1 - plot.nearness)
    shaded = np.array(plot.colour, np.float32) * light[..., None] * (1 - mist)
    shaded += np.array(canvas.palette.horizon, np.float32) * mist
    if rugged and plot.nearness < 0.9:  # snow lies on high ground, with a ragged edge
        ragged = (outline - 0.55).clip(0) * plot.rise * (0.5 + canvas.noise(plot.width, unit * 0.016))
        snow = ((ragged - depth) / 2).clip(0, 1) * (0.3 if canvas.palette.dark else 0.55)
        shaded += (255 - shaded) * snow[..., None]
    alpha = (depth + 1).clip(0, 1) * 255
    return np.dstack([shaded.clip(0, 255), alpha]).astype(np.uint8)


def _city(canvas: Canvas, plot: Plot) -> NDArray[np.uint8]:
    """Draw a skyline with lit windows."""
    strip = Image.new("RGBA", (plot.width, plot.height), (*plot.colour, 0))
    draw, random, dark = ImageDraw.Draw(strip), canvas.random, canvas.palette.dark
    scale, cell = (canvas.unit * part for part in (0.05 + 0.06 * plot.nearness, 0.009 + 0.011 * plot.nearness))
    cell, left = max(3.0, cell), -scale
    while left < plot.width:
        broad, crown = scale * random.uniform(0.7, 1.7), plot.rise * 0.82 * (1 - random.random() ** 1.4)
        body = mix(plot.colour, canvas.palette.horizon, random.uniform(0, 0.12))
        draw.rectangle((left, crown, left + broad, plot.height), body)
        if random.random() < 0.35:
            middle = left + broad / 2
            draw.line((middle, crown - canvas.unit * 0.03, middle, crown), body, max(1, canvas.unit // 350))
        lamp = ((255, 214, 130), (255, 236, 190), (120, 220, 255), (255, 120, 210))[random.integers(4 if dark else 2)]
        pane = mix(plot.colour, lamp, 0.85 if dark else 0.35)
        for y in np.arange(crown + cell, plot.rise + cell * 4, cell * 1.25):
            for column in np.nonzero(random.random(max(1, int(broad / cell)))[1:] < (0.42 if dark else 0.3))[0]:
                x = left + (column + 0.9) * cell
                draw.rectangle((x, y, x + cell * 0.42, y + cell * 0.5), pane)
        left += broad * random.uniform(0.85, 1.15)
    draw.rectangle((0, plot.rise, plot.width, plot.height), plot.colour)
    return np.array(strip)


def _forest(canvas: Canvas, plot: Plot) -> NDArray[np.uint8]:
    """Draw rows of conifers on rolling ground, at double size for smooth edges."""
    ground = plot.rise * (1 - 0.25 * canvas.noise(plot.width, canvas.unit * 0.5))
    strip = Image.new("RGBA", (plot.width * 2, plot.height * 2), (*plot.colour, 0))
    draw, random, left = ImageDraw.Draw(strip), canvas.random, 0.0
    while left < plot.width:
        tall, foot = plot.rise * 0.75 * random.uniform(0.55, 1.0), float(ground[int(left)])
        colour = mix(plot.colour, canvas.palette.horizon, random.uniform(0, 0.14))
        for tier in range(4):
            high, half = foot - tall * (1 - tier * 0.21), tall * (0.07 + 0.05 * tier)
            low = high + tall * 0.4
            draw.polygon([(left * 2, high * 2), ((left - half) * 2, low * 2), ((left + half) * 2, low * 2)], colour)
        left += plot.rise * 0.75 * random.uniform(0.1, 0.32)
    line = [(x * 2, float(y) * 2 - plot.rise * 0.04) for x, y in enumerate(ground)]
    draw.polygon([*line, (plot.width * 2, plot.height * 2), (0, plot.height * 2)], plot.colour)
    return np.array(strip.reduce(2))


def draw_weather(canvas: Canvas, snow: bool) -> list[Layer]:
    """Draw falling snowflakes or raindrops: two pictures that repeat at different speeds."""
    layers, (width, height) = [], (canvas.width, canvas.height)
    for nearness in (1, 2):
        size = canvas.unit * 0.003 * nearness if snow else canvas.unit * 0.02 * nearness
        picture = Image.new("RGBA", (width + round(size * 12) // 2 * 2, height * 2), (250, 252, 255, 0))
        draw = ImageDraw.Draw(picture)
        for x, y in canvas.random.random((120, 2)) * (picture.width, height):
            for down in (y, y + height, y - height):
                if snow:
                    draw.ellipse((x, down, x + size, down + size), (250, 252, 255))
                else:
                    draw.line((x, down, x + size * 0.12, down + size), mix(canvas.palette.horizon, (255,) * 3, 0.3))
        speed = height * (0.08 * nearness if snow else 0.8 + 0.5 * nearness)
        sway = f"{size * 6}*(1+sin(t*1.3+{nearness}))" if snow else "0"
        layers.append(
            Layer(picture=picture, size=canvas_size(canvas), left=sway, top=f"{height}-mod({speed}*t,{height})")
        )
    return layers


def canvas_size(canvas: Canvas) -> tuple[int, int]:
    """Return the size of the frame."""
    return canvas.width, canvas.height


def draw_birds(canvas: Canvas) -> Layer:
    """Draw a loose flock of birds that fly in the same direction, in each phase of a wingbeat."""
    unit, random, fine = canvas.unit, canvas.random, 3
    width, height = round(unit * 0.2) * 2, round(unit * 0.08) * 2
    flock = [(random.uniform((0.1, 0.2, 0.011, 0), (0.9, 0.7, 0.018, 6.28))) for _ in range(7)]
    sheet = Image.new("L", (width * fine, height * fine * BEATS))
    for beat in range(BEATS):
        for x, y, half, phase in flock:
            flap, span = np.sin(beat / BEATS * 6.28 + phase), max(2.0, unit * half) * fine
            middle, body = x * width * fine, (beat + y) * height * fine + flap * span * 0.3
            tip, bend = body - span * 0.62 * flap, body - span * (0.31 * flap + 0.24)
            wings = [(-1, tip), (-0.5, bend), (0, body), (0.5, bend), (1, tip)]
            points = [(middle + side * span, row) for side, row in wings]
            ImageDraw.Draw(sheet).line(points, 255, max(2, round(span * 0.14)), "curve")
    mask = sheet.reduce(fine)
    picture = Image.new("RGB", mask.size, mix(canvas.palette.near, canvas.palette.top, 0.2))
    picture.putalpha(mask)
    path = f"mod(({random.uniform(0.02, 0.4)}+0.05*t)*{canvas.width}+{width},{canvas.width + width})-{width}"
    row = f"{height}*mod(floor(t*{1.1 * BEATS}),{BEATS})"
    y = str(canvas.height * random.uniform(0.08, 0.16))
    return Layer(picture=picture, size=(width, height), top=row, x=path, y=y)


def draw_flyers(canvas: Canvas) -> list[Layer]:
    """Draw flying cars as lights with trails, in lanes that run in both directions."""
    layers, width, lamps = [], canvas.width, ((120, 230, 255), (255, 120, 200), (255, 214, 130), (150, 255, 190))
    for lane in range(5):
        nearness, leftward = (lane + 0.5) / 5, lane % 2 == 1
        length = max(6, round(canvas.unit * (0.04 + 0.09 * nearness)))
        high = max(4, length // 6 // 2 * 2)
        along, across = np.linspace(0, 1, length)[None], np.abs(np.linspace(-1, 1, high))[:, None]
        head = np.exp(-(((along - 0.92) / 0.05) ** 2) - (across / 0.6) ** 2)
        alpha = np.maximum(along**2.2 * (1 - across) ** 1.3 * 0.8, head)
        road = np.zeros((high, width * 2, 4), np.uint8)
        for lamp in range(3):
            colour = np.array(lamps[(lane + lamp) % 4])
            car = np.dstack([colour + head[..., None] * (255 - colour), alpha * 255])[:, :width]
            left = int((canvas.random.uniform(0, 0.6) + lamp) / 3 * max(0, width - length))
            for start in (left, left + width):
                road[:, start : start + length] = car[:, ::-1] if leftward else car
        move = f"mod({width * (0.05 + 0.13 * nearness)}*t,{width})"
        layers.append(
            Layer(
                picture=Image.fromarray(road),
                size=(width, high),
                left=move if leftward else f"{width}-{move}",
                y=f"{canvas.height * canvas.random.uniform(0.12, 0.6)}",
            )
        )
    return layers
