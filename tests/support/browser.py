"""A real browser: headless Chromium from Debian. Tests that need it are skipped if it is not installed.

Two threads cannot share a page, and no event loop may be running: Playwright's sync API has its own.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

PATIENCE = 60_000
"""The timeout of every page action, in milliseconds; only reached if a test fails."""

_QUIET = [
    "--no-sandbox",  # CI runs as root
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--autoplay-policy=no-user-gesture-required",
]


def chromium() -> str | None:
    """Return the path of Chromium, if it is installed."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


needs_chromium = pytest.mark.skipif(chromium() is None, reason="Chromium is not installed: apt-get install chromium")


@contextmanager
def running() -> Iterator[Browser]:
    """Run a browser."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=_QUIET)
        yield browser
        browser.close()


@contextmanager
def visiting(browser: Browser) -> Iterator[Page]:
    """Open an empty page without cookies or a cache. Errors of its scripts fail the test when the block ends."""
    errors: list[str] = []
    page = browser.new_page(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")  # animation costs CPU
    page.set_default_timeout(PATIENCE)
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    page.close()
    assert errors == []


@contextmanager
def browsing() -> Iterator[Page]:
    """Open an empty page in a browser of its own."""
    with running() as browser, visiting(browser) as page:
        yield page
