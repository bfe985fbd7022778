"""Draw an animated scene for a prompt: sky, land, water, weather, birds and flying cars."""

import numpy as np
from PIL import Image, ImageDraw

from decart.emulator.render.caption import overlay
from decart.emulator.render.drawing import Floats, Painter
from decart.emulator.render.graph import Graph, Node
from decart.emulator.render.job import RenderJob
from decart.emulator.render.scenery import choose_scenery, mix


def add_scene(graph: Graph, job: RenderJob) -> Node:
    """Add the scene for a job, whose width and height must be even, and return its endless frames."""
    scenery = choose_scenery(job)
    painter, extras, wet = Painter(graph, job, scenery.palette), scenery.extras, "water" in scenery.extras
    horizon, sun_x = round(job.height * 0.3) * 2, round(job.width * painter.random.uniform(0.25, 0.75))
    painter.sky(horizon if wet else round(job.height * 0.8), sun_x)
    if scenery.palette.dark:
        painter.stars(horizon)
    painter.clouds(horizon)
    for number, kind in enumerate(scenery.lands):
        painter.land(kind, horizon if wet else job.height, number / max(1, len(scenery.lands) - 1))
    if wet:
        _add_water(painter, horizon, sun_x)
    if "birds" in extras:
        painter.birds()
    if "flyers" in extras:
        painter.flyers()
    if extras & {"snowfall", "rainfall"}:
        painter.weather("snowfall" in extras)
    return graph.stamp(painter.node, overlay(job.size, job.model, job.prompt))


def _add_water(painter: Painter, horizon: int, sun_x: int) -> None:
    """Lay water over the lower part of the scene, which reflects the upper part in waves.

    The waves are a picture of vertical offsets, drawn in perspective. They run diagonally, so they seem to roll when
    the picture is moved sideways.
    """
    # At half the size, for soft edges and a quarter of the time.
    width, height, unit = painter.width // 4 * 2 or 2, (painter.height - horizon) // 4 * 2 or 2, painter.unit / 2
    period, depth = width // 4 * 4 or 4, np.linspace(0, 1, height, dtype=np.float32)[:, None]
    x = np.arange(width + period, dtype=np.float32) * np.float32(2 * np.pi / period)
    phase = 22 * np.log1p(4 * depth)
    waves = np.sin(phase * 1.9 - x * 2) + 0.6 * np.sin(phase * 4.3 + x * 3)
    graph = painter.graph
    above, below = graph.split(painter.node)
    full, top = f"{painter.width}:{painter.height - horizon}", max(0, 2 * horizon - painter.height)
    below = graph.chain(below, f"crop={full}:0:{top}", "vflip", f"scale={width}:{height}", "format=yuv420p")
    planes = []
    for plane, part in zip(graph.split(below, "extractplanes=y+u+v", 3), (1, 2, 2), strict=True):
        size = width // part, height // part
        offsets = 128 + (waves * (unit / part * (0.002 + 0.014 * depth)))[::part, ::part]
        rolling = _roll(painter, offsets, size, period // part)
        planes.append(graph.add("displace=edge=smear", plane, graph.still(Image.new("L", size, 128)), rolling))
    water = graph.add("mergeplanes=map1s=1:map2s=2:format=yuv420p", *planes)
    deep = Image.new("RGB", (width, height), mix(painter.palette.top, painter.palette.near, 0.35))
    deep.putalpha(Image.linear_gradient("L").resize(deep.size).point(lambda level: 46 + level * 0.3))
    water = graph.overlay(water, graph.still(deep))
    # Glints shine when a crest passes.
    glints = graph.still(_draw_glints((width, height), sun_x // 2, painter.random))
    glints = graph.add("blend=all_mode=multiply", _roll(painter, waves * 2500, (width, height), period), glints)
    shine = graph.add("alphamerge", graph.still(Image.new("RGB", (width, height), painter.palette.sun)), glints)
    painter.node = graph.overlay(above, graph.chain(graph.overlay(water, shine), f"scale={full}"), 0, horizon)


def _roll(painter: Painter, values: Floats, size: tuple[int, int], period: int) -> Node:
    """Add a grey picture that repeats itself from left to right, and moves by a sixth of that distance per second."""
    picture = Image.fromarray(values.clip(0, 255).astype(np.uint8))
    still = painter.graph.still(picture, painter.fps)
    return painter.graph.chain(still, f"crop={size[0]}:{size[1]}:x='mod({period / 6}*t,{period})':y=0")


def _draw_glints(size: tuple[int, int], sun_x: int, random: np.random.Generator) -> Image.Image:
    """Draw where the water sparkles: mostly below the sun."""
    glints, (width, height) = Image.new("L", size), size
    for _ in range(max(10, width * height // 200)):
        row = random.random() ** 1.3 * height
        left = random.normal(sun_x, width * (0.02 + 0.14 * row / height))
        right = left + min(size) * (0.01 + 0.08 * row / height * random.random())
        ImageDraw.Draw(glints).line((left, row, right, row), int(random.integers(90, 240)), max(1, min(size) // 300))
    return glints
