"""Measure how long the emulator renders each task: with its separate process, and against encoding a plain colour.

Usage: python benchmarks/rendering.py [rounds]

For each task it prints the median seconds of wall clock and of CPU (of this process and its children), the size of the
file, and the ratio of the CPU to that of a process that encodes as many frames of one colour with the same settings.
The two take turns, so a machine that is busy for a while slows both.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from decart.emulator.render import RenderJob, render

SIZE, FPS = (1280, 704), 25
TASKS = {
    "text-to-video": ((), 5.0),
    "image-to-video": (("data",), 5.0),
    "motion": (("data",), 5.0),
    "first-last-frame": (("start", "end"), 5.0),
    "video-edit": (("data",), 3.0),
    "video-restyle": (("data",), 3.0),
    "text-to-image": ((), 0.04),
    "image-to-image": (("data",), 0.04),
}

PLAIN = """
import sys
from fractions import Fraction
from pathlib import Path
from PIL import Image
from decart.emulator.render.graph import TICKS, to_frame, write_movie
size, fps, count = (int(sys.argv[1]), int(sys.argv[2])), int(sys.argv[3]), int(sys.argv[4])
frames = (to_frame(Image.new("RGB", size, "teal"), "yuv420p", n * TICKS // fps) for n in range(count))
write_movie(Path(sys.argv[5]), "start", size, Fraction(fps), frames)
"""


def measure(run: Callable[[], object]) -> tuple[float, float]:
    """Return the seconds of wall clock and of CPU that a call takes, with the processes that it starts."""
    before, start = os.times(), time.perf_counter()
    run()
    after = os.times()
    return time.perf_counter() - start, sum(after[:4]) - sum(before[:4])


def main() -> None:
    """Print a table."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        picture, video, made = folder / "picture.png", folder / "video.mp4", folder / "made"
        render(RenderJob(task="text-to-image", model="", prompt="A lake at dawn", inputs={}), picture)
        render(
            RenderJob(task="text-to-video", model="", prompt="A city on a hill", seconds=3.0, height=720, inputs={}),
            video,
        )
        print(f"{'task':18}{'wall s':>8}{'CPU s':>8}{'kB':>8}{'CPU / plain colour':>20}")
        for task, (names, seconds) in TASKS.items():
            inputs = dict.fromkeys(names, video if task.startswith("video") else picture)
            prompt = "in the style of anime" if task == "video-restyle" else "A serene lake at sunset"
            job = RenderJob(
                task=task,
                model="lucy-pro",
                prompt=prompt if task != "video-edit" else "add a hat",
                seconds=seconds,
                inputs=inputs,
                trajectory=[(0, 0.3, 0.3), (124, 0.7, 0.7)] if task == "motion" else (),
            )
            numbers = [*map(str, SIZE), str(FPS), str(job.frame_count), str(folder / "plain.mp4")]
            ours, plain = [], []
            for _ in range(rounds):
                ours.append(measure(partial(render, job, made)))
                command = [sys.executable, "-c", PLAIN, *numbers]
                plain.append(measure(partial(subprocess.run, command, check=True)))
            wall, cpu = (statistics.median(pair[place] for pair in ours) for place in (0, 1))
            ratio = statistics.median(a[1] / b[1] for a, b in zip(ours, plain, strict=True))
            print(f"{task:18}{wall:8.2f}{cpu:8.2f}{made.stat().st_size / 1000:8.0f}{ratio:20.2f}")


if __name__ == "__main__":
    main()
