"""A journal in a file, for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from decart import SQLiteJournal


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "jobs.db"


@pytest.fixture
def journal(path: Path) -> Iterator[SQLiteJournal]:
    made = SQLiteJournal(path, lock_timeout=0.05)
    yield made
    made.close()
