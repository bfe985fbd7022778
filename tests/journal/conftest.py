"""A journal in a file, a database on a server, and both sides of the package, for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from support.labelled import BothSides
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


@pytest.fixture(params=["sync", "async"])
def side(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Run a test for each side, in a folder of its own, and close the clients that it made."""
    monkeypatch.setattr(BothSides, "side", request.param)
    clients = list[Any]()
    monkeypatch.setattr(BothSides, "clients", clients)
    monkeypatch.chdir(tmp_path)
    yield
    for client in clients:
        client.close()
