"""Render tiny results in milliseconds, for tests that need a valid file but not a nice picture."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from decart.emulator.render.cache import fingerprint
from decart.emulator.render.job import PICTURE_TASKS, RenderJob, removed_on_error
from decart.emulator.render.mark import save_png

if TYPE_CHECKING:
    from PIL import Image

SHORT_SIDE = 96
"""The shorter side, in pixels; the longer one keeps the requested aspect ratio."""

FPS = 4
"""The frames per second of a clip, which lasts one second."""


def render_small(job: RenderJob, target: Path) -> None:
    """Render a tiny placeholder for a job: a real MP4 or PNG file of a few kB that names the model.

    It takes about 50 milliseconds. Input files are read but not decoded, so a test may send any bytes as a picture or
    video. They determine the colours, so different inputs produce different results.

    Args:
        job: What to render. The same job always produces the same file.
        target: The file to write: one second of H.264 at four frames per second for the video tasks, PNG for the
            picture tasks. The shorter side has 96 pixels at most, whatever size was requested.

    Raises:
        RenderError: The job cannot be rendered; the message says why.

    Example:
        >>> Emulator(renderer=render_small)  # doctest: +SKIP
    """
    from decart.emulator.render.writer import TICKS, ClipWriter  # an emulator that renders elsewhere needs no codecs

    job.check()
    frames = _frames(job)
    with removed_on_error(target):
        if job.task in PICTURE_TASKS:
            save_png(next(frames), target)
            return
        with ClipWriter(target, _size(job), Fraction(FPS), layout=job.layout) as writer:
            for number, frame in enumerate(frames):
                writer.write(frame, number * TICKS // FPS)


def _size(job: RenderJob) -> tuple[int, int]:
    """Return a small, even width and height with about the aspect ratio of the job."""
    scale = min(1.0, SHORT_SIDE / min(job.size))
    width, height = (max(2, round(side * scale / 2) * 2) for side in job.size)
    return width, height


def _frames(job: RenderJob) -> Iterator[Image.Image]:
    """Yield the frames: the name of the model, and a growing bar."""
    from PIL import Image, ImageDraw, ImageFont  # likewise

    width, height = _size(job)
    colour = tuple(int(part) for part in job.random(f"small|{fingerprint(job)}").integers(30, 180, 3))
    font = ImageFont.load_default(11)
    for number in range(FPS):
        frame = Image.new("RGB", (width, height), colour)
        draw = ImageDraw.Draw(frame)
        draw.multiline_text((4, 4), f"{job.model}\n{job.task}\nplaceholder", "white", font)
        draw.rectangle((0, height - 6, width * (number + 1) // FPS, height), "white")
        yield frame
