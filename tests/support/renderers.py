"""Renderers that misbehave or report about themselves, for ``IsolatedRenderer``, which imports them by name."""

from __future__ import annotations

import ctypes
import json
import threading
from pathlib import Path

from decart.emulator.render import RenderError, RenderJob
from decart.emulator.render.tasks import draw


def crash(job: RenderJob, target: Path) -> None:
    """Crash as a decoder with a wild pointer does."""
    target.write_bytes(b"half of it")
    ctypes.string_at(0)


def hang(job: RenderJob, target: Path) -> None:
    """Never return."""
    target.write_bytes(b"half of it")
    threading.Event().wait()


def fill(job: RenderJob, target: Path) -> None:
    """Allocate more memory than is allowed."""
    bytearray(8 * 1024**3)


def raise_bug(job: RenderJob, target: Path) -> None:
    """Fail as a renderer with a bug does."""
    raise KeyError("a bug")


def refuse(job: RenderJob, target: Path) -> None:
    raise RenderError(f"no \u00e4rger: {job.prompt}")


def write_job(job: RenderJob, target: Path) -> None:
    """Write the job that arrived, instead of rendering it."""
    target.write_text(ascii([job.prompt, str(job.inputs["data"]), list(job.trajectory)]))


def report_memory(job: RenderJob, target: Path) -> None:
    """Render; write the peak memory in MB (Linux) and the reason if the job failed."""
    reason = ""
    try:
        draw(job, target)
    except RenderError as error:
        reason = str(error)
    most = Path("/proc/self/status").read_text("utf-8").partition("VmHWM:")[2].split()[0]
    target.write_text(f"{int(most) // 1024}\n{reason}")


def expose(job: RenderJob, target: Path) -> None:
    """Write down what this process was started with (Linux): its environment, and its arguments."""
    process = Path("/proc/self")
    names = [entry.partition("=")[::2] for entry in process.joinpath("environ").read_text("utf-8").split("\0") if entry]
    arguments = process.joinpath("cmdline").read_text("utf-8").split("\0")[:-1]
    target.write_text(json.dumps({"environment": dict(names), "arguments": arguments}))
