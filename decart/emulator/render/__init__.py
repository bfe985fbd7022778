"""Make real, playable placeholder videos and pictures for development.

No model runs here, and a label in the corner of every result says so. Scenery is drawn from the words of a prompt,
pictures are panned, zoomed or faded, and videos go through ordinary filters of libavfilter.
"""

from pathlib import Path

from decart.emulator.render.cache import Cached
from decart.emulator.render.isolated import IsolatedRenderer
from decart.emulator.render.job import RenderError, RenderJob
from decart.emulator.render.small import render_small

__all__ = ["Cached", "IsolatedRenderer", "RenderError", "RenderJob", "render", "render_small"]


def render(job: RenderJob, target: Path) -> None:
    """Render the placeholder for a job in a separate process, as ``IsolatedRenderer()`` does.

    Args:
        job: What to render. The same job always produces the same file.
        target: The file to write: MP4 for the video tasks, PNG for the picture tasks. It is removed if the job fails.

    Raises:
        RenderError: The job cannot be rendered, or takes longer than three minutes; the message says why.
    """
    IsolatedRenderer()(job, target)
