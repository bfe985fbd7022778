"""The ways to save a video to a path."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from decart import QueueJobResult
from support.served_video import VIDEO, ServedVideo, client_for

DONE = QueueJobResult(job_id="j1", status="completed", data=VIDEO)


def download(path: Any) -> Path:
    return client_for(ServedVideo())[0].queue.download("j1", path)


def save(path: Any) -> Path:
    return DONE.save(path)


def asave(path: Any) -> Path:
    return asyncio.run(DONE.asave(path))


def copy(path: Any) -> Path:
    """Save a result that is already in a file."""
    place = Path(path).parent / "first.mp4"
    place.write_bytes(VIDEO)
    try:
        return QueueJobResult(job_id="j1", status="completed", path=place).save(path)
    finally:
        place.unlink()


every_way = pytest.mark.parametrize("way", [download, save, asave, copy], ids=lambda way: way.__name__)
