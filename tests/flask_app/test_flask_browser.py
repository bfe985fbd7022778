"""The Flask example in a real browser."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy
import pytest
from playwright.sync_api import Browser, Page, expect
from support.browser import PATIENCE, needs_chromium, running, visiting
from support.flask_app import (
    ACCEPTED,
    MIB,
    MP4,
    PROCESSING,
    VIDEO,
    Site,
    clerk,
    site_of,
    site_with,
)
from support.media import draw_in_small
from support.servers import Connection, serving

from decart.emulator.render import RenderJob
from decart.emulator.render.job import Layout

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    with visiting(browser) as page:
        yield page


def ask_for_a_video(page: Page, site: Site, prompt: str) -> None:
    page.goto(site.url)
    page.get_by_label("Style").fill(prompt)
    page.get_by_label("Video", exact=True).set_input_files(VIDEO)
    page.get_by_role("button", name="Restyle the video").click()


def once(page: Page, event: str, ready: str) -> None:
    """Wait for an event of the video, unless its condition is already true."""
    page.locator("video").evaluate(
        f"video => {ready} || new Promise(done => video.addEventListener('{event}', done, {{once: true}}))"
    )


@needs_chromium
@pytest.mark.parametrize(("layout", "fps"), [("start", None), ("end", 24)])
def test_a_browser_follows_a_job_without_a_reload_and_plays_the_video(
    layout: Layout, fps: int | None, page: Page, tmp_path: Path
) -> None:
    with site_with(draw_in_small, tmp_path, layout=layout, fps=fps) as (site, clock):
        ask_for_a_video(page, site, "A serene lake at sunset")
        page.evaluate("window.marker = 'still the same page'")
        status = page.get_by_role("status")
        expect(status).to_have_text("Waiting in the queue.", timeout=PATIENCE)
        expect(page.locator("video")).to_be_hidden()
        clock.sleep(2)
        expect(status).to_have_text("Being processed.", timeout=PATIENCE)
        clock.sleep(2)
        expect(status).to_have_text("Your video is ready.", timeout=PATIENCE)
        expect(page.get_by_role("progressbar")).to_be_hidden()
        once(page, "loadeddata", "video.readyState >= 2")
        assert page.locator("video").evaluate("video => video.duration") == pytest.approx(3, abs=0.1)
        page.locator("video").evaluate("video => video.play()")
        once(page, "timeupdate", "video.currentTime > 0")
        assert page.locator("video").evaluate("video => video.currentTime") > 0
        assert page.evaluate("window.marker") == "still the same page"


def noise(order: RenderJob, target: Path) -> None:
    """Render five seconds that hardly compress, with a keyframe in each second: about 17 MB."""
    chance = numpy.random.default_rng(1)
    with av.open(str(target), "w", options={"movflags": "faststart"}) as video:
        stream = video.add_stream("libx264", rate=25, options={"preset": "ultrafast", "qp": "4", "g": "25"})
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
        for _ in range(125):
            picture = chance.integers(0, 255, (270, 320), dtype=numpy.uint8)
            video.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="yuv420p")))
        video.mux(stream.encode())


@needs_chromium
def test_a_browser_that_seeks_gets_the_requested_range(page: Page, tmp_path: Path) -> None:
    parts: list[tuple[int, int]] = []

    def note(response: Any) -> None:
        if wanted := re.match(r"bytes=(\d+)-", response.request.headers.get("range", "")):
            parts.append((int(wanted[1]), response.status))

    with site_with(noise, tmp_path) as (site, clock):
        page.on("response", note)
        ask_for_a_video(page, site, "noise")
        clock.sleep(4)
        page.locator("video").wait_for()
        once(page, "loadeddata", "video.readyState >= 2")
        assert max(first for first, _ in parts) < 10e6
        page.locator("video").evaluate("video => { video.currentTime = 4.5; }")
        once(page, "seeked", "!video.seeking")
        assert page.locator("video").evaluate("video => video.currentTime") == 4.5
    assert max(first for first, _ in parts) > 10e6
    assert {status for _, status in parts} == {206}


@needs_chromium
def test_a_double_click_in_a_browser_pays_once_and_sends_the_complete_file(page: Page, tmp_path: Path) -> None:
    with serving(clerk()) as service, site_of(service.url, tmp_path) as site:
        page.goto(site.url)
        page.get_by_label("Style").fill("Gentle motion")
        page.get_by_label("Video", exact=True).set_input_files(VIDEO)
        page.get_by_role("button", name="Restyle the video").dblclick()
        expect(page.get_by_role("status")).to_have_text("Being processed.", timeout=PATIENCE)
    (order,) = [request for request in service.requests if request.method == "POST"]
    assert order.target == "/v1/jobs/lucy-restyle-2"
    assert VIDEO.read_bytes() in order.body


@needs_chromium
def test_a_browser_that_goes_back_gets_a_new_form_that_names_the_job(page: Page, tmp_path: Path) -> None:
    with serving(clerk()) as service, site_of(service.url, tmp_path) as site:
        ask_for_a_video(page, site, "a lake")
        expect(page.get_by_role("status")).to_have_text("Being processed.", timeout=PATIENCE)
        page.go_back()
        expect(page.get_by_role("button", name="Restyle the video")).to_be_enabled()
        expect(page.get_by_role("listitem")).to_contain_text("a lake")
        assert not site.jobs()[0].label.endswith(page.locator("[name=key]").input_value())


@needs_chromium
def test_a_form_that_a_browser_cached_is_reloaded(site: Site, page: Page) -> None:
    page.goto(site.url)
    key = page.locator("[name=key]").input_value()
    page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}))")
    expect(page.locator("[name=key]")).not_to_have_value(key, timeout=PATIENCE)


@needs_chromium
def test_a_page_reports_a_file_that_is_too_large_before_and_after_it_is_sent(page: Page, tmp_path: Path) -> None:
    (tmp_path / "large.mp4").write_bytes(MP4 + bytes(5 * MIB))
    with (
        serving(clerk()) as service,
        site_of(service.url, tmp_path, MAX_CONTENT_LENGTH=MIB) as site,
    ):
        page.goto(site.url)
        page.get_by_label("Style").fill("x")
        chooser = page.get_by_label("Video", exact=True)
        chooser.set_input_files(tmp_path / "large.mp4")
        assert chooser.evaluate("field => field.validationMessage") == "This file is too large."
        page.locator("form").evaluate("form => form.submit()")  # as a browser without scripts does
        expect(page.get_by_role("main")).to_contain_text("a video may have 1 MiB", timeout=PATIENCE)
    assert service.requests == []


@needs_chromium
def test_a_page_keeps_the_last_status_while_the_service_is_down_and_continues_afterwards(
    page: Page, tmp_path: Path
) -> None:
    up = threading.Event()

    def down(connection: Connection) -> None:
        while (request := connection.read_request()).method == "POST" or up.is_set():
            connection.send(ACCEPTED if request.method == "POST" else PROCESSING)
        connection.reset()

    with serving(down) as service, site_of(service.url, tmp_path) as site:
        ask_for_a_video(page, site, "a lake")
        expect(page.locator("#note")).to_contain_text("The service cannot be reached at the moment", timeout=PATIENCE)
        expect(page.get_by_role("status")).to_have_text("Waiting in the queue.")
        up.set()
        expect(page.get_by_role("status")).to_have_text("Being processed.", timeout=PATIENCE)
        expect(page.locator("#note")).to_have_text("")
