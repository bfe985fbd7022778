"""A journal in a file, and both sides of the package, for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.labelled import BothSides

from decart import SQLiteJournal


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "jobs.db"


@pytest.fixture
def journal(path: Path) -> Iterator[SQLiteJournal]:
    made = SQLiteJournal(path, lock_timeout=0.05)
    yield made
    made.close()


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
