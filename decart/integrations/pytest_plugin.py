"""Fixtures for testing programs that use this library; pytest discovers them by itself.

============================  =======================================================================
``decart_emulator``           the emulator: in process, on a virtual clock, with tiny videos
``decart_client``             a ``DecartClient`` for it
``async_decart_client``       an ``AsyncDecartClient`` for it, on any event loop
``decart_server``             the same emulator at a local address, for programs that create their own client
``decart_emulator_settings``  the arguments of the emulator, as a dict: empty, unless a test overrides it
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

SECONDS_PER_CHECK = 2.0
"""Seconds by which a status check advances the clock of ``decart_server``: pending, processing, completed."""


@pytest.fixture
def decart_emulator_settings() -> dict[str, Any]:
    """Return the arguments of ``decart_emulator``, such as ``{"today": True}``; a fixture of this name overrides it."""
    return {}


@pytest.fixture
def decart_emulator(decart_emulator_settings: dict[str, Any]) -> Iterator[VirtualEmulator]:
    """Yield an emulator, with its ``clock``, ``requests`` and ``faults``; each test gets a new one."""
    from ..emulator import VirtualEmulator

    with VirtualEmulator(**decart_emulator_settings) as emulator:
        yield emulator


@pytest.fixture
def decart_client(decart_emulator: VirtualEmulator) -> Iterator[DecartClient]:
    """Yield a client of the emulator; its waits take no time."""
    with decart_emulator.client() as client:
        yield client


@pytest.fixture
def async_decart_client(decart_emulator: VirtualEmulator) -> Iterator[AsyncDecartClient]:
    """Yield an async client of the emulator, for ``asyncio.run`` or any runner of async tests."""
    from ..client import close_without_loop

    client = decart_emulator.async_client()
    yield client
    close_without_loop(client)


@pytest.fixture
def decart_server(decart_emulator: VirtualEmulator) -> Iterator[EmulatorServer]:
    """Yield the emulator over HTTP, at ``decart_server.url``; each status check takes two seconds on its clock."""
    from ..emulator import EmulatorServer

    with EmulatorServer(decart_emulator, seconds_per_check=SECONDS_PER_CHECK) as server:
        yield server
