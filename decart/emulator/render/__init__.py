"""Makes real, playable placeholder videos and pictures for development.

No model runs here. Every result says so in its corner: scenery is drawn from
the words of a prompt, pictures are moved or faded, and videos go through
ordinary picture filters. That is enough to build and test a program against.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import attrs
from PIL import Image

from decart.emulator.render.edit import edit_picture, edit_video
from decart.emulator.render.job import RenderError, RenderJob
from decart.emulator.render.scene import scene_frames
from decart.emulator.render.stills import camera_frames, fade_frames, motion_frames
from decart.emulator.render.writer import TICKS, ClipWriter

__all__ = ["RenderError", "RenderJob", "render"]

_FRAMES: dict[str, Callable[[RenderJob], Iterator[Image.Image]]] = {
    "text-to-video": scene_frames,
    "image-to-video": camera_frames,
    "motion": motion_frames,
    "first-last-frame": fade_frames,
}
_EDITS = ("video-to-video", "video-edit", "video-restyle", "virtual-try-on")
_PICTURES: dict[str, Callable[[RenderJob], Image.Image]] = {
    "text-to-image": lambda job: next(scene_frames(job)),
    "image-to-image": edit_picture,
}


def render(job: RenderJob, target: Path) -> None:
    """Make the placeholder for a job.

    Args:
        job: What to make. The same job always gives the same frames.
        target: File to write: MP4 for the video tasks, PNG for the picture
            tasks. It is removed again if the job fails.

    Raises:
        RenderError: The job cannot be done; the message says why.
    """
    job.check()
    try:
        if job.task in _PICTURES:
            _PICTURES[job.task](job).save(target, format="PNG")
        elif job.task in _EDITS:
            edit_video(_even(job), target)
        elif job.task in _FRAMES:
            _write_clip(_even(job), target)
        else:
            raise RenderError(f"{job.task!r} is not a task this renderer knows")
    except BaseException:
        with suppress(OSError):
            target.unlink()
        raise


def _even(job: RenderJob) -> RenderJob:
    """Round the size down to even numbers, which yuv420p needs."""
    return attrs.evolve(job, width=job.width // 2 * 2, height=job.height // 2 * 2)


def _write_clip(job: RenderJob, target: Path) -> None:
    """Write the frames of a job that all take equally long."""
    frames = _FRAMES[job.task](job)
    # Taken before the file is made: this is where an input shows its faults.
    first = next(frames)
    with ClipWriter(target, job.size, Fraction(job.fps)) as writer:
        writer.write(first, 0)
        for number, frame in enumerate(frames, start=1):
            writer.write(frame, number * TICKS // job.fps)
