"""What to render, why it may fail, and the limits that keep a render small."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

import attrs
import numpy as np

MAX_SIDE = 8192
"""Widest or tallest picture that is read or made, in pixels."""

MAX_PIXELS = 40_000_000
"""Most pixels in one picture or frame; checked before anything is decoded."""

MAX_OUTPUT_PIXELS = 4096 * 2304
"""Most pixels in one made frame, so a typing error cannot fill the memory."""

MIN_SIDE = 2
"""Narrowest picture that is made; yuv420p holds no smaller one."""

MAX_SECONDS = 60.0
"""Longest video made from text or pictures."""

MAX_FPS = 120
"""Highest frame rate of a made video."""

Layout = Literal["start", "end"]
"""Where a made MP4 file has its index: before the frames, ready for streaming, or after them."""

PICTURE_TASKS = ("text-to-image", "image-to-image")
"""What gives one picture; the other tasks give a video."""

INPUTS: dict[str, tuple[str, ...]] = {
    "text-to-video": (),
    "image-to-video": ("data",),
    "motion": ("data",),
    "first-last-frame": ("start", "end"),
    "video-to-video": ("data",),
    "video-edit": ("data",),
    "video-restyle": ("data",),
    "virtual-try-on": ("data",),
    "text-to-image": (),
    "image-to-image": ("data",),
}
"""The files that each task cannot do without."""


class RenderError(Exception):
    """The job cannot be rendered; the message is one sentence for a person."""


@attrs.frozen(kw_only=True)
class RenderJob:
    """One placeholder to make.

    Attributes:
        task: What kind of thing to make, such as ``"text-to-video"``.
        model: Name of the model that is asked for; shown in the corner label.
        prompt: Words that choose scenery, filter or camera move.
        seed: Varies the result; the same job always gives the same frames.
        fps: Frames per second of a made video.
        width: Width in pixels; videos round it down to an even number.
        height: Height in pixels; videos round it down to an even number.
        seconds: Length of a video made from text or from pictures.
        inputs: Files on disk under ``"data"``, ``"start"``, ``"end"`` or
            ``"reference_image"``.
        trajectory: Points ``(frame, x, y)`` for the ``"motion"`` task, with x
            and y as parts of the width and the height.
        layout: Where a made MP4 file has its index (the ``moov`` box).
    """

    task: str
    model: str
    prompt: str = ""
    seed: int = 0
    fps: int = 25
    width: int = 1280
    height: int = 704
    seconds: float = 5.0
    inputs: Mapping[str, Path]
    trajectory: Sequence[tuple[int, float, float]] = ()
    layout: Layout = "start"

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.width, self.height

    @property
    def frame_count(self) -> int:
        """Frames in a video made from text or from pictures."""
        return max(1, round(self.seconds * self.fps))

    def input(self, name: str) -> Path:
        """Return the file given under a name.

        Raises:
            RenderError: The job has no such file.
        """
        path = self.inputs.get(name)
        if path is None or not path.is_file():
            raise RenderError(f"{name} is missing")
        return path

    def random(self, purpose: str) -> np.random.Generator:
        """Return a random source that depends on this job and a purpose alone."""
        text = f"{purpose}|{self.model}|{self.seed}|{self.prompt}"
        digest = hashlib.sha256(text.encode("utf-8", "replace")).digest()
        return np.random.default_rng(int.from_bytes(digest[:16], "big"))

    def check(self) -> None:
        """Refuse what cannot be made, whatever is in the files.

        Raises:
            RenderError: The task is unknown, a file is missing, or a number is out of range.
        """
        if self.task not in INPUTS:
            raise RenderError(f"{self.task!r} is not a task this renderer knows")
        for name in dict.fromkeys((*INPUTS[self.task], *self.inputs)):
            self.input(name)
        if min(self.size) < MIN_SIDE or max(self.size) > MAX_SIDE:
            raise RenderError(f"{self.width}x{self.height} is not a size that can be made")
        if self.width * self.height > MAX_OUTPUT_PIXELS:
            raise RenderError(f"{self.width}x{self.height} has too many pixels")
        if not 1 <= self.fps <= MAX_FPS:
            raise RenderError(f"fps must be between 1 and {MAX_FPS}")
        if not 0 < self.seconds <= MAX_SECONDS:
            raise RenderError(f"seconds must be above 0 and at most {MAX_SECONDS:g}")
        if not all(math.isfinite(x) and math.isfinite(y) for _, x, y in self.trajectory):
            raise RenderError("trajectory has a point that is not a number")


@contextmanager
def written_whole(target: Path) -> Iterator[None]:
    """Remove a file again if the block that writes it fails."""
    try:
        yield
    except BaseException:
        with suppress(OSError):
            target.unlink()
        raise
