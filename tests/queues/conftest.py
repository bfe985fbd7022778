"""What tests of Celery's tasks have in common: a working folder, an emulator, a client with a journal, and an app."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from support.labelled import render
from support.mailbox import new_app

from decart import MemoryJournal
from decart.emulator import VirtualEmulator


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder of a test."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def emulator() -> Iterator[VirtualEmulator]:
    with VirtualEmulator(renderer=render) as emulator:
        yield emulator


@pytest.fixture
def client(emulator: VirtualEmulator) -> Any:
    with emulator.client(journal=MemoryJournal()) as client:
        yield client


@pytest.fixture
def app() -> Celery:
    return new_app()
