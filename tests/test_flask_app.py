"""The Flask example app and its page: real forms, real files, a real browser, and the service in a box behind them."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import attrs
import av
import numpy
import pytest
import requests
from flask import Flask
from playwright.sync_api import Page, expect
from support.browser import PATIENCE, browsing, needs_chromium
from support.documents import programs, run
from support.servers import Connection, Received, Server, answering, http, nobody, reply, reset, serving, then
from support.studio import Studio
from werkzeug.serving import make_server

from decart.emulator import Emulator, EmulatorServer, VirtualClock
from decart.emulator.render import RenderJob, render

ROOT = Path(__file__).parent.parent
APP = ROOT / "examples" / "flask_app" / "app.py"
PAGE = "docs/in-flask.md"
PICTURE = ROOT / "examples" / "media" / "image.jpg"
MIB = 1024 * 1024
SECONDS = PATIENCE / 1000  # that anything may take; never reached when all is well

JPEG = b"\xff\xd8\xff\xe0" + bytes(20)
MP4 = b"\x00\x00\x00\x18ftypisom" + bytes(20)


def load(path: Path) -> ModuleType:
    """Import the app, which is no part of a package."""
    spec = importlib.util.spec_from_file_location("flask_example", path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["flask_example"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


flask_example = load(APP)


# ---------------------------------------------------------------- the app, its visitors, and what is behind it


class Visitor:
    """Somebody with a browser, as far as HTTP goes: it keeps cookies, and sends what the form holds."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.session = requests.Session()
        self.session.trust_env = False

    def get(self, path: str = "/", **options: Any) -> requests.Response:
        return self.session.get(self.url + path, timeout=SECONDS, **options)

    def form(self) -> dict[str, str]:
        """Open the form, and return what is hidden in it."""
        return dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]+)"', self.get().text))

    def send(self, form: Mapping[str, str], prompt: str = "a lake", file: Any = None) -> requests.Response:
        files = {} if file is None else {"file": file}
        fields = {**form, "prompt": prompt}
        return self.session.post(f"{self.url}/jobs", fields, files=files, allow_redirects=False, timeout=SECONDS)

    def submit(self, prompt: str = "a lake", file: Any = None) -> str:
        """Fill the form in, send it, and return the path of the job's page."""
        answer = self.send(self.form(), prompt, file)
        assert answer.status_code == 303, answer.text
        return answer.headers["Location"]

    def status(self, page: str) -> dict[str, Any]:
        """Ask where a job is, as the page's script does."""
        answer = self.get(f"{page}/status")
        assert answer.status_code == 200
        return dict(answer.json())


@attrs.frozen
class Site:
    """The app behind a real server."""

    app: Flask
    url: str

    def visitor(self) -> Visitor:
        return Visitor(self.url)

    def rows(self) -> list[dict[str, Any]]:
        """Return what the database has, the oldest job first."""
        with closing(sqlite3.connect(self.app.config["DATABASE"])) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute("SELECT * FROM job ORDER BY rowid")]


@contextmanager
def serving_wsgi(app: Flask) -> Iterator[str]:
    """Serve an app with threads, and give its address."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=[0.01])
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def site_of(service: str, folder: Path, **config: Any) -> Iterator[Site]:
    """Give the app as it would be on a machine of its own."""
    where = {"DECART_API_KEY": "dct_local", "DECART_BASE_URL": service, "DATABASE": str(folder / "jobs.sqlite3")}
    app = flask_example.create_app({"SECRET_KEY": "for this test", **where, **config})
    with serving_wsgi(app) as url:
        yield Site(app, url)
    if (client := app.extensions.get("decart")) is not None:
        client.close()


@attrs.frozen
class Box:
    """The service, with a renderer that takes notes and a clock that the test moves: 1 s in the queue, 3 s of work."""

    url: str
    clock: VirtualClock
    studio: Studio

    def finish(self) -> None:
        self.clock.sleep(4)


@pytest.fixture(scope="module")
def same_box() -> Iterator[Box]:
    """One for all tests, since a server takes its time to stop."""
    clock, studio = VirtualClock(), Studio()
    with Emulator(clock=clock, renderer=studio, background=False) as emulator, EmulatorServer(emulator) as server:
        yield Box(server.url, clock, studio)


@pytest.fixture
def box(same_box: Box) -> Box:
    """The box, with a new sheet for its notes."""
    same_box.studio.orders.clear()
    same_box.studio.files.clear()
    return same_box


@pytest.fixture
def site(box: Box, tmp_path: Path) -> Iterator[Site]:
    with site_of(box.url, tmp_path) as site:
        yield site


@pytest.fixture
def visitor(site: Site) -> Visitor:
    return site.visitor()


def said(status: str) -> bytes:
    """The service's answer for a job, j1, that is in this state."""
    return http(200, json.dumps({"job_id": "j1", "status": status}).encode(), {"Content-Type": "application/json"})


ACCEPTED, PROCESSING, COMPLETED = said("pending"), said("processing"), said("completed")


def clerk(status: str = "processing") -> Any:
    """A service that accepts every job, as j1, and says that it is in this state."""

    told = said(status)

    def answer(request: Received, connection: int) -> bytes:
        return ACCEPTED if request.method == "POST" else told

    return answering(answer)


def methods(service: Server) -> list[str]:
    return [request.method for request in service.requests]


# ---------------------------------------------------------------- the form


def test_a_prompt_becomes_a_row_and_a_job(visitor: Visitor, site: Site, box: Box) -> None:
    page = visitor.submit("a lake & a hill")
    (row,) = site.rows()
    assert (row["status"], row["model"], row["prompt"]) == ("pending", "lucy-pro-t2v", "a lake & a hill")
    box.finish()
    assert visitor.status(page)["status"] == "completed"
    assert [order.prompt for order in box.studio.orders] == ["a lake & a hill"]


@pytest.mark.parametrize(
    ("head", "model"),
    [
        (JPEG, "lucy-pro-i2v"),
        (b"\x89PNG\r\n\x1a\n" + bytes(20), "lucy-pro-i2v"),
        (b"RIFF\x20\x00\x00\x00WEBPVP8 ", "lucy-pro-i2v"),
        (MP4, "lucy-clip"),
        (b"\x00\x00\x00\x14ftypqt  " + bytes(20), "lucy-clip"),
    ],
)
@pytest.mark.parametrize("size", [1_000, 3 * MIB], ids=["in memory", "on disk"])
def test_a_file_arrives_whole_at_the_model_that_its_first_bytes_ask_for(
    head: bytes, model: str, size: int, visitor: Visitor, box: Box
) -> None:
    data = head + os.urandom(size)
    page = visitor.submit("make it move", ("notes.txt", data, "text/plain"))  # a name and a type say nothing
    box.finish()
    assert visitor.status(page)["status"] == "completed"
    assert [order.model for order in box.studio.orders] == [model]
    assert box.studio.files == [{"data": data}]


@pytest.mark.parametrize(
    "data",
    [b"", b"plain text, and more of it", b"GIF89a" + bytes(20), b"%PDF-1.7", JPEG[:2], MP4[:8]]
    + [b"\x00\x00\x00\x18ftyp" + brand + bytes(20) for brand in (b"heic", b"avif", b"M4A ")],
)
def test_a_file_that_is_neither_is_refused_on_the_form_and_the_prompt_is_kept(
    data: bytes, visitor: Visitor, site: Site
) -> None:
    answer = visitor.send(visitor.form(), "my <prompt>", ("image.jpg", data, "image/jpeg"))
    assert answer.status_code == 422
    assert "neither a picture (JPEG, PNG, WebP) nor a video (MP4)" in answer.text
    assert ">my &lt;prompt&gt;</textarea>" in answer.text
    assert site.rows() == []


def test_an_empty_prompt_is_told_on_the_form(visitor: Visitor, site: Site) -> None:
    answer = visitor.send(visitor.form(), " ")
    assert (answer.status_code, site.rows()) == (422, [])
    assert "prompt must not be empty." in answer.text


@pytest.mark.parametrize(("prompt", "size"), [("a lake", MIB), ("x" * 600_000, 0)])
def test_what_is_too_large_is_refused_in_a_clear_sentence(prompt: str, size: int, box: Box, tmp_path: Path) -> None:
    with site_of(box.url, tmp_path, MAX_CONTENT_LENGTH=MIB) as site:
        visitor = site.visitor()
        answer = visitor.send(visitor.form(), prompt, ("image.jpg", JPEG + bytes(size)))
        assert answer.status_code == 413
        assert "This is too large: a file may have 1 MiB, and a prompt 500 kB." in answer.text
        assert site.rows() == []


def test_no_word_of_a_visitor_or_of_the_service_is_taken_for_html(tmp_path: Path) -> None:
    hostile = "<script>alert(1)</script>\"'&"
    refusal = http(422, json.dumps({"detail": hostile}).encode())
    with serving(reply(refusal)) as service, site_of(service.url, tmp_path) as site:
        visitor = site.visitor()
        form = visitor.form()
        pages = [visitor.send(form, hostile), visitor.send(form, hostile), visitor.get()]
        pages[1] = visitor.get(pages[1].headers["Location"])
    for page in pages:
        assert "&lt;script&gt;alert(1)" in page.text
        assert "<script>" not in page.text


@pytest.mark.parametrize("token", [None, "", "guessed", "grün"])
def test_a_form_without_the_token_of_the_session_is_refused(token: str | None, visitor: Visitor, site: Site) -> None:
    form = visitor.form()
    del form["csrf"]
    answer = visitor.send(form if token is None else {**form, "csrf": token})
    assert (answer.status_code, site.rows()) == (400, [])
    assert "too old, or your browser keeps no cookies" in answer.text


def test_a_form_with_the_token_of_another_session_is_refused(site: Site) -> None:
    mine, other = site.visitor(), site.visitor()
    assert mine.send({**mine.form(), "csrf": other.form()["csrf"]}).status_code == 400
    assert site.visitor().send(mine.form()).status_code == 400  # no session at all
    assert site.rows() == []


# ---------------------------------------------------------------- money


def test_a_form_that_is_sent_twice_pays_once(tmp_path: Path) -> None:
    with serving(clerk()) as service, site_of(service.url, tmp_path) as site:
        visitor = site.visitor()
        form = visitor.form()
        answers = [visitor.send(form), visitor.send(form, "another prompt")]
    assert [answer.status_code for answer in answers] == [303, 303]
    assert len({answer.headers["Location"] for answer in answers}) == 1
    assert methods(service) == ["POST"]


def test_a_form_that_is_sent_again_while_the_first_is_on_its_way_pays_once(tmp_path: Path) -> None:
    first: list[requests.Response] = []
    come, go = threading.Event(), threading.Event()

    def slow(connection: Connection) -> None:
        connection.read_request()
        come.set()
        assert go.wait(SECONDS)
        connection.send(ACCEPTED)

    with serving(slow) as service, site_of(service.url, tmp_path) as site:
        visitor = site.visitor()
        form = visitor.form()
        thread = threading.Thread(target=lambda: first.append(visitor.send(form)))
        thread.start()
        assert come.wait(SECONDS)
        page = visitor.send(form).headers["Location"]
        assert "Being sent to the service." in visitor.get(page).text
        assert visitor.status(page)["status"] == "sending"
        go.set()
        thread.join()
        assert (first[0].headers["Location"], site.rows()[0]["status"]) == (page, "pending")
    assert methods(service) == ["POST"]


def test_another_form_pays_again(tmp_path: Path) -> None:
    with serving(clerk()) as service, site_of(service.url, tmp_path) as site:
        visitor = site.visitor()
        assert visitor.submit() != visitor.submit()
    assert methods(service) == ["POST", "POST"]


def test_the_key_of_a_form_leads_another_visitor_to_a_job_of_their_own(site: Site, box: Box) -> None:
    owner, other = site.visitor(), site.visitor()
    form = owner.form()
    owner.send(form, "a secret")
    page = other.send({**other.form(), "key": form["key"]}, "a lake").headers["Location"]
    assert "a secret" not in other.get(page).text
    box.finish()
    other.status(page)
    assert [(row["prompt"], row["status"]) for row in site.rows()] == [("a secret", "pending"), ("a lake", "completed")]


@pytest.mark.parametrize("key", ["", "short", "/" * 43, "x" * 44, "ü" * 43])
def test_a_key_that_is_not_ours_is_refused(key: str, visitor: Visitor, site: Site) -> None:
    assert visitor.send({**visitor.form(), "key": key}).status_code == 400
    assert site.rows() == []


def test_a_submit_with_an_unknown_outcome_keeps_its_row_is_told_and_never_repeated(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(reset()) as service, site_of(service.url, tmp_path) as site:
        visitor = site.visitor()
        form = visitor.form()
        page = visitor.send(form).headers["Location"]
        assert visitor.send(form).headers["Location"] == page
        told = visitor.status(page)
        shown = visitor.get(page).text
        (row,) = site.rows()
    assert methods(service) == ["POST"]
    assert (row["status"], told["status"], told["finished"]) == ("unknown", "unknown", True)
    assert "Nobody knows whether the service accepted this job." in shown
    assert "look in the account before you submit it again." in told["text"]
    assert "you may have been charged" in caplog.text


def test_the_id_of_an_accepted_job_is_in_the_log_even_if_the_database_cannot_take_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def break_the_database(request: Received, connection: int) -> bytes:
        with closing(sqlite3.connect(tmp_path / "jobs.sqlite3")) as database:
            database.execute("DROP TABLE job")
        return ACCEPTED

    with serving(answering(break_the_database)) as service, site_of(service.url, tmp_path) as site:
        visitor = site.visitor()
        form = visitor.form()
        assert visitor.send(form).status_code == 500
    assert f"Job {form['key']} is j1 at the service." in caplog.text


def test_a_submit_that_was_refused_is_told_on_a_form_that_can_be_sent(tmp_path: Path) -> None:
    refusal = reply(http(422, b'{"detail": "no lakes"}'))
    with serving(refusal, clerk()) as service, site_of(service.url, tmp_path) as site:
        visitor = site.visitor()
        old = visitor.form()
        answer = visitor.send(old, "a lake")
        assert answer.status_code == 502
        assert "no lakes" in answer.text
        assert ">a lake</textarea>" in answer.text
        assert "Not submitted. Nothing was billed." in visitor.get(visitor.send(old).headers["Location"]).text
        visitor.submit()
        assert [row["status"] for row in site.rows()] == ["refused", "pending"]
    assert methods(service) == ["POST", "POST"]


BUSY = "The service does not take jobs at the moment. Nothing was billed; try again later."


def test_what_only_the_sites_owner_can_mend_is_in_the_log_and_not_on_the_form(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broke = reply(http(402, b'{"detail": "no credits"}'))
    with serving(broke) as service, site_of(service.url, tmp_path) as site:
        visitor = site.visitor()
        answer = visitor.send(visitor.form())
    assert (answer.status_code, BUSY in answer.text, "credits" in answer.text) == (502, True, False)
    assert "The account has no credits left" in caplog.text


def test_a_service_that_is_not_there_is_told_on_the_form(tmp_path: Path) -> None:
    with nobody() as nowhere, site_of(nowhere, tmp_path) as site:
        visitor = site.visitor()
        answer = visitor.send(visitor.form())
    assert (answer.status_code, BUSY in answer.text) == (502, True)


def test_a_missing_key_is_told_when_it_is_first_needed(
    box: Box, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with site_of(box.url, tmp_path, DECART_API_KEY=None) as site:
        visitor = site.visitor()
        answer = visitor.send(visitor.form())
    assert (answer.status_code, BUSY in answer.text) == (502, True)
    assert "The API key is missing" in caplog.text


# ---------------------------------------------------------------- whose job it is


@pytest.mark.parametrize("view", ["", "/status", "/video"])
def test_a_job_of_another_visitor_is_not_found(view: str, site: Site, box: Box) -> None:
    owner, other = site.visitor(), site.visitor()
    page = owner.submit("a secret")
    box.finish()
    owner.status(page)
    assert owner.get(page + view).status_code == 200
    mine_and_none = other.get(page + view), other.get(f"/jobs/none{view}")
    assert [answer.status_code for answer in mine_and_none] == [404, 404]
    assert len({re.sub(r'nonce[-=]"?[\w-]+', "", answer.text) for answer in mine_and_none}) == 1


def test_the_list_has_only_a_visitors_own_jobs(site: Site) -> None:
    owner, other = site.visitor(), site.visitor()
    owner.submit("a secret")
    other.submit("a lake")
    assert ["a secret" in visitor.get().text for visitor in (owner, other)] == [True, False]


def test_the_cookie_is_out_of_reach_for_scripts_and_other_sites(box: Box, tmp_path: Path) -> None:
    with site_of(box.url, tmp_path, SESSION_COOKIE_SECURE=True) as site:
        cookie = site.visitor().get().headers["Set-Cookie"]
    assert {"HttpOnly", "SameSite=Lax", "Secure", "Path=/"} < set(cookie.split("; "))


def test_a_cookie_that_was_not_signed_here_is_not_believed(visitor: Visitor, site: Site) -> None:
    page = visitor.submit()
    data, _, signature = visitor.session.cookies["session"].partition(".")
    codes = [
        site.visitor().get(page, headers={"Cookie": f"session={cookie}"}).status_code
        for cookie in (f"{data}.{signature}", f"{data}.{signature[:-1]}", data)
    ]
    assert codes == [200, 404, 404]


def test_every_answer_has_the_headers_that_keep_a_page_safe(visitor: Visitor, box: Box) -> None:
    page = visitor.submit()
    box.finish()
    visitor.status(page)
    for path in ("/", page, f"{page}/status", f"{page}/video", "/nowhere"):
        headers = visitor.get(path).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'nonce-")
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert headers["Cache-Control"] == ("private" if path.endswith("video") else "no-store")


def test_a_page_allows_its_own_script_once(visitor: Visitor) -> None:
    answers = [visitor.get(), visitor.get()]
    for answer in answers:
        allowed = re.findall(r"'nonce-([^']+)'", answer.headers["Content-Security-Policy"])
        assert set(allowed) == set(re.findall(r'nonce="([^"]+)"', answer.text))
    assert answers[0].headers["Content-Security-Policy"] != answers[1].headers["Content-Security-Policy"]


def test_a_wrong_method_is_told_with_the_right_ones(visitor: Visitor) -> None:
    answer = visitor.get("/jobs")
    assert (answer.status_code, set(answer.headers["Allow"].split(", "))) == (405, {"POST", "OPTIONS"})
    assert "<h1>Method Not Allowed</h1>" in answer.text


# ---------------------------------------------------------------- the status


def test_the_status_is_told_while_the_job_goes_on(visitor: Visitor, site: Site, box: Box) -> None:
    page, seen = visitor.submit(), []
    for seconds in (0, 2, 2):  # the box's clock stands still between these: a view that waited would never answer
        box.clock.sleep(seconds)
        told = visitor.status(page)
        seen.append((told["status"], told["text"], told["finished"]))
        assert site.rows()[0]["status"] == told["status"]
    assert seen == [
        ("pending", "Waiting in the queue.", False),
        ("processing", "Being made.", False),
        ("completed", "Your video is ready.", True),
    ]


@pytest.mark.parametrize(("status", "asked"), [("processing", 3), ("thinking", 3), ("completed", 1), ("failed", 1)])
def test_the_service_is_asked_once_for_each_look_and_not_after_the_end(status: str, asked: int, tmp_path: Path) -> None:
    with serving(clerk(status)) as service, site_of(service.url, tmp_path) as site:
        visitor = site.visitor()
        page = visitor.submit()
        told = [visitor.status(page)["status"] for _ in range(3)]
    assert told == [status] * 3
    assert methods(service) == ["POST", *["GET"] * asked]


def test_a_job_that_failed_tells_why(visitor: Visitor, site: Site, box: Box) -> None:
    page = visitor.submit("fail")
    box.finish()
    told = visitor.status(page)
    assert (told["status"], told["note"]) == ("failed", "the prompt asked for it")
    assert "the prompt asked for it" in visitor.get(page).text


def down_after(accepted: bytes) -> list[Any]:
    """A service that accepts a job and is not to be reached for one look (and its repeat)."""
    return [then(accepted, reset()), reset()]


def test_a_service_that_is_down_is_told_and_the_job_kept(tmp_path: Path) -> None:
    with serving(*down_after(ACCEPTED), clerk("completed")) as service, site_of(service.url, tmp_path) as site:
        visitor = site.visitor()
        page = visitor.submit()
        told = visitor.status(page)
        assert (told["status"], told["finished"], site.rows()[0]["status"]) == ("pending", False, "pending")
        assert told["note"].startswith("No news at the moment: the service cannot be reached.")
        assert visitor.status(page) == {
            "status": "completed", "text": "Your video is ready.", "note": "", "finished": True
        }  # fmt: skip


def test_an_answer_that_comes_in_late_does_not_undo_the_end(tmp_path: Path) -> None:
    come, go, late = threading.Event(), threading.Event(), []

    def hold_the_first_look(request: Received, connection: int) -> bytes:
        if request.method == "POST":
            return ACCEPTED
        if come.is_set():
            return COMPLETED
        come.set()
        assert go.wait(SECONDS)
        return PROCESSING

    with serving(answering(hold_the_first_look)) as service, site_of(service.url, tmp_path) as site:
        visitor = site.visitor()
        page = visitor.submit()
        thread = threading.Thread(target=lambda: late.append(visitor.status(page)["status"]))
        thread.start()
        assert come.wait(SECONDS)
        assert visitor.status(page)["status"] == "completed"
        go.set()
        thread.join()
    assert late == ["completed"]


# ---------------------------------------------------------------- the video


def completed(visitor: Visitor, box: Box) -> str:
    """Have a video made, of the bytes ``video of a lake``; return the path of it."""
    page = visitor.submit("a lake")
    box.finish()
    assert visitor.status(page)["status"] == "completed"
    return f"{page}/video"


@pytest.mark.parametrize(
    ("wanted", "code", "data", "part"),
    [
        (None, 200, b"video of a lake", None),
        ("bytes=0-", 206, b"video of a lake", "bytes 0-14/15"),
        ("bytes=6-7", 206, b"of", "bytes 6-7/15"),
        ("bytes=-4", 206, b"lake", "bytes 11-14/15"),
        ("lines=1-2", 200, b"video of a lake", None),
    ],
)
def test_a_part_is_what_the_browser_asked_for(
    wanted: str | None, code: int, data: bytes, part: str | None, visitor: Visitor, box: Box
) -> None:
    answer = visitor.get(completed(visitor, box), headers={"Range": wanted})
    assert (answer.status_code, answer.content, answer.headers.get("Content-Range")) == (code, data, part)
    assert (answer.headers["Content-Type"], answer.headers["Content-Length"]) == ("video/mp4", str(len(data)))
    assert answer.headers["Accept-Ranges"] == "bytes"


def refusing(request: Received, connection: int) -> bytes:
    """A service whose only job is done, and which refuses its video with the status that the range begins with."""
    if request.method == "POST" or not request.target.endswith("/content"):
        return COMPLETED
    return http(int(request.headers["range"][6:-1]))


@pytest.mark.parametrize(("theirs", "ours"), [(416, 416), (404, 404), (403, 502)])
def test_a_video_that_is_refused_is_told_by_what_the_browser_can_make_of_it(
    theirs: int, ours: int, tmp_path: Path
) -> None:
    with serving(answering(refusing)) as service, site_of(service.url, tmp_path) as site:
        visitor = site.visitor()
        answer = visitor.get(f"{visitor.submit()}/video", headers={"Range": f"bytes={theirs}-"})
    assert (answer.status_code, "Content-Range" in answer.headers) == (ours, False)


def test_a_part_of_another_video_is_not_mixed_in(visitor: Visitor, box: Box) -> None:
    path = completed(visitor, box)
    etag = visitor.get(path).headers["ETag"]
    codes = [
        visitor.get(path, headers={"Range": "bytes=6-7", "If-Range": known}).status_code
        for known in (etag, '"another"')
    ]
    assert codes == [206, 200]


def test_there_is_no_video_before_the_end(tmp_path: Path) -> None:
    with serving(clerk()) as service, site_of(service.url, tmp_path) as site:
        visitor = site.visitor()
        assert visitor.get(f"{visitor.submit()}/video").status_code == 404
    assert methods(service) == ["POST"]


def test_a_video_that_cannot_be_fetched_is_told(tmp_path: Path) -> None:
    with serving(clerk("completed")) as service, site_of(service.url, tmp_path) as site:
        visitor = site.visitor()
        page = visitor.submit()
        visitor.status(page)
        answer = visitor.get(f"{page}/video")  # it is JSON, which no video is
    assert answer.status_code == 502
    assert "The video cannot be fetched at the moment." in answer.text


def test_a_job_that_the_service_calls_failed_after_all_has_no_video(tmp_path: Path) -> None:
    with serving(then(COMPLETED, clerk("failed"))) as service, site_of(service.url, tmp_path) as site:
        visitor = site.visitor()
        assert visitor.get(f"{visitor.submit()}/video").status_code == 502


def endless(connection: Connection) -> None:
    """A service whose only job is done, and whose video is a TiB."""
    while not connection.read_request().target.endswith("/content"):
        connection.send(COMPLETED)
    connection.send(b"HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\nContent-Length: 1099511627776\r\n\r\n")
    while True:
        connection.send(bytes(MIB))


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_the_service_is_hung_up_on_when_the_browser_has_enough(method: str, tmp_path: Path) -> None:
    with serving(endless) as service, site_of(service.url, tmp_path) as site:
        visitor = site.visitor()
        page = visitor.submit()
        with visitor.session.request(method, f"{site.url}{page}/video", stream=True, timeout=SECONDS) as answer:
            assert (answer.status_code, answer.headers["Content-Length"]) == (200, str(1 << 40))
            assert len(answer.raw.read(1000)) == (1000 if method == "GET" else 0)
        closed = [connection.closed.wait(SECONDS) for connection in service.connections]
    assert closed == [True]


# ---------------------------------------------------------------- as it is run


@contextmanager
def flask_run(service: str, folder: Path) -> Iterator[tuple[int, str]]:
    """Run the app with the README's command; give its process and its address."""
    settings = {"SECRET_KEY": "x", "DATABASE": str(folder / "jobs.sqlite3"), "DECART_API_KEY": "dct_local"}
    command = [sys.executable, "-m", "flask", "--app", str(APP), "run", "--port", "0"]
    environment = {**os.environ, **settings, "DECART_BASE_URL": service}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        assert process.stderr is not None
        url = next(found[1].decode() for line in process.stderr if (found := re.search(rb"Running on (\S+)", line)))
        rest = threading.Thread(target=process.stderr.read)  # so that its log does not block it
        rest.start()
        try:
            yield process.pid, url
        finally:
            process.terminate()
            rest.join()


def peak(process: int) -> int:
    """Return the most memory that a process has had so far, in bytes."""
    status = Path(f"/proc/{process}/status").read_text("ascii")
    return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) * 1024


def sparse(order: RenderJob, target: Path) -> None:
    """Make a video of as many MiB as the prompt says."""
    with target.open("wb") as file:
        file.truncate(int(order.prompt) * MIB)


def pass_through(visitor: Visitor, mib: int) -> None:
    """Upload so many MiB, and fetch as many."""
    page = visitor.submit(str(mib), ("image.jpg", JPEG + bytes(mib * MIB)))
    assert visitor.status(page)["status"] == "completed"
    with visitor.get(f"{page}/video", stream=True) as answer:
        assert sum(map(len, answer.iter_content(MIB))) == mib * MIB


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_large_files_pass_through_without_being_held_in_memory(tmp_path: Path) -> None:
    with (
        Emulator(pending=0, processing=0, renderer=sparse, background=False) as emulator,
        EmulatorServer(emulator) as server,
        flask_run(server.url, tmp_path) as (process, url),
    ):
        visitor = Visitor(url)
        pass_through(visitor, 2)
        before = peak(process)
        pass_through(visitor, 190)
        assert peak(process) - before < 16 * MIB


def test_the_settings_come_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = {
        "SECRET_KEY": "s",
        "DECART_API_KEY": "dct_key",
        "DECART_BASE_URL": "http://127.0.0.1:1",
        "DATABASE": str(tmp_path / "new folder" / "jobs.sqlite3"),
    }
    for name, value in {**given, "MAX_CONTENT_LENGTH": "5", "SESSION_COOKIE_SECURE": "1"}.items():
        monkeypatch.setenv(name, value)
    config = flask_example.create_app().config
    assert {name: config[name] for name in given} == given
    assert (config["MAX_CONTENT_LENGTH"], config["SESSION_COOKIE_SECURE"]) == (5, True)
    assert flask_example.create_app({"SECRET_KEY": "mine"}).config["SECRET_KEY"] == "mine"
    assert Path(given["DATABASE"]).exists()


def test_without_a_secret_key_the_app_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SECRET_KEY", raising=False)
    with pytest.raises(RuntimeError, match="SECRET_KEY is missing: set it in the environment"):
        flask_example.create_app()


def test_all_threads_have_the_same_client_made_when_it_is_first_needed(site: Site) -> None:
    assert "decart" not in site.app.extensions
    start, found = threading.Barrier(8), []

    def look() -> None:
        start.wait(SECONDS)
        with site.app.app_context():
            found.append(flask_example.client())

    threads = [threading.Thread(target=look) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert {id(client) for client in found} == {id(site.app.extensions["decart"])}


# ---------------------------------------------------------------- in a browser


@contextmanager
def site_with(renderer: Any, folder: Path) -> Iterator[tuple[Site, VirtualClock]]:
    """Give the app before a box whose clock the test moves."""
    clock = VirtualClock()
    with (
        Emulator(clock=clock, renderer=renderer, background=False) as emulator,
        EmulatorServer(emulator) as server,
        site_of(server.url, folder) as site,
    ):
        yield site, clock


def ask_for_a_video(page: Page, site: Site, prompt: str) -> None:
    page.goto(site.url)
    page.get_by_label("What should it show?").fill(prompt)
    page.get_by_role("button", name="Make the video").click()


def once(page: Page, event: str, ready: str) -> None:
    """Wait until the video's event has come, or what it tells is so already."""
    page.locator("video").evaluate(
        f"video => {ready} || new Promise(done => video.addEventListener('{event}', done, {{once: true}}))"
    )


@needs_chromium
def test_a_browser_follows_a_job_without_a_reload_and_plays_the_video(tmp_path: Path) -> None:
    with site_with(render, tmp_path) as (site, clock), browsing() as page:
        ask_for_a_video(page, site, "A serene lake at sunset")
        page.evaluate("window.marker = 'still the same page'")
        status = page.get_by_role("status")
        expect(status).to_have_text("Waiting in the queue.", timeout=PATIENCE)
        expect(page.locator("video")).to_be_hidden()
        clock.sleep(2)
        expect(status).to_have_text("Being made.", timeout=PATIENCE)
        clock.sleep(2)
        expect(status).to_have_text("Your video is ready.", timeout=PATIENCE)
        expect(page.get_by_role("progressbar")).to_be_hidden()
        once(page, "loadeddata", "video.readyState >= 2")
        assert page.locator("video").evaluate("video => video.duration") == pytest.approx(5, abs=0.1)
        page.locator("video").evaluate("video => video.play()")
        once(page, "timeupdate", "video.currentTime > 0")
        assert page.locator("video").evaluate("video => video.currentTime") > 0
        assert page.evaluate("window.marker") == "still the same page"


def noise(order: RenderJob, target: Path) -> None:
    """Make five seconds that hardly compress, with a place to begin in each second: some 17 MB."""
    chance = numpy.random.default_rng(1)
    with av.open(str(target), "w", options={"movflags": "faststart"}) as video:
        stream = video.add_stream("libx264", rate=25, options={"preset": "ultrafast", "qp": "4", "g": "25"})
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
        for _ in range(125):
            picture = chance.integers(0, 255, (270, 320), dtype=numpy.uint8)
            video.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="yuv420p")))
        video.mux(stream.encode())


@needs_chromium
def test_a_browser_that_seeks_gets_the_part_that_it_asks_for(tmp_path: Path) -> None:
    parts: list[tuple[int, int]] = []

    def note(answer: Any) -> None:
        if wanted := re.match(r"bytes=(\d+)-", answer.request.headers.get("range", "")):
            parts.append((int(wanted[1]), answer.status))

    with site_with(noise, tmp_path) as (site, clock), browsing() as page:
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
def test_a_double_click_in_a_browser_pays_once_and_sends_the_file_whole(tmp_path: Path) -> None:
    with serving(clerk()) as service, site_of(service.url, tmp_path) as site, browsing() as page:
        page.goto(site.url)
        page.get_by_label("What should it show?").fill("Gentle motion")
        page.get_by_label("A picture to bring to life").set_input_files(PICTURE)
        page.get_by_role("button", name="Make the video").dblclick()
        expect(page.get_by_role("status")).to_have_text("Being made.", timeout=PATIENCE)
    (order,) = [request for request in service.requests if request.method == "POST"]
    assert order.target == "/v1/jobs/lucy-pro-i2v"
    assert PICTURE.read_bytes() in order.body


@needs_chromium
def test_a_browser_that_goes_back_gets_a_new_form_that_names_the_job(tmp_path: Path) -> None:
    with serving(clerk()) as service, site_of(service.url, tmp_path) as site, browsing() as page:
        ask_for_a_video(page, site, "a lake")
        expect(page.get_by_role("status")).to_have_text("Being made.", timeout=PATIENCE)
        page.go_back()
        expect(page.get_by_role("button", name="Make the video")).to_be_enabled()
        expect(page.get_by_role("listitem")).to_contain_text("a lake")
        assert page.locator("[name=key]").input_value() != site.rows()[0]["key"]


@needs_chromium
def test_a_form_that_a_browser_kept_is_made_anew(site: Site) -> None:
    with browsing() as page:
        page.goto(site.url)
        key = page.locator("[name=key]").input_value()
        page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}))")
        expect(page.locator("[name=key]")).not_to_have_value(key, timeout=PATIENCE)


@needs_chromium
def test_a_browser_is_told_of_a_file_that_is_too_large_before_and_after_it_is_sent(tmp_path: Path) -> None:
    (tmp_path / "large.mp4").write_bytes(MP4 + bytes(5 * MIB))
    with (
        serving(clerk()) as service,
        site_of(service.url, tmp_path, MAX_CONTENT_LENGTH=MIB) as site,
        browsing() as page,
    ):
        page.goto(site.url)
        page.get_by_label("What should it show?").fill("x")
        chooser = page.get_by_label("A picture to bring to life")
        chooser.set_input_files(tmp_path / "large.mp4")
        assert chooser.evaluate("field => field.validationMessage") == "This file is too large."
        page.locator("form").evaluate("form => form.submit()")  # as a browser without scripts does
        expect(page.get_by_role("main")).to_contain_text("a file may have 1 MiB", timeout=PATIENCE)
    assert service.requests == []


@needs_chromium
def test_a_page_keeps_the_last_status_while_the_service_is_down_and_goes_on_afterwards(tmp_path: Path) -> None:
    up = threading.Event()

    def down(connection: Connection) -> None:
        while (request := connection.read_request()).method == "POST" or up.is_set():
            connection.send(ACCEPTED if request.method == "POST" else PROCESSING)
        connection.reset()

    with serving(down) as service, site_of(service.url, tmp_path) as site, browsing() as page:
        ask_for_a_video(page, site, "a lake")
        expect(page.locator("#note")).to_contain_text("No news at the moment:", timeout=PATIENCE)
        expect(page.get_by_role("status")).to_have_text("Waiting in the queue.")
        up.set()
        expect(page.get_by_role("status")).to_have_text("Being made.", timeout=PATIENCE)
        expect(page.locator("#note")).to_have_text("")


# ---------------------------------------------------------------- the page of the documentation


def test_the_programs_of_the_page_make_an_app_that_works(
    box: Box, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DECART_API_KEY", "dct_local")
    monkeypatch.setenv("DECART_BASE_URL", box.url)
    monkeypatch.setenv("SECRET_KEY", "for this test")
    names: dict[str, Any] = {"__name__": "app"}
    blocks = programs(PAGE)
    for block in blocks:
        run(block, names, PAGE)
    assert len(blocks) == 4
    with serving_wsgi(names["app"]) as url, names["client"]:
        visitor = Visitor(url)
        form = {"key": "k1"}
        files = {"picture": ("image.jpg", JPEG)}
        for _ in range(2):  # the second one is the same form again
            answer = visitor.session.post(
                f"{url}/jobs", {**form, "prompt": "a lake"}, files=files, allow_redirects=False, timeout=SECONDS
            )
            assert (answer.status_code, answer.headers["Location"]) == (303, "/jobs/k1")
        assert visitor.status("/jobs/k1")["status"] == "pending"
        box.finish()
        assert visitor.status("/jobs/k1")["status"] == "completed"
        part = visitor.get("/jobs/k1/video", headers={"Range": "bytes=6-7"})
        assert (part.status_code, part.content) == (206, b"of")
        other = [Visitor(url).get(f"/jobs/k1/{view}").status_code for view in ("status", "video")]
        assert other == [404, 404]
    assert [order.prompt for order in box.studio.orders] == ["a lake"]
