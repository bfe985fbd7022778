"""Render in a separate process, so that a hostile file that crashes, hangs or bloats it cannot harm the server."""

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from pkgutil import resolve_name
from signal import Signals

import attrs

from decart.emulator.render.job import RenderError, RenderJob, removed_on_error

_NOT_RENDERED = 3  # the exit status for a job that cannot be rendered; the reason is on stdout, as JSON


@attrs.frozen(kw_only=True)
class IsolatedRenderer:
    """A renderer that runs each job in a separate process.

    A crafted file can make a decoder crash or hang; here that costs one process and one job.

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
    _running: set[subprocess.Popen[bytes]] = attrs.field(factory=set, init=False, repr=False, eq=False)

    def __call__(self, job: RenderJob, target: Path) -> None:
        """Render the placeholder for a job.

        Args:
            job: What to render. The same job always produces the same file.
            target: The file to write; it is removed if the job fails.

        Raises:
            RenderError: The job cannot be rendered, or took too long or too much memory; the message says why.
            RuntimeError: The renderer has a bug.
        """
        job.check()
        target = target.absolute()
        job = attrs.evolve(job, inputs={name: path.absolute() for name, path in job.inputs.items()})
        path = os.pathsep.join(os.path.abspath(entry) for entry in sys.path)
        needed = {name: os.environ[name] for name in ("SYSTEMROOT",) if name in os.environ}  # Windows needs it
        process = subprocess.Popen(
            [sys.executable, "-c", "from decart.emulator.render.isolated import main; main()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=target.parent,  # so that no module is imported from the server's working directory
            env={**needed, "PYTHONPATH": path},  # no inherited variables, such as keys
        )
        with removed_on_error(target), self._killed_at_the_end(process):
            try:
                output, errors = process.communicate(
                    pickle.dumps((self.function, job, target, self.memory)), self.seconds
                )
            except subprocess.TimeoutExpired:
                raise RenderError(f"rendering takes longer than {self.seconds:g} seconds") from None
            if process.returncode == _NOT_RENDERED:
                raise RenderError(json.loads(output))
            if process.returncode < 0:
                name = Signals(-process.returncode).name
                raise RenderError(f"the renderer crashed ({name}); a file may be broken")
            if process.returncode:
                raise RuntimeError(errors.decode(errors="replace").strip().rpartition("\n")[2])

    def close(self) -> None:
        """Kill the processes of all jobs in progress, which fail."""
        for process in self._running.copy():
            process.kill()

    @contextmanager
    def _killed_at_the_end(self, process: subprocess.Popen[bytes]) -> Iterator[None]:
        """Let a process run no longer than a block, in which ``close`` may end it."""
        self._running.add(process)
        try:
            with process:
                try:
                    yield
                finally:
                    process.kill()  # which does nothing to one that has ended
        finally:
            self._running.discard(process)


def main() -> None:
    """Run the command on stdin, in the separate process."""
    function, job, target, memory = pickle.load(sys.stdin.buffer)
    render = resolve_name(function)
    if sys.platform != "win32":  # Windows has no such limit
        import resource

        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        resource.setrlimit(resource.RLIMIT_AS, (memory if hard < 0 else min(memory, hard), hard))
    try:
        render(job, target)
        return
    except RenderError as error:
        reason = str(error)
    except MemoryError:
        reason = "rendering takes too much memory"
    print(json.dumps(reason))
    sys.exit(_NOT_RENDERED)
