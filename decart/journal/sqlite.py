"""A journal in a file of SQLite, for programs on one machine."""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from ..errors import InvalidInputError
from .connections import Connections
from .errors import JournalError
from .records import JobRecord, State
from .rows import COLUMNS, from_row, prefix_end, to_row
from .schema import MIGRATIONS, RESTORE, prepare

_URL = re.compile(r"\s*[A-Za-z][\w+.-]+:/")  # as a Path, it has one slash
_PERMISSIONS = "Check the permissions of the file and of its folder."
_REASONS = {  # SQLite's code: what is wrong with the file, what to do
    sqlite3.SQLITE_BUSY: ("another program has locked it", "Wait until that program has finished, or end it."),
    sqlite3.SQLITE_FULL: ("the disk is full", "Free some space."),
    sqlite3.SQLITE_READONLY: ("it is read-only", _PERMISSIONS),
    sqlite3.SQLITE_CANTOPEN: ("it cannot be opened", f"Is it a file? {_PERMISSIONS}"),
    sqlite3.SQLITE_IOERR: (
        "its disk cannot be read or written",
        "Check that the disk works and is not full, and that there is no limit to the size of files.",
    ),
    sqlite3.SQLITE_CORRUPT: (
        "it is damaged",
        "Restore it from a backup; without one, its jobs are no longer known, and its labels are submitted and billed "
        "again.",
    ),
    sqlite3.SQLITE_NOTADB: ("it is not an SQLite database", RESTORE),
}

_COLUMNS = ", ".join(COLUMNS)
_INSERT = f"INSERT INTO jobs ({_COLUMNS}) VALUES (:{', :'.join(COLUMNS)}) ON CONFLICT (label, generation) DO NOTHING"
_REPLACE = (
    f"UPDATE jobs SET ({_COLUMNS}) = (:{', :'.join(COLUMNS)}) "
    "WHERE label = :label AND generation = :generation AND revision = :revision - 1"
)
_ORDER = ("created_at", "label", "generation")


class SQLiteJournal:
    """Keeps records in a file. Safe to share between threads and processes of one machine, and across ``fork``.

    The file and those that SQLite keeps next to it can be read by their owner only. They are created at the first use,
    not by the constructor. Each change is on the disk before the call returns.

    Threads share a pool of connections. That is as safe as one for each: a connection is used by one thread at a time,
    for one transaction, which leaves nothing behind in it, and none is open while the process forks, so each process
    has its own. And a program with hundreds of threads keeps eight connections open, and not hundreds.

    Args:
        path: The file; its folder must exist, on a disk of this machine.
        keep_inputs: Whether records are to hold the inputs of their jobs.
        lock_timeout: Seconds to wait while other processes write.

    Raises:
        InvalidInputError: The path cannot be that of a file.

    Example:
        >>> from decart import DecartClient, SQLiteJournal
        >>> client = DecartClient(journal=SQLiteJournal("jobs.db", keep_inputs=True))
    """

    def __init__(self, path: str | os.PathLike[str], *, keep_inputs: bool = False, lock_timeout: float = 10.0) -> None:
        text = os.fspath(path)
        if "://" in text or _URL.match(text):  # it may have a password
            raise InvalidInputError("journal is a URL; pass decart.integrations.sql.SQLAlchemyJournal(url).")
        if not text or "\0" in text or text == ":memory:":
            raise InvalidInputError(
                f"{text!r} is not the path of a file. For a journal in memory, use MemoryJournal()."
            )
        self.keep_inputs = keep_inputs
        self.path = os.path.abspath(text)
        set_up = partial(prepare, path=self.path, lock_timeout=lock_timeout, steps=MIGRATIONS)
        self._connections = Connections(self.path, lock_timeout, set_up)

    def __repr__(self) -> str:
        return f"SQLiteJournal({self.path!r})"

    def insert(self, record: JobRecord) -> bool:
        """Add a record; return ``False`` if there is one of its label and generation.

        Raises:
            JournalError: The file cannot be written; nothing was changed.
        """
        return self._write(_INSERT, to_row(record)) == 1

    def replace(self, record: JobRecord) -> bool:
        """Write a later revision of a record; return ``False`` unless the stored one is the one before.

        Raises:
            JournalError: The file cannot be written; nothing was changed.
        """
        return self._write(_REPLACE, to_row(record)) == 1

    def latest(self, label: str) -> JobRecord | None:
        """Return the record of the highest generation of a label.

        Raises:
            JournalError: The file cannot be read.
        """
        return self._first(f"SELECT {_COLUMNS} FROM jobs WHERE label = ? ORDER BY generation DESC LIMIT 1", label)

    def by_job(self, job_id: str) -> JobRecord | None:
        """Return the record of a job; that of the highest generation if there are several.

        Raises:
            JournalError: The file cannot be read.
        """
        order = "generation DESC, created_at DESC"
        return self._first(f"SELECT {_COLUMNS} FROM jobs WHERE job_id = ? ORDER BY {order} LIMIT 1", job_id)

    def select(
        self,
        *,
        states: Collection[State] | None = None,
        model: str | None = None,
        prefix: str = "",
        since: float | None = None,
        after: tuple[float, str, int] | None = None,
        limit: int = 1000,
        newest_first: bool = False,
    ) -> list[JobRecord]:
        """Return records; see `decart.journal.records.Journal`.

        Raises:
            JournalError: The file cannot be read.
        """
        end = prefix_end(prefix)
        conditions: dict[str, Sequence[Any] | None] = {
            "model = ?": None if model is None else (model,),
            "label >= ?": (prefix,) if prefix else None,
            "label < ?": None if end is None else (end,),
            "created_at >= ?": None if since is None else (since,),
            f"({', '.join(_ORDER)}) {'<' if newest_first else '>'} (?, ?, ?)": after,
        }
        used = {text: values for text, values in conditions.items() if values is not None}
        parts = [used] if states is None else [{"state = ?": (state,), **used} for state in sorted(set(states))]
        if not parts:
            return []
        # one query for each state, as an index has the order of each one's records, and not of several together
        direction = "DESC" if newest_first else "ASC"
        order = f"ORDER BY {', '.join(f'{name} {direction}' for name in _ORDER)} LIMIT ?"
        queries = [
            f"SELECT * FROM (SELECT {_COLUMNS} FROM jobs WHERE {' AND '.join(part) or 'true'} {order})"
            for part in parts
        ]
        values = [value for part in parts for group in (*part.values(), (limit,)) for value in group]
        return self._read(f"{' UNION ALL '.join(queries)} {order}", *values, limit)

    def delete(self, before: float, states: Collection[State]) -> int:
        """Delete the records in these states that were last written before this UNIX time; return how many.

        Raises:
            JournalError: The file cannot be written; nothing was changed.
        """
        marks = ", ".join("?" * len(states))
        return self._write(f"DELETE FROM jobs WHERE updated_at < ? AND state IN ({marks})", (before, *states))

    def close(self) -> None:
        """Close the file. The journal may be used again, and then opens it anew."""
        self._connections.close()

    def _write(self, statement: str, values: Any) -> int:
        """Make a change in a transaction of its own; return how many rows were changed."""
        with self._connection() as connection:
            connection.execute("BEGIN IMMEDIATE")
            changed = connection.execute(statement, values).rowcount
            connection.execute("COMMIT")
            return changed

    def _read(self, query: str, *values: Any) -> list[JobRecord]:
        with self._connection() as connection:
            return [from_row(row) for row in connection.execute(query, values).fetchall()]

    def _first(self, query: str, *values: Any) -> JobRecord | None:
        return next(iter(self._read(query, *values)), None)

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        """Provide a connection, and raise what goes wrong as an error of this package."""
        try:
            with self._connections.use() as connection:
                yield connection
        except (sqlite3.Error, OSError, ValueError, OverflowError) as error:
            reason, advice = _explain(error)
            raise JournalError(f"The journal {self.path} cannot be used: {reason}. {advice}") from error


def _explain(error: Exception) -> tuple[str, str]:
    """Return what is wrong with a file, and what to do about it."""
    if isinstance(error, sqlite3.Error):
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF  # the rest of it says more exactly what
        name = getattr(error, "sqlite_errorname", type(error).__name__)
        return _REASONS.get(code, (f"an unexpected failure of SQLite ({name})", f"Check the file. {RESTORE}"))
    if isinstance(error, FileNotFoundError):
        return "its folder does not exist", "Create the folder."
    if isinstance(error, OSError):
        return str(error.strerror), _PERMISSIONS
    return "a value or a stored record is not valid text", "Check the label, and whether the file was edited."
