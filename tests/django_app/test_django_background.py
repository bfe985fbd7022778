"""The Django example in a real browser: a job that is finished and stored while the web server is stopped."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Browser, Page
from support.browser import needs_chromium, running, visiting
from support.django_app import RecordingEmulator
from support.django_processes import PASSWORD, USER, free_address, kill, manage, new_site, until, wait_for
from support.django_processes import running as running_site
from support.django_queue import redis, worker
from support.django_visits import MEDIA
from support.media import draw_in_small

from decart.emulator import EmulatorServer

pytestmark = [pytest.mark.slow, pytest.mark.heavy, needs_chromium]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with pytest.MonkeyPatch.context() as patch, running() as browser:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")  # Playwright's loop, in this thread, is not Django's concern
        yield browser


class Visit:
    """A page of a job that was submitted in a browser to a web server that was stopped since.

    Attributes:
        page: The browser's page.
        environ: The environment of the site's processes.
    """

    def __init__(self, page: Page, environ: dict[str, str], address: str, service: EmulatorServer) -> None:
        self.page, self.environ = page, environ
        self._address, self._service = address, service

    def submit(self) -> None:
        """Submit a job, and see it on its page."""
        page = self.page
        with running_site(self._address, **self.environ) as (url, _):
            with requests.Session() as session:
                wait_for(session, url)
            page.goto(url)
            page.get_by_label("Username").fill(USER)
            page.get_by_label("Password").fill(PASSWORD)
            page.get_by_role("button", name="Sign in").click()
            page.get_by_label("Style").fill("A serene lake at sunset")
            page.get_by_label("Video").set_input_files(MEDIA / "input.mp4")
            page.get_by_role("button", name="Restyle the video").click()
            page.wait_for_selector("#status[data-status=pending]")
        page.get_by_text("This site cannot be reached at the moment.").wait_for()

    def check(self) -> None:
        """Start the web server again, without the service: the page, which was not reloaded, plays the stored video."""
        self._service.close()
        page = self.page
        with running_site(self._address, **self.environ):
            page.wait_for_selector("#status[data-status=completed]")
            page.wait_for_function("document.getElementById('video').readyState >= 2")
            page.evaluate("document.getElementById('video').play()")
            page.wait_for_function("document.getElementById('video').currentTime > 1")
            page.reload()
            page.wait_for_function("document.getElementById('video').readyState >= 2")
            page.evaluate("document.getElementById('video').currentTime = 2.5")
            page.wait_for_function("!document.getElementById('video').seeking")
            page.goto("about:blank")


@contextmanager
def visit(browser: Browser, folder: Path) -> Iterator[tuple[Visit, RecordingEmulator]]:
    emulator = RecordingEmulator(draw_in_small)
    with emulator, EmulatorServer(emulator) as service, visiting(browser) as page:
        yield Visit(page, new_site(folder, service.url), free_address(), service), emulator
    assert len(emulator.forms) == 1
    assert [path.name for path in (folder / "media" / "videos").iterdir()] == ["video-1.mp4"]


def test_a_command_finishes_and_stores_a_job_while_the_web_server_is_stopped(browser: Browser, tmp_path: Path) -> None:
    with visit(browser, tmp_path) as (visited, emulator):
        visited.submit()
        emulator.clock.sleep(10)
        assert "video-1: delivered videos/video-1.mp4" in manage("sweep", **visited.environ)
        visited.check()


def test_a_celery_worker_finishes_and_stores_a_job_while_the_web_server_is_stopped(
    browser: Browser, tmp_path: Path
) -> None:
    with visit(browser, tmp_path) as (visited, emulator), redis() as url:
        visited.submit()
        environ = {**visited.environ, "CELERY_BROKER_URL": url, "DJANGO_SWEEP_EVERY": "1"}
        with worker(tmp_path, **environ) as process:
            until(process, "succeeded in")  # it has seen that the job is still pending
            emulator.clock.sleep(10)
            log = until(process, "video-1: delivered videos/video-1.mp4") + until(process, "succeeded in")
            assert log.count("video-1: delivered") == 1  # Celery's handler is the only one
        visited.check()


def test_a_celery_worker_that_is_killed_is_replaced_by_the_next_one(browser: Browser, tmp_path: Path) -> None:
    with visit(browser, tmp_path) as (visited, emulator), redis() as url:
        visited.submit()
        environ = {**visited.environ, "CELERY_BROKER_URL": url, "DJANGO_SWEEP_EVERY": "1"}
        with worker(tmp_path, **environ) as process:
            until(process, "succeeded in")
            kill(process)
        emulator.clock.sleep(10)
        with worker(tmp_path, **environ) as process:
            until(process, "video-1: delivered videos/video-1.mp4")
        visited.check()
