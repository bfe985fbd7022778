"""Rendered placeholders: their frames and timestamps, and the difference between two of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image

from decart.emulator.render.tasks import draw as render
from support.media import EDITS, SIZE, Pixels, frames_of, job


def times_of(path: Path) -> list[float]:
    with av.open(str(path)) as file:
        return [frame.time for frame in file.decode(video=0) if frame.time is not None]


def made(tmp_path: Path, task: str, **changes: Any) -> list[Pixels]:
    target = tmp_path / "made.mp4"
    render(job(task, **changes), target)
    return frames_of(target)


def difference(one: Pixels, other: Pixels) -> float:
    return float(np.abs(one - other).mean())


def halves(left: str, right: str, size: tuple[int, int] = SIZE) -> Image.Image:
    """Return a picture with two colours side by side."""
    picture = Image.new("RGB", size, left)
    picture.paste(right, (size[0] // 2, 0, *size))
    return picture


def inputs_for(task: str, video: Path, picture: Path) -> dict[str, Path]:
    if task == "first-last-frame":
        return {"start": picture, "end": picture}
    return {"data": video if task in EDITS else picture}
