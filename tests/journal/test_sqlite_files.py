"""The file of an `SQLiteJournal`: who can read it, which versions there are, and what may be wrong with it."""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.disks import mounted
from support.programs import UNMEASURED
from support.resources import nothing_left

from decart import InvalidInputError, JournalError, SQLiteJournal
from decart.journal.conformance import at_once
from decart.journal.samples import FULL, record
from decart.journal.schema import MIGRATIONS, prepare


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "jobs.db"


@pytest.fixture
def journal(path: Path) -> Iterator[SQLiteJournal]:
    made = SQLiteJournal(path, lock_timeout=0.05)
    yield made
    made.close()


@contextlib.contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a database as another program does."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        yield connection


def raises(journal: SQLiteJournal, reason: str) -> Any:
    """Expect an error that names the file and says what is wrong and what to do, and has no statement in it."""
    return pytest.raises(JournalError, match=rf"^The journal {journal.path} cannot be used: {reason}\. [A-Z].*\.$")


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
    with pytest.raises(JournalError, match=r"newer version of this package \(2, and this one knows 1\). Upgrade it: pip"):
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


# faults


@pytest.mark.parametrize(
    "statement", ["CREATE TABLE users (name)", "PRAGMA user_version = 1", "PRAGMA application_id = 5"]
)
def test_the_database_of_another_program_is_refused_and_left_alone(
    path: Path, journal: SQLiteJournal, statement: str
) -> None:
    with opened(path) as connection:
        connection.execute(statement)
    before = path.read_bytes()
    with pytest.raises(JournalError, match=f"^{path} is the database of another program, not a journal. Choose"):
        journal.insert(record())
    assert path.read_bytes() == before


def test_a_file_that_is_no_database_is_refused_and_left_alone(path: Path, journal: SQLiteJournal) -> None:
    path.write_text("order-1\n" * 500)
    with raises(journal, "it is not an SQLite database"):
        journal.insert(record())
    assert path.read_text() == "order-1\n" * 500


def test_a_damaged_file_is_an_error_and_never_a_wrong_record(path: Path, journal: SQLiteJournal) -> None:
    for number in range(200):
        assert journal.insert(record(f"order-{number}", **FULL)) is True
    journal.close()
    size = path.stat().st_size
    with path.open("r+b") as file:
        for page in range(4096, size, 4096):
            file.seek(page)
            file.write(b"\xff" * 100)
    for call in (lambda: journal.insert(record()), lambda: journal.latest("order-1"), journal.select):
        with raises(journal, "it is damaged"):
            call()


def test_a_record_that_was_damaged_is_an_error(path: Path, journal: SQLiteJournal) -> None:
    assert journal.insert(record()) is True
    with opened(path) as connection:
        connection.execute("UPDATE jobs SET details = '{'")
    with raises(journal, "a value or a stored record is not valid text"):
        journal.latest("order-1")


def test_a_record_that_the_table_refuses_is_an_error_and_not_a_duplicate(journal: SQLiteJournal) -> None:
    bad: Any = None
    with raises(journal, r"an unexpected failure of SQLite \(SQLITE_CONSTRAINT_NOTNULL\)"):
        journal.insert(record(created_at=bad))
    with raises(journal, r"an unexpected failure of SQLite \((ProgrammingError|InterfaceError)\)"):
        journal.insert(record(object()))  # type: ignore[arg-type]
    assert journal.select() == []


def test_a_folder_that_is_missing_is_not_created(tmp_path: Path) -> None:
    journal = SQLiteJournal(tmp_path / "nowhere" / "jobs.db")
    with raises(journal, "its folder does not exist"):
        journal.insert(record())
    assert list(tmp_path.iterdir()) == []


def test_a_path_below_a_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with raises(journal := SQLiteJournal(tmp_path / "file" / "jobs.db"), os.strerror(errno.ENOTDIR)):
        journal.insert(record())


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with raises(journal := SQLiteJournal(tmp_path), "it cannot be opened"):
        journal.insert(record())


def test_a_read_only_file_is_an_error(tmp_path: Path) -> None:
    journal = SQLiteJournal(tmp_path / "jobs.db")
    assert journal.insert(record()) is True
    journal.close()
    with mounted("-t", "tmpfs", "tmpfs", str(tmp_path)):
        subprocess.run(["mount", "-o", "remount,ro", str(tmp_path)], check=True)
        with raises(journal, os.strerror(errno.EROFS)):
            journal.insert(record("order-2"))
    assert journal.insert(record("order-2")) is True
    journal.close()


def test_a_disk_that_becomes_read_only_is_an_error_and_loses_nothing(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    with mounted("-t", "tmpfs", "tmpfs", str(tmp_path / "disk")):
        journal = SQLiteJournal(tmp_path / "disk" / "jobs.db")
        assert journal.insert(record()) is True
        journal.close()
        subprocess.run(["mount", "-o", "remount,ro", str(tmp_path / "disk")], check=True)
        with raises(journal, "(it must not be written|it cannot be opened)"):
            journal.insert(record("order-2"))
        subprocess.run(["mount", "-o", "remount,rw", str(tmp_path / "disk")], check=True)
        assert journal.insert(record("order-2")) is True
        journal.close()


def test_a_full_disk_is_an_error_that_changes_nothing_until_there_is_space(tmp_path: Path) -> None:
    with mounted("-t", "tmpfs", "-o", "size=512k", "tmpfs", str(tmp_path)):
        journal = SQLiteJournal(tmp_path / "jobs.db")
        assert journal.insert(first := record()) is True
        (tmp_path / "large").write_bytes(bytes(8 * 4096))
        with contextlib.suppress(OSError), (tmp_path / "larger").open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        with raises(journal, "the disk is full"):
            for number in range(100):
                journal.insert(record(f"large-{number}", error="x" * 5000))
        with raises(journal, "the disk is full"):
            journal.replace(first.changed(1001.0, error="x" * 50_000))
        assert journal.latest("order-1") == first
        (tmp_path / "larger").unlink()
        assert journal.replace(first.changed(1001.0, error="x" * 50_000)) is True
        journal.close()


def test_a_limit_to_the_size_of_files_is_an_error_that_changes_nothing(path: Path) -> None:
    program = f"""
import resource, signal
from decart import SQLiteJournal
from decart.journal.samples import record
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
journal = SQLiteJournal({str(path)!r})
journal.insert(record())
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, {resource.RLIM_INFINITY}))
for number in range(100):
    journal.insert(record(f"large-{{number}}", error="x" * 9000))
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=UNMEASURED)
    last = ended.stderr.splitlines()[-1]
    assert last.startswith(f"decart.journal.errors.JournalError: The journal {path} cannot be used: its disk cannot be")
    with contextlib.closing(SQLiteJournal(path)) as journal:
        found = [each.label for each in journal.select(prefix="large-")]
        assert 0 < len(found) < 100
        assert sorted(found, key=lambda label: int(label[6:])) == [f"large-{number}" for number in range(len(found))]


def test_a_locked_file_is_an_error_after_the_time_that_was_given(path: Path, journal: SQLiteJournal) -> None:
    assert journal.insert(record()) is True
    with opened(path) as other:
        other.execute("BEGIN IMMEDIATE")
        with raises(journal, "another program has locked it"):
            journal.insert(record("order-2"))
        with raises(journal, "another program has locked it"):
            journal.replace(record().changed(1001.0))
        assert journal.latest("order-1") == record()
        other.execute("COMMIT")
    assert journal.insert(record("order-2")) is True


def test_a_lock_that_ends_in_time_is_waited_for(path: Path) -> None:
    journal = SQLiteJournal(path)
    assert journal.insert(record()) is True
    with opened(path) as other:
        other.execute("BEGIN IMMEDIATE")
        with at_work(lambda: journal.insert(record("order-2"))) as inserted:
            other.execute("COMMIT")
    assert inserted == [True]
    journal.close()


def test_a_new_file_that_is_locked_meanwhile_is_an_error_too(path: Path, journal: SQLiteJournal) -> None:
    with opened(path) as other:
        other.execute("BEGIN EXCLUSIVE")
        with raises(journal, "another program has locked it"):
            journal.insert(record())
        other.execute("ROLLBACK")
        other.execute("BEGIN IMMEDIATE")  # it can be read, and not be switched to WAL
        began = time.monotonic()
        with raises(journal, "another program has locked it"):
            journal.insert(record())
        assert time.monotonic() - began >= 0.05
    assert journal.insert(record()) is True


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


# what is open


def test_nothing_is_left_open_by_threads_that_end_nor_by_a_journal_that_is_forgotten(path: Path) -> None:
    with nothing_left():
        journal = SQLiteJournal(path)
        at_once([lambda number=number: journal.insert(record(f"{number}")) for number in range(20)])
        open_files = [os.readlink(f"/dev/fd/{name}") for name in os.listdir("/dev/fd") if os.path.islink(f"/dev/fd/{name}")]
        assert 1 <= open_files.count(str(path)) <= 8
        del journal
    assert [file.name for file in path.parent.iterdir()] == ["jobs.db"]


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
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout == "False\n"


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
