"""What may be wrong with the file of an `SQLiteJournal`: each is an error that says what to do, and changes nothing."""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from support.disks import mounted
from support.journals import at_work, opened, raises
from support.programs import UNMEASURED

from decart import JournalError, SQLiteJournal
from decart.journal.samples import FULL, record


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
        with raises(journal, "(it is read-only|it cannot be opened)"):
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
