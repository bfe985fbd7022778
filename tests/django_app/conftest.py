"""Fixtures of the Django example: a migrated database, the emulator, and a visitor."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.django_app import RecordingEmulator, talking_to

# isort: split
# Django has been set up by now
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.db import connection as database
from django.test import Client
from django.test.utils import (
    override_settings,
    setup_databases,
    setup_test_environment,
    teardown_databases,
    teardown_test_environment,
)
from support.django_visits import visitor
from videos.models import Job

from decart.integrations.django.models import Job as Record


@pytest.fixture(scope="session", autouse=True)
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A database in a file, made by the real migrations."""
    database.settings_dict["TEST"]["NAME"] = str(tmp_path_factory.mktemp("database") / "test.sqlite3")
    database.settings_dict["OPTIONS"]["init_command"] = "PRAGMA synchronous = OFF"  # it need not outlive a crash
    setup_test_environment()
    old = setup_databases(verbosity=0, interactive=False)
    yield
    teardown_databases(old, verbosity=0)
    teardown_test_environment()


@pytest.fixture(autouse=True)
def empty() -> Iterator[None]:
    """Delete what a test has stored."""
    yield
    for model in (Job, Record, LogEntry, Session, User):
        model.objects.all().delete()


@pytest.fixture
def emulator() -> Iterator[RecordingEmulator]:
    emulator = RecordingEmulator()
    with talking_to(emulator):
        yield emulator


@pytest.fixture
def ann() -> Client:
    return visitor()


@pytest.fixture
def media(tmp_path: Path) -> Iterator[Path]:
    """The folder of the site's default storage, in which it keeps videos."""
    with override_settings(MEDIA_ROOT=tmp_path / "media"):
        yield tmp_path / "media"
