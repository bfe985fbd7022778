"""How jobs and results show themselves in a notebook: where the job is, and a player for its video.

A notebook keeps all that it shows, so what is shown there is small: a video of up to ``INLINE_LIMIT`` bytes is part of
the notebook; a larger one is played from the file that it was saved to (``save_to=``), by its path relative to the
notebook; and of one that is in memory alone, it is said how to save it.
"""

from __future__ import annotations

import base64
import html
import os
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

INLINE_LIMIT = 8 * 1024 * 1024
"""Bytes of a video that a notebook may hold, where it takes a third more; set it as you like."""

_COLOURS = {"completed": "#1a7f37", "failed": "#c62828"}
_LOOKS = "max-width:100%;max-height:480px;display:block;margin-top:.5em"

if TYPE_CHECKING:

    class Job(Protocol):
        """What all that shows itself has."""

        @property
        def job_id(self) -> str: ...
        @property
        def status(self) -> str: ...
        @property
        def model(self) -> str | None: ...


def bundle(job: Job, player: str = "") -> dict[str, str]:
    """Return what a terminal shows of a job or a result, and what a notebook does."""
    elapsed, error = getattr(job, "elapsed", None), getattr(job, "error", None)
    facts = [
        f'<b style="color:{_COLOURS.get(job.status, "#57606a")}">{html.escape(job.status)}</b>',
        html.escape(job.model or ""),
        "" if elapsed is None else f"{elapsed:.1f} s",
        f"job <code>{html.escape(job.job_id)}</code>",
    ]
    reason = f"<div>{html.escape(error)}</div>" if error else ""
    return {
        "text/plain": repr(job),
        "text/html": f"<div>{' · '.join(fact for fact in facts if fact)}{reason}{player}</div>",
    }


def player(data: bytes | None, path: Path | None) -> str:
    """Return what plays a video or shows a picture, which is in memory or in a file; or why nothing does."""
    if path is not None:
        return _of_file(path) if path.is_file() else ""
    if not data:
        return ""
    if len(data) <= INLINE_LIMIT:
        return _inline(data)
    return f'<div>{_mib(len(data))}, too large to be part of a notebook: <code>result.save("video.mp4")</code></div>'


def _of_file(path: Path) -> str:
    size = path.stat().st_size
    if size <= INLINE_LIMIT:
        return _inline(path.read_bytes())
    beside = os.path.relpath(path)
    where = f"<div>{_mib(size)} in <code>{html.escape(str(path))}</code></div>"
    if beside.startswith(os.pardir):  # a notebook's server gives out what is in the notebook's folder, and below it
        return where
    with path.open("rb") as file:
        return _tag(_kind(file.read(16)), html.escape(Path(beside).as_posix())) + where


def _inline(data: bytes) -> str:
    return _tag(_kind(data), f"data:{_kind(data)};base64,{base64.b64encode(data).decode()}")


def _kind(data: bytes) -> str:
    return "image/png" if data.startswith(b"\x89PNG") else "video/mp4"


def _tag(kind: str, source: str) -> str:
    if kind == "image/png":
        return f'<img src="{source}" style="{_LOOKS}">'
    return f'<video src="{source}" controls loop muted playsinline preload="metadata" style="{_LOOKS}"></video>'


def _mib(size: int) -> str:
    return f"{size / 1024**2:.1f} MiB"
