"""How jobs, results and images are displayed in a notebook: the status of a job, a player for its video, a picture.

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

    class Image(Protocol):
        """What images in memory and in files have in common."""

        @property
        def model(self) -> str: ...
        @property
        def content_type(self) -> str: ...


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


def image_bundle(image: Image, *, data: bytes | None = None, path: Path | None = None) -> dict[str, str]:
    """Return an image in memory or in a file as MIME types that a terminal and a notebook display."""
    facts = f"{html.escape(image.model)} · {html.escape(image.content_type)}"
    shown = player(data, path, image.content_type)
    return {"text/plain": repr(image), "text/html": f"<div>{facts}{shown}</div>"}


def player(data: bytes | None, path: Path | None, mime_type: str = "") -> str:
    """Return the HTML that plays a video or shows a picture from memory or a file, or says where to find it.

    Args:
        mime_type: What it is; by default, that is read from its first bytes.
    """
    if path is not None:
        return _file_player(path, mime_type) if path.is_file() else ""
    if not data:
        return ""
    if len(data) <= INLINE_LIMIT:
        return _embedded(data, mime_type)
    name = "image.png" if mime_type else "video.mp4"
    return f'<div>{_mib(len(data))}, too large to embed: <code>result.save("{name}")</code></div>'


def _file_player(path: Path, mime_type: str) -> str:
    size = path.stat().st_size
    if size <= INLINE_LIMIT:
        return _embedded(path.read_bytes(), mime_type)
    location = f"<div>{_mib(size)} in <code>{html.escape(str(path))}</code></div>"
    absolute, folder = Path(os.path.abspath(path)), Path.cwd()
    if not absolute.is_relative_to(folder):  # a notebook server serves only the notebook's folder
        return location
    with path.open("rb") as file:
        return _tag(mime_type or _mime_type(file.read(16)), quote(absolute.relative_to(folder).as_posix())) + location


def _embedded(data: bytes, mime_type: str) -> str:
    mime_type = mime_type or _mime_type(data)
    return _tag(mime_type, f"data:{mime_type};base64,{base64.b64encode(data).decode()}")


def _mime_type(data: bytes) -> str:
    return "image/png" if data.startswith(b"\x89PNG") else "video/mp4"


def _tag(mime_type: str, source: str) -> str:
    if mime_type != "video/mp4":
        return f'<img src="{source}" style="{_STYLE}">'
    return f'<video src="{source}" controls loop muted playsinline preload="metadata" style="{_STYLE}"></video>'


def _mib(size: int) -> str:
    return f"{size / 1024**2:.1f} MiB"
