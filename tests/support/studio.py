"""A fake renderer for the emulator, for tests that are not about pictures."""

from __future__ import annotations

import threading
from pathlib import Path

from decart.emulator.render import RenderError, RenderJob

PATIENCE = 20  # seconds


class Studio:
    """A renderer that only records the jobs and the content of the uploaded files."""

    def __init__(self) -> None:
        self.orders: list[RenderJob] = []
        self.files: list[dict[str, bytes]] = []
        self.targets: list[Path] = []
        self._finished = threading.Semaphore(0)

    def __call__(self, order: RenderJob, target: Path) -> None:
        self.orders.append(order)
        self.targets.append(target)
        self.files.append({name: path.read_bytes() for name, path in order.inputs.items()})
        if "fail" in order.prompt:
            raise RenderError("the prompt asked for it")
        if "crash" in order.prompt:
            raise KeyError("bug")
        target.write_bytes(b"video of " + order.prompt.encode())
        self._finished.release()

    def wait_for(self, jobs: int) -> None:
        """Wait until that many jobs are rendered."""
        assert all(self._finished.acquire(timeout=PATIENCE) for _ in range(jobs))
