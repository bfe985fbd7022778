"""Rendering: the format of every video, and videos from text."""

from __future__ import annotations

from pathlib import Path

import av
import pytest
from support.media import EDITS, SIZE, frames_of, job
from support.pictures import difference, inputs_for, made

from decart.emulator.render.caption import overlay
from decart.emulator.render.scene import EXTRAS, LANDS, PALETTES
from decart.emulator.render.tasks import draw as render


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
def test_a_video_has_the_requested_size_rounded_to_even(size: tuple[int, int], tmp_path: Path) -> None:
    frames = made(tmp_path, "text-to-video", prompt="A lake", width=size[0], height=size[1])
    assert frames[0].shape[:2] == (size[1] // 2 * 2, size[0] // 2 * 2)


@pytest.mark.parametrize(("fps", "seconds", "count"), [(10, 1.0, 10), (25, 0.6, 15), (1, 0.2, 1)])
def test_the_number_of_frames_follows_from_the_length(fps: int, seconds: float, count: int, tmp_path: Path) -> None:
    assert len(made(tmp_path, "text-to-video", fps=fps, seconds=seconds)) == count


@pytest.mark.parametrize("task", ["text-to-video", "video-edit"])
def test_the_same_job_makes_the_same_file(task: str, tmp_path: Path, video: Path) -> None:
    one, two = tmp_path / "one.mp4", tmp_path / "two.mp4"
    again = job(task, prompt="A storm at sea", inputs={"data": video})
    render(again, one)
    render(again, two)
    assert one.read_bytes() == two.read_bytes()


def test_the_name_of_the_target_may_be_anything(tmp_path: Path) -> None:
    target = tmp_path / "no suffix: 100%d"
    render(job("text-to-video"), target)
    assert len(frames_of(target)) == 10


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


def test_a_scene_shows_each_kind_of_land_that_the_prompt_names(tmp_path: Path) -> None:
    city, both = (
        made(tmp_path, "text-to-video", prompt=f"A city{more} at night")[0] for more in ("", " in the mountains")
    )
    assert difference(city, both) > 5


@pytest.mark.parametrize("words", [PALETTES, LANDS, EXTRAS])
def test_every_kind_of_scenery_can_be_rendered(words: dict[str, str], tmp_path: Path) -> None:
    pictures = [
        made(tmp_path, "text-to-video", prompt=f"one {known.split()[0]}", seconds=0.2)[0].tobytes()
        for known in words.values()
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
def test_text_stays_inside_the_frame(size: tuple[int, int]) -> None:
    for caption in ("short", "a longer one " * 40, "unbroken" * 60, "湖" * 200):
        for drawn, (left, top) in overlay(size, "a-model", caption):
            assert left >= 0
            assert top >= 0
            assert left + drawn.width <= size[0]
            assert top + drawn.height <= size[1]


def test_a_caption_is_shown_and_a_long_one_takes_more_space() -> None:
    none, short, long = (overlay((640, 360), "m", text) for text in ("", "A lake", "A lake " * 12))
    assert (len(none), len(short), len(long)) == (1, 2, 2)
    assert long[1][0].height > short[1][0].height


def test_a_caption_of_a_megabyte_is_cut_off_before_it_is_measured() -> None:
    shown, cut = overlay((640, 360), "", "a word " * 150_000)[1], overlay((640, 360), "", "a word " * 2_000)[1]
    assert (shown[0].tobytes(), shown[1]) == (cut[0].tobytes(), cut[1])


def test_the_label_of_an_edit_covers_the_one_before() -> None:
    (before, _), (after, _) = overlay((1280, 704), "lucy-pro-t2v")[0], overlay((1280, 704), "lucy-2.5")[0]
    assert after.width >= before.width
    assert after.getpixel((after.width // 2, after.height // 2))[3] == 255
