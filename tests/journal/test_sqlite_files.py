"""The file of an `SQLiteJournal`: who can read it, which versions there are, and what may be wrong with it."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from support.journals import at_work, opened
from support.programs import UNMEASURED
from support.resources import nothing_left

from decart import InvalidInputError, JournalError, SQLiteJournal
from decart.journal.conformance import at_once
from decart.journal.samples import record
from decart.journal.schema import MIGRATIONS, prepare


def test_its_files_are_readable_by_their_owner_only_from_the_beginning(path: Path, journal: SQLiteJournal) -> None:
    before = os.umask(0)
    try:
        assert journal.insert(record()) is True
    finally:
        os.umask(before)
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    assert modes == {"jobs.db": 0o600, "jobs.db-wal": 0o600, "jobs.db-shm": 0o600}


def test_a_file_that_is_created_through_a_symbolic_link_is_private_too(path: Path, journal: SQLiteJournal) -> None:
    path.symlink_to("real.db")
    assert journal.insert(record()) is True
    assert stat.S_IMODE(path.with_name("real.db").stat().st_mode) == 0o600


def test_a_file_with_other_permissions_keeps_them(path: Path, journal: SQLiteJournal) -> None:
    path.touch()
    path.chmod(0o660)
    assert journal.insert(record()) is True
    assert stat.S_IMODE(path.stat().st_mode) == 0o660


def test_nothing_is_created_before_the_first_use_and_only_the_file_is_left_after_the_last(
    path: Path, journal: SQLiteJournal
) -> None:
    assert list(path.parent.iterdir()) == []
    assert journal.select() == []
    journal.close()
    assert list(path.parent.iterdir()) == [path]


def test_every_change_is_synchronized_with_the_disk(path: Path, journal: SQLiteJournal) -> None:
    """SQLite has no way to ask another connection, so its system calls are counted."""
    program = f"""
from decart import SQLiteJournal
from decart.journal.samples import record
journal = SQLiteJournal({str(path)!r})
journal.insert(first := record())
print("begin", flush=True)
journal.insert(record("order-2"))
journal.replace(first.changed(1001.0, state="sending"))
print("end", flush=True)
"""
    try:
        subprocess.run(["strace", "-V"], check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("no strace to count system calls with")
    traced = subprocess.run(
        ["strace", "-f", "-e", "trace=fsync,fdatasync,write", sys.executable, "-c", program],
        capture_output=True,
        text=True,
        env=UNMEASURED,
    )
    during = traced.stderr.partition("begin")[2].partition("end")[0]
    assert during.count("sync(") >= 2, traced.stderr


@pytest.mark.parametrize("path", ["", ":memory:", "a\0b"])
def test_what_is_no_path_of_a_file_is_refused(path: str) -> None:
    with pytest.raises(InvalidInputError, match=r"is not the path of a file.* MemoryJournal\(\)"):
        SQLiteJournal(path)


def test_a_relative_path_is_that_of_the_folder_at_the_beginning(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(path.parent)
    journal = SQLiteJournal("jobs.db")
    monkeypatch.chdir("/")
    assert journal.insert(record()) is True
    journal.close()
    assert path.exists()


def test_a_file_that_is_removed_or_replaced_meanwhile_is_opened_anew(path: Path, journal: SQLiteJournal) -> None:
    assert journal.insert(record()) is True
    path.unlink()
    assert journal.select() == []
    assert journal.insert(record("order-2")) is True
    journal.close()
    assert [found.label for found in SQLiteJournal(path).select()] == ["order-2"]


# versions


def test_a_newer_version_is_refused_and_left_alone(path: Path, journal: SQLiteJournal) -> None:
    assert journal.insert(record()) is True
    journal.close()
    with opened(path) as connection:
        connection.execute("PRAGMA user_version = 2")
    before = path.read_bytes()
    with pytest.raises(
        JournalError, match=r"newer version of this package \(2, and this one knows 1\). Upgrade it: pip"
    ):
        journal.insert(record("order-2"))
    assert path.read_bytes() == before


def test_an_older_version_is_migrated_step_by_step(path: Path, journal: SQLiteJournal) -> None:
    assert journal.insert(record()) is True
    journal.close()
    steps = (*MIGRATIONS, ["ALTER TABLE jobs ADD COLUMN two TEXT"], ["ALTER TABLE jobs ADD COLUMN three TEXT"])
    with opened(path) as connection:
        prepare(connection, str(path), 1.0, steps)
        prepare(connection, str(path), 1.0, steps)
        assert connection.execute("SELECT label, two, three FROM jobs").fetchall() == [("order-1", None, None)]
        assert connection.execute("PRAGMA user_version").fetchone() == (3,)


def test_a_migration_that_fails_changes_nothing(path: Path, journal: SQLiteJournal) -> None:
    assert journal.insert(record()) is True
    journal.close()
    steps = (*MIGRATIONS, ["ALTER TABLE jobs ADD COLUMN two TEXT", "ALTER TABLE nothing ADD COLUMN two TEXT"])
    with pytest.raises(sqlite3.OperationalError), opened(path) as connection:
        prepare(connection, str(path), 1.0, steps)
    assert journal.select() == [record()]


def test_threads_that_open_a_new_file_at_once_all_succeed(path: Path) -> None:
    journals = [SQLiteJournal(path) for _ in range(16)]
    assert sum(at_once([lambda each=each: each.insert(record()) for each in journals])) == 1
    for each in journals:
        each.close()


# what is open


def test_threads_that_end_leave_nothing_open_for_each(path: Path) -> None:
    with nothing_left():
        journal = SQLiteJournal(path)
        for number in range(20):
            with at_work(lambda number=number: journal.insert(record(f"{number}"))) as inserted:
                pass
            assert inserted == [True]
        assert open_files().count(str(path)) == 1
        at_once([lambda number=number: journal.insert(record(f"at once {number}")) for number in range(20)])
        journal.close()
        assert str(path) not in open_files()


def test_a_journal_that_is_forgotten_closes_its_file(path: Path) -> None:
    with nothing_left():
        journal = SQLiteJournal(path)
        assert journal.insert(record()) is True
        del journal
        assert str(path) not in open_files()
    assert [file.name for file in path.parent.iterdir()] == ["jobs.db"]


def open_files() -> list[str]:
    """Return the paths of all files that this process has open."""
    links = [f"/dev/fd/{name}" for name in os.listdir("/dev/fd")]
    return [os.readlink(link) for link in links if os.path.islink(link)]


def test_a_program_may_end_without_closing_its_journal(path: Path) -> None:
    program = f"""
import threading
from decart import SQLiteJournal
from decart.journal.samples import record
journal = SQLiteJournal({str(path)!r})
journal.insert(record())
thread = threading.Thread(target=journal.insert, args=(record("order-2"),))
thread.start()
thread.join()
"""
    ended = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert [file.name for file in path.parent.iterdir()] == ["jobs.db"]


def test_importing_the_package_or_the_journals_loads_no_sqlite() -> None:
    program = "import sys, decart, decart.journal; decart.MemoryJournal(); print('sqlite3' in sys.modules)"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=UNMEASURED)
    assert ended.stdout == "False\n"


@pytest.mark.slow
def test_100000_records_slow_nothing_down(path: Path, journal: SQLiteJournal) -> None:
    def costs() -> dict[str, float]:
        """Return the time of the processor that each call takes, at best."""
        stored = journal.latest("order-1") or record()
        calls = {
            "latest": lambda: journal.latest("order-1"),
            "by_job": lambda: journal.by_job("j-1"),
            "insert": lambda: journal.insert(record("another")),
            "replace": lambda: journal.replace(stored),
            "open ones": lambda: journal.select(states=["unknown", "sending", "accepted"]),
            "page": lambda: journal.select(after=(1000.0, "order-1", 1), limit=1),
            "page of closed ones": lambda: journal.select(states=["failed", "delivered"], limit=1),
            "since": lambda: journal.select(since=1e9),
        }
        return {name: min(cost(call) for _ in range(20)) for name, call in calls.items()}

    def cost(call: Any) -> float:
        began = time.thread_time()
        call()
        return time.thread_time() - began

    assert journal.insert(record(state="delivered", job_id="j-1")) is True
    few = costs()
    with opened(path) as connection:
        connection.execute(
            "WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) INSERT INTO jobs "
            "SELECT 'order-' || i, 1, 0, 'delivered', model, 'j-' || i, 1000.0 + i, updated_at, details FROM jobs, n "
            "WHERE label = 'order-1'"
        )
    assert len(journal.select(limit=10**6)) == 100_001
    many = costs()
    assert {name: many[name] for name in many if many[name] > 10 * few[name] + 0.001} == {}
