"""Render jobs: what to render, the error if that is impossible, and the limits that keep a render small."""

import hashlib
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random
from typing import Literal

import attrs

MARK = "placeholder made by decart.emulator"
"""The comment in every rendered file: it survives copying, and conversion by programs that preserve comments."""

MAX_SIDE = 8192  # the largest width or height of a picture that is read or rendered
MAX_PIXELS = 40_000_000  # of an input picture or frame; checked before anything is decoded
MAX_OUTPUT_PIXELS = 4096 * 2304  # so that a typo cannot exhaust the memory
MAX_SECONDS = 60.0  # of a video rendered from text or pictures
MAX_FPS = 120

Layout = Literal["start", "end"]
"""The position of the index in a rendered MP4 file: before the frames, ready for streaming, or after them."""

PICTURE_TASKS = ("text-to-image", "image-to-image")
"""The tasks that produce a picture; the others produce a video."""

EDITS = ("video-to-video", "video-edit", "video-restyle", "virtual-try-on")
"""The tasks that change a video."""

INPUTS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("text-to-video", "text-to-image"), ()),
    **dict.fromkeys(("image-to-video", "motion", "image-to-image", *EDITS), ("data",)),
    "first-last-frame": ("start", "end"),
}
"""The files that each task requires."""


class RenderError(Exception):
    """The job cannot be rendered; the message is one sentence for the user."""


@attrs.frozen(kw_only=True)
class RenderJob:
    """One placeholder to render.

    Attributes:
        task: The kind of job, such as ``"text-to-video"``.
        model: The name of the requested model, shown in the corner label.
        prompt: The text whose words choose the scenery, style or camera move.
        seed: Varies the result; the same job always produces the same file.
        fps: Frames per second of a video rendered from text or pictures.
        width: Width in pixels; rounded down to an even number for videos.
        height: Height in pixels; rounded down to an even number for videos.
        seconds: Length of a video rendered from text or pictures.
        inputs: Files on disk, by the names ``"data"``, ``"start"``, ``"end"`` and ``"reference_image"``.
        trajectory: Points ``(frame, x, y)`` for the ``"motion"`` task, where x and y are fractions of the width and the
            height.
        layout: The position of the index (the ``moov`` box) in a rendered MP4 file.
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
        """The number of frames in a video rendered from text or pictures."""
        return max(1, round(self.seconds * self.fps))

    def input(self, name: str) -> Path:
        """Return the input file with this name; a ``RenderError`` says that it does not exist."""
        path = self.inputs.get(name)
        if path is None or not path.is_file():
            raise RenderError(f"{name} is missing")
        return path

    def random(self, purpose: str) -> Random:
        """Return a random generator that is seeded by this job and a purpose."""
        text = f"{purpose}|{self.model}|{self.seed}|{self.prompt}"
        return Random(hashlib.sha256(text.encode("utf-8", "replace")).digest())

    def matches(self, meanings: Mapping[str, str]) -> list[str]:
        """Return the meanings, in their order, one of whose words is in the prompt, singular or plural."""
        words = set(re.findall(r"[^\W_]+", self.prompt.lower()))
        words |= {word.removesuffix("s") for word in words}
        return [name for name, known in meanings.items() if not words.isdisjoint(known.split())]

    def check(self) -> None:
        """Check everything but the content of the files.

        Raises:
            RenderError: The task is unknown, a file is missing, or a number is out of range.
        """
        if self.task not in INPUTS:
            raise RenderError(f"{self.task!r} is not a task that this renderer knows")
        for name in dict.fromkeys((*INPUTS[self.task], *self.inputs)):
            self.input(name)
        if min(self.size) < 2 or max(self.size) > MAX_SIDE or self.width * self.height > MAX_OUTPUT_PIXELS:
            raise RenderError(f"{self.width}x{self.height} is not a size that can be rendered")
        if not 1 <= self.fps <= MAX_FPS:
            raise RenderError(f"fps must be between 1 and {MAX_FPS}")
        if not 0 < self.seconds <= MAX_SECONDS:
            raise RenderError(f"seconds must be above 0 and at most {MAX_SECONDS:g}")
        if not all(math.isfinite(x) and math.isfinite(y) for _, x, y in self.trajectory):
            raise RenderError("trajectory has a point with a coordinate that is not a finite number")


@contextmanager
def removed_on_error(target: Path) -> Iterator[None]:
    """Remove a file if the block that writes it fails."""
    try:
        yield
    except BaseException:
        with suppress(OSError):
            target.unlink()
        raise
