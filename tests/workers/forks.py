"""A program that forks while its threads make calls of one client, which all its processes share.

It prints the results of all calls in all processes, those of the parent first.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
import threading
import warnings
from functools import partial
from pathlib import Path

from workers.answers import Gave, name
from workers.control import ask, ended, fork, in_threads, waiting
from workers.mix import asked_for, new_client, one_of_each

CHILDREN, THREADS, ROUNDS = 4, 4, 6
HELD = 2  # calls that get their answer when all children have ended
SECONDS = 40  # that a child may take; never reached when all is well

client = new_client()
made: list[Gave] = []


def rounds() -> None:
    for _ in range(ROUNDS):
        made.extend(one_of_each(client))


async def awaited() -> None:
    """Make some calls on an event loop, all at once."""
    asked = [name("failed") for _ in range(ROUNDS)]
    for job in await asyncio.gather(*map(client.aio.queue.status, asked)):
        made.append(Gave(verb="status", process=os.getpid(), asked=job.job_id, gave=str(job.error)))


def child(notes: Path) -> None:
    """Use the client in a child as in any process, and close it."""
    made.clear()
    for thread in in_threads(*[rounds] * THREADS):
        thread.join()
    asyncio.run(awaited())
    client.close()
    notes.write_text(json.dumps(made), "utf-8")


def parent(folder: Path) -> None:
    """Make calls without a pause, and have children meanwhile."""
    over = threading.Event()

    def go_on() -> None:
        while not over.is_set():
            made.extend(one_of_each(client))

    held = in_threads(*[lambda: made.append(asked_for(client, "stream", "half"))] * HELD)
    waiting(HELD)
    busy = in_threads(*[go_on] * THREADS)
    children = [fork(partial(child, folder / f"{number}.json"), SECONDS) for number in range(CHILDREN)]
    ends = [ended(process) for process in children]
    over.set()
    ask("release")
    for thread in held + busy:
        thread.join()
    assert set(ends) == {"well"}, ends


def main() -> None:
    warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
    made.extend(one_of_each(client))  # what is imported on first use is imported before there are threads
    with tempfile.TemporaryDirectory() as folder:
        parent(Path(folder))
        notes = [json.loads(path.read_text("utf-8")) for path in Path(folder).iterdir()]
    json.dump(made + [call for note in notes for call in note], sys.stdout)


if __name__ == "__main__":
    main()
