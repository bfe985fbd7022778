"""The tables of a journal in an SQLite file, and how those of an older version are brought up to date."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence

from .errors import JournalError

APPLICATION = 0x64637274
"""The ``application_id`` of our files, by which those of other programs are told apart: "dcrt"."""

RESTORE = (
    "If it was your journal, restore it from a backup: with another path, its labels are submitted and billed again."
)
"""What to do about a file that cannot be a journal."""

MIGRATIONS: Sequence[Sequence[str]] = (
    (
        "CREATE TABLE jobs (label TEXT NOT NULL, generation INTEGER NOT NULL, revision INTEGER NOT NULL, "
        "state TEXT NOT NULL, model TEXT NOT NULL, job_id TEXT, created_at REAL NOT NULL, updated_at REAL NOT NULL, "
        "details TEXT NOT NULL, UNIQUE (label, generation))",
        "CREATE INDEX jobs_by_job ON jobs (job_id)",
        "CREATE INDEX jobs_by_age ON jobs (created_at, label, generation)",
        "CREATE INDEX jobs_by_state ON jobs (state, created_at, label, generation)",
    ),
)
"""The statements that lead from each version to the next, the first from an empty file. A version is their number."""


def prepare(connection: sqlite3.Connection, path: str, lock_timeout: float, steps: Sequence[Sequence[str]]) -> None:
    """Set up a new connection, and bring its file up to date.

    Args:
        connection: The connection, without a transaction.
        path: The file, for messages.
        lock_timeout: Seconds to wait for other connections.
        steps: The migrations; ``MIGRATIONS``, unless this is a test.

    Raises:
        JournalError: The file is not a journal, or that of a newer version.
        sqlite3.Error: It cannot be read or written.
    """
    version = _version(connection, path, len(steps))
    _use_wal(connection, time.monotonic() + lock_timeout)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA fullfsync = ON")  # on macOS, where a plain fsync stops at the disk's own memory
    if version < len(steps):
        connection.execute("BEGIN IMMEDIATE")
        for step in steps[_version(connection, path, len(steps)) :]:  # another process may have been faster
            for statement in step:
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION}")
        connection.execute(f"PRAGMA user_version = {len(steps)}")
        connection.execute("COMMIT")


def _version(connection: sqlite3.Connection, path: str, newest: int) -> int:
    """Return the version of the file; 0 if it is empty."""
    ((version, application, tables),) = connection.execute(
        "SELECT user_version, application_id, (SELECT count(*) FROM sqlite_master) "
        "FROM pragma_user_version, pragma_application_id"
    )
    if application != APPLICATION and (application or version or tables):
        raise JournalError(f"{path} is the database of another program, not a journal. Choose another path. {RESTORE}")
    if version > newest:
        raise JournalError(
            f"The journal {path} was written by a newer version of this package ({version}, and this one knows "
            f"{newest}). Upgrade it: pip install --upgrade decart-queue"
        )
    return int(version)


def _use_wal(connection: sqlite3.Connection, deadline: float) -> None:
    """Have readers and writers not wait for each other. SQLite itself does not wait for others that do the same."""
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.005)
