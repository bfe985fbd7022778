"""Which task is drawn by what."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import attrs
from PIL import Image

from decart.emulator.render.edit import edit_picture, edit_video
from decart.emulator.render.job import PICTURE_TASKS, RenderJob, written_whole
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
    """Make the placeholder for a job in this very process, however long it takes.

    Args:
        job: What to make. The same job always gives the same frames.
        target: File to write: MP4 for the video tasks, PNG for the picture tasks. It is removed again if the job
            fails.

    Raises:
        RenderError: The job cannot be done; the message says why.
    """
    job.check()
    with written_whole(target):
        if job.task in PICTURE_TASKS:
            picture = edit_picture(job) if "data" in job.inputs else next(scene_frames(job))
            save_png(picture, target)
        elif job.task in _FRAMES:
            _write_clip(_even(job), target)
        else:
            edit_video(_even(job), target)


def _even(job: RenderJob) -> RenderJob:
    """Round the size down to even numbers, which yuv420p needs."""
    return attrs.evolve(job, width=job.width // 2 * 2, height=job.height // 2 * 2)


def _write_clip(job: RenderJob, target: Path) -> None:
    """Write the frames of a job that all take equally long."""
    frames = _FRAMES[job.task](job)
    # Taken before the file is made: this is where an input shows its faults.
    first = next(frames)
    with ClipWriter(target, job.size, Fraction(job.fps), layout=job.layout) as writer:
        writer.write(first, 0)
        for number, frame in enumerate(frames, start=1):
            writer.write(frame, number * TICKS // job.fps)
