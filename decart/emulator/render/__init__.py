"""Makes real, playable placeholder videos and pictures for development.

No model runs here. Every result says so in its corner: scenery is drawn from the words of a prompt, pictures are moved
or morphed, and videos go through ordinary picture filters. That is enough to build and test a program against.
"""

from __future__ import annotations

from pathlib import Path

from decart.emulator.render.apart import Apart
from decart.emulator.render.cache import Cached
from decart.emulator.render.job import RenderError, RenderJob
from decart.emulator.render.small import render_small

__all__ = ["Apart", "Cached", "RenderError", "RenderJob", "render", "render_small"]

_APART = Apart()


def render(job: RenderJob, target: Path) -> None:
    """Make the placeholder for a job, in a process of its own; see ``Apart``.

    Args:
        job: What to make. The same job always gives the same frames.
        target: File to write: MP4 for the video tasks, PNG for the picture tasks. It is removed again if the job
            fails.

    Raises:
        RenderError: The job cannot be done, or takes longer than three minutes; the message says why.
    """
    _APART(job, target)
