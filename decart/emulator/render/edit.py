"""Videos and pictures that are sent in and come back visibly changed."""

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
"""Side of the reference picture in the corner, in shorter sides of the frame."""


def edit_picture(job: RenderJob) -> Image.Image:
    """Put the picture ``data`` through the filter that the prompt asks for."""
    picture = cover(open_picture(job.input("data"), "data"), job.size)
    look, writing = _prepared(job)
    return writing.stamp(look(picture))


def edit_video(job: RenderJob, target: Path) -> None:
    """Put each frame of the video ``data`` through a filter.

    The result has the timing, the sound and the orientation of the source. It
    has the size of the job, with width and height swapped if need be.

    Args:
        job: What to make; its size is even.
        target: MP4 file to write.

    Raises:
        RenderError: An input is broken.
    """
    path = job.input("data")
    with open_clip(path, "data") as clip:
        short, long = sorted(job.size)
        size = (short, long) if clip.portrait else (long, short)
        look, writing = _prepared(attrs.evolve(job, width=size[0], height=size[1]))
        sound = read_sound(path, clip.start)
        with ClipWriter(target, size, clip.rate, sound, layout=job.layout) as writer:
            for second, frame in clip.frames(size):
                writer.write(writing.stamp(look(frame)), round(second * TICKS))


def _prepared(job: RenderJob) -> tuple[Filter, Overlay]:
    """Choose the filter and draw what lies over each frame."""
    writing = overlay(job.size, job.model)
    if "reference_image" not in job.inputs:
        return choose_filter(job), writing
    reference = open_picture(job.input("reference_image"), "reference_image")
    inset = _inset(reference, job.size)
    margin = round(min(job.size) * 0.04)
    corner = (margin, job.height - inset.height - margin)
    return choose_filter(job, reference), Overlay((*writing.parts, (inset, corner)))


def _inset(reference: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Frame a small copy of the reference picture."""
    side = max(4, round(min(size) * INSET))
    small = reference.copy()
    small.thumbnail((side, side))
    card = Image.new("RGBA", (small.width + 4, small.height + 4), (255, 255, 255, 230))
    card.paste(small, (2, 2))
    return card
