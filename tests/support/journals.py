"""Helpers for tests of journals in files."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from decart import JournalError, SQLiteJournal


@contextlib.contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a database as another program does."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        yield connection


def raises(journal: SQLiteJournal, reason: str) -> Any:
    """Expect an error that names the file and says what is wrong and what to do, and has no statement in it."""
    return pytest.raises(JournalError, match=rf"^The journal {journal.path} cannot be used: {reason}\. [A-Z].*\.$")


@contextlib.contextmanager
def at_work(call: Any) -> Iterator[list[Any]]:
    """Call a function in a thread that is awaited at the end."""
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(call()))
    thread.start()
    try:
        yield results
    finally:
        thread.join()


def in_child(work: Callable[[], object]) -> int:
    """Do something in a forked child; return its process id. It ends with 0 if the result is true."""
    pid = os.fork()
    if not pid:
        status = 2
        try:
            status = 0 if work() else 1
        finally:
            os._exit(status)
    return pid


def exit_code(pid: int) -> int:
    """Wait for a child; return its exit code."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def in_children(count: int, work: Callable[[], list[bool]]) -> list[list[bool]]:
    """Do the same in several forked children that start together; return the results."""
    start = os.pipe()
    pipes = [os.pipe() for _ in range(count)]

    def child(output: int) -> bool:
        os.close(start[1])
        os.read(start[0], 1)  # until the parent has closed its end
        os.write(output, json.dumps(work()).encode())
        return True

    children = [in_child(lambda output=write: child(output)) for _, write in pipes]
    for end in (*start, *(write for _, write in pipes)):
        os.close(end)
    assert [exit_code(pid) for pid in children] == [0] * count
    results = []
    for read, _ in pipes:
        with open(read) as file:
            results.append(json.load(file))
    return results
