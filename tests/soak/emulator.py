"""The server of the soak, in a process of its own: `emulator.py KEEP`. It prints its URL, and ends when its input does.

Each video is a small real one with a stamp at its end, which tells the job that it was made for: so each client can see
that it got its own, and whole.
"""

from __future__ import annotations

import hashlib
import itertools
import struct
import sys
from pathlib import Path

from decart.emulator import Emulator, EmulatorServer
from decart.emulator.render import RenderError, RenderJob, render_small

FAILING = "This one is to fail"
SMALLEST, LARGEST = 8 * 1024, 1024 * 1024  # bytes of a stamp, about


def stamp(prompt: str, data: bytes = b"") -> bytes:
    """Return what the video for this prompt and file ends with: a box that players skip, unlike any other."""
    digest = hashlib.sha256(prompt.encode() + b"\0" + data).digest()
    size = SMALLEST + int.from_bytes(digest[:4], "big") % LARGEST
    text = b"".join(itertools.islice(itertools.repeat(digest), size // len(digest)))
    return struct.pack(">I4s", 8 + len(text), b"free") + text


class Stamper:
    """A renderer that draws once, and then stamps copies."""

    def __init__(self) -> None:
        self._made: dict[str, bytes] = {}

    def __call__(self, job: RenderJob, target: Path) -> None:
        if job.prompt == FAILING:
            raise RenderError(FAILING)
        kind = target.suffix
        if kind not in self._made:
            render_small(job, target)
            self._made[kind] = target.read_bytes()
        data = job.inputs["data"].read_bytes() if "data" in job.inputs else b""
        target.write_bytes(self._made[kind] + stamp(job.prompt, data))


def main(keep: int) -> None:
    emulator = Emulator(pending=0, processing=0, renderer=Stamper(), keep=keep)
    with emulator, EmulatorServer(emulator) as server:
        print(server.url, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main(int(sys.argv[1]))
