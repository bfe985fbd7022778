"""The emulator that the environment points to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.studio import Studio

from decart.emulator import EmulatorServer, VirtualEmulator


@pytest.fixture
def emulator(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """An emulator that the environment points to, and a folder with the page's input files."""
    (tmp_path / "image.jpg").write_bytes(b"picture")
    (tmp_path / "input.mp4").write_bytes(b"video")
    monkeypatch.chdir(tmp_path)
    emulator = VirtualEmulator(pending=0, processing=0.3, renderer=Studio(), api_keys={"your-api-key"})
    with emulator, EmulatorServer(emulator, seconds_per_check=0.3) as server:
        monkeypatch.setenv("DECART_BASE_URL", server.url)
        yield server.url
