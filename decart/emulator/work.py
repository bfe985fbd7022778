"""The rendering of a job: by a thread from its submit on, or on demand."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

from .render import RenderError, RenderJob

log = logging.getLogger("decart.emulator")

Renderer = Callable[[RenderJob, Path], None]


class OnDemand(Future[None]):
    """A task that is run when its result is first needed, by the thread that needs it, which suits a virtual clock."""

    def __init__(self, task: Callable[[], None]) -> None:
        super().__init__()
        self._task = task
        self._once = threading.Lock()

    def done(self) -> bool:
        with self._once:
            if not super().done():
                try:
                    self.set_result(self._task())
                except Exception as error:
                    self.set_exception(error)
        return True


def render_job(renderer: Renderer, order: RenderJob, target: Path) -> None:
    """Render, and delete the inputs."""
    try:
        renderer(order, target)
        if not target.exists():
            raise RenderError("the renderer has written no file")
    except RenderError:
        raise
    except Exception:
        log.exception("A bug in the renderer")
        raise
    finally:
        for path in order.inputs.values():
            path.unlink(missing_ok=True)
