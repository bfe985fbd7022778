"""The renderer of the fixtures: tiny files, each made once in a process."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import attrs

from .render import RenderJob, render_small
from .render.cache import fingerprint

LIMIT = 256
"""How many files are remembered; they have a few kB each."""


@attrs.frozen
class _Order:
    """A job, which is equal to another one if their files would be."""

    fingerprint: str
    job: RenderJob = attrs.field(eq=False)
    target: Path = attrs.field(eq=False)


@lru_cache(maxsize=LIMIT)
def _file_of(order: _Order) -> bytes:
    render_small(order.job, order.target)
    return order.target.read_bytes()


def render_remembered(job: RenderJob, target: Path) -> None:
    """Render a job by ``render_small``, or write the file that it made for the same job earlier in this process.

    Most tests submit the same few jobs, each to an emulator of its own, and encoding takes longer than all the rest.

    Args:
        job: What to render.
        target: The file to write.

    Raises:
        RenderError: The job cannot be rendered; the message says why.
    """
    job.check()
    target.write_bytes(_file_of(_Order(fingerprint(job), job, target)))
