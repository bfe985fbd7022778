"""Draw an animated scene for a prompt: sky, land, water, weather, birds and flying cars."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from decart.emulator.render.caption import overlay
from decart.emulator.render.drawing import (
    Canvas,
    Layer,
    draw_birds,
    draw_clouds,
    draw_flyers,
    draw_land,
    draw_sky,
    draw_stars,
    draw_weather,
    mix,
)
from decart.emulator.render.graph import Graph, Node
from decart.emulator.render.job import RenderJob
from decart.emulator.render.scenery import choose_scenery


def add_scene(graph: Graph, job: RenderJob) -> Node:
    """Add the scene for a job, whose width and height must be even, and return its endless frames."""
    scenery = choose_scenery(job)
    random = np.random.default_rng(job.random("shapes").getrandbits(128))
    canvas = Canvas(width=job.width, height=job.height, seconds=job.seconds, palette=scenery.palette, random=random)
    horizon, sun_x = round(job.height * 0.3) * 2, round(job.width * random.uniform(0.25, 0.75))
    wet = "water" in scenery.extras
    node = graph.still(draw_sky(canvas, horizon if wet else round(job.height * 0.8), sun_x), job.fps)
    layers = draw_stars(canvas, horizon) if scenery.palette.dark else []
    layers.append(draw_clouds(canvas, horizon))
    last = max(1, len(scenery.lands) - 1)
    layers += [
        draw_land(canvas, kind, horizon if wet else job.height, n / last) for n, kind in enumerate(scenery.lands)
    ]
    for layer in layers:
        node = _add_layer(graph, node, layer, job.fps)
    if wet:
        node = _add_water(graph, node, canvas, horizon, sun_x, job.fps)
    layers = [draw_birds(canvas)] if "birds" in scenery.extras else []
    layers += draw_flyers(canvas) if "flyers" in scenery.extras else []
    if not scenery.extras.isdisjoint(("snowfall", "rainfall")):
        layers += draw_weather(canvas, "snowfall" in scenery.extras)
    for layer in layers:
        node = _add_layer(graph, node, layer, job.fps)
    return graph.stamp(node, overlay(job.size, job.model, job.prompt))


def _add_layer(graph: Graph, node: Node, layer: Layer, fps: int) -> Node:
    """Lay the window of a layer over a stream."""
    window = f"crop={layer.size[0]}:{layer.size[1]}:x='{layer.left}':y='{layer.top}'"
    return graph.overlay(node, graph.chain(graph.still(layer.picture, fps), window), layer.x, layer.y)


def _add_water(graph: Graph, node: Node, canvas: Canvas, horizon: int, sun_x: int, fps: int) -> Node:
    """Lay water over the lower part of a stream, which reflects the upper part in waves.

    The waves are a picture of vertical offsets, drawn in perspective. They run diagonally, so they seem to roll when
    the picture is moved sideways.
    """
    # At half the size, for soft edges and a quarter of the time.
    width, height, unit = canvas.width // 4 * 2, (canvas.height - horizon) // 4 * 2, canvas.unit / 2
    period = width // 4 * 4
    depth = np.linspace(0, 1, height, dtype=np.float32)[:, None]
    x = np.arange(width + period, dtype=np.float32) * np.float32(2 * np.pi / period)
    phase = 22 * np.log1p(4 * depth)
    waves = np.sin(phase * 1.9 - x * 2) + 0.6 * np.sin(phase * 4.3 + x * 3)
    above, below = graph.split(node)
    whole = f"{canvas.width}:{canvas.height - horizon}"
    below = graph.chain(
        below, f"crop={whole}:0:{2 * horizon - canvas.height}", "vflip", f"scale={width}:{height}", "format=yuv420p"
    )
    planes = []
    for plane, part in zip(graph.split(below, "extractplanes=y+u+v", 3), (1, 2, 2), strict=True):
        offsets = 128 + (waves * (unit / part * (0.002 + 0.014 * depth)))[::part, ::part]
        moved = _roll(graph, offsets, (width // part, height // part), period // part, fps)
        still = graph.still(Image.new("L", (width // part, height // part), 128))
        planes.append(graph.add("displace=edge=smear", plane, still, moved))
    water = graph.add("mergeplanes=map1s=1:map2s=2:format=yuv420p", *planes)
    water = graph.overlay(water, graph.still(_draw_depths(canvas, (width, height))), 0, 0)
    crests = _roll(graph, waves * 2500, (width, height), period, fps)
    glints = graph.still(_draw_glints((width, height), sun_x // 2, canvas.random))
    shine = graph.still(Image.new("RGB", (width, height), canvas.palette.sun))
    shine = graph.add("alphamerge", shine, graph.add("blend=all_mode=multiply", crests, glints))
    water = graph.chain(graph.overlay(water, shine, 0, 0), f"scale={whole}")
    return graph.overlay(above, water, 0, horizon)


def _roll(graph: Graph, values: np.ndarray, size: tuple[int, int], period: int, fps: int) -> Node:
    """Add a grey picture that repeats itself from left to right, and moves by a sixth of that distance per second."""
    picture = Image.fromarray(values.clip(0, 255).astype(np.uint8))
    return graph.chain(graph.still(picture, fps), f"crop={size[0]}:{size[1]}:x='mod({period / 6}*t,{period})':y=0")


def _draw_depths(canvas: Canvas, size: tuple[int, int]) -> Image.Image:
    """Draw the colour of the water, which hides more of the reflection the closer it is."""
    picture = Image.new("RGB", size, mix(canvas.palette.top, canvas.palette.near, 0.35))
    picture.putalpha(Image.linear_gradient("L").resize(size).point(lambda level: 46 + level * 0.3))
    return picture


def _draw_glints(size: tuple[int, int], sun_x: int, random: np.random.Generator) -> Image.Image:
    """Draw the places where the water sparkles when a crest passes, most of them below the sun."""
    glints, (width, height) = Image.new("L", size), size
    draw = ImageDraw.Draw(glints)
    for _ in range(max(10, width * height // 200)):
        row = random.random() ** 1.3 * height
        left = random.normal(sun_x, width * (0.02 + 0.14 * row / height))
        length = min(size) * (0.01 + 0.08 * row / height * random.random())
        draw.line((left, row, left + length, row), int(random.integers(90, 240)), max(1, min(size) // 300))
    return glints
