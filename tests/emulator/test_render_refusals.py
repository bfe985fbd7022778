"""Inputs that the renderer refuses with a reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.media import EDITS, fails, png_that_claims, write_video


@pytest.mark.parametrize("task", ["video-edit", "image-to-video", "image-to-image", "motion"])
@pytest.mark.parametrize("raw", [b"", b"hello", bytes(range(256)) * 40, b"\xff\xd8\xff\xe0" * 9])
def test_a_file_that_is_not_media_is_refused(task: str, raw: bytes, tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(raw)
    assert "data" in fails(tmp_path, task, inputs={"data": tmp_path / "data"})


@pytest.mark.parametrize("kept", [0.3, 0.6, 0.9])
def test_a_file_that_was_cut_off_is_refused(kept: float, tmp_path: Path, picture: Path) -> None:
    source = write_video(tmp_path / "video.mp4", sound="aac", ticks=tuple(range(0, 3000, 100)))
    for path, task in ((source, "video-edit"), (picture, "image-to-video")):
        raw = path.read_bytes()
        path.write_bytes(raw[: int(len(raw) * kept)])
        assert "data" in fails(tmp_path, task, inputs={"data": path})


def test_a_picture_is_not_accepted_as_a_video_nor_a_video_as_a_picture(
    tmp_path: Path, video: Path, picture: Path
) -> None:
    assert fails(tmp_path, "video-edit", inputs={"data": picture}) == ("data is not a video that can be decoded")
    assert fails(tmp_path, "image-to-video", inputs={"data": video}) == ("data is not a picture that can be decoded")


def test_sound_alone_is_not_accepted_as_a_video(tmp_path: Path) -> None:
    source = write_video(tmp_path / "sound.m4a", sound="aac", pictures=False)
    assert "only sound" in fails(tmp_path, "video-edit", inputs={"data": source})


def test_a_video_without_frames_is_refused(tmp_path: Path) -> None:
    source = write_video(tmp_path / "video.mkv", ticks=(), sound="aac")
    assert fails(tmp_path, "video-edit", inputs={"data": source})


def test_an_unknown_codec_is_refused(tmp_path: Path) -> None:
    video = write_video(tmp_path / "video.mp4", codec="h264")
    video.write_bytes(video.read_bytes().replace(b"avc1", b"zzzz"))
    assert fails(tmp_path, "video-edit", inputs={"data": video})


@pytest.mark.parametrize("size", [(8193, 8), (8000, 8000), (14000, 14000), (10**6, 10**6)])
@pytest.mark.filterwarnings("default::PIL.Image.DecompressionBombWarning")
def test_a_huge_picture_is_refused_by_its_header(size: tuple[int, int], tmp_path: Path) -> None:
    (tmp_path / "bomb.png").write_bytes(png_that_claims(*size))
    reason = fails(tmp_path, "image-to-video", inputs={"data": tmp_path / "bomb.png"})
    assert "too many pixels" in reason


def test_a_huge_or_very_narrow_video_is_refused(tmp_path: Path) -> None:
    huge = write_video(tmp_path / "huge.mkv", size=(8224, 32), ticks=(0,), codec="ffv1")
    assert "too many pixels" in fails(tmp_path, "video-edit", inputs={"data": huge})
    narrow = write_video(tmp_path / "narrow.mp4", size=(640, 16), ticks=(0,))
    assert "narrow" in fails(tmp_path, "video-edit", inputs={"data": narrow})


def test_a_playlist_cannot_open_other_files(tmp_path: Path, video: Path) -> None:
    (tmp_path / "list.mp4").write_text(f"ffconcat version 1.0\nfile '{video.name}'\n")
    assert fails(tmp_path, "video-edit", inputs={"data": tmp_path / "list.mp4"})


@pytest.mark.parametrize(
    "changes",
    [
        {"width": 0},
        {"height": -5},
        {"width": 8192, "height": 8192},
        {"width": 10**9},
        {"fps": 0},
        {"fps": 10**6},
        {"seconds": 0.0},
        {"seconds": float("nan")},
        {"seconds": 1e9},
        {"task": "a dance"},
    ],
)
def test_numbers_out_of_range_are_refused(changes: dict[str, Any], tmp_path: Path) -> None:
    changes = dict(changes)
    assert fails(tmp_path, changes.pop("task", "text-to-video"), **changes)


def test_a_trajectory_that_is_not_numbers_is_refused(tmp_path: Path, picture: Path) -> None:
    path = [(0, float("nan"), 0.5)]
    assert fails(tmp_path, "motion", inputs={"data": picture}, trajectory=path)


@pytest.mark.parametrize("task", ["image-to-video", "motion", "first-last-frame", "image-to-image", *EDITS])
def test_a_missing_input_is_named(task: str, tmp_path: Path) -> None:
    assert "missing" in fails(tmp_path, task)
    gone = dict.fromkeys(("data", "start", "end"), tmp_path / "gone")
    assert fails(tmp_path, task, inputs=gone)
