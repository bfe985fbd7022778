"""The Django example in a real browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Browser, Page
from support.browser import needs_chromium, running, visiting
from support.django_app import RecordingEmulator, Site, noise, on_a_port, talking_to
from support.django_visits import MEDIA, MIB
from support.media import draw_in_small

from decart.emulator import Emulator, EmulatorServer
from decart.emulator.render.job import Layout

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with pytest.MonkeyPatch.context() as patch, running() as browser:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")  # Playwright's loop, in this thread, is not Django's concern
        yield browser


@contextmanager
def signed_in(browser: Browser, service_at: str | Emulator) -> Iterator[tuple[Page, Site]]:
    """Sign in to the site in a browser. Errors on its console fail the test when the block ends."""
    said: list[str] = []
    User.objects.create_user("ann", password="correct horse")
    with talking_to(service_at), on_a_port() as site, visiting(browser) as page:
        page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
        page.goto(site.url)
        page.get_by_label("Username").fill("ann")
        page.get_by_label("Password").fill("correct horse")
        page.get_by_role("button", name="Sign in").click()
        yield page, site
    assert said == []


def order(page: Page, prompt: str) -> None:
    """Type a prompt and send it."""
    page.get_by_label("Style").fill(prompt)
    page.get_by_label("Video").set_input_files(MEDIA / "input.mp4")
    page.get_by_role("button", name="Restyle the video").click()
    page.wait_for_selector("#job")


def shown(page: Page, text: str) -> None:
    """Wait until the page shows a status."""
    page.wait_for_function("text => document.getElementById('status').textContent === text", arg=text)


def ready(page: Page) -> None:
    """Wait until the page shows the first picture of the video."""
    page.wait_for_function("document.getElementById('video').readyState >= 2")


@needs_chromium
@pytest.mark.parametrize(("layout", "fps"), [("start", None), ("end", 32)])
def test_a_browser_follows_a_job_without_a_reload_and_plays_the_video(
    browser: Browser, layout: Layout, fps: int | None
) -> None:
    emulator = RecordingEmulator(draw_in_small, layout=layout, fps=fps)
    with signed_in(browser, emulator) as (page, _):
        order(page, "A serene lake at sunset with mountains in the background")
        page.evaluate("window.loaded = 'once'")
        for text in ("pending", "processing", "completed"):
            shown(page, text)
            emulator.clock.sleep(2)
        ready(page)
        assert page.evaluate("window.loaded") == "once"
        assert page.evaluate("document.getElementById('video').duration") == pytest.approx(3, abs=0.1)
        page.evaluate("document.getElementById('video').play()")
        page.wait_for_function("document.getElementById('video').currentTime > 1")
        assert page.get_by_role("link", name="Download the video").is_visible()


@needs_chromium
def test_a_browser_that_seeks_gets_the_requested_range(browser: Browser) -> None:
    with signed_in(browser, RecordingEmulator(noise, pending=0, processing=0)) as (page, site):
        order(page, "Noise")
        ready(page)
        before = len(site.parts)
        page.evaluate("document.getElementById('video').currentTime = 4.5")
        page.wait_for_function("!document.getElementById('video').seeking")
        ready(page)
        parts = [(first_byte(wanted), status, first_byte(told)) for wanted, status, told in site.parts[before:]]
    assert max(first for first, _, _ in parts) > 5 * MIB  # of about eight: not all that comes before it as well
    assert all((status, told) == ("206 Partial Content", wanted) for wanted, status, told in parts)


def first_byte(part: str | None) -> int:
    """Return the first byte of a requested range (``bytes=10-``) or a sent one (``bytes 10-99/100``)."""
    found = re.match(r"bytes[= ](\d+)-", part or "")
    return int(found[1]) if found is not None else -1


@needs_chromium
def test_a_double_click_pays_once(browser: Browser) -> None:
    emulator = RecordingEmulator()
    with signed_in(browser, emulator) as (page, _):
        page.get_by_label("Style").fill("A serene lake")
        page.get_by_label("Video").set_input_files(MEDIA / "input.mp4")
        page.get_by_role("button", name="Restyle the video").dblclick()
        page.wait_for_selector("#job")
    assert len(emulator.forms) == 1


@needs_chromium
def test_going_back_shows_a_form_for_another_job(browser: Browser) -> None:
    emulator = RecordingEmulator()
    with signed_in(browser, emulator) as (page, _):
        order(page, "A serene lake")
        page.go_back()
        order(page, "A stormy sea")
    assert [form.values["prompt"] for form in emulator.forms] == ["A serene lake", "A stormy sea"]


@needs_chromium
def test_a_form_that_a_browser_cached_is_reloaded(browser: Browser) -> None:
    with signed_in(browser, RecordingEmulator()) as (page, _):
        page.get_by_label("Style").wait_for()
        page.wait_for_load_state()
        page.evaluate("window.kept = true")
        page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}))")
        page.wait_for_function("window.kept === undefined")


@needs_chromium
def test_a_page_reports_that_the_service_is_unavailable_and_keeps_the_status(browser: Browser) -> None:
    emulator = RecordingEmulator()
    with emulator, EmulatorServer(emulator) as server, signed_in(browser, server.url) as (page, _):
        order(page, "A serene lake")
        server.close()
        page.get_by_text("The service cannot be reached at the moment; this is the last known status.").wait_for()
        shown(page, "pending")
