"""Tiny results in a few milliseconds, for the tests of programs: nobody looks at them, but they are real files."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from decart.emulator.render.cache import fingerprint
from decart.emulator.render.job import PICTURE_TASKS, RenderJob, written_whole
from decart.emulator.render.mark import save_png
from decart.emulator.render.writer import TICKS, ClipWriter

SHORT_SIDE = 96
"""Pixels of the shorter side; the other one keeps the shape that was asked for."""

FPS = 4
"""Frames per second of the one second that a clip lasts."""


def render_small(job: RenderJob, target: Path) -> None:
    """Make a tiny placeholder for a job: a real MP4 or PNG file of a few kB that names the model.

    It takes about a twentieth of a second. The files that were sent in are read but not decoded, so that a test may
    send any bytes as a picture or a video; the colours are made of them, so that each input has its own result.

    Args:
        job: What to make. The same job always gives the same file.
        target: File to write: one second of H.264 at four frames a second for the video tasks, PNG for the picture
            tasks. The shorter side has 96 pixels at most, whatever the size that was asked for.

    Raises:
        RenderError: The job cannot be done; the message says why.

    Example:
        >>> Emulator(renderer=render_small)  # doctest: +SKIP
    """
    job.check()
    frames = _frames(job)
    with written_whole(target):
        if job.task in PICTURE_TASKS:
            save_png(next(frames), target)
            return
        with ClipWriter(target, _size(job), Fraction(FPS), layout=job.layout) as writer:
            for number, frame in enumerate(frames):
                writer.write(frame, number * TICKS // FPS)


def _size(job: RenderJob) -> tuple[int, int]:
    """Return the size of the job made small: even numbers, of about its shape."""
    scale = min(1.0, SHORT_SIDE / min(job.size))
    width, height = (max(2, round(side * scale / 2) * 2) for side in job.size)
    return width, height


def _frames(job: RenderJob) -> Iterator[Image.Image]:
    """Yield the frames: the model's name, and a bar that grows."""
    width, height = _size(job)
    colour = tuple(int(part) for part in job.random(f"small|{fingerprint(job)}").integers(30, 180, 3))
    font = ImageFont.load_default(11)
    for number in range(FPS):
        frame = Image.new("RGB", (width, height), colour)
        draw = ImageDraw.Draw(frame)
        draw.multiline_text((4, 4), f"{job.model}\n{job.task}\nplaceholder", "white", font)
        draw.rectangle((0, height - 6, width * (number + 1) // FPS, height), "white")
        yield frame
