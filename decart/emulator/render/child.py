"""The process that renders one job: it reads a command as JSON from stdin, and reports by its exit status."""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path

import attrs

from decart.emulator.render.job import RenderError, RenderJob

EXIT_NOT_RENDERED = 3
"""The exit status for a job that cannot be rendered; the reason is on stdout, as JSON."""


@attrs.frozen(kw_only=True)
class Command:
    """What the process has to do; see ``IsolatedRenderer`` for the fields."""

    function: str
    job: RenderJob
    target: Path
    memory: int

    def to_json(self) -> str:
        """Serialize the command."""
        job = attrs.asdict(self.job, recurse=False)
        job["inputs"] = {name: str(path.absolute()) for name, path in self.job.inputs.items()}
        job["trajectory"] = [list(point) for point in self.job.trajectory]
        fields = {"function": self.function, "job": job, "target": str(self.target), "memory": self.memory}
        return json.dumps(fields)

    @classmethod
    def from_json(cls, text: str) -> Command:
        """Parse a command."""
        fields = json.loads(text)
        job = fields.pop("job")
        job["inputs"] = {name: Path(path) for name, path in job["inputs"].items()}
        job["trajectory"] = [(frame, x, y) for frame, x, y in job["trajectory"]]
        return cls(**{**fields, "job": RenderJob(**job), "target": Path(fields["target"])})


def main() -> None:
    """Run the command on stdin."""
    command = Command.from_json(sys.stdin.read())
    module, _, name = command.function.partition(":")
    render = getattr(import_module(module), name)
    _limit_memory(command.memory)
    try:
        render(command.job, command.target)
    except RenderError as error:
        _exit_with(str(error))
    except MemoryError:
        _exit_with("rendering takes too much memory")


def _exit_with(reason: str) -> None:
    print(json.dumps(reason))
    sys.exit(EXIT_NOT_RENDERED)


def _limit_memory(most: int) -> None:
    """Limit the address space of this process, in bytes, where the system supports it."""
    try:
        import resource
    except ImportError:
        return  # Windows has no such limit
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    soft = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
