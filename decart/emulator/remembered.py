"""The renderer of the fixtures: tiny files, each made once in a process."""

from __future__ import annotations

import threading
from collections import OrderedDict
from pathlib import Path

from .render import RenderJob, render_small
from .render.cache import fingerprint

LIMIT = 256
"""How many files are remembered; they have a few kB each."""

_files: OrderedDict[str, bytes] = OrderedDict()  # the most recently used comes last
_lock = threading.Lock()


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
    name = fingerprint(job)
    with _lock:
        known = _files.get(name)
        if known is not None:
            _files.move_to_end(name)
    if known is not None:
        target.write_bytes(known)
        return
    render_small(job, target)
    with _lock:
        _files[name] = target.read_bytes()
        if len(_files) > LIMIT:
            _files.popitem(last=False)
