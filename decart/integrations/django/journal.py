"""A journal in the database of a Django site."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

from django.core.exceptions import SynchronousOnlyOperation
from django.db import Error, IntegrityError, InterfaceError, OperationalError, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Q, QuerySet

from ...journal.errors import JournalError
from ...journal.records import JobRecord, State
from ...journal.rows import COLUMNS, from_row, prefix_end, to_row
from .models import Job

T = TypeVar("T")


class _ClosedWithThread:
    """Closes a persistent connection when the thread ends that has it; Django leaves that to the garbage collection.

    The threads of a sweep live for a few seconds, so a program that sweeps would soon have used up the connections that
    the database allows.
    """

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self._connection = connection

    def __del__(self) -> None:
        with suppress(Error):
            self._connection.close()


_of_thread = threading.local()
"""What closes the persistent connections of a thread, by the names of their databases."""


class DjangoJournal:
    """Keeps records in the table of the app ``decart.integrations.django``. Safe to share between threads.

    A record is committed at once until it holds the id of its job. So it cannot be written inside a transaction, which
    could be rolled back after the job was paid for: with ``ATOMIC_REQUESTS``, a view that submits needs
    ``transaction.non_atomic_requests``. Or give the journal connections of its own: a second entry in ``DATABASES`` for
    the same database, without ``ATOMIC_REQUESTS``, whose name is ``using`` (not on SQLite, where only one of them can
    write at a time). The transaction of a ``TestCase`` does not count.

    What becomes of the job later, such as its status, is written with the transaction, if there is one: after a
    rollback, the next status check finds it out again.

    It uses the connection of the current thread. One that it has to open itself it closes again; if ``CONN_MAX_AGE``
    says that connections persist, when the thread ends.

    Args:
        using: The name of the database in ``DATABASES``.
        keep_inputs: Whether records are to hold the inputs of their jobs.
    """

    def __init__(self, *, using: str = "default", keep_inputs: bool = False) -> None:
        self.using = using
        self.keep_inputs = keep_inputs

    def __repr__(self) -> str:
        return f"DjangoJournal(using={self.using!r})"

    def insert(self, record: JobRecord) -> bool:
        """Add a record; return ``False`` if there is one of its label and generation."""

        def insert() -> bool:
            try:
                with self._committed():
                    self._jobs.create(**to_row(record))
            except IntegrityError:
                if self._jobs.filter(label=record.label, generation=record.generation).exists():
                    return False
                raise
            return True

        return self._run(insert)

    def replace(self, record: JobRecord) -> bool:
        """Write a later revision of a record; return ``False`` unless the stored one is the one before."""

        def replace() -> bool:
            stored = self._jobs.filter(label=record.label, generation=record.generation, revision=record.revision - 1)
            ids = stored.values_list("job_id", flat=True)[:1]
            if not ids:
                return False
            id_is_safe = record.job_id is not None and record.job_id == ids[0]
            with transaction.atomic(self.using) if id_is_safe else self._committed():
                return stored.update(**to_row(record)) == 1

        return self._run(replace)

    def latest(self, label: str) -> JobRecord | None:
        """Return the record of the highest generation of a label."""
        return self._first(self._jobs.filter(label=label))

    def by_job(self, job_id: str) -> JobRecord | None:
        """Return the record of a job; that of the highest generation if there are several."""
        return self._first(self._jobs.filter(job_id=job_id))

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
        given = {"state__in": states, "model": model, "label__gte": prefix or None, "label__lt": prefix_end(prefix)}
        wanted = Q(**{name: value for name, value in (given | {"created_at__gte": since}).items() if value is not None})
        if after is not None:
            created_at, label, generation = after
            past = "lt" if newest_first else "gt"
            wanted &= (
                Q(**{f"created_at__{past}": created_at})
                | Q(**{"created_at": created_at, f"label__{past}": label})
                | Q(**{"created_at": created_at, "label": label, f"generation__{past}": generation})
            )
        sign = "-" if newest_first else ""
        order = (f"{sign}{name}" for name in ("created_at", "label", "generation"))
        rows = self._jobs.filter(wanted).order_by(*order).values_list(*COLUMNS)
        return self._run(lambda: [from_row(row) for row in rows[:limit]])

    def delete(self, before: float, states: Collection[State]) -> int:
        """Delete the records in these states that were last written before this UNIX time; return how many."""
        return self._run(lambda: self._jobs.filter(updated_at__lt=before, state__in=states).delete()[0])

    def close(self) -> None:
        """Do nothing: the connections are the site's."""

    @property
    def _jobs(self) -> QuerySet[Job]:
        return Job.objects.using(self.using)

    def _first(self, jobs: QuerySet[Job]) -> JobRecord | None:
        rows = jobs.order_by("-generation", "-created_at").values_list(*COLUMNS)
        return self._run(lambda: next((from_row(row) for row in rows[:1]), None))

    @contextmanager
    def _committed(self) -> Iterator[None]:
        """Commit what the block writes; refuse to do so where that could not be relied on."""
        connection = connections[self.using]
        if not connection.in_atomic_block and not connection.get_autocommit():
            raise JournalError(f"{self!r} cannot write while autocommit is off: a job that was paid for could be lost.")
        try:
            with transaction.atomic(self.using, durable=True):
                yield
        except RuntimeError as error:  # says `atomic`
            raise JournalError(
                f"{self!r} cannot write inside a transaction, which could be rolled back after the job was paid for: "
                "use @transaction.non_atomic_requests for this view, submit in transaction.on_commit(), or give the "
                "journal a database connection of its own."
            ) from error

    def _run(self, operation: Callable[[], T]) -> T:
        """Carry out an operation; do it again if it was only the old connection that was lost."""
        connection = connections[self.using]
        old = connection.connection
        try:
            try:
                return operation()
            except (InterfaceError, OperationalError):
                if (
                    old is None
                    or connection.in_atomic_block
                    or (connection.connection is old and connection.is_usable())
                ):
                    raise
                connection.close()
                return operation()
        except (Error, SynchronousOnlyOperation, ValueError) as error:  # the last: text that it cannot store
            raise JournalError(f"The journal in the database {self.using!r} cannot be used: {error}") from error
        finally:
            if old is None and connection.connection is not None and not connection.in_atomic_block:
                if connection.settings_dict["CONN_MAX_AGE"] == 0:
                    connection.close()
                elif threading.current_thread() is not threading.main_thread():
                    opened = vars(_of_thread)
                    opened[self.using] = opened.get(self.using) or _ClosedWithThread(connection)
