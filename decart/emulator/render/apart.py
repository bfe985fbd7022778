"""Rendering in a process of its own, which a hostile file may crash, stall or fill without harm to the server."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import attrs

from decart.emulator.render.child import CANNOT, Order
from decart.emulator.render.job import RenderError, RenderJob, written_whole

_START = "from decart.emulator.render.child import main; main()"


@attrs.frozen(kw_only=True)
class Apart:
    """A renderer that works in a process of its own.

    What is in an uploaded file is decoded by libraries in C, which now and then crash or never end on a file that
    was made for it. Here that ends one process and fails one job. Starting the process takes half a second.

    Attributes:
        function: What renders, as ``"package.module:name"``: it takes a ``RenderJob`` and the file to write.
        seconds: How long one job may take; then its process is ended.
        memory: Bytes of address space that the process may have, where the system can limit it (Linux can). A
            quarter is in use for a clip of 1280x704.

    Example:
        >>> Apart(seconds=60)(job, Path("made.mp4"))  # doctest: +SKIP
    """

    function: str = "decart.emulator.render.tasks:draw"
    seconds: float = 180.0
    memory: int = 2 * 1024**3

    def __call__(self, job: RenderJob, target: Path) -> None:
        """Make the placeholder for a job.

        Args:
            job: What to make. The same job always gives the same frames.
            target: File to write; removed again if the job fails.

        Raises:
            RenderError: The job cannot be done, or took too long or too much memory; the message says why.
            RuntimeError: There is a bug in the renderer.
        """
        job.check()
        order = Order(function=self.function, job=job, target=target.absolute(), memory=self.memory)
        with written_whole(target):
            self._run(order)

    def _run(self, order: Order) -> None:
        """Start the process, hand it the order, and wait for its end."""
        # Its own folder, so that no module is imported from wherever the server was started.
        command = [sys.executable, "-c", _START]
        try:
            done = subprocess.run(
                command,
                input=order.to_json().encode(),
                capture_output=True,
                timeout=self.seconds,
                cwd=order.target.parent,
                env=_environment(),
            )
        except subprocess.TimeoutExpired:
            raise RenderError(f"rendering takes longer than {self.seconds:g} seconds") from None
        if done.returncode == CANNOT:
            raise RenderError(json.loads(done.stdout))
        if done.returncode < 0:
            raise RenderError(f"the renderer crashed ({_signal(-done.returncode)}); a file may be broken")
        if done.returncode:
            raise RuntimeError(done.stderr.decode(errors="replace").strip().rpartition("\n")[2])


def _environment() -> dict[str, str]:
    """Return the environment of the process: where its modules are, and nothing that it inherits, such as keys.

    Windows starts no process without ``SYSTEMROOT``.
    """
    path = os.pathsep.join(os.path.abspath(entry) for entry in sys.path)
    needed = {name: os.environ[name] for name in ("SYSTEMROOT",) if name in os.environ}
    return {**needed, "PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1"}


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
