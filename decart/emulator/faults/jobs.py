"""How faults change a job: by its renderer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ..render import RenderError, RenderJob
from .fault import Fault


def renderer_for(fault: Fault) -> Callable[[RenderJob, Path], None] | None:
    """Return the renderer of a job with this fault, or None for a job that never ends."""
    if fault.name == "job-never-ends":
        return None
    if fault.name == "empty-result":
        return lambda order, target: target.touch()

    def fail(order: RenderJob, target: Path) -> None:
        raise RenderError(fault.reason or "")

    return fail
