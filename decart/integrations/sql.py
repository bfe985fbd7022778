"""A journal in a database, for programs on several machines (extra ``sql``).

::

    from decart.integrations.sql import SQLAlchemyJournal

    client = DecartClient(journal=SQLAlchemyJournal("postgresql+psycopg://user@host/name"))

It is tested with PostgreSQL and SQLite; other databases that SQLAlchemy knows are untried. The table, and a second one
with its version, are created if they are missing, and brought up to date if an older version of this package created
them. A change of the columns is a step in ``SQLAlchemyJournal.migrations``. A new field of a record needs none:
``details`` holds it as JSON, and a record that was stored without it has the default.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar
from weakref import finalize

from ..errors import InvalidInputError, MissingExtraError
from ..extras import require
from ..journal.errors import JournalError
from ..journal.forks import Gate, watch
from ..journal.records import JobRecord, State
from ..journal.rows import COLUMNS, from_row, prefix_end, to_row

try:
    import sqlalchemy as sa
    from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, SQLAlchemyError
    from sqlalchemy.schema import CreateIndex, CreateTable
except ImportError:
    require("sql", "sqlalchemy")
    raise

_PATIENCE = 15.0  # seconds to wait for the transactions of other threads before the connections are closed


class SQLAlchemyJournal:
    """Keeps records in a table. Safe to share between threads, processes and machines, and across ``fork``.

    Its methods raise ``JournalError`` if the database cannot be used.

    Args:
        database: Its URL, or an engine, which is yours to close.
        keep_inputs: Whether records are to hold the inputs of their jobs.
        table: The name of the table.

    Raises:
        InvalidInputError: This is no URL of a database.
        MissingExtraError: SQLAlchemy or the driver of the database is not installed.

    Example:
        >>> journal = SQLAlchemyJournal("postgresql+psycopg://user@host/name?connect_timeout=5")
    """

    migrations: ClassVar[Sequence[Callable[[sa.Connection, sa.Table], None]]] = ()
    """What leads from each version of the tables to the next; there has been one so far. New tables are the newest."""

    def __init__(
        self, database: str | sa.URL | sa.Engine, *, keep_inputs: bool = False, table: str = "decart_jobs"
    ) -> None:
        self.keep_inputs = keep_inputs
        self._owned = not isinstance(database, sa.Engine)
        self._engine = database if isinstance(database, sa.Engine) else _make_engine(database)
        url = self._engine.url
        self._place = str(sa.URL.create(url.drivername, host=url.host, port=url.port, database=url.database))
        self._jobs, self._versions = _tables(table)
        self._prepared = False
        # at this level, a change waits for others and then sees what they wrote
        level = "SERIALIZABLE" if self._engine.dialect.name == "sqlite" else "READ COMMITTED"
        self._prepares = self._uses = self._engine.execution_options(isolation_level=level)
        if self._engine.dialect.name == "postgresql":  # each statement is a transaction there, without BEGIN and COMMIT
            self._uses = self._engine.execution_options(isolation_level="AUTOCOMMIT")
        self._gate = Gate(_PATIENCE)
        if self._owned:
            finalize(self, self._engine.dispose)
        watch(self)

    def __repr__(self) -> str:
        return f"SQLAlchemyJournal({self._place!r})"

    def insert(self, record: JobRecord) -> bool:
        """Add a record; return ``False`` if there is one of its label and generation."""
        row = to_row(record)
        with self._use() as engine:
            try:
                with engine.begin() as connection:
                    connection.execute(self._jobs.insert().values(row))
            except IntegrityError:
                with engine.connect() as connection:
                    if connection.execute(sa.select(self._jobs.c.label).where(*self._is(record))).first():
                        return False
                raise
            return True

    def replace(self, record: JobRecord) -> bool:
        """Write a later revision of a record; return ``False`` unless the stored one is the one before."""
        before = self._jobs.c.revision == record.revision - 1
        return self._write(self._jobs.update().where(*self._is(record), before).values(to_row(record))) == 1

    def latest(self, label: str) -> JobRecord | None:
        """Return the record of the highest generation of a label."""
        return self._highest(self._jobs.c.label == label)

    def by_job(self, job_id: str) -> JobRecord | None:
        """Return the record of a job; that of the highest generation if there are several."""
        return self._highest(self._jobs.c.job_id == job_id)

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
        if states is not None and not states:
            return []
        c, end = self._jobs.c, prefix_end(prefix)
        order = (c.created_at, c.label, c.generation)
        directed = sa.desc if newest_first else sa.asc
        query = sa.select(self._jobs)
        if model is not None:
            query = query.where(c.model == model)
        if prefix:
            query = query.where(c.label >= prefix)
        if end is not None:
            query = query.where(c.label < end)
        if since is not None:
            query = query.where(c.created_at >= since)
        if after is not None:
            here = sa.tuple_(*order)
            query = query.where(here < after if newest_first else here > after)
        query = query.order_by(*map(directed, order)).limit(limit)
        if states is not None:
            # one query for each state, as an index has the order of each one's records, and not of several together
            parts = [query.where(c.state == state).subquery().select() for state in sorted(set(states))]
            found = sa.union_all(*parts).subquery()
            query = sa.select(found).order_by(*(directed(found.c[column.name]) for column in order)).limit(limit)
        return self._read(query)

    def delete(self, before: float, states: Collection[State]) -> int:
        """Delete the records in these states that were last written before this UNIX time; return how many."""
        c = self._jobs.c
        return self._write(self._jobs.delete().where(c.updated_at < before, c.state.in_(list(states))))

    def close(self) -> None:
        """Close the connections, unless the engine is yours. The journal may be used again."""
        if self._owned:
            with self._gate.alone():
                self._engine.dispose()

    def before_fork(self) -> None:
        """Have nothing open that the child would inherit."""
        self._gate.shut()
        if self._owned:
            self._engine.dispose()

    def after_fork_in_parent(self) -> None:
        """Continue."""
        self._gate.open()

    def after_fork_in_child(self) -> None:
        """Leave the connections of the parent alone."""
        self._gate.reset()
        self._engine.dispose(close=False)

    def _is(self, record: JobRecord) -> tuple[sa.ColumnElement[bool], ...]:
        return self._jobs.c.label == record.label, self._jobs.c.generation == record.generation

    def _highest(self, condition: sa.ColumnElement[bool]) -> JobRecord | None:
        order = self._jobs.c.generation.desc(), self._jobs.c.created_at.desc()
        return next(iter(self._read(sa.select(self._jobs).where(condition).order_by(*order).limit(1))), None)

    def _read(self, query: sa.Select[Any]) -> list[JobRecord]:
        with self._use() as engine, engine.connect() as connection:
            return [from_row(row) for row in connection.execute(query)]

    def _write(self, statement: sa.Update | sa.Delete) -> int:
        with self._use() as engine, engine.begin() as connection:
            return connection.execute(statement).rowcount

    @contextmanager
    def _use(self) -> Iterator[sa.Engine]:
        """Provide the engine, and raise what goes wrong as an error of this package.

        The original is suppressed, because it contains the values of the statement.
        """
        try:
            with self._gate.use():
                if not self._prepared:
                    self._prepare(self._prepares)
                yield self._uses
        except (SQLAlchemyError, ValueError, OverflowError) as error:
            raise JournalError(f"The journal {self._place} cannot be used: {_reason(error)}") from None

    def _prepare(self, engine: sa.Engine) -> None:
        """Bring the tables up to date; another process may do so at the same time."""
        newest = 1 + len(self.migrations)
        while (version := self._version(engine)) < newest:
            try:
                with engine.begin() as connection:
                    if version:
                        self._migrate(connection, version)
                    else:
                        self._create(connection, newest)
            except DBAPIError:
                if self._version(engine) == version:  # no other process was faster
                    raise
        if version > newest:
            raise JournalError(
                f"The journal {self._place} was written by a newer version of this package ({version}, and this one "
                f"knows {newest}). Upgrade it: pip install --upgrade decart-queue"
            )
        self._prepared = True

    def _create(self, connection: sa.Connection, version: int) -> None:
        connection.execute(CreateTable(self._jobs, if_not_exists=True))
        for index in self._jobs.indexes:
            connection.execute(CreateIndex(index, if_not_exists=True))
        connection.execute(CreateTable(self._versions, if_not_exists=True))
        connection.execute(self._versions.insert().values(version=version))

    def _migrate(self, connection: sa.Connection, version: int) -> None:
        """Carry out one migration. Of several processes, all but one wait here for the first, and then fail."""
        connection.execute(self._versions.insert().values(version=version + 1))
        self.migrations[version - 1](connection, self._jobs)

    def _version(self, engine: sa.Engine) -> int:
        """Return the version of the tables; 0 if there are none."""
        with engine.connect() as connection:
            if not sa.inspect(connection).has_table(self._versions.name):
                return 0
            return connection.execute(sa.select(sa.func.max(self._versions.c.version))).scalar() or 0


def _make_engine(url: str | sa.URL) -> sa.Engine:
    try:
        return sa.create_engine(url, pool_pre_ping=True, hide_parameters=True)
    except ImportError as error:
        raise MissingExtraError(
            f"The driver {error.name} of this database is not installed. Install it, or write the name of the one that "
            "is in the URL, as in postgresql+psycopg://user@host/name"
        ) from error
    except (ArgumentError, AttributeError, ValueError):  # its text contains the password
        raise InvalidInputError(
            "This is no URL of a database that SQLAlchemy knows. Write, for example, "
            "postgresql+psycopg://user@host/name"
        ) from None


def _tables(name: str) -> tuple[sa.Table, sa.Table]:
    """Return the table of the records and that of its version."""
    metadata = sa.MetaData()
    exact = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")  # ordered by code points, as elsewhere
    types: dict[str, Any] = dict.fromkeys(COLUMNS, exact)
    types |= {
        "generation": sa.Integer(),
        "revision": sa.Integer(),
        "created_at": sa.Double(),
        "updated_at": sa.Double(),
    }
    jobs = sa.Table(
        name,
        metadata,
        *(sa.Column(column, types[column], nullable=column == "job_id") for column in COLUMNS),
        sa.PrimaryKeyConstraint("label", "generation"),
    )
    c = jobs.c
    sa.Index(f"{name}_by_job", c.job_id)
    sa.Index(f"{name}_by_age", c.created_at, c.label, c.generation)
    sa.Index(f"{name}_by_state", c.state, c.created_at, c.label, c.generation)
    version = sa.Column("version", sa.Integer, primary_key=True, autoincrement=False)
    return jobs, sa.Table(f"{name}_version", metadata, version)


def _reason(error: Exception) -> str:
    """Return what is wrong, and what to do about it, without the statement and its values."""
    if isinstance(error, DBAPIError):
        lines = str(error.orig).strip().splitlines()
        text = lines[0] if lines else type(error.orig).__name__
        return f"{text}. Check that the database is running, and that this program may use it."
    if isinstance(error, SQLAlchemyError):
        return f"{type(error).__name__}. Check the settings of the engine."
    return "a value or a stored record is not valid text. Check the label, and whether the table was edited."
