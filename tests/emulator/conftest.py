"""Fixtures that reach the emulator in process on a virtual clock, over real HTTP, and through the pytest plugin."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.media import SIZE, write_video
from support.raw import RawClient
from support.studio import Studio

from decart import DecartClient
from decart.emulator import Emulator, EmulatorServer, EmulatorTransport, VirtualClock


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder for temporary files, used by this test only; request it before an emulator."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def studio() -> Studio:
    return Studio()


@pytest.fixture
def decart_emulator_settings(studio: Studio, options: dict[str, Any]) -> dict[str, Any]:
    """Override the arguments of the plugin's emulator."""
    return {"renderer": studio, **options}


@pytest.fixture(params=["in process", "over HTTP", "from fixtures"])
def client(request: pytest.FixtureRequest, studio: Studio) -> Iterator[DecartClient]:
    """A client of an emulator whose jobs take no time over HTTP, and four virtual seconds in process."""
    if request.param == "in process":
        clock = VirtualClock()
        with (
            Emulator(clock=clock, renderer=studio, background=False) as emulator,
            DecartClient(api_key="dct_test", transport=EmulatorTransport(emulator)) as client,
        ):
            yield client
    elif request.param == "from fixtures":
        yield request.getfixturevalue("decart_client")
    else:
        emulator = Emulator(pending=0, processing=0, renderer=studio)
        with (
            emulator,
            EmulatorServer(emulator) as server,
            DecartClient(api_key="dct_test", base_url=server.url) as client,
        ):
            yield client


@pytest.fixture
def options() -> dict[str, Any]:
    """Arguments of a test's emulator; override them with ``@pytest.mark.parametrize("options", [...])``."""
    return {}


@pytest.fixture(params=["in process", "over HTTP", "from fixtures"])
def raw(request: pytest.FixtureRequest, studio: Studio, options: dict[str, Any]) -> Iterator[RawClient]:
    """Send handmade requests to an emulator on a virtual clock, whichever way it is reached."""
    if request.param == "from fixtures":
        emulator = request.getfixturevalue("decart_emulator")
        yield RawClient(emulator, emulator.clock, EmulatorTransport(emulator))
        return
    clock, near = VirtualClock(), request.param == "in process"
    with Emulator(clock=clock, renderer=studio, background=not near, **options) as emulator:
        if near:
            yield RawClient(emulator, clock, EmulatorTransport(emulator))
        else:
            with EmulatorServer(emulator) as server:
                yield RawClient(emulator, clock, server)


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return write_video(tmp_path / "video.mp4")


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "picture.png"
    noise = np.random.default_rng(1).integers(0, 255, (16, 24, 3)).astype(np.uint8)
    Image.fromarray(noise).resize(SIZE).save(path)
    return path
