"""Fixtures for the tests of programs that use this library; pytest finds them by itself.

============================  =======================================================================
``decart_emulator``           the service in a box: in process, on a virtual clock, with tiny videos
``decart_client``             a ``DecartClient`` of it
``async_decart_client``       an ``AsyncDecartClient`` of it, for any event loop
``decart_server``             the same box at a local address, for programs that make their own client
``decart_emulator_settings``  what the box is made with, to be overridden: a dict, empty unless it is
============================  =======================================================================

They need the extra ``emulator``: ``pip install 'decart-queue[emulator]'``. Nothing is loaded until one is used.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .._async.client import AsyncDecartClient
    from ..client import DecartClient
    from ..emulator import EmulatorServer, VirtualEmulator

LOOK = 2.0
"""Seconds that a question for a status moves the clock of ``decart_server``: pending, processing, completed."""


@pytest.fixture
def decart_emulator_settings() -> dict[str, Any]:
    """What ``decart_emulator`` is made with, such as ``{"today": True}``: a fixture of this name overrides it."""
    return {}


@pytest.fixture
def decart_emulator(decart_emulator_settings: dict[str, Any]) -> Iterator[VirtualEmulator]:
    """The service in a box, with its ``clock``, ``requests`` and ``faults``; a new one for each test."""
    from ..emulator import VirtualEmulator

    with VirtualEmulator(**decart_emulator_settings) as emulator:
        yield emulator


@pytest.fixture
def decart_client(decart_emulator: VirtualEmulator) -> Iterator[DecartClient]:
    """A client of the box; its waits take no time."""
    with decart_emulator.client() as client:
        yield client


@pytest.fixture
def async_decart_client(decart_emulator: VirtualEmulator) -> Iterator[AsyncDecartClient]:
    """The same, awaited: with ``asyncio.run``, or whatever runs your async tests."""
    from ..client import close_without_loop

    client = decart_emulator.async_client()
    yield client
    close_without_loop(client)


@pytest.fixture
def decart_server(decart_emulator: VirtualEmulator) -> Iterator[EmulatorServer]:
    """The box over HTTP, as ``decart_server.url``. Each question for a status takes two seconds on its clock."""
    from ..emulator import EmulatorServer

    with EmulatorServer(decart_emulator, look=LOOK) as server:
        yield server
