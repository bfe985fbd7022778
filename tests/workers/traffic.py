"""A program that does the work of a busy web app, as fast as possible, and measures what it leaves behind.

That is one job per second. Each is submitted, polled and fetched by short-lived threads; some fail, some are saved to a
file, some are streamed and abandoned half-way, some are awaited. What a client keeps on purpose is limited, and full
after the warm-up. Then the growth of the process is measured, per job:

- ``rss``: bytes of memory, as the system counts them;
- ``blocks``: memory blocks that Python has allocated;
- ``files`` and ``threads``: open files and running threads.

``python -m workers.traffic <jobs>`` prints these as JSON, and the same figures if each job leaks ``LEAK`` bytes. It
should be run with ``STEADY`` in its environment. Linux only.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
import tempfile
import threading
from pathlib import Path

import attrs

from decart import DecartClient, models
from workers.answers import content_of, id_of, name, reason_of
from workers.mix import QUICK, new_client

REMEMBERED = 1_000  # jobs that a client remembers
LEAKING = 500  # jobs that leak on purpose
THREADS, EACH = 12, 5  # at the same time; jobs of one, before another takes its place
LEAK = 2048
STEADY = {"MALLOC_ARENA_MAX": "1", "MALLOC_TRIM_THRESHOLD_": "65536", "MALLOC_MMAP_THRESHOLD_": "65536"}
"""Has glibc keep all in one place and give back what is free: else a heap for each thread hides what is looked for."""


@attrs.frozen
class Size:
    """How large this process is."""

    rss: int
    blocks: int
    files: int
    threads: int

    @classmethod
    def now(cls) -> Size:
        for _ in range(3):
            gc.collect()
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
        files = len(os.listdir("/proc/self/fd"))
        return cls(pages * os.sysconf("SC_PAGE_SIZE"), sys.getallocatedblocks(), files, threading.active_count())


class App:
    """What the app does with its jobs: one way after another, over and over."""

    def __init__(self, client: DecartClient, folder: Path) -> None:
        self._client, self._folder = client, folder
        self.leak = 0
        self._leaked: list[bytes] = []
        self._ways = (self._in_memory, self._to_a_file, self._half_streamed, self._awaited, self._failed)
        self._wrong: list[str] = []

    def work(self, jobs: int) -> int:
        """Run at least this number of jobs, divided among threads; return the actual number."""
        turns = -(-jobs // (THREADS * EACH))
        for _ in range(turns):
            threads = [threading.Thread(target=self._some) for _ in range(THREADS)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert not self._wrong, self._wrong[:5]
        return turns * THREADS * EACH

    def submit(self, jobs: int) -> None:
        """Submit jobs that are then abandoned."""
        for _ in range(jobs):
            self._submitted("job")

    def _some(self) -> None:
        for number in range(EACH):
            way = self._ways[number % len(self._ways)]
            if not way():
                self._wrong.append(way.__name__)
            if self.leak:
                self._leaked.append(bytes(self.leak))

    def _submitted(self, kind: str) -> str:
        prompt = name(kind)
        job = self._client.queue.submit({"model": models.video("lucy-pro-t2v"), "prompt": prompt})
        assert job.job_id == id_of(prompt)
        return job.job_id

    def _in_memory(self) -> bool:
        job_id = self._submitted("looks")
        return self._client.queue.poll(job_id, poll=QUICK).data == content_of(job_id)

    def _to_a_file(self) -> bool:
        job_id = self._submitted("looks")
        path = self._folder / job_id
        self._client.queue.poll(job_id, poll=QUICK, save_to=path)
        content = path.read_bytes()
        path.unlink()
        return content == content_of(job_id)

    def _half_streamed(self) -> bool:
        job_id = self._submitted("job")
        with self._client.queue.stream(job_id) as video:
            return content_of(job_id).startswith(next(video))

    def _awaited(self) -> bool:
        prompt = name("looks")
        order = {"model": models.video("lucy-pro-t2v"), "prompt": prompt}
        result = asyncio.run(self._client.aio.queue.submit_and_poll(order, poll=QUICK))
        return result.data == content_of(id_of(prompt))

    def _failed(self) -> bool:
        job_id = self._submitted("failed")
        return self._client.queue.poll(job_id, poll=QUICK).error == reason_of(job_id)


def growth(app: App, jobs: int) -> dict[str, float]:
    """Run some jobs, and return the resources that each has left behind."""
    before = Size.now()
    done = app.work(jobs)
    after = Size.now()
    return {name: (value - getattr(before, name)) / done for name, value in attrs.asdict(after).items()}


def main(jobs: int) -> None:
    with tempfile.TemporaryDirectory() as folder, new_client() as client:
        app = App(client, Path(folder))
        app.submit(REMEMBERED)
        app.work(max(jobs // 3, REMEMBERED))
        clean = growth(app, jobs * 2 // 3)
        app.leak = LEAK
        json.dump([clean, growth(app, LEAKING)], sys.stdout)


if __name__ == "__main__":
    main(int(sys.argv[1]))
