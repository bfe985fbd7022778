"""Draw the parts of a scene, each one once: sky, clouds, land, weather, birds and flying cars."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from decart.emulator.render.graph import Graph, Node
from decart.emulator.render.job import RenderJob
from decart.emulator.render.scenery import Palette, mix

Floats = NDArray[np.floating[Any]]

BEATS = 16
"""The pictures of a bird's wingbeat."""


class Painter:
    """Draws one scene, the farthest things first: adds pictures to a graph, and moves them over what is there already.

    Args:
        graph: The graph.
        job: The job, whose width and height are even.
        palette: The colours.
    """

    def __init__(self, graph: Graph, job: RenderJob, palette: Palette) -> None:
        self.graph, self.fps, self.seconds = graph, job.fps, job.seconds
        self.width, self.height, self.unit = job.width, job.height, min(job.size)
        self.palette = palette
        self.random = np.random.default_rng(job.random("shapes").getrandbits(128))
        self.node: Node

    def sky(self, horizon: int, sun_x: int) -> None:
        """Paint a gradient down to the horizon, and a glowing sun or moon."""
        stops = np.array([self.palette.top, self.palette.middle, self.palette.horizon], np.float32)
        at = np.arange(self.height) / max(1, horizon)
        column = np.stack([np.interp(at, (0.0, 0.6, 1.0), stops[:, c]) for c in range(3)], axis=1).astype(np.float32)
        # Fine noise, or the encoder would turn the gradient into visible bands.
        pixels = column[:, None] + self.random.random((self.height, self.width, 1), np.float32) * 2 - 1
        # The moon is high up, where it does not outshine the lit windows.
        sun_y = horizon * (self.random.uniform(0, 0.12) + (0.2 if self.palette.dark else 0.45))
        rows, columns = np.ogrid[: self.height : 2, : self.width : 2]  # half the size: the light has no details
        distance = np.hypot(rows - np.float32(sun_y), columns - np.float32(sun_x)) / np.float32(self.unit * 0.05)
        glow = (0.55 * np.exp(-distance / 1.6) + 0.3 * np.exp(-distance / 6)) * np.float32(1 - self.palette.dark / 2)
        light = Image.fromarray(np.maximum(((1 - distance) * self.unit * 0.016 + 0.5).clip(0, 1), glow))
        light = light.resize((self.width, self.height), Image.Resampling.BILINEAR)
        pixels += (np.array(self.palette.sun, np.float32) - pixels) * np.asarray(light)[..., None]
        self.node = self.graph.still(Image.fromarray(pixels.clip(0, 255).astype(np.uint8)), self.fps)

    def stars(self, horizon: int) -> None:
        """Scatter stars, most of them faint and high up; a third of them is dimmed at a time."""
        for turn in range(3):
            sky = np.zeros((2, horizon, self.width, 4), np.uint8)
            chance = self.random.random((3, max(8, self.width * horizon // 10500)))
            places = (chance[0] ** 1.5 * horizon * 0.8).astype(np.intp), (chance[1] * self.width).astype(np.intp)
            for row, strength in enumerate((220, 110)):
                sky[row, *places, :3], sky[row, *places, 3] = 255, chance[2] ** 2 * strength
            top = f"{horizon}*lt(mod(t*0.9+{turn / 3},1),0.33)"
            self._add(Image.fromarray(sky.reshape(-1, self.width, 4)), (self.width, horizon), top=top)

    def clouds(self, horizon: int) -> None:
        """Paint a strip of clouds that drifts across the sky."""
        speed, palette = self.width * 0.01, self.palette
        width, height = self._reach(speed), max(2, round(horizon * 0.4) * 2)
        noise = np.zeros((height, width), np.float32)
        for octave in range(5):  # clouds are seen from the side, so they are wider than tall
            step = max(1.0, self.unit * 0.5 / 2**octave)
            cells = self.random.random((round(height / step * 1.6) + 2, round(width / step / 1.6) + 2), np.float32)
            noise += np.asarray(Image.fromarray(cells).resize((width, height), Image.Resampling.BICUBIC)) / 2**octave
        strip = np.empty((height, width, 4), np.uint8)
        strip[..., :3] = mix(palette.middle, palette.sun, 0.25 if palette.dark else 0.72)
        fade = np.sin(np.linspace(0, np.pi, height, dtype=np.float32)).clip(0)[:, None] ** 0.7
        strip[..., 3] = ((noise - noise.mean()) * 1.5 - 0.15).clip(0, 1) * fade * (115 if palette.dark else 204)
        self._drift(strip, 0, speed)

    def land(self, kind: str, bottom: int, nearness: float) -> None:
        """Draw a strip of land; at a shore it ends at the ``bottom`` row, inland it fills the frame.

        Args:
            kind: The kind of land.
            bottom: The last row.
            nearness: From 0 for the farthest strip to 1 for the nearest.
        """
        wet = bottom < self.height
        base = bottom if wet else round(self.height * (0.66 + 0.2 * nearness))
        rise = max(2, round(min(self.height, self.width * 1.3) * (0.36 - (0.26 if wet else 0.12) * nearness)))
        top, speed = max(0, base - rise) // 2 * 2, self.width * (0.006 + 0.03 * nearness**1.5)
        near = 0.15 + 0.75 * nearness if wet else nearness
        width, rows = self._reach(speed), np.arange((bottom - top) // 2 * 2, dtype=np.float32)[:, None]
        outline, shade = self._outline(kind, width, rise)
        depth = rows - rise * (1 - outline)
        mist = shade * (rows < rise) + rows / len(rows) * 0.45 * (1 - near)
        colour = np.array(mix(self.palette.far, self.palette.near, near), np.float32)
        pixels = colour * self._light(kind, outline, depth, rise)
        pixels += (np.array(self.palette.horizon, np.float32) - pixels) * mist[..., None]
        if kind == "mountains" and near < 0.9:  # snow lies on high ground, with a ragged edge
            ragged = (outline - 0.55).clip(0) * rise * (0.5 + self._noise(width, self.unit * 0.016))
            snow = ((ragged - depth) / 2).clip(0, 1) * (0.3 if self.palette.dark else 0.55)
            pixels += (255 - pixels) * snow[..., None]
        if kind == "city":
            self._light_windows(pixels[:rise], depth[:rise], near)
        self._drift(np.dstack([pixels.clip(0, 255), (depth + 1).clip(0, 1) * 255]).astype(np.uint8), top, speed)

    def _outline(self, kind: str, width: int, rise: int) -> tuple[Floats, Floats]:
        """Return the height of the land in each column, from 0 to 1, and how hazy the column is."""
        if kind == "city":
            broad = (self.unit * self.random.uniform(0.035, 0.11, width)).astype(np.intp) + 1
            heights, shade = (
                0.2 + 0.8 * self.random.random(width, np.float32) ** 1.4,
                self.random.random(width, np.float32),
            )
            return np.repeat(heights, broad)[:width], np.repeat(shade * 0.12, broad)[:width]
        outline, rugged = np.zeros(width, np.float32), kind == "mountains"
        for octave in range(6 if rugged else 2):
            wave = self._noise(width, self.unit * {"mountains": 0.42, "dunes": 0.7}.get(kind, 0.55) / 2**octave)
            outline += (1 - abs(2 * wave - 1) if rugged else wave) * (0.5 if rugged else 0.35) ** octave
        outline = (outline - outline.min()) / max(float(np.ptp(outline)), 1e-6)
        shade = np.zeros(width, np.float32)
        if kind == "forest":
            ground, outline = outline, outline * 0.25
            middles = np.cumsum(self.random.uniform(0.08, 0.2, width) * rise).astype(np.intp)
            for middle in middles[middles < width]:
                tall = self.random.uniform(0.4, 0.72)
                half = max(2, round(tall * rise * 0.24))
                columns = np.arange(max(0, middle - half), min(width, middle + half))
                part = 1 - abs(columns - middle) / half
                tree = ground[columns].mean() * 0.25 + tall * (part + 0.035 * np.sin(part * 40))
                shade[columns[tree > outline[columns]]] = self.random.uniform(0, 0.14)
                outline[columns] = np.maximum(outline[columns], tree)
        return outline, shade

    def _light(self, kind: str, outline: Floats, depth: Floats, rise: int) -> Floats:
        """Return the brightness of each pixel: slopes on one side catch the light, and run down at an angle."""
        if kind in ("city", "forest"):
            return np.ones((*depth.shape, 1), np.float32)
        reach = max(2, round(self.unit * 0.012))
        slope = np.gradient(np.convolve(outline, np.ones(reach, np.float32) / reach, "same")) * rise
        columns = (np.arange(len(outline)) - depth * 0.55).clip(0, len(outline) - 1).astype(np.int32)
        lit = np.tanh(slope * 2).astype(np.float32)[columns] * np.exp(-depth.clip(0) / (self.unit * 0.25))
        light: Floats = (1 + (0.3 if kind == "mountains" else 0.14) * lit)[..., None]
        return light

    def _light_windows(self, pixels: Floats, depth: Floats, near: float) -> None:
        """Light some of the windows of a city, in place."""
        cell, dark = max(3, round(self.unit * (0.009 + 0.011 * near))), self.palette.dark
        rows, columns = np.arange(depth.shape[0])[:, None], np.arange(depth.shape[1])
        lit = self.random.random((depth.shape[0] // cell + 1, depth.shape[1] // cell + 1)) < (0.42 if dark else 0.3)
        frame = (rows % cell < cell * 0.55) & (columns % cell < cell * 0.45) & (depth > cell)
        window = lit[rows // cell, columns // cell] & frame & (np.roll(depth, cell // 2, 1) > cell)
        lamps = np.array([(255, 214, 130), (255, 236, 190), (120, 220, 255), (255, 120, 210)], np.float32)
        lamp = np.broadcast_to(
            lamps[self.random.integers(0, 4 if dark else 2, 999)[columns // (cell * 4)]], pixels.shape
        )
        pixels[window] += (lamp[window] - pixels[window]) * (0.85 if dark else 0.35)

    def weather(self, snow: bool) -> None:
        """Draw falling snowflakes or raindrops: two pictures that repeat, at different speeds."""
        colour = (250, 252, 255) if snow else mix(self.palette.horizon, (255, 255, 255), 0.3)
        for near in (1, 2):
            size = self.unit * (0.003 if snow else 0.02) * near
            picture = Image.new("RGBA", (self.width + round(size * 12), self.height * 2), (*colour, 0))
            for x, y in self.random.random((120, 2)) * (picture.width, self.height):
                for top in (y - self.height, y, y + self.height):
                    if snow:
                        ImageDraw.Draw(picture).ellipse((x, top, x + size, top + size), colour)
                    else:
                        ImageDraw.Draw(picture).line((x, top, x + size * 0.12, top + size), colour)
            speed = self.height * (0.08 * near if snow else 0.8 + 0.5 * near)
            sway = f"{size * 6}*(1+sin(t*1.3+{near}))" if snow else "0"
            fall = f"{self.height}-mod({speed}*t,{self.height})"
            self._add(picture, (self.width, self.height), sway, fall)

    def birds(self) -> None:
        """Draw a loose flock of birds that fly in the same direction, in each phase of a wingbeat."""
        fine, width, height = 3, round(self.unit * 0.2) * 2, round(self.unit * 0.08) * 2
        sheet = Image.new("L", (width * fine, height * fine * BEATS))
        for x, y, half, phase in self.random.uniform((0.1, 0.2, 0.011, 0), (0.9, 0.7, 0.018, 6.28), (7, 4)):
            for beat in range(BEATS):
                flap, span = np.sin(beat / BEATS * 6.28 + phase), max(2.0, self.unit * half) * fine
                middle, body = x * width * fine, (beat + y) * height * fine + flap * span * 0.3
                tip, bend = body - span * 0.62 * flap, body - span * (0.31 * flap + 0.24)
                wings = ((-1, tip), (-0.5, bend), (0, body), (0.5, bend), (1, tip))
                points = [(middle + side * span, row) for side, row in wings]
                ImageDraw.Draw(sheet).line(points, 255, max(2, round(span * 0.14)), "curve")
        picture = Image.new("RGB", (width, height * BEATS), mix(self.palette.near, self.palette.top, 0.2))
        picture.putalpha(sheet.reduce(fine))
        start, y = self.random.uniform((0.02, 0.08), (0.4, 0.16))
        path = f"mod(({start}+0.05*t)*{self.width}+{width},{self.width + width})-{width}"
        self._add(picture, (width, height), "0", f"{height}*mod(floor(t*{1.1 * BEATS}),{BEATS})", path, y * self.height)

    def flyers(self) -> None:
        """Draw flying cars as lights with trails, in lanes that run in both directions."""
        lamps = np.array([(120, 230, 255), (255, 120, 200), (255, 214, 130), (150, 255, 190)])
        for lane in range(5):
            near = (lane + 0.5) / 5
            length = min(self.width, max(6, round(self.unit * (0.04 + 0.09 * near))))
            along, across = (
                np.linspace(0, 1, length)[None],
                np.abs(np.linspace(-1, 1, max(4, length // 12 * 2)))[:, None],
            )
            head = np.exp(-(((along - 0.92) / 0.05) ** 2) - (across / 0.6) ** 2)
            alpha = np.maximum(along**2.2 * (1 - across) ** 1.3 * 0.8, head)
            road = np.zeros((len(across), self.width, 4), np.uint8)
            for left in self.random.integers(0, self.width - length + 1, 3):
                lamp = lamps[self.random.integers(4)]
                road[:, left : left + length] = np.dstack([lamp + head[..., None] * (255 - lamp), alpha * 255])
            move = f"{self.width}-mod({self.width * (0.05 + 0.13 * near)}*t,{self.width})"
            picture = Image.fromarray(np.concatenate([road, road], axis=1)[:, :: -1 if lane % 2 else 1])
            left = f"{self.width}-({move})" if lane % 2 else move
            self._add(picture, (self.width, len(across)), left, y=self.height * self.random.uniform(0.12, 0.6))

    def _drift(self, strip: NDArray[np.uint8], y: int, speed: float) -> None:
        """Add a strip that scrolls to the left by a number of pixels per second, in steps of half a pixel.

        Filters only move pictures by an even number of pixels, so there are four copies, half a pixel apart.
        """
        half = ((strip[:, :-1].astype(np.uint16) + strip[:, 1:]) >> 1).astype(np.uint8)
        phases = np.concatenate(
            [part[:, shift:][:, : strip.shape[1] - 2] for shift in (0, 1) for part in (strip, half)]
        )
        top = f"{len(strip)}*floor(mod({speed}*t*2,4))"
        self._add(Image.fromarray(phases), (self.width, len(strip)), f"2*floor({speed}*t/2)", top, y=y)

    def _add(
        self, picture: Image.Image, size: tuple[int, int], left: str = "0", top: str = "0", x: str = "0", y: float = 0
    ) -> None:
        """Add a window into a picture; its corners are expressions of ``t``, the time in seconds."""
        window = f"crop={size[0]}:{size[1]}:x='{left}':y='{top}'"
        self.node = self.graph.overlay(self.node, self.graph.chain(self.graph.still(picture, self.fps), window), x, y)

    def _reach(self, speed: float) -> int:
        """Return the width of a strip that drifts at a speed."""
        return self.width + round(self.seconds * speed) // 2 * 2 + 4

    def _noise(self, length: int, step: float) -> Floats:
        """Return smooth noise from 0 to 1, with one bump per ``step`` pixels or so."""
        places = np.arange(length, dtype=np.float32) / max(1.0, step)
        knots, whole = self.random.random(int(places[-1]) + 2, np.float32), places.astype(np.intp)
        ease = (places - whole) ** 2 * (3 - 2 * (places - whole))
        smooth: Floats = knots[whole] * (1 - ease) + knots[whole + 1] * ease
        return smooth
