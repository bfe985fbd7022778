"""How jobs and results are displayed in a notebook: the status of the job, and a player for its video.

A notebook stores everything that it displays, so at most ``INLINE_LIMIT`` bytes of video are embedded per result:

=============================================  ===================================================================
video                                          display
=============================================  ===================================================================
up to ``INLINE_LIMIT``, in memory or a file    embedded
larger, in a file in the notebook's folder     played from the file (``save_to=``), by its relative path
larger, in a file elsewhere                    the path of the file
larger, in memory                              how to save it
=============================================  ===================================================================
"""

from __future__ import annotations

import base64
import html
import os
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import quote

INLINE_LIMIT = 8 * 1024 * 1024
"""Largest video, in bytes, to embed in a notebook, where it takes a third more; change it as you like."""

_COLOURS = {"completed": "#1a7f37", "failed": "#c62828"}
_STYLE = "max-width:100%;max-height:480px;display:block;margin-top:.5em"

if TYPE_CHECKING:

    class Job(Protocol):
        """What jobs and results have in common."""

        @property
        def job_id(self) -> str: ...
        @property
        def status(self) -> str: ...
        @property
        def model(self) -> str | None: ...


def bundle(job: Job, player: str = "") -> dict[str, str]:
    """Return a job or result as MIME types that a terminal and a notebook display."""
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
    """Return the HTML that plays a video or shows a picture from memory or a file, or says where to find it."""
    if path is not None:
        return _file_player(path) if path.is_file() else ""
    if not data:
        return ""
    if len(data) <= INLINE_LIMIT:
        return _embedded(data)
    return f'<div>{_mib(len(data))}, too large to embed: <code>result.save("video.mp4")</code></div>'


def _file_player(path: Path) -> str:
    size = path.stat().st_size
    if size <= INLINE_LIMIT:
        return _embedded(path.read_bytes())
    location = f"<div>{_mib(size)} in <code>{html.escape(str(path))}</code></div>"
    absolute, folder = Path(os.path.abspath(path)), Path.cwd()
    if not absolute.is_relative_to(folder):  # a notebook server serves only the notebook's folder
        return location
    with path.open("rb") as file:
        return _tag(_mime_type(file.read(16)), quote(absolute.relative_to(folder).as_posix())) + location


def _embedded(data: bytes) -> str:
    return _tag(_mime_type(data), f"data:{_mime_type(data)};base64,{base64.b64encode(data).decode()}")


def _mime_type(data: bytes) -> str:
    return "image/png" if data.startswith(b"\x89PNG") else "video/mp4"


def _tag(mime_type: str, source: str) -> str:
    if mime_type == "image/png":
        return f'<img src="{source}" style="{_STYLE}">'
    return f'<video src="{source}" controls loop muted playsinline preload="metadata" style="{_STYLE}"></video>'


def _mib(size: int) -> str:
    return f"{size / 1024**2:.1f} MiB"
