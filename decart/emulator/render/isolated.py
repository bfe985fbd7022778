"""Render in a separate process, so that a hostile file that crashes, hangs or bloats it cannot harm the server."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import attrs

from decart.emulator.render.child import EXIT_NOT_RENDERED, Command
from decart.emulator.render.job import RenderError, RenderJob, removed_on_error

_START = "from decart.emulator.render.child import main; main()"


@attrs.frozen(kw_only=True)
class IsolatedRenderer:
    """A renderer that runs each job in a separate process.

    Uploaded files are decoded by C libraries, and a crafted file can make those crash or hang. Here that costs one
    process and one job. Starting the process takes half a second.

    Attributes:
        function: The function that renders, as ``"package.module:name"``. It takes a ``RenderJob`` and the file to
            write.
        seconds: The time limit for one job, after which its process is killed.
        memory: The most bytes of address space the process may use, where the system can limit it (Linux can). A clip
            of 1280x704 needs a quarter of the default.

    Example:
        >>> IsolatedRenderer(seconds=60)(job, Path("made.mp4"))  # doctest: +SKIP
    """

    function: str = "decart.emulator.render.tasks:draw"
    seconds: float = 180.0
    memory: int = 2 * 1024**3

    def __call__(self, job: RenderJob, target: Path) -> None:
        """Render the placeholder for a job.

        Args:
            job: What to render. The same job always produces the same frames.
            target: The file to write; it is removed if the job fails.

        Raises:
            RenderError: The job cannot be rendered, or took too long or too much memory; the message says why.
            RuntimeError: The renderer has a bug.
        """
        job.check()
        command = Command(function=self.function, job=job, target=target.absolute(), memory=self.memory)
        with removed_on_error(target):
            self._run(command)

    def _run(self, command: Command) -> None:
        """Run a command in a new process, and wait until it exits."""
        try:
            done = subprocess.run(
                [sys.executable, "-c", _START],
                input=command.to_json().encode(),
                capture_output=True,
                timeout=self.seconds,
                cwd=command.target.parent,  # so that no module is imported from the server's working directory
                env=_environment(),
            )
        except subprocess.TimeoutExpired:
            raise RenderError(f"rendering takes longer than {self.seconds:g} seconds") from None
        if done.returncode == EXIT_NOT_RENDERED:
            raise RenderError(json.loads(done.stdout))
        if done.returncode < 0:
            raise RenderError(f"the renderer crashed ({_signal(-done.returncode)}); a file may be broken")
        if done.returncode:
            raise RuntimeError(done.stderr.decode(errors="replace").strip().rpartition("\n")[2])


def _environment() -> dict[str, str]:
    """Return a minimal environment for the process: its module path, and no inherited variables, such as keys.

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
