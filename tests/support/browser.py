"""A real browser: headless Chromium from Debian. Tests that need it are skipped if it is not installed.

Two threads cannot share a page, and no event loop may be running: Playwright's sync API has its own.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Page, sync_playwright

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
    "--autoplay-poll=no-user-gesture-required",
]


def chromium() -> str | None:
    """Return the path of Chromium, if it is installed."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


needs_chromium = pytest.mark.skipif(chromium() is None, reason="Chromium is not installed: apt-get install chromium")


@contextmanager
def browsing(width: int = 1280, height: int = 900) -> Iterator[Page]:
    """Open an empty page. Errors of its scripts fail the test when the block ends."""
    errors: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=_QUIET)
        page = browser.new_page(viewport={"width": width, "height": height})
        page.set_default_timeout(PATIENCE)
        page.on("pageerror", lambda error: errors.append(str(error)))
        yield page
        browser.close()
    assert errors == []
