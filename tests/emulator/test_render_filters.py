"""A build of libavfilter that lacks a filter renders a plain picture, for every task."""

from pathlib import Path

import av.filter
import numpy as np
import pytest
from PIL import Image
from support.media import EDITS, SIZE, frames_of, job
from support.pictures import inputs_for

from decart.emulator.render.tasks import draw

CLIPS = ("text-to-video", "image-to-video", "motion", "first-last-frame", *EDITS)


@pytest.mark.parametrize("missing", ["overlay", "format", "buffer"])
@pytest.mark.parametrize("task", CLIPS)
def test_without_a_filter_a_video_shows_a_plain_picture(
    task: str, missing: str, tmp_path: Path, video: Path, picture: Path
) -> None:
    inputs = {} if task == "text-to-video" else inputs_for(task, video, picture)
    draw(job(task, inputs=inputs), tmp_path / "made", av.filter.filters_available - {missing})
    frames = frames_of(tmp_path / "made")
    assert [frame.shape[1::-1] for frame in frames] == [SIZE] * 10
    assert all(np.ptp(frame[30:50], axis=(0, 1)).max() < 8 for frame in frames)


@pytest.mark.parametrize("task", ["text-to-image", "image-to-image"])
def test_without_a_filter_an_image_is_a_plain_picture(task: str, tmp_path: Path, picture: Path) -> None:
    draw(job(task, width=97, height=65, inputs={"data": picture}), tmp_path / "made", frozenset())
    with Image.open(tmp_path / "made") as made:
        assert (made.format, made.size) == ("PNG", (97, 65))
        assert np.ptp(np.asarray(made)[30:50], axis=(0, 1)).max() < 8


def test_a_filter_that_is_not_needed_may_be_missing(tmp_path: Path, video: Path) -> None:
    order = job("video-edit", prompt="warm", inputs={"data": video})
    draw(order, tmp_path / "one")
    draw(order, tmp_path / "two", av.filter.filters_available - {"zoompan", "pixelize"})
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
