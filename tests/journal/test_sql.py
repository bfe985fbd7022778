"""A journal in a database: PostgreSQL, and SQLite through SQLAlchemy."""

from __future__ import annotations

import subprocess
import sys
import traceback
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from support.journals import exit_code, in_child, in_children
from support.postgres import PostgreSQL

from decart import InvalidInputError, JournalError, MissingExtraError
from decart.integrations.sql import SQLAlchemyJournal
from decart.journal.conformance import JournalRules, at_once
from decart.journal.samples import record

pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")


def add_column(connection: sa.Connection, jobs: sa.Table, name: str) -> None:
    """Migrate the table of the records."""
    connection.execute(sa.text(f"ALTER TABLE {jobs.name} ADD COLUMN {name} TEXT"))


class OnPostgreSQL:
    url: str

    @pytest.fixture(autouse=True)
    def empty(self, database: str) -> None:
        self.url = database


class OnSQLite:
    url: str

    @pytest.fixture(autouse=True)
    def empty(self, tmp_path: Path) -> None:
        self.url = f"sqlite:///{tmp_path / 'jobs.db'}"


class Rules(JournalRules):
    """The rules of all journals, with an engine that the journal makes."""

    url: str

    def make(self) -> SQLAlchemyJournal:
        return SQLAlchemyJournal(self.url)

    def reopen(self, journal: Any) -> SQLAlchemyJournal:
        journal.close()
        return SQLAlchemyJournal(sa.make_url(self.url))

    def test_only_two_tables_are_made_and_their_names_can_be_chosen(self) -> None:
        self.fill(record())
        other = SQLAlchemyJournal(self.url, table="Other jobs", keep_inputs=True)
        assert other.select() == []
        assert other.insert(record(model="other")) is True
        other.close()
        assert self.journal.select() == [record()]
        engine = sa.create_engine(self.url)
        names = {"decart_jobs", "decart_jobs_version", "Other jobs", "Other jobs_version"}
        assert set(sa.inspect(engine).get_table_names()) == names
        engine.dispose()

    def test_journals_that_create_the_tables_at_once_all_work(self) -> None:
        journals = [SQLAlchemyJournal(self.url) for _ in range(8)]
        assert sorted(at_once([lambda each=each: each.insert(record()) for each in journals])) == [False] * 7 + [True]
        for each in journals:
            each.close()

    def test_tables_of_a_newer_version_are_refused_and_left_alone(self) -> None:
        self.fill(record())
        engine = sa.create_engine(self.url)
        with engine.begin() as connection:
            connection.execute(sa.text("UPDATE decart_jobs_version SET version = 2"))
        with pytest.raises(JournalError, match=r"newer version of this package \(2, and this one knows 1\)"):
            SQLAlchemyJournal(engine).insert(record("order-2"))
        with engine.begin() as connection:
            connection.execute(sa.text("UPDATE decart_jobs_version SET version = 1"))
        assert SQLAlchemyJournal(engine).select() == [record()]
        engine.dispose()

    def test_tables_of_an_older_version_are_brought_up_to_date_once(self) -> None:
        class Newer(SQLAlchemyJournal):
            migrations = (partial(add_column, name="first"), partial(add_column, name="second"))

        self.fill(record())
        journals = [Newer(self.url) for _ in range(4)]
        assert at_once([each.select for each in journals]) == [[record()]] * 4
        for each in journals:
            each.close()
        engine = sa.create_engine(self.url)
        names = [column["name"] for column in sa.inspect(engine).get_columns("decart_jobs")]
        engine.dispose()
        assert names[-2:] == ["first", "second"]
        self.journal.close()
        with pytest.raises(JournalError, match="newer version"):
            SQLAlchemyJournal(self.url).select()

    def test_a_migration_that_fails_changes_nothing(self) -> None:
        class Broken(SQLAlchemyJournal):
            migrations = (partial(add_column, name="label"),)  # there is one

        self.fill(record())
        with pytest.raises(JournalError, match="label"):
            Broken(self.url).select()
        assert self.journal.select() == SQLAlchemyJournal(self.url).select() == [record()]

    def test_an_interrupted_creation_of_the_tables_is_completed(self) -> None:
        engine = sa.create_engine(self.url)
        with engine.begin() as connection:
            connection.execute(sa.text("CREATE TABLE decart_jobs_version (version INTEGER PRIMARY KEY)"))
        engine.dispose()
        self.fill(record())

    def test_a_record_that_the_table_refuses_is_an_error_and_not_a_duplicate(self) -> None:
        bad = record(inputs={"prompt": "a secret"}, created_at=None)
        with pytest.raises(JournalError, match="created_at") as raised:
            self.journal.insert(bad)
        text = "".join(traceback.format_exception(raised.value))
        assert "a secret" not in text
        assert "INSERT" not in text
        assert self.journal.select() == []

    def test_a_damaged_record_is_an_error(self) -> None:
        self.fill(record())
        engine = sa.create_engine(self.url)
        with engine.begin() as connection:
            connection.execute(sa.text("UPDATE decart_jobs SET details = '{'"))
        engine.dispose()
        with pytest.raises(JournalError, match="not valid text"):
            self.journal.latest("order-1")

    def test_a_forked_child_uses_connections_of_its_own(self) -> None:
        self.fill(record())
        child = in_child(self.work_in_child)
        self.fill(record("of the parent"))
        assert exit_code(child) == 0
        assert {found.label for found in self.journal.select()} == {"order-1", "of the parent", "of the child"}

    def work_in_child(self) -> bool:
        self.fill(record("of the child"))
        assert self.journal.insert(record()) is False
        self.journal.close()
        return True

    def test_eight_processes_insert_each_label_once(self) -> None:
        def insert_50() -> list[bool]:
            journal = SQLAlchemyJournal(self.url)
            inserted = [journal.insert(record(f"order-{number}")) for number in range(50)]
            journal.close()
            return inserted

        inserted = in_children(8, insert_50)
        assert [sum(column) for column in zip(*inserted, strict=True)] == [1] * 50
        assert len(self.journal.select()) == 50


class TestSQLAlchemyJournalOnPostgreSQL(OnPostgreSQL, Rules): ...


class TestSQLAlchemyJournalOnSQLite(OnSQLite, Rules): ...


class TestWithAnEngineOfTheCaller(OnPostgreSQL, JournalRules):
    """Its isolation level does not matter, and it stays open."""

    @pytest.fixture(autouse=True)
    def engine(self, empty: None) -> Iterator[sa.Engine]:
        self.own = sa.create_engine(self.url, isolation_level="SERIALIZABLE", pool_size=20)
        yield self.own
        self.own.dispose()

    def make(self) -> SQLAlchemyJournal:
        return SQLAlchemyJournal(self.own)

    def test_closing_the_journal_leaves_the_engine_open(self) -> None:
        self.fill(record())
        self.journal.close()
        assert "Connections in pool: 1" in self.own.pool.status()

    def test_a_forked_child_leaves_the_connections_of_the_engine_alone(self) -> None:
        self.fill(record())
        assert exit_code(in_child(self.work_in_child)) == 0
        assert len(self.journal.select()) == 2

    def work_in_child(self) -> bool:
        self.fill(record("of the child"))
        self.own.dispose()
        return True


def test_a_server_that_is_restarted_costs_nothing_but_the_calls_meanwhile(postgres: PostgreSQL, database: str) -> None:
    journal = SQLAlchemyJournal(database)
    stored = record()
    assert journal.insert(stored) is True
    postgres.restart()
    assert journal.latest("order-1") == stored
    stored = stored.changed(1001.0, state="sending")
    assert journal.replace(stored) is True
    postgres.stop()
    changed = stored.changed(1002.0, state="accepted", job_id="j1")
    for call in (
        lambda: journal.replace(changed),
        lambda: journal.insert(record("order-2")),
        lambda: journal.latest("order-1"),
        lambda: journal.select(states=["sending"]),
        lambda: SQLAlchemyJournal(database).by_job("j1"),
    ):
        with pytest.raises(JournalError, match=rf"127.0.0.1:{postgres.port}/postgres cannot be used: .*Check that"):
            call()
    postgres.start()
    assert journal.replace(changed) is True
    assert journal.select() == [changed]
    journal.close()


def test_a_connection_that_is_lost_between_two_statements_is_an_error_once(postgres: PostgreSQL, database: str) -> None:
    engine = sa.create_engine(database)
    journal = SQLAlchemyJournal(engine)
    assert journal.insert(record()) is True
    postgres.restart()
    with pytest.raises(JournalError, match="cannot be used"):
        journal.insert(record("order-2"))
    assert journal.insert(record("order-2")) is True
    engine.dispose()


def test_messages_contain_neither_the_password_nor_the_user() -> None:
    journal = SQLAlchemyJournal("postgresql+psycopg://me:secret@127.0.0.1:1/jobs?connect_timeout=2")
    with pytest.raises(JournalError, match=r"postgresql\+psycopg://127.0.0.1:1/jobs cannot be used: ") as raised:
        journal.select()
    shown = "".join(traceback.format_exception(raised.value)) + repr(journal)
    assert "secret" not in shown
    assert repr(journal) == "SQLAlchemyJournal('postgresql+psycopg://127.0.0.1:1/jobs')"


@pytest.mark.parametrize("url", ["", "jobs.db", "nosuch://host:secret@host/x", "postgresql://me:secret@host:port/x", 5])
def test_what_is_no_url_of_a_database_is_refused(url: Any) -> None:
    with pytest.raises(InvalidInputError, match="no URL of a database") as raised:
        SQLAlchemyJournal(url)
    assert "secret" not in "".join(traceback.format_exception(raised.value))


def test_a_driver_that_is_not_installed_is_named() -> None:
    with pytest.raises(MissingExtraError, match="The driver oracledb of this database is not installed"):
        SQLAlchemyJournal("oracle+oracledb://me@host/x")


def test_settings_of_the_engine_that_cannot_work_are_an_error(tmp_path: Path) -> None:
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'jobs.db'}", pool_size=1, max_overflow=0, pool_timeout=0.01)
    with engine.connect(), pytest.raises(JournalError, match="TimeoutError. Check the settings of the engine"):
        SQLAlchemyJournal(engine).select()
    engine.dispose()


def test_a_folder_that_is_missing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="unable to open database file. Check that the database"):
        SQLAlchemyJournal(f"sqlite:///{tmp_path / 'nowhere' / 'jobs.db'}").insert(record())


def test_a_journal_keeps_inputs_only_if_it_is_asked_to() -> None:
    assert SQLAlchemyJournal("sqlite://").keep_inputs is False
    assert SQLAlchemyJournal("sqlite://", keep_inputs=True).keep_inputs is True


def test_a_database_that_may_only_be_read_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "jobs.db"
    path.touch()
    with pytest.raises(JournalError, match="attempt to write a readonly database. Check that the database"):
        SQLAlchemyJournal(f"sqlite:///file:{path}?mode=ro&uri=true").insert(record())


def test_without_sqlalchemy_the_extra_is_named() -> None:
    program = "import sys; sys.modules['sqlalchemy'] = None; import decart.integrations.sql"
    error = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stderr
    assert error.splitlines()[-1] == (
        "decart.errors.MissingExtraError: This feature needs sqlalchemy, from the extra 'sql': "
        "pip install 'decart-queue[sql]'"
    )
