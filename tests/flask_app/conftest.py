"""Fixtures of the Flask example: the emulator, the app in front of it, and a visitor."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.flask_app import Box, Site, Visitor, site_of
from support.studio import Studio

from decart.emulator import Emulator, EmulatorServer, VirtualClock


@pytest.fixture(scope="module")
def same_box() -> Iterator[Box]:
    """One for all tests of a file, since a server takes its time to stop."""
    clock, studio = VirtualClock(), Studio()
    with Emulator(clock=clock, renderer=studio, background=False) as emulator, EmulatorServer(emulator) as server:
        yield Box(server.url, clock, studio)


@pytest.fixture
def box(same_box: Box) -> Box:
    """The box, with a new sheet for its notes."""
    same_box.studio.orders.clear()
    same_box.studio.files.clear()
    return same_box


@pytest.fixture
def site(box: Box, tmp_path: Path) -> Iterator[Site]:
    with site_of(box.url, tmp_path) as site:
        yield site


@pytest.fixture
def visitor(site: Site) -> Visitor:
    return site.visitor()
