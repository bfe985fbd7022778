"""An `SQLiteJournal` that several processes use: they race, fork, and are killed."""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.programs import UNMEASURED

from decart import JournalError, MemoryJournal, SQLiteJournal
from decart.journal.samples import record

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="only where there is fork"),
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "jobs.db"


def in_child(work: Callable[[], object], fork: Callable[[], int] = os.fork) -> int:
    """Do something in a forked child; return its process id. It ends with 0 if the result is true."""
    pid = fork()
    if not pid:
        status = 2
        try:
            status = 0 if work() else 1
        finally:
            os._exit(status)
    return pid


def exit_code(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


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


def insert_50(path: str) -> list[bool]:
    journal = SQLiteJournal(path)
    inserted = [journal.insert(record(f"order-{number}")) for number in range(50)]
    journal.close()
    return inserted


def test_eight_processes_insert_each_label_once(path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(8) as pool:
        inserted = pool.map(insert_50, [str(path)] * 8, chunksize=1)
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
    pid = in_child(lambda: journal.insert(record("2")) and exit_code(in_child(lambda: journal.insert(record("3")))) == 0)
    assert exit_code(pid) == 0
    assert len(journal.select()) == 3
    journal.close()


FORK_UNSEEN = """
import ctypes, gc, os, sys, threading
from decart import JournalError, SQLiteJournal
from decart.journal.samples import record

def fork():
    # as a program does that embeds Python, such as uWSGI
    pid = ctypes.PyDLL(None).fork()
    if not pid:
        ctypes.pythonapi.PyOS_AfterFork_Child()
    return pid

journal, unused = SQLiteJournal(sys.argv[1]), SQLiteJournal(sys.argv[2])
journal.insert(record())
pid = fork()
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


def test_a_child_of_which_the_parent_did_not_know_is_refused_and_closes_nothing(path: Path) -> None:
    program = [sys.executable, "-W", "error", "-c", FORK_UNSEEN, str(path), f"{path}.other"]
    ended = subprocess.run(program, capture_output=True, text=True, env={**os.environ, "PYTHONDEVMODE": "1"})
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == (
        f"The journal {path} was in use when this process was forked, and cannot be used here. "
        "Call its close() before the fork.\n"
    )
    assert [found.label for found in SQLiteJournal(path).select()] == ["order-1", "parent"]


def test_a_fork_in_the_middle_of_a_transaction_of_the_same_thread_does_not_hang(path: Path) -> None:
    """A signal handler may fork. It cannot wait for what it has interrupted, so the child is refused."""
    journal = SQLiteJournal(path)
    assert journal.insert(record()) is True
    codes: list[int] = []

    def refused() -> bool:
        with pytest.raises(JournalError, match="was in use when this process was forked"):
            journal.latest("order-1")
        return True

    class Forks(dict[str, str]):
        """A mapping that is read while a record is inserted."""

    def fork(*_: object) -> None:
        codes.append(exit_code(in_child(refused)))

    with forking_at_a_statement(fork):
        assert journal.latest("order-1") == record()
    assert codes == [0]
    assert journal.insert(record("order-2")) is True
    journal.close()


@contextlib.contextmanager
def forking_at_a_statement(fork: Callable[[], None]) -> Iterator[None]:
    """Call a function when the next connection is opened, which happens in the middle of a use."""
    pending = True

    def hook(event: str, _: object) -> None:
        nonlocal pending
        if pending and event == "sqlite3.connect":
            pending = False
            fork()

    sys.addaudithook(hook)
    yield
    pending = False


def test_a_forked_child_has_a_copy_of_a_journal_in_memory() -> None:
    journal = MemoryJournal()
    assert journal.insert(record()) is True
    assert exit_code(in_child(lambda: journal.insert(record("child")) and not journal.insert(record()))) == 0
    assert len(journal.select()) == 1
    assert journal.insert(record("child")) is True


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
        assert sum(found.values()) + len(found) - sum(said.values()) - len(said) <= 1, "only the last write is uncertain"
        check(path)
    journal.close()
