"""A journal in memory, for tests and notebooks."""

from __future__ import annotations

import threading
from collections.abc import Collection
from typing import Any

from .forks import watch
from .records import JobRecord, State
from .rows import COLUMNS, from_row, to_row


class MemoryJournal:
    """Keeps records until the process ends. Safe to share between threads; a forked child gets a copy.

    Args:
        keep_inputs: Whether records are to hold the inputs of their jobs.

    Example:
        >>> from decart import MemoryJournal
        >>> MemoryJournal().select()
        []
    """

    def __init__(self, *, keep_inputs: bool = False) -> None:
        self.keep_inputs = keep_inputs
        self._rows: dict[tuple[str, int], dict[str, Any]] = {}
        self._lock = threading.RLock()
        watch(self)

    def __repr__(self) -> str:
        return "MemoryJournal()"

    def insert(self, record: JobRecord) -> bool:
        """Add a record; return ``False`` if there is one of its label and generation."""
        row, key = to_row(record), (record.label, record.generation)
        with self._lock:
            return self._rows.setdefault(key, row) is row

    def replace(self, record: JobRecord) -> bool:
        """Write a later revision of a record; return ``False`` unless the stored one is the one before."""
        row, key = to_row(record), (record.label, record.generation)
        with self._lock:
            stored = self._rows.get(key)
            if stored is None or stored["revision"] != record.revision - 1:
                return False
            self._rows[key] = row
            return True

    def latest(self, label: str) -> JobRecord | None:
        """Return the record of the highest generation of a label."""
        return _highest([row for row in self._all() if row["label"] == label])

    def by_job(self, job_id: str) -> JobRecord | None:
        """Return the record of a job; that of the highest generation if there are several."""
        return _highest([row for row in self._all() if row["job_id"] == job_id])

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
        """Return records; see `decart.journal.records.Journal`."""

        def place(row: dict[str, Any]) -> tuple[float, str, int]:
            return row["created_at"], row["label"], row["generation"]

        rows = [
            row
            for row in self._all()
            if (states is None or row["state"] in states)
            and (model is None or row["model"] == model)
            and row["label"].startswith(prefix)
            and (since is None or row["created_at"] >= since)
            and (after is None or (place(row) < after if newest_first else place(row) > after))
        ]
        return [_record(row) for row in sorted(rows, key=place, reverse=newest_first)[:limit]]

    def delete(self, before: float, states: Collection[State]) -> int:
        """Delete the records in these states that were last written before this UNIX time; return how many."""
        with self._lock:
            old = [key for key, row in self._rows.items() if row["updated_at"] < before and row["state"] in states]
            for key in old:
                del self._rows[key]
            return len(old)

    def close(self) -> None:
        """Do nothing; the records remain."""

    def before_fork(self) -> None:
        """Have the child get a copy that no thread is changing."""
        self._lock.acquire()

    def after_fork_in_parent(self) -> None:
        """Continue."""
        self._lock.release()

    def after_fork_in_child(self) -> None:
        """Continue with a lock that no thread of the parent holds."""
        self._lock = threading.RLock()

    def _all(self) -> list[dict[str, Any]]:
        with self._lock:
            return list(self._rows.values())


def _record(row: dict[str, Any]) -> JobRecord:
    return from_row([row[name] for name in COLUMNS])


def _highest(rows: list[dict[str, Any]]) -> JobRecord | None:
    return _record(max(rows, key=lambda row: (row["generation"], row["created_at"]))) if rows else None
