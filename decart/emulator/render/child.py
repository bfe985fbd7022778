"""The process that renders one job: its order comes in as JSON, and its exit status says how it went."""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path

import attrs

from decart.emulator.render.job import RenderError, RenderJob

CANNOT = 3
"""Exit status for a job that cannot be done; the reason is on standard output, as JSON."""


@attrs.frozen(kw_only=True)
class Order:
    """What the process is to do; see ``Apart`` for the fields."""

    function: str
    job: RenderJob
    target: Path
    memory: int

    def to_json(self) -> str:
        """Return the order as text."""
        job = attrs.asdict(self.job, recurse=False)
        job["inputs"] = {name: str(path.absolute()) for name, path in self.job.inputs.items()}
        job["trajectory"] = [list(point) for point in self.job.trajectory]
        whole = {"function": self.function, "job": job, "target": str(self.target), "memory": self.memory}
        return json.dumps(whole)

    @classmethod
    def from_json(cls, text: str) -> Order:
        """Return the order that a text holds."""
        whole = json.loads(text)
        job = whole.pop("job")
        job["inputs"] = {name: Path(path) for name, path in job["inputs"].items()}
        job["trajectory"] = [(frame, x, y) for frame, x, y in job["trajectory"]]
        return cls(**{**whole, "job": RenderJob(**job), "target": Path(whole["target"])})


def main() -> None:
    """Do the order on standard input."""
    order = Order.from_json(sys.stdin.read())
    module, _, name = order.function.partition(":")
    render = getattr(import_module(module), name)
    _limit_memory(order.memory)
    try:
        render(order.job, order.target)
    except RenderError as error:
        _cannot(str(error))
    except MemoryError:
        _cannot("rendering takes too much memory")


def _cannot(reason: str) -> None:
    print(json.dumps(reason))
    sys.exit(CANNOT)


def _limit_memory(most: int) -> None:
    """Let the process have so many bytes of address space, where the system knows how."""
    try:
        import resource
    except ImportError:
        return  # Windows has no such limit
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    soft = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
