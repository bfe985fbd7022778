"""Render a job by the function for its task."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import attrs
from PIL import Image

from decart.emulator.render.edit import edit_picture, edit_video
from decart.emulator.render.job import PICTURE_TASKS, RenderJob, removed_on_error
from decart.emulator.render.mark import save_png
from decart.emulator.render.scene import scene_frames
from decart.emulator.render.stills import camera_frames, morph_frames, motion_frames
from decart.emulator.render.writer import TICKS, ClipWriter

_FRAMES: dict[str, Callable[[RenderJob], Iterator[Image.Image]]] = {
    "text-to-video": scene_frames,
    "image-to-video": camera_frames,
    "motion": motion_frames,
    "first-last-frame": morph_frames,
}


def draw(job: RenderJob, target: Path) -> None:
    """Render the placeholder for a job in the current process, without a time limit.

    Args:
        job: What to render. The same job always produces the same frames.
        target: The file to write: MP4 for the video tasks, PNG for the picture tasks. It is removed if the job fails.

    Raises:
        RenderError: The job cannot be rendered; the message says why.
    """
    job.check()
    with removed_on_error(target):
        if job.task in PICTURE_TASKS:
            picture = edit_picture(job) if "data" in job.inputs else next(scene_frames(job))
            save_png(picture, target)
        elif job.task in _FRAMES:
            _write_clip(_with_even_size(job), target)
        else:
            edit_video(_with_even_size(job), target)


def _with_even_size(job: RenderJob) -> RenderJob:
    """Round the width and height down to even numbers, which yuv420p requires."""
    return attrs.evolve(job, width=job.width // 2 * 2, height=job.height // 2 * 2)


def _write_clip(job: RenderJob, target: Path) -> None:
    """Write the frames of a job at a constant frame rate."""
    frames = _FRAMES[job.task](job)
    # Drawn before the file is created, because this is where a broken input fails.
    first = next(frames)
    with ClipWriter(target, job.size, Fraction(job.fps), layout=job.layout) as writer:
        writer.write(first, 0)
        for number, frame in enumerate(frames, start=1):
            writer.write(frame, number * TICKS // job.fps)
