"""A program that forks at a certain moment, and reports what happened in the child and in the parent."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
import threading
import warnings
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from decart import AsyncDecartClient, DecartSDKError, Progress, RetryPolicy, models
from workers.answers import content_of, id_of, name
from workers.control import ask, ended, fork, in_threads, waiting
from workers.mix import new_client


def stream() -> list[str]:
    """Fork in the middle of a stream, and drop it in the child."""
    job_id = name("half")
    client = new_client()
    with client.queue.stream(job_id) as video:
        first = next(video)
        child = ended(fork(video.close))
        ask("release")
        whole = first + b"".join(video) == content_of(job_id)
    return [child, "whole" if whole else "not whole"]


def awaited() -> list[str]:
    """Fork while a submit is awaited, and close the client in the child."""
    client, prompt, reported = new_client(), name("held"), []

    def submit() -> None:
        try:
            order: Any = {"model": models.video("lucy-pro-t2v"), "prompt": prompt}
            reported.append(asyncio.run(client.aio.queue.submit(order)).job_id)
        except DecartSDKError as error:
            reported.append(str(error))

    (thread,) = in_threads(submit)
    waiting(1)
    child = ended(fork(client.close))
    ask("release")
    thread.join()
    return [child, "accepted" if reported == [id_of(prompt)] else reported[0]]


def loop(what: str) -> list[str]:
    """Fork while a loop of the parent runs in another thread, and use the client on a loop of the child."""
    client = AsyncDecartClient(transport="aiohttp", retry=RetryPolicy(attempts=1))
    begun, over = threading.Event(), threading.Event()
    reported = []

    async def parent() -> None:
        await client.queue.status(name("job"))
        begun.set()
        await asyncio.to_thread(over.wait)
        reported.append((await client.queue.status(name("job"))).status)
        await client.close()

    async def child() -> None:
        await client.queue.status(name("job"))
        if what == "close":
            await client.close()

    (thread,) = in_threads(partial(asyncio.run, parent()))
    begun.wait()
    end = ended(fork(lambda: asyncio.run(child())))
    over.set()
    thread.join()
    return [end, *reported]


def download() -> list[str]:
    """Fork in the middle of a download that breaks off, and go on with it while the child lives."""
    client, job_id, done = new_client(), name("half"), []

    def break_off(path: Path) -> None:
        with suppress(DecartSDKError):
            client.queue.download(job_id, path)

    def note(progress: Progress) -> None:
        done.append(progress.done)

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "video.mp4")
        (thread,) = in_threads(partial(break_off, path))
        waiting(1)
        reading, writing = os.pipe()
        child = fork(partial(os.read, reading, 1))
        ask("break")
        thread.join()
        ask("release")
        client.queue.download(job_id, path, progress=note)
        os.write(writing, b"!")
        whole = path.read_bytes() == content_of(job_id)
        left = os.listdir(folder) == [path.name]
    return [ended(child), "complete" if whole else "incomplete", "resumed" if done[0] and left else "restarted"]


if __name__ == "__main__":
    warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
    # In the child, Python frees the objects of the parent's other threads, which were never closed
    warnings.filterwarnings("ignore", "unclosed <socket", ResourceWarning)
    json.dump(globals()[sys.argv[1]](*sys.argv[2:]), sys.stdout)
