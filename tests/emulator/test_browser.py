"""Every kind of rendered file plays in a real browser, and ffprobe confirms its format."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, Route
from support.browser import browsing, needs_chromium
from support.media import EDITS, write_video

from decart.emulator.render import RenderJob, render_small
from decart.emulator.render.tasks import draw

CLIPS = ("text-to-video", "image-to-video", "motion", "first-last-frame", *EDITS)
SIZES = ((1280, 704), (704, 1280), (832, 480), (480, 832))
SITE = "http://files.test"

needs_ffprobe = pytest.mark.skipif(shutil.which("ffprobe") is None, reason="ffprobe is not installed")

LOAD = """
async (address) => {
    const video = document.createElement("video");
    document.body.replaceChildren(video);
    const happens = (name) => new Promise((resolve, reject) => {
        video.addEventListener(name, resolve, {once: true});
        video.addEventListener("error", () => reject(new Error(video.error.message)), {once: true});
    });
    const loaded = happens("loadeddata");
    const painted = new Promise((resolve) => video.requestVideoFrameCallback(resolve));
    video.muted = true;
    video.src = address;
    await loaded;
    await painted;
    const colours = () => {
        const canvas = document.createElement("canvas");
        [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
        const context = canvas.getContext("2d");
        context.drawImage(video, 0, 0);
        return new Set(new Uint32Array(context.getImageData(0, 0, canvas.width, canvas.height).data.buffer)).size;
    };
    const size = [video.videoWidth, video.videoHeight], duration = video.duration, first = colours();
    const ended = happens("ended");
    video.playbackRate = 8;
    await video.play();
    await ended;
    return {size, duration, first, last: colours(), sound: video.webkitAudioDecodedByteCount > 0};
}
"""


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with browsing() as page:
        yield page


@pytest.fixture
def played(page: Page) -> Callable[[Path], dict[str, Any]]:
    """Load a file in a video element, play it to its end, and return what the browser reports."""

    def play(path: Path) -> dict[str, Any]:
        def serve(route: Route) -> None:
            if route.request.url.endswith(".mp4"):
                route.fulfill(path=path, content_type="video/mp4")
            else:
                route.fulfill(body="<title>Files</title>", content_type="text/html")

        page.route(f"{SITE}/**", serve)
        page.goto(f"{SITE}/")
        seen: dict[str, Any] = page.evaluate(LOAD, f"{SITE}/{path.name}")
        page.unroute(f"{SITE}/**")
        return seen

    return play


@pytest.fixture
def inputs(tmp_path: Path) -> Callable[[str], dict[str, Path]]:
    def for_task(task: str) -> dict[str, Path]:
        if task == "text-to-video":
            return {}
        if task in EDITS:
            return {"data": write_video(tmp_path / "data.mp4", size=(320, 176), codec="h264", sound="aac")}
        noise = np.random.default_rng(1).integers(0, 255, (9, 16, 3)).astype(np.uint8)
        Image.fromarray(noise).resize((320, 180)).save(tmp_path / "data.png")
        names = ("start", "end") if task == "first-last-frame" else ("data",)
        return dict.fromkeys(names, tmp_path / "data.png")

    return for_task


def job(task: str, inputs: dict[str, Path], size: tuple[int, int] = SIZES[2]) -> RenderJob:
    return RenderJob(
        task=task,
        model="lucy-pro-x",
        prompt="A lake at sunset",
        fps=10,
        width=size[0],
        height=size[1],
        seconds=1.0,
        inputs=inputs,
        trajectory=[(0, 0.2, 0.5), (9, 0.8, 0.5)] if task == "motion" else (),
    )


@needs_chromium
@pytest.mark.parametrize("task", CLIPS)
def test_a_browser_plays_every_kind_of_video(
    task: str, tmp_path: Path, inputs: Callable[[str], dict[str, Path]], played: Callable[[Path], dict[str, Any]]
) -> None:
    draw(job(task, inputs(task)), tmp_path / "made.mp4")
    seen = played(tmp_path / "made.mp4")
    assert seen["size"] == list(SIZES[2])
    assert seen["duration"] == pytest.approx(1.0, abs=0.1)
    assert min(seen["first"], seen["last"]) > 50
    assert seen["sound"] == (task in EDITS)


@needs_chromium
@pytest.mark.parametrize("size", SIZES)
def test_a_browser_plays_every_size(
    size: tuple[int, int], tmp_path: Path, played: Callable[[Path], dict[str, Any]]
) -> None:
    draw(job("text-to-video", {}, size), tmp_path / "made.mp4")
    seen = played(tmp_path / "made.mp4")
    assert seen["size"] == list(size)
    assert seen["duration"] == pytest.approx(1.0)


@needs_chromium
def test_a_browser_plays_the_small_video_of_tests(tmp_path: Path, played: Callable[[Path], dict[str, Any]]) -> None:
    render_small(job("text-to-video", {}, (1280, 704)), tmp_path / "made.mp4")
    seen = played(tmp_path / "made.mp4")
    assert seen["size"] == [174, 96]
    assert seen["duration"] == pytest.approx(1.0)


@needs_ffprobe
@pytest.mark.parametrize("task", CLIPS)
def test_ffprobe_finds_h264_in_yuv420p_and_aac(
    task: str, tmp_path: Path, inputs: Callable[[str], dict[str, Path]]
) -> None:
    draw(job(task, inputs(task)), tmp_path / "made.mp4")
    command = ["ffprobe", "-v", "error", "-count_frames", "-show_streams", "-show_format", "-of", "json"]
    output = subprocess.run([*command, str(tmp_path / "made.mp4")], check=True, capture_output=True)
    assert output.stderr == b""
    found = json.loads(output.stdout)
    assert "mp4" in found["format"]["format_name"]
    pictures, *sound = found["streams"]
    expected = {
        "codec_name": "h264",
        "pix_fmt": "yuv420p",
        "color_space": "bt709",
        "width": 832,
        "height": 480,
        "avg_frame_rate": "10/1",
        "nb_read_frames": "10",
        "start_time": "0.000000",
    }
    assert {name: pictures[name] for name in expected} == expected
    assert float(pictures["duration"]) == pytest.approx(1.0)
    assert [track["codec_name"] for track in sound] == (["aac"] if task in EDITS else [])
