"""Draw an animated scene for a prompt: sky, land, water, weather, birds and flying cars."""

from __future__ import annotations

from collections.abc import Iterator

import attrs
import numpy as np
from PIL import Image

from decart.emulator.render.job import RenderJob
from decart.emulator.render.layers import Layer, Plot, make_strip
from decart.emulator.render.movers import Mover, make_movers
from decart.emulator.render.scenery import Scenery, choose_scenery
from decart.emulator.render.sky import Sky, make_clouds, make_sky
from decart.emulator.render.text import overlay
from decart.emulator.render.water import Water, make_water


@attrs.frozen
class Scene:
    """Everything that is drawn once and then moved, farthest first."""

    sky: Sky
    layers: tuple[Layer, ...]
    water: Water | None
    movers: tuple[Mover, ...]

    def draw(self, progress: float, second: float) -> Image.Image:
        """Draw the scene at a point of the clip, given from 0 to 1 and in seconds."""
        frame = self.sky.draw(second)
        for layer in self.layers:
            layer.draw_on(frame, progress)
        if self.water:
            frame = self.water.draw_on(frame, second)
        for mover in self.movers:
            mover.draw_on(frame, second)
        return frame


def scene_frames(job: RenderJob) -> Iterator[Image.Image]:
    """Draw the frames of a job that has no input files."""
    scene = _make_scene(job)
    label = overlay(job.size, job.model, job.prompt)
    for number in range(job.frame_count):
        frame = scene.draw(number / job.frame_count, number / job.fps)
        yield label.stamp(frame)


def _make_scene(job: RenderJob) -> Scene:
    """Draw the parts of the scene for a job."""
    scenery = choose_scenery(job)
    wet = "water" in scenery.extras
    horizon = round(job.height * 0.6)
    random = job.random("shapes")
    sky = make_sky(job.size, horizon if wet else round(job.height * 0.8), scenery.palette, random)
    clouds = make_clouds(job.size, horizon, _travel(job, 0.01), scenery.palette, random)
    return Scene(
        sky,
        (clouds, *_lands(job, scenery, horizon if wet else job.height, random)),
        make_water(job.size, horizon, sky.sun_x, scenery.palette, random) if wet else None,
        make_movers(job.size, scenery, random),
    )


def _travel(job: RenderJob, speed: float) -> int:
    """Return how many pixels a layer scrolls during the clip, at a speed in frame widths per second."""
    return round(job.width * speed * job.frame_count / job.fps)


def _lands(job: RenderJob, scenery: Scenery, bottom: int, random: np.random.Generator) -> Iterator[Layer]:
    """Draw the strips of land, farthest first."""
    last = max(1, len(scenery.lands) - 1)
    wet = bottom < job.height
    for number, kind in enumerate(scenery.lands):
        nearness = number / last
        # At a shore the land ends at the water; inland it fills the frame.
        base = bottom if wet else round(job.height * (0.66 + 0.2 * nearness))
        rise = (0.36 - 0.26 * nearness) if wet else (0.36 - 0.12 * nearness)
        travel = _travel(job, 0.006 + 0.03 * nearness**1.5)
        plot = Plot(
            kind=kind,
            width=job.width + travel + 2,
            base=base,
            rise=max(2, round(min(job.height, job.width * 1.3) * rise)),
            bottom=bottom,
            unit=min(job.size),
            nearness=nearness if not wet else 0.15 + 0.75 * nearness,
            palette=scenery.palette,
        )
        yield Layer(make_strip(plot, random), plot.top, travel)
