"""Fixtures of the Flask example: the emulator, the app in front of it, and a visitor."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.flask_app import RunningEmulator, Site, Visitor, site_of
from support.studio import Studio

from decart.emulator import Emulator, EmulatorServer, VirtualClock


@pytest.fixture(scope="module")
def shared_emulator() -> Iterator[RunningEmulator]:
    """One emulator for all tests of a file, since a server stops slowly."""
    clock, studio = VirtualClock(), Studio()
    with Emulator(clock=clock, renderer=studio, background=False) as emulator, EmulatorServer(emulator) as server:
        yield RunningEmulator(server.url, clock, studio)


@pytest.fixture
def emulator(shared_emulator: RunningEmulator) -> RunningEmulator:
    """Return the shared emulator, with empty notes."""
    shared_emulator.studio.orders.clear()
    shared_emulator.studio.files.clear()
    return shared_emulator


@pytest.fixture
def site(emulator: RunningEmulator, tmp_path: Path) -> Iterator[Site]:
    with site_of(emulator.url, tmp_path) as site:
        yield site


@pytest.fixture
def visitor(site: Site) -> Visitor:
    return site.visitor()
