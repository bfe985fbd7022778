"""The layout of result files: an index before or after the frames, and the frame rate."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import pytest
from support.images import picture
from support.raw import RawClient

from decart import InvalidInputError
from decart.content import Structure
from decart.emulator import Emulator, VirtualEmulator
from decart.emulator.layouts import laid_out
from decart.emulator.render import RenderJob, render_small
from decart.emulator.render.tasks import draw

VIDEO = {"prompt": "x"}


def boxes(data: bytes) -> Iterator[str]:
    """Yield the names of the top-level boxes of an MP4 file."""
    while data:
        yield data[4:8].decode("ascii")
        data = data[int.from_bytes(data[:4], "big") :]


def made(path: str, files: dict[str, bytes] | None = None, **settings: Any) -> bytes:
    """Return a file made by an emulator with these settings."""
    with VirtualEmulator(**settings) as emulator:
        raw = RawClient.within(emulator)
        job_id = raw.finished(raw.form(path, {**VIDEO, "resolution": "480p"} if files is None else VIDEO, files))
        return raw.get(f"/v1/jobs/{job_id}/content").body


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, ["ftyp", "moov", "free", "mdat"]),
        ({"layout": "start"}, ["ftyp", "moov", "free", "mdat"]),
        ({"layout": "end"}, ["ftyp", "free", "mdat", "moov"]),
    ],
    ids=["default", "start", "end"],
)
def test_the_index_is_at_the_start_by_default(settings: dict[str, Any], expected: list[str]) -> None:
    data = made("/v1/jobs/lucy-pro-t2v", **settings)
    assert list(boxes(data)) == expected
    structure = Structure()
    structure.feed(data)
    assert structure.is_complete


def test_a_file_with_its_index_at_the_end_is_incomplete_until_that_has_arrived() -> None:
    data = made("/v1/jobs/lucy-pro-t2v", layout="end")
    structure = Structure()
    structure.feed(data[: data.rindex(b"moov") - 4])
    assert not structure.is_complete


@pytest.mark.parametrize("layout", ["start", "end"])
def test_the_layout_applies_to_edited_videos_too(layout: str, video: Path) -> None:
    data = made("/v1/jobs/lucy-clip", {"data": video.read_bytes()}, layout=layout, renderer=draw)
    assert (list(boxes(data))[-1] == "moov") is (layout == "end")


@pytest.mark.slow
@pytest.mark.parametrize("fps", [8, 24])
def test_videos_have_the_requested_frame_rate(fps: int, tmp_path: Path) -> None:
    path = tmp_path / "made.mp4"
    path.write_bytes(made("/v1/jobs/lucy-pro-t2v", layout="end", fps=fps, renderer=draw))
    with av.open(path) as container:
        stream = container.streams.video[0]
        assert (stream.average_rate, stream.frames) == (fps, 5 * fps)


@pytest.mark.parametrize(
    ("path", "fields", "files", "figures"),
    [
        ("/v1/jobs/lucy-pro-t2v", {}, (), ((1280, 720), 161, 32)),
        ("/v1/jobs/lucy-pro-t2v", {"orientation": "portrait"}, (), ((720, 1280), 161, 32)),
        ("/v1/jobs/lucy-pro-t2v", {"resolution": "480p"}, (), ((832, 480), 161, 32)),
        ("/v1/jobs/lucy-pro-i2v", {}, ("data",), ((1280, 720), 161, 32)),
        ("/v1/jobs/lucy-dev-i2v", {}, ("data",), ((1280, 704), 81, 24)),
        ("/v1/jobs/lucy-pro-flf2v", {}, ("start", "end"), ((1280, 704), 125, 25)),
        ("/v1/generate/lucy-image-2", {}, ("data",), ((1280, 720), 125, 25)),
    ],
)
def test_the_layout_of_the_service_orders_the_figures_of_its_files(
    path: str, fields: dict[str, str], files: tuple[str, ...], figures: tuple[tuple[int, int], int, int]
) -> None:
    orders: list[RenderJob] = []

    def renderer(order: RenderJob, target: Path) -> None:
        orders.append(order)
        render_small(order, target)

    with VirtualEmulator(layout="service", renderer=renderer) as emulator:
        raw = RawClient.within(emulator)
        response = raw.form(path, VIDEO | fields, dict.fromkeys(files, b"any bytes"))
        if "job_id" in str(response.body):
            raw.finished(response)
    (order,) = orders
    assert (order.size, order.frame_count, order.fps, order.layout) == (*figures, "end")


def test_a_frame_rate_of_ones_own_takes_precedence_over_that_of_the_layout() -> None:
    order = RenderJob(task="text-to-video", model="lucy-pro-t2v", inputs={})
    assert laid_out(order, "service", 8).frame_count == 40


@pytest.mark.slow
def test_a_file_in_the_layout_of_the_service_has_its_figures(tmp_path: Path) -> None:
    path = tmp_path / "made.mp4"
    path.write_bytes(made("/v1/jobs/lucy-dev-i2v", {"data": picture()}, layout="service", renderer=draw))
    assert list(boxes(path.read_bytes()))[-1] == "moov"
    with av.open(path) as container:
        (stream,) = container.streams
        assert (stream.average_rate, stream.frames, stream.width, stream.height) == (24, 81, 1280, 704)


@pytest.mark.parametrize(("settings", "why"), [({"layout": "middle"}, "layout must be"), ({"fps": 0}, "fps must be")])
def test_an_invalid_layout_or_frame_rate_is_refused(settings: dict[str, Any], why: str) -> None:
    with pytest.raises(InvalidInputError, match=why):
        Emulator(**settings)
