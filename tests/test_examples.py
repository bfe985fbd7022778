"""The examples run from the command line and save videos that play, and images."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import av
import pytest
from PIL import Image
from support.documents import ROOT
from support.forked import starter
from support.media import write_video

from decart import models
from decart.emulator import Emulator, EmulatorServer, VirtualEmulator
from decart.emulator.render import render_small

EXAMPLES = ROOT / "examples"
MEDIA = EXAMPLES / "media"
LARGE, SMALL = (1280, 704), (174, 96)
RENDERED = {  # by the emulator of the example itself
    "journal.py": ("order-1.mp4", 5, LARGE),
    "queue_celery.py": ("order-1.mp4", 5, LARGE),
}
SERVED = {  # by a server that makes small videos
    "text_to_video.py": ("lake.mp4", 4, SMALL),
    "video_editing.py": ("anime.mp4", 4, SMALL),
    "restyle.py": ("restyled.mp4", 4, SMALL),
    "image_animation.py": ("animated.mp4", 4, SMALL),
    "manual_polling.py": ("output.mp4", 4, SMALL),
    "error_handling.py": ("sunset.mp4", 4, SMALL),
    "download.py": ("lantern.mp4", 4, (170, 96)),
    "async_with.py": ("cityscape.mp4", 4, SMALL),
    "async_many.py": ("anime.mp4", 4, SMALL),
    "async_beside_sync.py": ("noir.mp4", 4, SMALL),
    "many_jobs.py": ("lake-0.mp4", 4, SMALL),
}
VIDEOS = RENDERED | SERVED
IMAGES = {"image.py": ("lake.png", (704, 1280)), "image_edit.py": ("drawing.png", (1280, 704))}
TOKEN = "token_for_the_browser.py"
ALL = [*VIDEOS, *IMAGES, TOKEN]
MORE = {
    "async_many.py": ["sketch.mp4"],
    "journal.py": ["order-2.mp4"],
    "queue_celery.py": ["order-2.mp4"],
    "many_jobs.py": ["lake-1.mp4", "lake-2.mp4"],
}
RETIRED = {  # those of the documented page, and text-to-image
    "text_to_video.py",
    "image_animation.py",
    "manual_polling.py",
    "error_handling.py",
    "async_with.py",
    "many_jobs.py",
    "image.py",
}

Fork = Callable[..., subprocess.CompletedProcess[str]]

pytestmark = pytest.mark.slow


def run(
    example: str, folder: Path, *arguments: str, programs: Path = EXAMPLES, **environment: str
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", programs / example, *arguments]
    surroundings = {**os.environ, **environment}
    return subprocess.run(
        command, cwd=folder, env=surroundings, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.fixture(scope="module")
def fork() -> Iterator[Fork]:
    """Run an example like ``run``, in a fork of a process that has imported decart."""
    if not hasattr(os, "fork"):
        pytest.skip("no fork here")
    with starter() as warm:
        yield lambda example, folder, *arguments, **variables: warm.run(
            EXAMPLES / example, *arguments, folder=folder, **variables
        )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("examples")


@pytest.fixture(scope="module")
def copies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copies of the examples, with an input video that is short: what they render of it takes as long as it does."""
    folder = tmp_path_factory.mktemp("copies")
    for example in EXAMPLES.glob("*.py"):
        shutil.copy(example, folder)
    folder.joinpath("media").mkdir()
    write_video(folder / "media" / "input.mp4", LARGE, ticks=(0, 100, 200, 300, 400))
    return folder


@pytest.fixture(scope="module")
def ended(folder: Path, copies: Path) -> dict[str, subprocess.CompletedProcess[str]]:
    """Run every example in a folder of its own, four at a time, since they mostly wait."""
    with (
        EmulatorServer(Emulator(pending=0.2, processing=2, renderer=render_small)) as server,
        ThreadPoolExecutor(4) as executor,
    ):

        def run_in_its_folder(example: str) -> subprocess.CompletedProcess[str]:
            (folder / example).mkdir()
            if example in RENDERED:
                return run(example, folder / example, "--emulator", programs=copies)
            return run(example, folder / example, DECART_API_KEY="dct_test", DECART_BASE_URL=server.url)

        outcomes = dict(zip(VIDEOS, executor.map(run_in_its_folder, VIDEOS), strict=True))
        server.emulator.close()
    return outcomes


@pytest.mark.parametrize("example", VIDEOS)
def test_an_example_saves_a_video_that_plays(
    example: str, folder: Path, ended: dict[str, subprocess.CompletedProcess[str]]
) -> None:
    name, frames, size = VIDEOS[example]
    assert (ended[example].returncode, ended[example].stderr) == (0, "")
    with av.open(str(folder / example / name)) as video:
        stream = video.streams.video[0]
        shown = sum(1 for _ in video.decode(stream))
        assert (stream.codec_context.name, shown, (stream.width, stream.height)) == ("h264", frames, size)
    assert {path.name for path in (folder / example).iterdir()} == {name, *MORE.get(example, [])}


@pytest.mark.parametrize("example", IMAGES)
def test_an_example_saves_an_image(example: str, tmp_path: Path) -> None:
    name, size = IMAGES[example]
    done = run(example, tmp_path, "--emulator")
    assert (done.returncode, done.stderr, done.stdout) == (0, "", f"Image saved to {name}\n")
    with Image.open(tmp_path / name) as image:
        assert (image.format, image.size) == ("PNG", size)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_an_image_that_may_be_billed_is_not_requested_again(tmp_path: Path, fork: Fork) -> None:
    with EmulatorServer(Emulator(renderer=render_small, faults=["status:504,on=generate"])) as server:
        done = fork("image_edit.py", tmp_path, DECART_API_KEY="dct_test", DECART_BASE_URL=server.url)
        assert len(server.emulator.requests) == 1
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("No image: The image may have been made and billed, so the request was not repeated.")


@pytest.mark.parametrize("example", IMAGES)
def test_an_image_that_is_refused_is_not_billed(example: str, tmp_path: Path, fork: Fork) -> None:
    with EmulatorServer(Emulator(renderer=render_small, faults=["status:402,on=generate"])) as server:
        done = fork(example, tmp_path, DECART_API_KEY="dct_test", DECART_BASE_URL=server.url)
    assert (done.returncode, done.stdout, list(tmp_path.iterdir())) == (1, "", [])
    assert done.stderr.startswith("No image, and nothing was billed: The image was not made: ")


@pytest.mark.parametrize(("example", "name"), [("text_to_video.py", "lake.mp4"), ("async_with.py", "cityscape.mp4")])
def test_an_example_of_the_page_prints_what_the_page_prints(
    example: str, name: str, ended: dict[str, subprocess.CompletedProcess[str]]
) -> None:
    assert ended[example].stdout.splitlines() == [
        "Submitting video generation job...",
        "  Status: pending",
        "  Status: processing",
        "  Status: completed",
        f"Video saved to {name}",
    ]


def test_a_batch_that_is_killed_is_finished_by_the_next_run_and_each_order_is_paid_for_once(
    tmp_path: Path, fork: Fork
) -> None:
    with EmulatorServer(VirtualEmulator(), seconds_per_check=2.0) as server:
        service = {"DECART_API_KEY": "dct_test", "DECART_BASE_URL": server.url}
        command = [sys.executable, "-u", EXAMPLES / "journal.py"]
        surroundings = {**os.environ, **service}
        with subprocess.Popen(command, cwd=tmp_path, env=surroundings, stdout=subprocess.PIPE, text=True) as first:
            assert first.stdout is not None
            submitted = [first.stdout.readline() for _ in range(2)]
            first.kill()  # while it waits for the first of the two
        runs = [fork("journal.py", tmp_path, **service) for _ in range(2)]
        submits = server.emulator.requests.submits
        videos = {path.name for path in tmp_path.glob("*.mp4")}
        downloads = server.emulator.requests.count(route="content")
    assert [(ended.returncode, ended.stderr) for ended in runs] == [(0, "")] * 2
    assert submitted == [f"order-{number}: job {job.job_id} is pending\n" for number, job in enumerate(submits, 1)]
    assert videos == {"order-1.mp4", "order-2.mp4"}
    assert runs[1].stdout == "".join(submitted).replace("pending", "completed")
    assert (len(submits), downloads) == (2, 2)


def test_a_batch_goes_on_after_an_order_that_was_refused(tmp_path: Path, fork: Fork) -> None:
    with EmulatorServer(VirtualEmulator(), seconds_per_check=2.0) as server:
        server.emulator.faults.add("status:402,on=submit")
        ended = fork("journal.py", tmp_path, DECART_API_KEY="dct_test", DECART_BASE_URL=server.url)
    first, second, saved = ended.stdout.splitlines()
    assert first.startswith("order-1: The job was not submitted: The account has no credits left")
    assert second.startswith("order-2: job ")
    assert saved == f"order-2: saved to {tmp_path / 'order-2.mp4'}"


def test_the_example_of_a_token_prints_what_it_is_for_and_not_the_token(tmp_path: Path) -> None:
    ended = run(TOKEN, tmp_path, "--emulator")
    assert (ended.returncode, ended.stderr) == (0, "")
    created, _, _, verified, forged = ended.stdout.splitlines()
    assert created.startswith("Created a key that expires at ")
    assert verified == "Verified: for the models ('lucy-2.5',), on pages of ('https://example.com',)"
    assert forged == "Refused, as it is forged: The token has an invalid signature."
    assert not re.search("ek_|eyJ", ended.stdout)


@pytest.mark.parametrize("example", ALL)
def test_without_an_emulator_an_example_needs_a_key(example: str, tmp_path: Path, fork: Fork) -> None:
    ended = fork(example, tmp_path)
    assert (ended.returncode, ended.stdout, ended.stderr) == (
        *(1, ""),
        "The API key is missing: pass api_key=... or set the environment variable DECART_API_KEY. "
        "With --emulator no key is needed.\n",
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("example", [*ALL, "make_media.py"])
def test_help_says_in_one_line_what_an_example_does(example: str, tmp_path: Path, fork: Fork) -> None:
    shown = fork(example, tmp_path, "--help", COLUMNS="200")
    usage, _, description, _, *options = shown.stdout.splitlines()
    assert (shown.returncode, shown.stderr) == (0, "")
    assert usage.startswith(f"usage: {example} [-h]")
    assert description in (EXAMPLES / example).read_text("utf-8")
    assert any(line.startswith("  --emulator ") for line in options) is (example in ALL)


@pytest.mark.parametrize("example", [*ALL, "make_media.py"])
@pytest.mark.parametrize("wrong", ["--emulate", "extra"])
def test_an_example_refuses_other_arguments(example: str, wrong: str, tmp_path: Path, fork: Fork) -> None:
    refused = fork(example, tmp_path, wrong)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr.startswith("usage: ")
    assert refused.stderr.endswith(f"error: unrecognized arguments: {wrong}\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("example", ALL)
def test_only_an_example_that_says_so_uses_a_retired_model(example: str) -> None:
    text = (EXAMPLES / example).read_text("utf-8")
    (name,) = set(re.findall(r'models\.(?:video|image)\("(.+?)"\)', text))
    model = models.known(name)
    assert model is not None
    assert (model.retired is not None) is (example in RETIRED)


def test_every_example_is_tested_or_a_helper() -> None:
    recipes = {path.name for path in EXAMPLES.glob("queue_*.py")}  # tests/queues runs them
    assert {path.name for path in EXAMPLES.glob("*.py")} == {*ALL, "_emulator.py", "make_media.py"} | recipes


def test_the_input_media_are_a_picture_and_a_video_with_sound() -> None:
    with av.open(str(MEDIA / "input.mp4")) as video:
        assert [stream.type for stream in video.streams] == ["video", "audio"]
    with av.open(str(MEDIA / "image.jpg")) as image:
        assert image.streams.video[0].width == 1280
