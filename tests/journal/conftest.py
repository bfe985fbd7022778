"""A journal in a file, and a database on a server, for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from support.postgres import PostgreSQL, server

from decart import SQLiteJournal


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "jobs.db"


@pytest.fixture
def journal(path: Path) -> Iterator[SQLiteJournal]:
    made = SQLiteJournal(path, lock_timeout=0.05)
    yield made
    made.close()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgreSQL]:
    with server() as running:
        yield running


@pytest.fixture
def database(postgres: PostgreSQL) -> str:
    """The URL of a database without tables."""
    engine = sa.create_engine(postgres.url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.execute(sa.text("DROP SCHEMA public CASCADE"))
        connection.execute(sa.text("CREATE SCHEMA public"))
    return postgres.url
