"""The ways in which a peer can run many jobs at once in one process, and save each video to a file of its own.

Each way takes a peer, the number of jobs and a folder, and returns when each job's video was saved, on the monotonic
clock of this machine, by the ID of the job. All of them start at once, as a script would.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from peers import KEY, AsyncPeer, Peer, pauses, to_disk

Saved = dict[str, float]


def in_pool(peer: Any, many: int, folder: Path, **options: Any) -> Saved:
    """Run the jobs in a pool of decart, with its defaults."""
    from decart import DecartClient

    saved: Saved = {}

    def note(future: Future[Any]) -> None:
        saved[future.result().job_id] = time.monotonic()

    with (
        DecartClient(KEY, base_url=peer.url, **peer.options) as client,
        client.queue.pool(max_in_flight=many, **options) as pool,
    ):
        for number in range(many):
            pool.submit(peer.form, save_to=folder / f"{number}.mp4").add_done_callback(note)
    return saved


def in_async_pool(peer: Any, many: int, folder: Path) -> Saved:
    """Run the jobs in a pool of decart's async client, with its defaults."""
    from decart import AiohttpTransport, AsyncDecartClient

    saved: Saved = {}

    def note(future: asyncio.Future[Any]) -> None:
        saved[future.result().job_id] = time.monotonic()

    async def run() -> None:
        async with (
            AsyncDecartClient(KEY, base_url=peer.url, transport=AiohttpTransport()) as client,
            client.queue.pool(max_in_flight=many) as pool,
        ):
            for number in range(many):
                pool.submit(peer.form, save_to=folder / f"{number}.mp4").add_done_callback(note)

    peer.wait(run())
    return saved


def in_threads(peer: Peer, many: int, folder: Path) -> Saved:
    """Run each job in a thread of its own, which polls it."""
    saved: Saved = {}

    def run(path: Path) -> None:
        job_id = peer.submit()
        for pause in pauses():
            time.sleep(pause)
            if peer.status(job_id) == "completed":
                break
        peer.download(job_id, path)
        saved[job_id] = time.monotonic()

    threads = [threading.Thread(target=run, args=(folder / f"{number}.mp4",)) for number in range(many)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return saved


def in_tasks(peer: AsyncPeer, many: int, folder: Path) -> Saved:
    """Run each job in a task of its own, which polls it, and write its file in a thread."""
    saved: Saved = {}

    async def run(path: Path) -> None:
        job_id = await peer.asubmit()
        for pause in pauses():
            await asyncio.sleep(pause)
            if await peer.astatus(job_id) == "completed":
                break
        await asyncio.to_thread(to_disk, [await peer.aresult(job_id)], path)
        saved[job_id] = time.monotonic()

    async def gather() -> None:
        await asyncio.gather(*(run(folder / f"{number}.mp4") for number in range(many)))

    peer.wait(gather())
    return saved


WAYS: dict[str, Callable[[Any, int, Path], Saved]] = {
    "pool": in_pool,
    "async pool": in_async_pool,
    "threads": in_threads,
    "tasks": in_tasks,
}
