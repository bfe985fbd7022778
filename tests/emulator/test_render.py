"""Rules for the placeholders that the emulator makes."""

from __future__ import annotations

import struct
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image
from support.media import EDITS, SIZE, SOUND_RATE, Pixels, fails, frames_of, job, png_that_claims, write_video

from decart.emulator.render.clips import MAX_CLIP_SECONDS
from decart.emulator.render.filters import FILTER_WORDS
from decart.emulator.render.scenery import LAND_WORDS, OTHER_WORDS, PALETTE_WORDS
from decart.emulator.render.tasks import draw as render
from decart.emulator.render.text import overlay


def times_of(path: Path) -> list[float]:
    with av.open(str(path)) as file:
        return [frame.time for frame in file.decode(video=0) if frame.time is not None]


def made(tmp_path: Path, task: str, **changes: Any) -> list[Pixels]:
    target = tmp_path / "made.mp4"
    render(job(task, **changes), target)
    return frames_of(target)


def difference(one: Pixels, other: Pixels) -> float:
    return float(np.abs(one - other).mean())


def halves(left: str, right: str, size: tuple[int, int] = SIZE) -> Image.Image:
    """A picture with two colours side by side."""
    picture = Image.new("RGB", size, left)
    picture.paste(right, (size[0] // 2, 0, *size))
    return picture


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return write_video(tmp_path / "video.mp4")


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "picture.png"
    noise = np.random.default_rng(1).integers(0, 255, (16, 24, 3)).astype(np.uint8)
    Image.fromarray(noise).resize(SIZE).save(path)
    return path


def inputs_for(task: str, video: Path, picture: Path) -> dict[str, Path]:
    if task == "first-last-frame":
        return {"start": picture, "end": picture}
    return {"data": video if task in EDITS else picture}


# --- what every video is ------------------------------------------------------------------


@pytest.mark.parametrize("task", ["text-to-video", "image-to-video", "motion", "first-last-frame", *EDITS])
def test_a_video_is_h264_that_every_player_shows(task: str, tmp_path: Path, video: Path, picture: Path) -> None:
    target = tmp_path / "made.mp4"
    render(job(task, inputs=inputs_for(task, video, picture)), target)
    with av.open(str(target)) as file:
        stream = file.streams.video[0]
        context = stream.codec_context
        assert (context.name, context.pix_fmt) == ("h264", "yuv420p")
        assert (context.width, context.height) == SIZE
        assert stream.frames == 10
        assert stream.duration * stream.time_base == 1
    raw = target.read_bytes()
    assert raw.index(b"moov") < raw.index(b"mdat")


@pytest.mark.parametrize("size", [(96, 64), (64, 96), (97, 65), (16, 16), (300, 20)])
def test_a_video_has_the_asked_size_made_even(size: tuple[int, int], tmp_path: Path) -> None:
    frames = made(tmp_path, "text-to-video", prompt="A lake", width=size[0], height=size[1])
    assert frames[0].shape[:2] == (size[1] // 2 * 2, size[0] // 2 * 2)


@pytest.mark.parametrize(("fps", "seconds", "count"), [(10, 1.0, 10), (25, 0.6, 15), (1, 0.2, 1)])
def test_a_video_has_as_many_frames_as_its_length_asks_for(
    fps: int, seconds: float, count: int, tmp_path: Path
) -> None:
    assert len(made(tmp_path, "text-to-video", fps=fps, seconds=seconds)) == count


@pytest.mark.parametrize("task", ["text-to-video", "video-edit"])
def test_the_same_job_gives_the_same_file(task: str, tmp_path: Path, video: Path) -> None:
    one, two = tmp_path / "one.mp4", tmp_path / "two.mp4"
    again = job(task, prompt="A storm at sea", inputs={"data": video})
    render(again, one)
    render(again, two)
    assert one.read_bytes() == two.read_bytes()


def test_the_name_of_the_target_may_be_anything(tmp_path: Path) -> None:
    target = tmp_path / "no suffix: 100%d"
    render(job("text-to-video"), target)
    assert len(frames_of(target)) == 10


# --- videos from words --------------------------------------------------------------------


def test_a_scene_moves(tmp_path: Path) -> None:
    frames = made(tmp_path, "text-to-video", prompt="A city at night", width=192, height=128)
    assert difference(frames[0], frames[-1]) > 0.5


def test_a_scene_depends_on_the_prompt_and_on_the_seed(tmp_path: Path) -> None:
    lake = made(tmp_path, "text-to-video", prompt="A lake at sunset")[0]
    city = made(tmp_path, "text-to-video", prompt="A city at night")[0]
    seed = made(tmp_path, "text-to-video", prompt="A lake at sunset", seed=1)[0]
    assert difference(lake, city) > 5
    assert difference(lake, seed) > 1


def test_night_is_darker_than_day(tmp_path: Path) -> None:
    night = made(tmp_path, "text-to-video", prompt="Mountains at night")[0]
    day = made(tmp_path, "text-to-video", prompt="Mountains on a sunny day")[0]
    assert night.mean() + 40 < day.mean()


@pytest.mark.parametrize("words", [PALETTE_WORDS, LAND_WORDS, OTHER_WORDS])
def test_every_kind_of_scenery_can_be_made(words: dict[str, tuple[str, ...]], tmp_path: Path) -> None:
    pictures = [
        made(tmp_path, "text-to-video", prompt=f"one {known[0]}", seconds=0.2)[0].tobytes() for known in words.values()
    ]
    assert len(set(pictures)) == len(pictures)


@pytest.mark.parametrize(
    "prompt",
    [
        "",
        " \n\t ",
        "夕暮れの静かな湖と山々",
        "Безмятежное озеро",
        "مدينة في الليل",
        "Une forêt enchantée – “belle”…",
        "🐈 \x00 \ud800 \U0010ffff",
        "word " * 400,
        "unbroken" * 100,
    ],
)
def test_any_prompt_can_be_shown(prompt: str, tmp_path: Path) -> None:
    assert len(made(tmp_path, "text-to-video", prompt=prompt, seconds=0.2)) == 2


@pytest.mark.parametrize("size", [(1280, 704), (704, 1280), (480, 832)])
def test_writing_stays_inside_the_frame(size: tuple[int, int]) -> None:
    for caption in ("short", "a longer one " * 40, "unbroken" * 60, "湖" * 200):
        for drawn, (left, top) in overlay(size, "a-model", caption).parts:
            assert left >= 0
            assert top >= 0
            assert left + drawn.width <= size[0]
            assert top + drawn.height <= size[1]


def test_a_caption_is_shown_and_a_long_one_takes_more_room() -> None:
    none, short, long = (overlay((640, 360), "m", text) for text in ("", "A lake", "A lake " * 12))
    assert (len(none.parts), len(short.parts), len(long.parts)) == (1, 2, 2)
    assert long.parts[1][0].height > short.parts[1][0].height


# --- videos from pictures -----------------------------------------------------------------


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
def test_any_trajectory_of_numbers_gives_a_video(path: Any, tmp_path: Path, picture: Path) -> None:
    assert len(made(tmp_path, "motion", inputs={"data": picture}, trajectory=path)) == 10


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


# --- videos from videos -------------------------------------------------------------------


def test_an_edit_keeps_the_timing_of_its_source(tmp_path: Path) -> None:
    uneven = (0, 40, 80, 500, 540, 990)
    source = write_video(tmp_path / "video.mp4", ticks=uneven)
    target = tmp_path / "made.mp4"
    render(job("video-edit", inputs={"data": source}), target)
    assert times_of(target) == pytest.approx([tick / 1000 for tick in uneven])


def test_a_long_video_is_cut(tmp_path: Path) -> None:
    seconds = tuple(range(0, (MAX_CLIP_SECONDS + 5) * 1000, 500))
    source = write_video(tmp_path / "video.mp4", ticks=seconds)
    assert len(made(tmp_path, "video-edit", inputs={"data": source})) == MAX_CLIP_SECONDS * 2


def test_each_filter_changes_the_picture_in_its_own_way(tmp_path: Path, video: Path) -> None:
    plain = frames_of(video)[5][30:]
    seen = [
        made(tmp_path, "video-restyle", prompt=f"in {words[0]} style", inputs={"data": video})[5][30:]
        for words in FILTER_WORDS.values()
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


def test_a_video_that_a_phone_turned_is_upright(tmp_path: Path) -> None:
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


# --- pictures -----------------------------------------------------------------------------


def test_pictures_are_png_of_the_asked_size(tmp_path: Path, picture: Path) -> None:
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


# --- what cannot be rendered --------------------------------------------------------------


@pytest.mark.parametrize("task", ["video-edit", "image-to-video", "image-to-image", "motion"])
@pytest.mark.parametrize("raw", [b"", b"hello", bytes(range(256)) * 40, b"\xff\xd8\xff\xe0" * 9])
def test_what_is_no_media_is_refused(task: str, raw: bytes, tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(raw)
    assert "data" in fails(tmp_path, task, inputs={"data": tmp_path / "data"})


@pytest.mark.parametrize("kept", [0.3, 0.6, 0.9])
def test_a_file_that_was_cut_off_is_refused(kept: float, tmp_path: Path, picture: Path) -> None:
    source = write_video(tmp_path / "video.mp4", sound="aac", ticks=tuple(range(0, 3000, 100)))
    for path, task in ((source, "video-edit"), (picture, "image-to-video")):
        raw = path.read_bytes()
        path.write_bytes(raw[: int(len(raw) * kept)])
        assert "data" in fails(tmp_path, task, inputs={"data": path})


def test_a_picture_is_no_video_and_a_video_no_picture(tmp_path: Path, video: Path, picture: Path) -> None:
    assert fails(tmp_path, "video-edit", inputs={"data": picture}) == ("data is not a video that can be decoded")
    assert fails(tmp_path, "image-to-video", inputs={"data": video}) == ("data is not a picture that can be decoded")


def test_sound_alone_is_no_video(tmp_path: Path) -> None:
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


def test_a_play_list_cannot_open_other_files(tmp_path: Path, video: Path) -> None:
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
