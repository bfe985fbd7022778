"""An `SQLiteJournal` that several processes use: they race, fork, and are killed."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.journals import exit_code, in_child, in_children
from support.programs import UNMEASURED

from decart import SQLiteJournal
from decart.journal.samples import record

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="only where there is fork"),
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),
]


def check(path: Path) -> None:
    """Check that a database is intact."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


@contextlib.contextmanager
def writing(journal: SQLiteJournal) -> Iterator[list[str]]:
    """Have a thread insert records all the time; yield their labels."""
    labels: list[str] = []
    over, begun = threading.Event(), threading.Event()

    def write() -> None:
        while not over.is_set():
            label = f"thread-{len(labels)}"
            assert journal.insert(record(label)) is True
            labels.append(label)
            begun.set()

    thread = threading.Thread(target=write)
    thread.start()
    begun.wait(30)
    try:
        yield labels
    finally:
        over.set()
        thread.join()


def test_eight_processes_insert_each_label_once(path: Path) -> None:
    def insert_50() -> list[bool]:
        journal = SQLiteJournal(path)
        inserted = [journal.insert(record(f"order-{number}")) for number in range(50)]
        journal.close()
        return inserted

    inserted = in_children(8, insert_50)
    assert [sum(column) for column in zip(*inserted, strict=True)] == [1] * 50
    assert len(SQLiteJournal(path).select()) == 50
    check(path)


def test_a_child_that_is_forked_while_a_thread_writes_has_connections_of_its_own(path: Path) -> None:
    journal = SQLiteJournal(path)
    with writing(journal) as labels:
        children = []
        for number in range(20):
            mine = record(f"child-{number}")
            children.append(in_child(lambda mine=mine: journal.insert(mine) and journal.latest(mine.label) == mine))
        assert [exit_code(pid) for pid in children] == [0] * 20
    expected = {*labels, *(f"child-{number}" for number in range(20))}
    assert {found.label for found in journal.select(limit=10**6)} == expected
    journal.close()
    check(path)


def test_the_records_of_a_child_outlive_the_parents_close_and_those_of_the_parent_the_childs(path: Path) -> None:
    """The last connection that is closed removes SQLite's log, so each process must see that of the other."""
    journal = SQLiteJournal(path)
    assert journal.insert(record("before")) is True
    go, done = os.pipe(), os.pipe()

    def work() -> bool:
        journal.insert(record("child 1"))
        os.write(done[1], b".")
        os.read(go[0], 1)
        journal.insert(record("child 2"))
        return len(journal.select()) == 4

    pid = in_child(work)
    os.read(done[0], 1)
    assert journal.insert(record("parent")) is True
    journal.close()
    os.write(go[1], b".")
    assert exit_code(pid) == 0
    assert {found.label for found in journal.select()} == {"before", "parent", "child 1", "child 2"}
    journal.close()
    for descriptor in (*go, *done):
        os.close(descriptor)
    check(path)


def test_children_of_children_work_too(path: Path) -> None:
    journal = SQLiteJournal(path)
    assert journal.insert(record("1")) is True
    pid = in_child(
        lambda: journal.insert(record("2")) and exit_code(in_child(lambda: journal.insert(record("3")))) == 0
    )
    assert exit_code(pid) == 0
    assert len(journal.select()) == 3
    journal.close()


USED_DURING_A_FORK = """
import gc, os, sys

# the hooks of a fork are called in reverse order, so this one uses the journal after the journal has closed all
os.register_at_fork(before=lambda: journal.latest("order-1"))
from decart import JournalError, SQLiteJournal
from decart.journal.samples import record

journal, unused = SQLiteJournal(sys.argv[1]), SQLiteJournal(sys.argv[1] + ".other")
journal.insert(record())
pid = os.fork()
if not pid:
    assert unused.insert(record())
    try:
        journal.insert(record("child"))
    except JournalError as error:
        print(error, flush=True)
    journal.close()
    del journal
    gc.collect()
    sys.exit()
assert os.waitpid(pid, 0)[1] == 0
assert os.path.exists(sys.argv[1] + "-wal"), "the child has closed the parent's connection"
assert journal.insert(record("parent"))
"""

FORK_WITHIN = """
import os, sys
from decart import JournalError, SQLiteJournal
from decart.journal.samples import record

def fork(event, _):
    global pid
    if event == "sqlite3.connect" and pid is None:
        pid = os.fork()
        if not pid:
            try:
                journal.latest("order-1")
            except JournalError as error:
                print(error, flush=True)
            os._exit(0)

pid = None
journal = SQLiteJournal(sys.argv[1])
sys.addaudithook(fork)
assert journal.insert(record())
assert os.waitpid(pid, 0)[1] == 0
assert journal.insert(record("parent"))
"""


@pytest.mark.parametrize("program", [USED_DURING_A_FORK, FORK_WITHIN])
def test_a_child_that_was_forked_during_a_use_is_refused_and_closes_nothing(path: Path, program: str) -> None:
    """A fork cannot wait for what its own thread is doing, as when a signal handler forks."""
    ended = subprocess.run([sys.executable, "-W", "error", "-c", program, path], capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == (
        f"The journal {path} was in use when this process was forked, and cannot be used here. "
        "Call its close() before the fork.\n"
    )
    assert [found.label for found in SQLiteJournal(path).select()] == ["order-1", "parent"]


COPIES = """
import os, sys
from decart import MemoryJournal
from decart.integrations.sql import SQLAlchemyJournal
from decart.journal.samples import record

journals = MemoryJournal(), SQLAlchemyJournal("sqlite:///" + sys.argv[1])
assert all(journal.insert(record()) for journal in journals)
pid = os.fork()
assert [journal.insert(record()) for journal in journals] == [False, False]
if not pid:
    assert [journal.insert(record("child")) for journal in journals] == [True, True]
    journals[1].close()
    sys.exit()
assert os.waitpid(pid, 0)[1] == 0
assert [journal.insert(record("child")) for journal in journals] == [True, False]
journals[1].close()
"""


def test_a_forked_child_has_a_copy_of_a_journal_in_memory_and_shares_a_database(path: Path) -> None:
    ended = subprocess.run([sys.executable, "-W", "error", "-c", COPIES, path], capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")


KILLED = """
import sys
from decart import SQLiteJournal
from decart.journal.samples import record
journal = SQLiteJournal(sys.argv[1])
for number in range(1_000_000):
    first = record(f"{sys.argv[2]}-{number}", error="x" * 3000)
    assert journal.insert(first)
    print(number, 0, flush=True)
    assert journal.replace(first.changed(1001.0, state="sending"))
    print(number, 1, flush=True)
"""


@pytest.mark.slow
@pytest.mark.heavy
def test_a_process_that_is_killed_loses_nothing_that_was_written(path: Path) -> None:
    moments = random.Random(1)
    journal = SQLiteJournal(path)
    for attempt in range(50):
        program = [sys.executable, "-c", KILLED, str(path), str(attempt)]
        with subprocess.Popen(program, stdout=subprocess.PIPE, text=True, env=UNMEASURED) as process:
            assert process.stdout is not None
            written = [process.stdout.readline() for _ in range(moments.randrange(1, 40))]
            process.send_signal(signal.SIGKILL)
            written += process.stdout.readlines()
        found = {each.label: each.revision for each in journal.select(prefix=f"{attempt}-")}
        said = {f"{attempt}-{line.split()[0]}": int(line.split()[1]) for line in written if line.endswith("\n")}
        assert all(found[label] >= revision for label, revision in said.items())
        assert sum(found.values()) + len(found) - sum(said.values()) - len(said) <= 1, (
            "only the last write is uncertain"
        )
        check(path)
    journal.close()
