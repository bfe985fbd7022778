"""The documentation site as a reader has it: links, search, and pages on a phone, in a real browser."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import unquote, urlsplit

import pytest
from playwright.sync_api import Browser, Page
from readme_renderer.markdown import render
from support.browser import needs_chromium, running, visiting
from support.documents import ROOT

SITE = Path(os.environ["SITE"])
PAGES = sorted(page.relative_to(SITE).as_posix() for page in SITE.rglob("*.html"))
PHONE = {"width": 390, "height": 844}


class Links(HTMLParser):
    """The links and pictures of a page, and what can be linked in it."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.anchors = {""}
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        for name, value in attributes:
            if name == "id" and value:
                self.anchors.add(value)
            elif name in ("href", "src") and value and not urlsplit(value).scheme:
                self.links.add(value)


def test_every_link_inside_the_site_leads_somewhere() -> None:
    pages = {page: Links((SITE / page).read_text("utf-8")) for page in PAGES}
    broken = set()
    for page, found in pages.items():
        for link in found.links:
            parts = urlsplit(link)
            target = (SITE / page).parent / unquote(parts.path) if parts.path else SITE / page
            name = os.path.relpath(target, SITE)
            known = pages[name].anchors if name in pages else {unquote(parts.fragment)}
            if not target.is_file() or unquote(parts.fragment) not in known:
                broken.add((page, link))
    assert broken == set()


def test_the_package_index_shows_the_readme_with_its_tables_and_links() -> None:
    shown = render((ROOT / "README.md").read_text("utf-8"))
    assert shown is not None
    assert shown.count("<table>") == 1
    assert "][" not in shown
    links = Links(shown).links
    assert {link for link in links if not link.startswith("#user-content-")} == set()  # the others have a scheme


# ---------------------------------------------------------------- in a browser


class Quiet(SimpleHTTPRequestHandler):
    """A server of files that logs nothing."""

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=SITE)) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """The front page of the site."""
    with visiting(browser) as page:
        page.goto(address)
        yield page


@needs_chromium
@pytest.mark.parametrize(
    ("words", "title"),
    [
        ("submit_and_poll", "client.queue"),
        ("SubmitOutcomeUnknownError", "Error classes"),
        ("gunicorn", "Threads and forks"),
        ("exit codes", "The command line"),
        ("401", "Troubleshooting, by message"),
        ("rainbow bar", None),
    ],
)
def test_the_search_finds_the_page(page: Page, words: str, title: str | None) -> None:
    page.get_by_placeholder("Search").fill(words)
    page.keyboard.press("Enter")
    page.get_by_text("Search finished").or_(page.get_by_text("did not match any documents")).wait_for()
    results = page.locator("#search-results li > a")
    if title is None:
        assert results.count() == 0
    else:
        results.and_(page.get_by_text(title, exact=True)).first.click()
        page.locator("h1").filter(has_text=title).wait_for()


@needs_chromium
def test_each_link_of_the_front_page_opens_a_page_with_a_title(page: Page, address: str) -> None:
    links = [link.get_attribute("href") for link in page.locator("article p a.internal").all()]
    assert len(links) > 20
    for link in links:
        answer = page.goto(f"{address}/{link}")
        assert answer is not None and answer.ok
        assert page.locator("h1").inner_text()


@needs_chromium
def test_no_page_scrolls_sideways_on_a_phone(page: Page, address: str) -> None:
    page.set_viewport_size(PHONE)
    wide = []
    for name in PAGES:
        page.goto(f"{address}/{name}")
        if page.evaluate("document.documentElement.scrollWidth") > PHONE["width"]:
            wide.append(name)
    assert wide == []


@needs_chromium
def test_the_index_is_not_cut_off_on_a_phone(page: Page, address: str) -> None:
    page.set_viewport_size(PHONE)
    page.goto(f"{address}/genindex.html")
    tables = page.locator(".genindextable").all()
    assert len(tables) > 10
    for table in tables:
        box = table.bounding_box()
        assert box is not None and box["x"] + box["width"] <= PHONE["width"]


@needs_chromium
def test_the_pictures_are_shown_and_code_can_be_copied(page: Page, address: str) -> None:
    page.goto(f"{address}/speed.html")
    pictures = page.locator("article img").all()
    assert len(pictures) == 2
    for picture in pictures:
        picture.scroll_into_view_if_needed()
        page.wait_for_function("picture => picture.naturalWidth > 1000", arg=picture.element_handle())
    assert page.locator("article button.copybtn").count() == page.locator("article pre").count() > 0
