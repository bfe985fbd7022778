"""Rendering from pictures and videos."""

from __future__ import annotations

import struct
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image
from support.media import SIZE, SOUND_RATE, frames_of, job, write_video
from support.pictures import difference, halves, made, times_of

from decart.emulator.render.inputs import MAX_CLIP_SECONDS
from decart.emulator.render.styles import STYLES
from decart.emulator.render.tasks import draw as render


def test_a_camera_moves_over_a_picture(tmp_path: Path, picture: Path) -> None:
    frames = made(tmp_path, "image-to-video", prompt="zoom in", inputs={"data": picture})
    assert difference(frames[0], frames[-1]) > 5
    assert max(difference(a, b) for a, b in pairwise(frames)) < 20


def test_a_camera_moves_as_the_prompt_says(tmp_path: Path, picture: Path) -> None:
    left = made(tmp_path, "image-to-video", prompt="pan left", inputs={"data": picture})
    right = made(tmp_path, "image-to-video", prompt="pan right", inputs={"data": picture})
    assert difference(left[0], right[-1]) < 8 < difference(left[0], right[0])


def test_a_picture_is_not_stretched(tmp_path: Path) -> None:
    tall = Image.new("RGB", (60, 240), "blue")
    tall.paste("red", (20, 110, 40, 130))
    tall.save(tmp_path / "tall.png")
    files, size = {"data": tmp_path / "tall.png"}, {"width": 192, "height": 128}
    frame = made(tmp_path, "image-to-video", prompt="zoom in", inputs=files, **size)[0]
    rows, columns = np.nonzero(frame[24:, :, 0] > 128)
    assert abs(int(np.ptp(rows)) - int(np.ptp(columns))) <= 3


def test_the_orientation_of_a_photo_is_respected(tmp_path: Path) -> None:
    photo, exif = halves("red", "blue", (64, 96)), Image.Exif()
    exif[0x0112] = 8  # to be shown turned left, so red comes to lie below
    photo.save(tmp_path / "photo.jpg", exif=exif)
    shown = made(tmp_path, "image-to-video", prompt="zoom in", inputs={"data": tmp_path / "photo.jpg"})[0]
    assert shown[50, 48, 0] > 150 > shown[20, 48, 0]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "I;16"])
def test_any_kind_of_picture_is_read(mode: str, tmp_path: Path) -> None:
    path = tmp_path / ("a.jpg" if mode == "CMYK" else "a.png")
    Image.new("L", SIZE, 200).convert("L").convert(mode).save(path)
    assert len(made(tmp_path, "image-to-video", inputs={"data": path})) == 10


def test_a_picture_follows_the_trajectory(tmp_path: Path) -> None:
    dot = Image.new("RGB", SIZE, "black")
    dot.paste("blue", (20, 28, 28, 36))
    dot.save(tmp_path / "dot.png")
    path = [(0, 0.25, 0.5), (9, 0.75, 0.5)]
    frames = made(tmp_path, "motion", inputs={"data": tmp_path / "dot.png"}, trajectory=path)
    # The rightmost, because a mirrored dot comes in from the left.
    edges = [int(np.nonzero(f[..., 2] - f[..., 0] > 60)[1].max()) for f in frames]
    assert all(a < b for a, b in pairwise(edges))
    assert 42 < edges[-1] - edges[0] < 56


@pytest.mark.parametrize(
    "path",
    [
        [],
        [(0, 0.5, 0.5)],
        [(5, 0.2, 0.2), (0, 0.8, 0.8), (5, 0.3, 0.3)],
        [(-4, -9.0, 2.0), (10**9, 7.0, 0.0)],
    ],
)
def test_any_trajectory_of_numbers_makes_a_video(path: Any, tmp_path: Path, picture: Path) -> None:
    assert len(made(tmp_path, "motion", inputs={"data": picture}, trajectory=path)) == 10


def test_a_trajectory_may_have_a_point_for_each_frame(tmp_path: Path, picture: Path) -> None:
    path = [(frame, frame % 10 / 10, 0.5) for frame in range(600)]
    frames = made(tmp_path, "motion", inputs={"data": picture}, seconds=6.0, fps=100, trajectory=path)
    assert len(frames) == 600


def test_a_fade_goes_from_the_first_picture_to_the_last(tmp_path: Path) -> None:
    for name, colours in (("start", ("red", "green")), ("end", ("blue", "white"))):
        halves(*colours).save(tmp_path / f"{name}.png")
    both = {name: tmp_path / f"{name}.png" for name in ("start", "end")}
    frames = made(tmp_path, "first-last-frame", inputs=both)
    start, end = (np.asarray(Image.open(both[name]), np.int16) for name in ("start", "end"))
    # Without the rows of the label.
    away = [difference(frame[24:], start[24:]) for frame in frames]
    assert away[0] < 5
    assert difference(frames[-1][24:], end[24:]) < 5
    assert away == sorted(away)


def test_an_edit_keeps_the_timing_of_its_source(tmp_path: Path) -> None:
    uneven = (0, 40, 80, 500, 540, 990)
    source = write_video(tmp_path / "video.mp4", ticks=uneven)
    target = tmp_path / "made.mp4"
    render(job("video-edit", inputs={"data": source}), target)
    assert times_of(target) == pytest.approx([tick / 1000 for tick in uneven])


@pytest.mark.parametrize("seconds_per_frame", [2, 3])
def test_a_slow_video_keeps_its_rate(seconds_per_frame: int, tmp_path: Path) -> None:
    slides = write_video(
        tmp_path / "slides.mp4", ticks=tuple(range(0, 4000 * seconds_per_frame, 1000 * seconds_per_frame))
    )
    render(job("video-edit", prompt="noir", inputs={"data": slides}), tmp_path / "edited.mp4")
    with av.open(str(tmp_path / "edited.mp4")) as file:
        assert 1 / seconds_per_frame <= (file.streams.video[0].average_rate or 0) < 1.1 / seconds_per_frame


def test_a_last_frame_that_is_shown_for_long_is_no_missing_end(tmp_path: Path) -> None:
    source = tmp_path / "long.mp4"
    with av.open(str(source), "w") as file:
        track = file.add_stream("mpeg4", rate=10)
        track.width, track.height, track.pix_fmt = *SIZE, "yuv420p"
        for number in range(10):
            for packet in track.encode(av.VideoFrame.from_ndarray(np.full((SIZE[1], SIZE[0], 3), 99, np.uint8))):
                packet.duration *= 90 if number == 9 else 1
                file.mux(packet)
        file.mux(track.encode(None))
    render(job("video-edit", prompt="noir", inputs={"data": source}), tmp_path / "edited.mp4")
    assert len(frames_of(tmp_path / "edited.mp4")) == 10


@pytest.mark.parametrize("level", [16, 128, 240])
@pytest.mark.parametrize(("format", "full"), [("yuv420p", False), ("yuvj420p", True)])
def test_the_levels_of_a_video_are_kept_whatever_its_range(level: int, format: str, full: bool, tmp_path: Path) -> None:
    source = tmp_path / "source.avi"
    with av.open(str(source), "w") as file:
        track = file.add_stream("mjpeg" if full else "mpeg4", rate=10)
        track.width, track.height, track.pix_fmt = 64, 64, format
        picture = av.VideoFrame.from_ndarray(np.full((64, 64, 3), level, np.uint8))
        file.mux(track.encode(picture.reformat(format=format)))
        file.mux(track.encode(None))
    render(job("video-edit", prompt="negative", width=64, height=64, inputs={"data": source}), tmp_path / "edited.mp4")
    assert abs(int(frames_of(tmp_path / "edited.mp4")[0][40, 10, 0]) - (255 - level)) <= 8


def test_a_long_video_is_shortened(tmp_path: Path) -> None:
    seconds = tuple(range(0, (MAX_CLIP_SECONDS + 5) * 1000, 500))
    source = write_video(tmp_path / "video.mp4", ticks=seconds)
    assert len(made(tmp_path, "video-edit", inputs={"data": source})) == MAX_CLIP_SECONDS * 2


def test_each_filter_changes_the_picture_in_its_own_way(tmp_path: Path, video: Path) -> None:
    plain = frames_of(video)[5][30:]
    seen = [
        made(tmp_path, "video-restyle", prompt=f"in {words.split()[0]} style", inputs={"data": video})[5][30:]
        for words in STYLES
    ]
    seen.append(made(tmp_path, "video-edit", prompt="add a hat", inputs={"data": video})[5][30:])
    for number, frame in enumerate(seen):
        assert difference(frame, plain) > 4
        assert all(difference(frame, other) > 2 for other in seen[:number])


def test_a_reference_picture_is_shown_and_colours_the_video(tmp_path: Path, video: Path) -> None:
    Image.new("RGB", (40, 40), (220, 20, 20)).save(tmp_path / "coat.png")
    files = {"data": video, "reference_image": tmp_path / "coat.png"}
    plain = made(tmp_path, "virtual-try-on", inputs={"data": video})[0]
    worn = made(tmp_path, "virtual-try-on", inputs=files)[0]
    coat = np.array((220, 20, 20), np.int16)
    assert difference(worn[52:56, 6:12], coat) < 30 < difference(plain[52:56, 6:12], coat)
    assert difference(worn[30:45], plain[30:45]) > 10


def test_a_portrait_source_stays_portrait(tmp_path: Path) -> None:
    source = write_video(tmp_path / "video.mp4", size=(64, 112))
    frame = made(tmp_path, "video-edit", inputs={"data": source})[0]
    assert frame.shape[:2] == (SIZE[0], SIZE[1])


def test_a_rotated_video_of_a_phone_is_upright(tmp_path: Path) -> None:
    source = write_video(tmp_path / "video.mp4", ticks=(0, 100))
    raw = bytearray(source.read_bytes())
    matrix = raw.index(b"tkhd") + 44
    assert struct.unpack(">i", raw[matrix : matrix + 4]) == (0x10000,)
    turn_right = (0, 0x10000, 0, -0x10000, 0, 0, 0, 0, 0x40000000)
    raw[matrix : matrix + 36] = struct.pack(">9i", *turn_right)
    source.write_bytes(raw)
    frame = made(tmp_path, "video-edit", prompt="cold", inputs={"data": source})[0]
    assert frame.shape[:2] == (SIZE[0], SIZE[1])
    # The bar at the left of the stored frame is at the top of the shown one.
    assert frame[8, 4, 0] > frame[60, 4, 0] + 40


@pytest.mark.parametrize(
    ("suffix", "codec", "sound"),
    [
        ("mp4", "h264", "aac"),
        ("mkv", "h264", "flac"),
        ("avi", "mpeg4", "mp3"),
        ("webm", "libvpx", "libopus"),
    ],
)
def test_sound_is_kept(suffix: str, codec: str, sound: str, tmp_path: Path) -> None:
    source = write_video(tmp_path / f"video.{suffix}", codec=codec, sound=sound)
    target = tmp_path / "made.mp4"
    render(job("video-edit", inputs={"data": source}), target)
    with av.open(str(target)) as file:
        voice = file.streams.audio[0]
        assert voice.codec_context.name == "aac"
        heard = np.concatenate([f.to_ndarray()[0] for f in file.decode(voice)])
    assert 0.95 < len(heard) / SOUND_RATE < 1.1
    assert float(np.abs(heard).max()) > 0.1


def test_a_video_without_sound_gets_none(tmp_path: Path, video: Path) -> None:
    target = tmp_path / "made.mp4"
    render(job("video-edit", inputs={"data": video}), target)
    with av.open(str(target)) as file:
        assert not file.streams.audio


def test_broken_sound_does_not_spoil_the_video(tmp_path: Path) -> None:
    source = write_video(tmp_path / "video.mp4", sound="aac")
    source.write_bytes(source.read_bytes().replace(b"mp4a", b"zzzz"))
    assert len(made(tmp_path, "video-edit", inputs={"data": source})) == 10


def test_images_are_png_of_the_requested_size(tmp_path: Path, picture: Path) -> None:
    for task in ("text-to-image", "image-to-image"):
        target = tmp_path / "made"
        render(job(task, width=97, height=65, inputs={"data": picture}), target)
        with Image.open(target) as shown:
            assert (shown.format, shown.mode, shown.size) == ("PNG", "RGB", (97, 65))


def test_a_picture_is_changed_by_the_filter_of_its_prompt(tmp_path: Path, picture: Path) -> None:
    target = tmp_path / "made.png"
    render(job("image-to-image", prompt="film noir", inputs={"data": picture}), target)
    red, green, blue = np.moveaxis(np.asarray(Image.open(target))[30:], 2, 0)
    assert (red == green).all()
    assert (green == blue).all()
