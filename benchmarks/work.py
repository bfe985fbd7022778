"""What is done inside the fresh process: one thing, by one peer, measured and checked; the figures go out as JSON.

Run by the harness: ``python work.py <verb> <peer> <JSON>``. Memory is the peak of this process while it does the thing,
less what it had in memory just before, when a small one of the same kind has warmed everything up.
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

SMALL = 64 * 1024  # bytes of what warms up
Figures = dict[str, Any]


def peak_memory() -> int:
    """Return the most bytes that this process has had in memory so far.

    Linux hands ``ru_maxrss`` down from the process that started this one, and so hides whatever stays below that one's
    peak; ``VmHWM`` is the process's own.
    """
    try:
        status = Path("/proc/self/status").read_text("ascii")
    except OSError:
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
    return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) * 1024


def forget_peak() -> None:
    """Let the peak begin anew at what is in memory now, where the system can."""
    try:
        Path("/proc/self/clear_refs").write_text("5", "ascii")
    except OSError:
        return  # then what follows has to rise above the peak so far, to be seen


def measured(act: Callable[[], Any]) -> tuple[Any, Figures]:
    """Do it, and return what it gave and what it took."""
    forget_peak()
    before, cpu, began = peak_memory(), time.process_time(), time.perf_counter()
    value = act()
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    return value, {"seconds": seconds, "cpu": cpu, "extra": peak_memory() - before}


def finished(size: int) -> str:
    """Return the id of a job that is done, with a video of so many bytes."""
    return f"video.{size}"


def blocks(data: bytes) -> Iterator[bytes]:
    """Cut a video into its blocks."""
    return (data[start : start + BLOCK] for start in range(0, len(data), BLOCK))


def upload(peer: Peer, size: int, path: str) -> Figures:
    """Upload a file of so many bytes."""
    with tempfile.TemporaryDirectory() as folder:
        small = Path(folder, "small.mp4")
        make_file(small, SMALL)
        peer.upload(small)
    answer, figures = measured(lambda: peer.upload(Path(path)))
    verdict, announced, received, _ = answer.split("-")
    framing = int(received) - size
    return {**figures, "framing": framing, "right": (verdict, announced) == ("whole", received) and 0 < framing < 1000}


def result(peer: Peer, size: int) -> Figures:
    """Take a video of so many bytes into memory."""
    peer.result(finished(SMALL))
    data, figures = measured(lambda: peer.result(finished(size)))
    return {**figures, "right": isinstance(data, bytes) and is_video(blocks(data), size)}


def download(peer: Peer, size: int) -> Figures:
    """Take a video of so many bytes into a file."""
    with tempfile.TemporaryDirectory() as folder:
        peer.download(finished(SMALL), Path(folder, "small.mp4"))
        path = Path(folder, "large.mp4")
        _, figures = measured(lambda: peer.download(finished(size), path))
        with path.open("rb") as file:
            return {**figures, "right": is_video(iter(lambda: file.read(BLOCK), b""), size)}


def status(peer: Peer, calls: int) -> Figures:
    """Ask for the status so many times."""
    peer.statuses(finished(0), max(1, calls // 7))
    last, figures = measured(lambda: peer.statuses(finished(0), calls))
    return {**figures, "right": last == "completed"}


def jobs(peer: Peer, many: int) -> Figures:
    """Do so many jobs at the same time, after a few that are not counted, so that imports are not measured."""
    peer.jobs(2)
    videos, figures = measured(lambda: peer.jobs(many))
    return {**figures, "right": len(videos) == many and all(is_video(blocks(video), VIDEO) for video in videos)}


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
    os._exit(0)  # whatever the peers leave open ends here


if __name__ == "__main__":
    main()
