"""Rendered files are cached, up to a limit, and reused for the same job."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.media import job
from support.raw import RawClient
from support.studio import Studio

from decart.emulator import VirtualEmulator
from decart.emulator.render import Cached, RenderError, RenderJob


@pytest.fixture
def studio() -> Studio:
    return Studio()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "kept"


def give(cached: Cached, order: RenderJob, target: Path) -> bytes:
    cached(order, target)
    made = target.read_bytes()
    target.unlink()
    return made


def test_the_same_job_is_rendered_once(studio: Studio, folder: Path, tmp_path: Path) -> None:
    cached = Cached(studio, folder)
    for _ in range(3):
        assert give(cached, job("text-to-video", prompt="a lake"), tmp_path / "made.mp4") == b"video of a lake"
    assert len(studio.orders) == 1


@pytest.mark.parametrize(
    "other",
    [{"seed": 1}, {"prompt": "x"}, {"model": "y"}, {"width": 640}, {"trajectory": [(0, 0.0, 0.0)]}, {"data": b"2"}],
)
def test_another_job_is_rendered_again(studio: Studio, folder: Path, tmp_path: Path, other: dict[str, Any]) -> None:
    cached = Cached(studio, folder)
    for options in ({}, other):
        picture = tmp_path / "picture"  # the same name with other bytes is another picture
        picture.write_bytes(options.get("data", b"1"))
        more = {name: value for name, value in options.items() if name != "data"}
        cached(job("motion", inputs={"data": picture}, **more), tmp_path / f"{len(options)}.mp4")
    assert len(studio.orders) == 2


def test_the_least_recently_used_file_is_evicted_first(studio: Studio, folder: Path, tmp_path: Path) -> None:
    cached = Cached(studio, folder, limit=2 * len(b"video of 1"))
    for prompt in "1213":  # 3 has no room unless 2 goes
        give(cached, job("text-to-video", prompt=prompt), tmp_path / "made.mp4")
    assert [order.prompt for order in studio.orders] == ["1", "2", "3"]
    assert len(list(folder.iterdir())) == 2
    give(cached, job("text-to-video", prompt="1"), tmp_path / "made.mp4")
    assert len(studio.orders) == 3
    give(cached, job("text-to-video", prompt="2"), tmp_path / "made.mp4")
    assert len(studio.orders) == 4


def test_a_file_larger_than_the_limit_is_not_cached(studio: Studio, folder: Path, tmp_path: Path) -> None:
    cached = Cached(studio, folder, limit=5)
    for _ in range(2):
        assert give(cached, job("text-to-video", prompt="a lake"), tmp_path / "made.mp4") == b"video of a lake"
    assert len(studio.orders) == 2
    assert not folder.exists()


def test_a_file_that_was_deleted_is_rendered_again(studio: Studio, folder: Path, tmp_path: Path) -> None:
    cached = Cached(studio, folder)
    give(cached, job("text-to-video", prompt="a lake"), tmp_path / "made.mp4")
    for path in folder.iterdir():
        path.unlink()
    assert give(cached, job("text-to-video", prompt="a lake"), tmp_path / "made.mp4") == b"video of a lake"
    assert len(studio.orders) == 2


def test_a_job_that_fails_is_not_cached(studio: Studio, folder: Path, tmp_path: Path) -> None:
    cached = Cached(studio, folder)
    for _ in range(2):
        with pytest.raises(RenderError):
            cached(job("text-to-video", prompt="fail"), tmp_path / "made.mp4")
    assert len(studio.orders) == 2


def test_the_emulator_caches_its_own_renders() -> None:
    with VirtualEmulator(renderer=None) as emulator:
        raw = RawClient.within(emulator)
        made = []
        for _ in range(2):
            found = emulator.find(raw.finished(raw.form("/v1/jobs/lucy-pro-t2i", {"prompt": "a lake"})))
            assert found is not None
            made.append(found.target.stat().st_ino)
    assert made[0] == made[1]  # one file
