"""The tables of an `SQLAlchemyJournal` that an earlier version made, and several processes that meet them at once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import pytest
import sqlalchemy as sa
from support.journals import in_children

from decart import JobRecord
from decart.integrations.sql import SQLAlchemyJournal

VERSION_1 = """
CREATE TABLE decart_jobs (
    label TEXT {exact} NOT NULL, generation INTEGER NOT NULL, revision INTEGER NOT NULL, state TEXT {exact} NOT NULL,
    model TEXT {exact} NOT NULL, job_id TEXT {exact}, created_at {real} NOT NULL, updated_at {real} NOT NULL,
    details TEXT {exact} NOT NULL, PRIMARY KEY (label, generation)
);
CREATE INDEX decart_jobs_by_job ON decart_jobs (job_id);
CREATE INDEX decart_jobs_by_age ON decart_jobs (created_at, label, generation);
CREATE INDEX decart_jobs_by_state ON decart_jobs (state, created_at, label, generation);
CREATE TABLE decart_jobs_version (version INTEGER NOT NULL, PRIMARY KEY (version));
INSERT INTO decart_jobs_version VALUES (1);
"""
"""The layout of the first version, as it was published: it never changes."""

DETAILS = (
    '{"fingerprint": {"prompt": "1f"}, "origin": "https://api.decart.ai", "account": "2e", "owner": "", '
    '"status": "processing", "error": null, "saved_to": null, "cost": 0.5, "inputs": null}'
)
"""What the first version knew of a job, without ``steps``, ``due_at`` and ``poll``."""

STORED = JobRecord(
    label="order-1",
    revision=2,
    state="accepted",
    fingerprint={"prompt": "1f"},
    model="lucy-pro-t2v",
    origin="https://api.decart.ai",
    account="2e",
    owner="",
    created_at=1000.0,
    updated_at=1001.0,
    job_id="j1",
    status="processing",
    cost=0.5,
)


@pytest.fixture(params=["SQLite", "PostgreSQL"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database."""
    if request.param == "SQLite":
        return f"sqlite:///{tmp_path / 'jobs.db'}"
    empty: str = request.getfixturevalue("database")
    return empty


@pytest.fixture
def engine(url: str) -> Iterator[sa.Engine]:
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    yield engine
    engine.dispose()


@pytest.fixture
def earlier(engine: sa.Engine) -> None:
    """Have the tables of the first version, with one record."""
    is_sqlite = engine.dialect.name == "sqlite"
    types = {"exact": "", "real": "DOUBLE"} if is_sqlite else {"exact": 'COLLATE "C"', "real": "DOUBLE PRECISION"}
    with engine.begin() as connection:
        for statement in filter(None, map(str.strip, VERSION_1.format(**types).split(";"))):
            connection.execute(sa.text(statement))
        row = "'order-1', 1, 2, 'accepted', 'lucy-pro-t2v', 'j1', 1000.0, 1001.0, :details"
        connection.execute(sa.text(f"INSERT INTO decart_jobs VALUES ({row})"), {"details": DETAILS})


def versions(engine: sa.Engine) -> list[int]:
    with engine.connect() as connection:
        return list(connection.execute(sa.text("SELECT version FROM decart_jobs_version ORDER BY version")).scalars())


def layout(engine: sa.Engine) -> Any:
    """Return the columns, indexes and keys of the tables."""
    seen, found = sa.inspect(engine), {}
    for name in ("decart_jobs", "decart_jobs_version"):
        columns = [(column["name"], repr(column["type"]), column["nullable"]) for column in seen.get_columns(name)]
        indexes = sorted((index["name"] or "", index["column_names"]) for index in seen.get_indexes(name))
        found[name] = columns, indexes, seen.get_pk_constraint(name)["constrained_columns"]
    return found


def test_a_record_of_the_first_version_is_read_and_continued(url: str, earlier: None) -> None:
    journal = SQLAlchemyJournal(url)
    assert journal.select() == [STORED]
    assert (STORED.steps, STORED.due_at, STORED.poll) == (0, None, None)
    stepped = STORED.changed(1002.0, steps=1, due_at=1010.0, poll={"job_id": "j1"})
    assert journal.replace(stepped) is True
    assert journal.insert(attrs.evolve(STORED, generation=2)) is True
    assert journal.insert(stepped) is False
    assert journal.by_job("j1") == attrs.evolve(STORED, generation=2)
    assert journal.select()[0] == stepped
    journal.close()


def test_an_upgrade_leads_to_the_same_tables_as_a_new_journal(url: str, engine: sa.Engine, earlier: None) -> None:
    journal = SQLAlchemyJournal(url)
    journal.select()
    upgraded, newest = layout(engine), versions(engine)[-1]
    with engine.begin() as connection:
        for name in upgraded:
            connection.execute(sa.text(f"DROP TABLE {name}"))
    SQLAlchemyJournal(engine).select()
    assert (layout(engine), versions(engine)) == (upgraded, [newest])
    journal.close()


def add_column(connection: sa.Connection, jobs: sa.Table, name: str) -> None:
    connection.execute(sa.text(f"ALTER TABLE {jobs.name} ADD COLUMN {name} TEXT"))


class Newer(SQLAlchemyJournal):
    """A later version, with two more changes; a change that is made twice fails."""

    migrations = (
        *SQLAlchemyJournal.migrations,
        partial(add_column, name="first"),
        partial(add_column, name="second"),
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="only where there is fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_processes_that_start_at_once_upgrade_once(url: str, engine: sa.Engine, earlier: None) -> None:
    def read() -> list[bool]:
        journal = Newer(url)
        found = [journal.latest("order-1") == STORED, journal.insert(attrs.evolve(STORED, label="order-2"))]
        journal.close()
        return found

    was_read, inserted = zip(*in_children(8, read), strict=True)
    assert (all(was_read), sum(inserted)) == (True, 1)
    assert versions(engine) == [*range(1, len(Newer.migrations) + 2)]
    assert [name for name, _, _ in layout(engine)["decart_jobs"][0]][-2:] == ["first", "second"]
