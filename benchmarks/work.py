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
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from peers import NotAvailableError, Peer, make
from server import BLOCK, VIDEO, is_video, make_file
from ways import WAYS

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
    verdict, announced, received, *_ = job_id.split("-")
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


def saved(peer: Peer, way: str, many: int) -> Figures:
    """Run ``many`` jobs at once and save each to a file; the memory counts from the import of the peer's library."""
    with tempfile.TemporaryDirectory() as folder, counted_threads() as counts:
        times, figures = measured(lambda: WAYS[way](peer, many, Path(folder)))
        videos = [path.read_bytes() for path in Path(folder).iterdir()]
    correct = len(times) == len(videos) == many and all(is_video(blocks(video), VIDEO) for video in videos)
    return {**figures, "saved": times, "threads": max(counts), "correct": correct}


def virtual(peer: Peer, server: str, many: int, in_flight: int, **durations: float) -> Figures:
    """Run ``many`` jobs in a pool on a virtual clock, and save them; see ``virtual.py``."""
    from virtual import opened, save  # it imports the decart of the peer

    with tempfile.TemporaryDirectory() as folder, opened(server, **durations) as (client, report):
        videos = Path(folder, "videos")
        save(client, 2, in_flight, Path(folder, "warm-up"))
        before = report()
        count, figures = measured(lambda: save(client, many, in_flight, videos))
        seen = {name: value - before[name] for name, value in report().items()}
        sizes = [path.stat().st_size for path in videos.iterdir()]
    return {**figures, **seen, "correct": count == len(sizes) == many and len(set(sizes)) == 1}


def waiter(peer: Peer, many: int, shortest: float, longest: float) -> Figures:
    """Compute the status checks of a single waiter for the same jobs; see ``virtual.py``."""
    from virtual import single_waiter  # it imports the decart of the peer

    return single_waiter(shortest, longest, many)


@contextmanager
def counted_threads() -> Iterator[list[int]]:
    """Count the threads of this process, without the one that counts, every 20 ms during the block."""
    counts, over = [threading.active_count()], threading.Event()

    def count() -> None:
        while True:
            ended = over.wait(0.02)
            counts.append(threading.active_count() - 1)
            if ended:
                return

    counter = threading.Thread(target=count)
    counter.start()
    try:
        yield counts
    finally:
        over.set()
        counter.join()


VERBS: dict[str, Callable[..., Figures]] = {
    "upload": upload,
    "result": result,
    "download": download,
    "status": status,
    "jobs": jobs,
    "saved": saved,
    "virtual": virtual,
    "waiter": waiter,
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
