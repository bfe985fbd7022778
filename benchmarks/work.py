"""The program of the fresh processes: one peer performs one task; print the figures as JSON.

Run by the harness: ``python work.py <verb> <peer> <JSON>``. The memory is the peak of this process during the task,
minus what it used before, after a small task of the same kind has warmed everything up.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from peers import NotAvailableError, Peer, make
from server import BLOCK, VIDEO, is_video, make_file

SMALL = 64 * 1024  # bytes of the warm-up
Figures = dict[str, Any]


def peak_memory() -> int:
    """Return the peak memory of this process so far, in bytes.

    On Linux ``ru_maxrss`` starts at the peak of the parent process, and so hides everything below that; ``VmHWM`` does
    not.
    """
    try:
        status = Path("/proc/self/status").read_text("ascii")
    except OSError:
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
    return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) * 1024


def reset_peak() -> None:
    """Reset the peak to the current memory use, where the system supports it."""
    try:
        Path("/proc/self/clear_refs").write_text("5", "ascii")
    except OSError:
        return  # only what exceeds the peak so far will be noticed


def measured(act: Callable[[], Any]) -> tuple[Any, Figures]:
    """Call a function, and return its result and the figures."""
    reset_peak()
    before, cpu, began = peak_memory(), time.process_time(), time.perf_counter()
    value = act()
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    return value, {"seconds": seconds, "cpu": cpu, "extra": peak_memory() - before}


def finished(size: int) -> str:
    """Return the ID of a completed job whose video has ``size`` bytes."""
    return f"video.{size}"


def blocks(data: bytes) -> Iterator[bytes]:
    """Split a video into its blocks."""
    return (data[start : start + BLOCK] for start in range(0, len(data), BLOCK))


def upload(peer: Peer, size: int, path: str) -> Figures:
    """Upload a file of ``size`` bytes."""
    with tempfile.TemporaryDirectory() as folder:
        small = Path(folder, "small.mp4")
        make_file(small, SMALL)
        peer.upload(small)
    job_id, figures = measured(lambda: peer.upload(Path(path)))
    verdict, announced, received, _ = job_id.split("-")
    framing = int(received) - size
    correct = (verdict, announced) == ("complete", received) and 0 < framing < 1000
    return {**figures, "framing": framing, "correct": correct}


def result(peer: Peer, size: int) -> Figures:
    """Load a video of ``size`` bytes into memory."""
    peer.result(finished(SMALL))
    data, figures = measured(lambda: peer.result(finished(size)))
    return {**figures, "correct": isinstance(data, bytes) and is_video(blocks(data), size)}


def download(peer: Peer, size: int) -> Figures:
    """Download a video of ``size`` bytes to a file."""
    with tempfile.TemporaryDirectory() as folder:
        peer.download(finished(SMALL), Path(folder, "small.mp4"))
        path = Path(folder, "large.mp4")
        _, figures = measured(lambda: peer.download(finished(size), path))
        with path.open("rb") as file:
            return {**figures, "correct": is_video(iter(lambda: file.read(BLOCK), b""), size)}


def status(peer: Peer, calls: int) -> Figures:
    """Check the status ``calls`` times."""
    peer.statuses(finished(0), max(1, calls // 7))
    last, figures = measured(lambda: peer.statuses(finished(0), calls))
    return {**figures, "correct": last == "completed"}


def jobs(peer: Peer, many: int) -> Figures:
    """Run ``many`` jobs concurrently, after two uncounted ones, so that imports are not measured."""
    peer.jobs(2)
    videos, figures = measured(lambda: peer.jobs(many))
    return {**figures, "correct": len(videos) == many and all(is_video(blocks(video), VIDEO) for video in videos)}


VERBS: dict[str, Callable[..., Figures]] = {
    "upload": upload,
    "result": result,
    "download": download,
    "status": status,
    "jobs": jobs,
}


def main() -> None:
    verb, name, given = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
    try:
        peer = make(name, given.pop("url"))
        figures = VERBS[verb](peer, **given)
    except NotAvailableError as why:
        figures = {"missing": str(why)}
    print(json.dumps(figures))
    sys.stdout.flush()
    os._exit(0)  # without waiting for anything that the peer left open


if __name__ == "__main__":
    main()
