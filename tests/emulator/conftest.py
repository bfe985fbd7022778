"""The box, reached both ways: in process on a virtual clock, and over real HTTP."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from studio import Studio

from decart import DecartClient
from decart.emulator import Emulator, EmulatorServer, EmulatorTransport, VirtualClock


@pytest.fixture
def studio() -> Studio:
    return Studio()


@pytest.fixture(params=["in process", "over HTTP"])
def client(request: pytest.FixtureRequest, studio: Studio) -> Iterator[DecartClient]:
    """A client of a box whose jobs take no time over HTTP, and four virtual seconds in process."""
    if request.param == "in process":
        clock = VirtualClock()
        with (
            Emulator(clock=clock, renderer=studio, background=False) as emulator,
            DecartClient(api_key="dct_test", transport=EmulatorTransport(emulator, clock)) as client,
        ):
            yield client
    else:
        emulator = Emulator(pending=0, processing=0, renderer=studio)
        with (
            emulator,
            EmulatorServer(emulator) as server,
            DecartClient(api_key="dct_test", base_url=server.url) as client,
        ):
            yield client
