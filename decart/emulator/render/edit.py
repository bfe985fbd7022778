"""Put uploaded videos and pictures through a filter, so that the result is visibly different."""

from __future__ import annotations

from pathlib import Path

import attrs
from PIL import Image

from decart.emulator.render.clips import open_clip
from decart.emulator.render.filters import Filter, choose_filter
from decart.emulator.render.job import RenderJob
from decart.emulator.render.pictures import cover, open_picture
from decart.emulator.render.sound import read_sound
from decart.emulator.render.text import Overlay, overlay
from decart.emulator.render.writer import TICKS, ClipWriter

INSET = 0.22
"""The side of the reference picture in the corner, as a fraction of the shorter side of the frame."""


def edit_picture(job: RenderJob) -> Image.Image:
    """Apply the filter that the prompt asks for to the picture ``data``."""
    picture = cover(open_picture(job.input("data"), "data"), job.size)
    apply_filter, label = _prepare(job)
    return label.stamp(apply_filter(picture))


def edit_video(job: RenderJob, target: Path) -> None:
    """Apply a filter to each frame of the video ``data``.

    The result keeps the timing, the sound and the orientation of the source. It has the size of the job, with width and
    height swapped if the orientation differs.

    Args:
        job: What to render; its width and height must be even.
        target: The MP4 file to write.

    Raises:
        RenderError: An input is broken.
    """
    path = job.input("data")
    with open_clip(path, "data") as clip:
        short, long = sorted(job.size)
        size = (short, long) if clip.portrait else (long, short)
        apply_filter, label = _prepare(attrs.evolve(job, width=size[0], height=size[1]))
        sound = read_sound(path, clip.start)
        with ClipWriter(target, size, clip.rate, sound, layout=job.layout) as writer:
            for second, frame in clip.frames(size):
                writer.write(label.stamp(apply_filter(frame)), round(second * TICKS))


def _prepare(job: RenderJob) -> tuple[Filter, Overlay]:
    """Choose the filter, and draw the overlay for each frame."""
    label = overlay(job.size, job.model)
    if "reference_image" not in job.inputs:
        return choose_filter(job), label
    reference = open_picture(job.input("reference_image"), "reference_image")
    inset = _inset(reference, job.size)
    margin = round(min(job.size) * 0.04)
    corner = (margin, job.height - inset.height - margin)
    return choose_filter(job, reference), Overlay((*label.parts, (inset, corner)))


def _inset(reference: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Return a small copy of the reference picture with a border."""
    side = max(4, round(min(size) * INSET))
    small = reference.copy()
    small.thumbnail((side, side))
    card = Image.new("RGBA", (small.width + 4, small.height + 4), (255, 255, 255, 230))
    card.paste(small, (2, 2))
    return card
