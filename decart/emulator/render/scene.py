"""Draw an animated scene for a prompt: sky, clouds, land, water, birds and weather."""

import math
from itertools import pairwise, product

from PIL import Image, ImageChops, ImageColor, ImageDraw, ImageFilter

from decart.emulator.render.caption import overlay
from decart.emulator.render.graph import Graph, Node
from decart.emulator.render.job import RenderJob

Colour = tuple[int, ...]

PALETTES = {
    "#0c062a #4c1676 #f05ca0 #542678 #0c0922 #ffc88c": "futuristic neon cyberpunk synthwave scifi robot hologram",
    "#05091e #101e4a #3e5286 #24305c #060a18 #e8ecfc": "night midnight moon moonlit star starry galaxy space dark",
    "#282460 #bc546e #ffbc70 #844e70 #1a142a #ffeec4": "sunset dusk evening golden twilight orange fire",
    "#5880c0 #e2aab4 #ffe2b8 #8c88ac #263046 #fff8e2": "dawn sunrise morning serene pink dreamy",
    "#2c3442 #5c6674 #a6acb0 #5e6874 #1a2028 #d6dce0": "storm stormy rain rainy fog foggy cloudy grey thunder",
    "#7096c2 #b8d0e6 #f2f3f8 #9cb2ce #3a4e68 #fffffa": "winter snow snowy ice icy frozen arctic glacier",
    "#4086c2 #b6ccd2 #fce2b6 #d4a074 #78422a #fffae2": "desert dune sand sandy sahara canyon mars",
    "#2268be #70b0e6 #d8ecf6 #7098b4 #204c36 #fffce8": "day sunny noon summer blue green spring meadow",
}
"""The colours of the upper, middle and lower sky, the farthest and the nearest land, and the sun or moon."""

LANDS = {
    "mountains": "mountain mountains alps peak cliff volcano glacier canyon",
    "dunes": "desert dune sand sahara mars",
    "hills": "hill valley field meadow countryside grass farm garden",
    "city": "city cities cityscape skyline street building skyscraper tower town urban tokyo york cyberpunk metropolis",
    "forest": "forest tree wood woods jungle pine park",
}
"""Kinds of land, farthest first."""

EXTRAS = {
    "water": "lake sea ocean river beach pond water island wave boat harbor harbour coast ship bay fish",
    "birds": "bird eagle seagull gull swan serene nature wildlife",
    "snowfall": "snow snowy snowfall snowing blizzard winter christmas",
    "rainfall": "rain rainy raining storm stormy thunder",
}


def add_scene(graph: Graph, job: RenderJob) -> Node:
    """Add the scene for a job, whose width and height must be even, and return its endless frames.

    The words of the prompt choose the palette, the land and the rest; the hash of the job chooses what they leave open.
    """
    random = job.random("scene")
    palette = (job.matches(PALETTES) or [random.choice(list(PALETTES))])[0]
    lands, extras = job.matches(LANDS), job.matches(EXTRAS)
    if not lands and not extras:
        lands, extras = [random.choice(list(LANDS))], random.choice([[], ["water"], ["birds"], ["water", "birds"]])
    lands = lands or [random.choice(["hills", "mountains"])]
    if len(lands) == 1:  # three strips of land
        many = {"mountains": ["mountains", "mountains", "hills"], "forest": ["hills", "forest", "forest"]}
        lands = many.get(lands[0], lands * 3)
    scene = _Scene(graph, job, palette)
    shore = round(job.height * 0.3) * 2 if "water" in extras else job.height
    scene.sky()
    for number, kind in enumerate(lands):
        scene.land(kind, shore, number / max(1, len(lands) - 1))
    if "water" in extras:
        scene.water(shore)
    if "birds" in extras:
        scene.birds()
    if "snowfall" in extras or "rainfall" in extras:
        scene.weather("snowfall" in extras)
    return graph.stamp(scene.node, overlay(job.size, job.model, job.prompt))


class _Scene:
    """Draws one scene, the farthest things first: each picture is laid over what is there already, and moves."""

    def __init__(self, graph: Graph, job: RenderJob, palette: str) -> None:
        self.graph, self.fps, self.frames = graph, job.fps, job.frame_count
        self.width, self.height, self.unit = job.width, job.height, min(job.size)
        self.random = job.random("shapes")
        shift = [self.random.randint(-10, 10) for _ in range(3)]  # seeds differ in mood as well as in shape
        self.top, self.middle, self.horizon, self.far, self.near, self.sun = (
            tuple(min(255, max(0, a + b)) for a, b in zip(ImageColor.getrgb(colour), shift, strict=True))
            for colour in palette.split()
        )
        self.dark = sum(self.top) < 120
        self.sun_x = round(job.width * self.random.uniform(0.25, 0.75))
        self.node: Node

    def sky(self) -> None:
        """Paint a gradient down to the horizon, stars at night, a glowing sun or moon, and clouds that drift."""
        deep = round(self.height * 0.62)
        gradient = Image.new("RGB", (1, 3))
        gradient.putdata([self.top, self.middle, self.horizon])
        sky = Image.new("RGB", (self.width, self.height), self.horizon)
        sky.paste(gradient.resize((self.width, deep), Image.Resampling.BILINEAR, (0, 0.5, 1, 2.5)))
        for _ in range(self.width * deep // 3500 if self.dark else 0):
            x, y, bright = self.random.random(), self.random.random() ** 1.5, self.random.random() ** 2
            ImageDraw.Draw(sky, "RGBA").point((x * self.width, y * deep), (255, 255, 255, round(bright * 255)))
        # The moon is high up, where it does not outshine the lit windows.
        sun_y = round(deep * (self.random.uniform(0, 0.12) + (0.2 if self.dark else 0.45)))
        glow = [round((90 if self.dark else 150) * (1 - level / 255) ** 5) for level in range(256)]
        light, disc = (round(self.unit * part) * 2 for part in (0.6, 0.05))
        halo, moon = Image.radial_gradient("L").resize((light, light)).point(glow), Image.new("L", (disc * 4, disc * 4))
        ImageDraw.Draw(moon).ellipse((0, 0, disc * 4 - 1, disc * 4 - 1), 255)
        for mask in (halo, moon.reduce(4)):
            sky.paste(self.sun, (self.sun_x - mask.width // 2, sun_y - mask.height // 2), mask)
        # Fine noise, or the encoder would turn the gradient into visible bands.
        self.node = self.graph.still(sky, self.fps, "noise=alls=2:all_seed=1")

        step, width = self._drift(0.01)
        size = width, deep // 5 * 2 or 2
        noise = Image.new("L", size, 128)
        for octave in range(5):  # clouds are seen from the side, so they are wider than tall
            grain = max(1.0, self.unit * 0.5 / 2**octave)
            cells = round(size[0] / grain / 1.6) + 2, round(size[1] / grain * 1.6) + 2
            layer = Image.frombytes("L", cells, self.random.randbytes(cells[0] * cells[1]))
            noise = Image.blend(noise, layer.resize(size, Image.Resampling.BICUBIC), 1 / (octave + 1.7))
        fade = Image.linear_gradient("L").rotate(180).point([min(255, level * 2) for level in range(256)])
        most = 100 if self.dark else 190
        dense = noise.point([round(max(0, min(1, (level - 130) / 70)) * most) for level in range(256)])
        clouds = Image.new("RGB", size, mix(self.middle, self.sun, 0.25 if self.dark else 0.72))
        clouds.putalpha(ImageChops.multiply(dense, fade.resize(size)))
        self._add(clouds, (self.width, size[1]), f"floor({step}*n)")

    def land(self, kind: str, bottom: int, nearness: float) -> None:
        """Draw a strip of land, the farthest with a nearness of 0; at a shore it ends at the ``bottom`` row."""
        wet = bottom < self.height
        base = bottom if wet else round(self.height * (0.66 + 0.2 * nearness))
        rise = max(2, round(min(self.height, self.width * 1.3) * (0.36 - (0.26 if wet else 0.12) * nearness)))
        top, near = max(0, base - rise) // 2 * 2, 0.15 + 0.75 * nearness if wet else nearness
        step, width = self._drift(0.006 + 0.03 * nearness**1.5)
        size, colour = (width, max(2, bottom - top)), mix(self.far, self.near, near)
        double = size[0] * 2, size[1] * 2  # for smooth edges
        land, mask = Image.new("RGB", double, colour), Image.new("L", double)
        if kind == "city":
            self._draw_houses(land, mask, colour, rise * 2, max(3, round(self.unit * (0.009 + 0.011 * near))) * 2)
        else:
            self._draw_ground(land, mask, colour, rise * 2, kind)
        land = land.reduce(2)
        if kind in ("hills", "dunes"):
            land = land.filter(ImageFilter.BoxBlur(self.unit // 60))
        haze = Image.new("RGB", size, mix(colour, self.horizon, 0.45 * (1 - near)))
        land = Image.composite(haze, land, Image.linear_gradient("L").resize(size))
        land.putalpha(mask.reduce(2))
        self._add(land, (self.width, size[1]), f"floor({step}*n)", at=("0", top))

    def _draw_ground(self, land: Image.Image, mask: Image.Image, colour: Colour, rise: int, kind: str) -> None:
        """Draw hills, dunes, or mountains with snow, all with light on the slopes of one side; or a forest."""
        deep, rugged, spacing = land.height, kind == "mountains", max(1, self.unit // 90)
        wide, weight = {"mountains": (0.95, 0.55), "dunes": (2.4, 0.25)}.get(kind, (1.9, 0.3))
        columns, heights = range(0, land.width + spacing, spacing), [0.0] * (land.width // spacing + 2)
        for octave in range(6 if rugged else 3):
            often, start = 2**octave * self.random.uniform(2.5, 3.8) / wide / self.unit, self.random.uniform(0, 6.28)
            waves = [math.sin(x * often + start + math.sin(x * often * 0.37)) * weight**octave for x in columns]
            heights = [height + (-abs(wave) if rugged else wave) for height, wave in zip(heights, waves, strict=False)]
        low, scale = min(heights), rise / (max(heights) - min(heights) + 1e-6) * (0.25 if kind == "forest" else 1)
        line = [(x, rise - (height - low) * scale) for x, height in zip(columns, heights, strict=True)]
        ImageDraw.Draw(mask).polygon([*line, (line[-1][0], deep), (0, deep)], 255)
        draw = ImageDraw.Draw(land, "RGBA")
        for (x0, y0), (x1, y1) in pairwise([(-deep, line[0][1]), *line]):
            lit = 1 + (0.3 if rugged else 0.16) * math.tanh((y0 - y1) / (x1 - x0) * 2)
            facet = ((x0, y0), (x1, y1), (x1 + deep * 0.55, y1 + deep), (x0 + deep * 0.55, y0 + deep))
            draw.polygon(facet, tuple(min(255, round(part * lit)) for part in colour))
        if rugged:  # snow lies on high ground, with a ragged edge
            edge = [
                (x, y + max(0, rise * 0.45 - y) * (1 + 0.5 * math.sin(x / self.unit * 90 + 3 * math.sin(x))))
                for x, y in line
            ]
            draw.polygon([*line, *reversed(edge)], (255, 255, 255, 76 if self.dark else 140))
        x = 0.0
        while kind == "forest" and x < land.width:
            tall, shade = rise * self.random.uniform(0.4, 0.72), mix(colour, self.horizon, self.random.random() * 0.14)
            for level in (0, 1, 2, 3):
                top, half = line[int(x) // spacing][1] - tall * (0.95 - 0.2 * level), tall * 0.06 * (level + 1)
                _fill(land, mask, [(x, top), (x - half, top + tall * 0.38), (x + half, top + tall * 0.38)], shade)
            x += rise * self.random.uniform(0.06, 0.16)

    def _draw_houses(self, land: Image.Image, mask: Image.Image, colour: Colour, rise: int, cell: int) -> None:
        """Draw a row of houses, with lights in some of the windows."""
        x = 0
        lamps = [(255, 214, 130), (255, 236, 190), (120, 220, 255), (255, 120, 210)][: 4 if self.dark else 2]
        while x < land.width:
            end = x + round(self.unit * self.random.uniform(0.07, 0.22)) + 2
            top = round(rise * (0.8 - 0.8 * self.random.random() ** 1.4))
            wall = mix(colour, self.horizon, self.random.random() * 0.12)
            _fill(land, mask, [(x, top), (end, top), (end, land.height), (x, land.height)], wall)
            light = mix(wall, self.random.choice(lamps), 0.85 if self.dark else 0.35)
            for left, row in product(range(x + cell // 2, end - cell // 2, cell), range(top + cell, rise, cell)):
                if self.random.random() < 0.4:
                    ImageDraw.Draw(land).rectangle((left, row, left + cell * 0.45, row + cell * 0.55), light)
            x = end

    def water(self, shore: int) -> None:
        """Lay water over the lower part of the scene: it reflects the upper part in waves, and sparkles in the sun."""
        # The reflection is at half the size, for soft edges and a quarter of the time, and the waves are smaller still.
        size = self.width // 4 * 2 or 2, (self.height - shore) // 4 * 2 or 2
        small = max(2, size[0] // 16), max(2, size[1] // 4)
        full, half = f"{self.width}:{self.height - shore}", f"scale={size[0]}:{size[1]}:flags=fast_bilinear"
        graph, gradient = self.graph, Image.linear_gradient("L")
        above, below = graph.split(self.node)
        below = graph.chain(below, f"crop={full}:0:{max(0, 2 * shore - self.height)}", "vflip", half, "format=yuv444p")
        noise = f"perlin=size={small[0]}x{small[1]}:rate={self.fps}:xscale=5:yscale=20:tscale=1.2"
        waves = graph.add(f"{noise}:random_mode=seed:random_seed={self.random.getrandbits(31)}")
        calm = Image.new("L", small, 128)
        strength = gradient.resize(small).point([8 + level // 5 for level in range(256)])
        waves = graph.add("maskedmerge", graph.still(calm, self.fps), waves, graph.still(strength, self.fps))
        waves = graph.chain(waves, half, "mergeplanes=map1s=0:map2s=0:format=yuv444p")
        water = graph.add("displace=edge=smear", below, *graph.split(waves))
        deep, count = Image.new("RGB", size, mix(self.top, self.near, 0.35)), 8
        deep.putalpha(gradient.resize(size).point([46 + level // 3 for level in range(256)]))
        sheet = Image.new("RGBA", (size[0], size[1] * count))  # pictures of the surface, shown in turn
        for number in range(count):
            sheet.paste(deep, (0, size[1] * number))
        for _ in range(max(20, self.unit // 2)):  # mostly below the sun; each glint lights up and goes out
            row, phase = self.random.random() ** 1.3, self.random.randrange(count)
            left = self.random.gauss(self.sun_x / 2, size[0] * (0.02 + 0.14 * row))
            right = left + self.unit * (0.005 + 0.04 * row * self.random.random())
            for later, light in enumerate((90, 230, 140)):
                y = int(row * size[1]) + (phase + later) % count * size[1]
                ImageDraw.Draw(sheet).line((left, y, right, y), (*self.sun, light), max(1, self.unit // 600))
        turn = f"crop={size[0]}:{size[1]}:0:y='{size[1]}*mod(floor(t*{count}),{count})':exact=1"
        water = graph.overlay(water, graph.chain(graph.still(sheet, self.fps), turn))
        water = graph.add(f"scale={full}:flags=fast_bilinear", water)
        self.node = graph.add("vstack", graph.add(f"crop={self.width}:{shore}:0:0", above), water)

    def birds(self) -> None:
        """Draw a loose flock that flies across the sky, in eight pictures of a wingbeat."""
        width, height, beats = round(self.unit * 0.2) * 2, round(self.unit * 0.08) * 2, 8
        sheet = Image.new("L", (width * 3, height * 3 * beats))
        for _ in range(7):
            x, y, phase = (self.random.uniform(*ends) for ends in ((0.1, 0.9), (0.25, 0.75), (0, 6.28)))
            span = max(2.0, self.unit * self.random.uniform(0.011, 0.018)) * 3
            for beat in range(beats):
                flap, body = math.sin(beat / beats * 6.28 + phase) * span * 0.32, (y + beat) * height * 3
                wings = [(-1, -flap), (-0.5, -span * 0.24), (0, 0), (0.5, -span * 0.24), (1, -flap)]
                points = [(x * width * 3 + side * span, body + up) for side, up in wings]
                ImageDraw.Draw(sheet).line(points, 255, max(2, round(span * 0.14)), "curve")
        flock = Image.new("RGB", (width, height * beats), mix(self.near, self.top, 0.2))
        flock.putalpha(sheet.reduce(3))
        path = f"mod(({self.random.uniform(0.05, 0.4):.3f}+0.05*t)*{self.width}+{width},{self.width + width})-{width}"
        at = path, self.height * self.random.uniform(0.05, 0.16)
        self._add(flock, (width, height), "0", f"{height}*mod(floor(t*{beats}),{beats})", at)

    def weather(self, snow: bool) -> None:
        """Draw falling snowflakes or raindrops: two pictures that repeat, at different speeds."""
        colour = (250, 252, 255) if snow else mix(self.horizon, (255, 255, 255), 0.3)
        for near in (1, 2):
            size = self.unit * (0.003 if snow else 0.02) * near
            picture = Image.new("RGBA", (self.width + round(size * 12), self.height * 2), (*colour, 0))
            paint = ImageDraw.Draw(picture).ellipse if snow else ImageDraw.Draw(picture).line
            for _ in range(120):
                x, y = self.random.random() * picture.width, self.random.random() * self.height
                for top in (y - self.height, y, y + self.height):
                    paint((x, top, x + size * (1 if snow else 0.12), top + size), colour)
            sway = f"{size * 6}*(1+sin(t*1.3+{near}))" if snow else "0"
            speed = self.height * (0.08 * near if snow else 0.8 + 0.5 * near)
            self._add(picture, (self.width, self.height), sway, f"{self.height}-mod({speed}*t,{self.height})")

    def _add(
        self, picture: Image.Image, size: tuple[int, int], left: str, top: str = "0", at: tuple[str, float] = ("0", 0)
    ) -> None:
        """Add a window into a picture; what moves is an expression of the seconds, ``t``, or frames, ``n``."""
        window = f"crop={size[0]}:{size[1]}:x='{left}':y='{top}':exact=1"
        self.node = self.graph.overlay(self.node, self.graph.chain(self.graph.still(picture, self.fps), window), *at)

    def _drift(self, speed: float) -> tuple[float, int]:
        """Return a speed, given in widths per second, in pixels per frame, and the width of a strip to drift so far."""
        step = max(1, round(2 * self.width * speed / self.fps)) / 2  # halves, so that the movement is even
        return step, self.width + math.ceil(self.frames * step) // 2 * 2 + 4


def _fill(land: Image.Image, mask: Image.Image, points: list[tuple[float, float]], colour: Colour) -> None:
    """Draw a polygon on the land, and where the land is."""
    ImageDraw.Draw(land).polygon(points, colour)
    ImageDraw.Draw(mask).polygon(points, 255)


def mix(one: Colour, other: Colour, fraction: float) -> Colour:
    """Return the colour at a point between two others, from 0 for the first to 1 for the second."""
    return tuple(round(a + (b - a) * fraction) for a, b in zip(one, other, strict=True))
