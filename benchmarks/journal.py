"""Compare a submit that a journal records with a plain one, with an empty journal and with one of many records.

Run: python benchmarks/journal.py [--calls 200] [--records 100000] [--folder .] [--quick]
Needs: pip install .

The journals are SQLite files in ``--folder``, which should be on the disk that you ask about: most of the time is spent
on its ``fsync``, which is measured, too. The server is a separate process that responds at once. In each turn every
client submits once, in random order; what a journal costs is the median of the differences to the plain submit of the
same turn.

The target: a journal adds at most 5 ms to a submit, however many records it has.
"""

from __future__ import annotations

import argparse
import os
import random
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, BinaryIO

import attrs
from harness import service

from decart import DecartClient, JobRecord, SQLiteJournal, models
from decart.journal.rows import COLUMNS, to_row

MOST = 5.0  # milliseconds
WARM_UP = 3  # turns
JOB: Any = {"model": models.video("lucy-pro-t2v"), "prompt": "A serene lake at sunset"}


def fill(path: Path, template: JobRecord, records: int) -> None:
    """Add records of jobs that were delivered, in one transaction, which a journal itself has no need for."""
    rows = (
        to_row(
            attrs.evolve(
                template,
                label=f"earlier-{number}",
                state="delivered",
                job_id=f"job-{number}",
                created_at=template.created_at - records + number,
            )
        )
        for number in range(records)
    )
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executemany(f"INSERT INTO jobs VALUES (:{', :'.join(COLUMNS)})", rows)


def write_through(file: BinaryIO) -> None:
    """Put a page on the disk, which a journal does three times for each submit."""
    file.write(bytes(4096))
    os.fsync(file.fileno())


def measure(actions: dict[str, Callable[[int], object]], calls: int) -> dict[str, list[float]]:
    """Take so many turns, in which every action has the number of the turn; return the milliseconds of each."""
    took: dict[str, list[float]] = {name: [] for name in actions}
    for turn in range(-WARM_UP, calls):
        for name in random.sample(list(actions), len(actions)):
            began = time.perf_counter()
            actions[name](turn)
            if turn >= 0:
                took[name].append((time.perf_counter() - began) * 1000)
    return took


def main() -> None:
    """Print the medians, and whether the target was met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=200, help="submits of each client")
    parser.add_argument("--records", type=int, default=100_000, help="records of the large journal")
    parser.add_argument("--folder", type=Path, default=Path(), help="where to put the journals")
    parser.add_argument("--quick", action="store_true", help="only check that everything works")
    given = parser.parse_args()
    calls, records = (5, 100) if given.quick else (given.calls, given.records)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=given.folder)))
        server = stack.enter_context(service())

        def client(journal: SQLiteJournal | None) -> DecartClient:
            made = stack.enter_context(DecartClient("dct_benchmark", base_url=server.url, journal=journal))
            if journal is not None:
                stack.callback(journal.close)
            return made

        disk = stack.enter_context((folder / "disk").open("wb", buffering=0))
        plain = client(None).queue
        empty = client(SQLiteJournal(folder / "empty.db")).queue
        large = client(SQLiteJournal(folder / "large.db"))
        large.queue.submit(JOB, label="template")
        template = large.jobs.get("template")
        assert template is not None
        fill(folder / "large.db", template, records)
        actions: dict[str, Callable[[int], object]] = {
            "plain": lambda turn: plain.submit(JOB),
            "empty journal": lambda turn: empty.submit(JOB, label=f"order{turn}"),
            f"{records:,} records": lambda turn: large.queue.submit(JOB, label=f"order{turn}"),
            "nothing but one fsync": lambda turn: write_through(disk),
            "a label that has a job": lambda turn: large.queue.submit(JOB, label="template"),
        }
        took = measure(actions, calls)
    added = {}
    print(f"{'submit':24}{'median':>10}{'95 %':>10}{'above plain':>14}")
    for name, times in took.items():
        added[name] = statistics.median(one - plain for one, plain in zip(times, took["plain"], strict=True))
        above = "" if name == "plain" else f"{added[name]:+.2f} ms"
        print(f"{name:24}{statistics.median(times):7.2f} ms{sorted(times)[len(times) * 95 // 100]:7.2f} ms{above:>14}")
    if given.quick:
        print("A check that everything works: these figures are meaningless.")
    else:
        met = "met" if max(added.values()) <= MOST else "missed"
        print(f"The target, at most {MOST:g} ms above plain, was {met}.")


if __name__ == "__main__":
    main()
