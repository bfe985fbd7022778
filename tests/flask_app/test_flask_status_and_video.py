"""The Flask example: the owner, the status and the video of a job."""

from __future__ import annotations

import re
import threading
from pathlib import Path
from typing import Any

import pytest
from support.flask_app import (
    ACCEPTED,
    COMPLETED,
    MIB,
    PROCESSING,
    SECONDS,
    RunningEmulator,
    Site,
    Visitor,
    clerk,
    methods,
    site_of,
)
from support.servers import Connection, Received, answering, http, reset, serving, then


@pytest.mark.parametrize("view", ["", "/status", "/video"])
def test_a_job_can_be_shared_by_its_address_and_no_other_address_exists(
    view: str, site: Site, emulator: RunningEmulator
) -> None:
    owner, friend = site.visitor(), site.visitor()
    page = owner.submit("a lake")
    emulator.finish()
    owner.status(page)
    others = (page[:-1], page[:-1] + "!", "/jobs/none", "/jobs/%00", "/jobs/" + "x" * 300)
    assert [friend.get(path + view).status_code for path in (page, *others)] == [200] + [404] * len(others)


def test_a_reloaded_page_shows_the_status_the_error_and_the_video_without_a_script(
    visitor: Visitor, emulator: RunningEmulator
) -> None:
    ready, failed = visitor.submit("a lake"), visitor.submit("fail")
    assert "Waiting in the queue." in visitor.get(ready).text
    emulator.finish()
    assert f'src="{ready}/video"' in visitor.get(ready).text
    assert "the prompt asked for it" in visitor.get(failed).text


def test_the_list_has_only_a_visitors_own_jobs(site: Site) -> None:
    owner, other = site.visitor(), site.visitor()
    owner.submit("a secret")
    other.submit("a lake")
    assert ["a secret" in visitor.get().text for visitor in (owner, other)] == [True, False]


def test_the_cookie_is_out_of_reach_for_scripts_and_other_sites(emulator: RunningEmulator, tmp_path: Path) -> None:
    with site_of(emulator.url, tmp_path, SESSION_COOKIE_SECURE=True) as site:
        cookie = site.visitor().get().headers["Set-Cookie"]
    assert {"HttpOnly", "SameSite=Lax", "Secure", "Path=/"} < set(cookie.split("; "))


def test_a_cookie_that_was_not_signed_here_is_not_accepted(visitor: Visitor, site: Site) -> None:
    visitor.submit("a secret")
    data, _, signature = visitor.session.cookies["session"].partition(".")
    listed = [
        "a secret" in site.visitor().get("/", headers={"Cookie": f"session={cookie}"}).text
        for cookie in (f"{data}.{signature}", f"{data}.{signature[:-1]}", data)
    ]
    assert listed == [True, False, False]


def test_every_response_has_the_security_headers(visitor: Visitor, emulator: RunningEmulator) -> None:
    page = visitor.submit()
    emulator.finish()
    visitor.status(page)
    for path in ("/", page, f"{page}/status", f"{page}/video", "/nowhere"):
        headers = visitor.get(path).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self';")
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert headers["Cache-Control"] == ("private" if path.endswith("video") else "no-store")


def test_pages_have_no_inline_script_or_style(visitor: Visitor) -> None:
    for path in ("/", visitor.submit(), "/nowhere"):
        page = visitor.get(path)
        assert "script-src 'self'; style-src 'self';" in page.headers["Content-Security-Policy"]
        assert not re.search(r"<script>|<style|\bon\w+=|style=", page.text)


def test_a_wrong_method_is_refused_with_the_allowed_ones(visitor: Visitor) -> None:
    response = visitor.get("/jobs")
    assert (response.status_code, set(response.headers["Allow"].split(", "))) == (405, {"POST", "OPTIONS"})
    assert "<h1>Method Not Allowed</h1>" in response.text


def test_the_status_is_reported_while_the_job_is_running(
    visitor: Visitor, site: Site, emulator: RunningEmulator
) -> None:
    page, seen = visitor.submit(), []
    for seconds in (0, 2, 2):  # the clock stands still in between, so a view that waited would never respond
        emulator.clock.sleep(seconds)
        told = visitor.status(page)
        seen.append((told["status"], told["text"], told["finished"]))
        assert site.statuses() == [told["status"]]
    assert seen == [
        ("pending", "Waiting in the queue.", False),
        ("processing", "Being processed.", False),
        ("completed", "Your video is ready.", True),
    ]


@pytest.mark.parametrize(("status", "asked"), [("processing", 3), ("thinking", 3), ("completed", 1), ("failed", 1)])
def test_each_status_check_sends_one_request_and_none_after_the_end(status: str, asked: int, tmp_path: Path) -> None:
    with serving(clerk(status)) as service, site_of(service.url, tmp_path) as site:
        visitor = site.visitor()
        page = visitor.submit()
        told = [visitor.status(page)["status"] for _ in range(3)]
    assert told == [status] * 3
    assert methods(service) == ["POST", *["GET"] * asked]


def test_a_failed_job_shows_the_reason(visitor: Visitor, site: Site, emulator: RunningEmulator) -> None:
    page = visitor.submit("fail")
    emulator.finish()
    told = visitor.status(page)
    assert (told["status"], told["note"]) == ("failed", "the prompt asked for it")
    assert "the prompt asked for it" in visitor.get(page).text


def down_after(accepted: bytes) -> list[Any]:
    """A service that accepts a job, and cannot be reached for one status check and its retry."""
    return [then(accepted, reset()), reset()]


def test_a_service_that_is_down_is_reported_and_the_job_kept(tmp_path: Path) -> None:
    with serving(*down_after(ACCEPTED), clerk("completed")) as service, site_of(service.url, tmp_path) as site:
        visitor = site.visitor()
        page = visitor.submit()
        told = visitor.status(page)
        assert (told["status"], told["finished"], site.statuses()) == ("pending", False, ["pending"])
        assert told["note"].startswith("The service cannot be reached at the moment")
        assert visitor.status(page) == {
            "status": "completed", "text": "Your video is ready.", "note": "", "finished": True
        }  # fmt: skip


def test_a_late_response_does_not_undo_the_final_status(tmp_path: Path) -> None:
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


def completed(visitor: Visitor, emulator: RunningEmulator) -> str:
    """Complete a job whose video is ``video of a lake``; return the path of the video."""
    page = visitor.submit("a lake")
    emulator.finish()
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
def test_a_range_request_gets_the_requested_range(
    wanted: str | None, code: int, data: bytes, part: str | None, visitor: Visitor, emulator: RunningEmulator
) -> None:
    response = visitor.get(completed(visitor, emulator), headers={"Range": wanted})
    assert (response.status_code, response.content, response.headers.get("Content-Range")) == (code, data, part)
    assert (response.headers["Content-Type"], response.headers["Content-Length"]) == ("video/mp4", str(len(data)))
    assert response.headers["Accept-Ranges"] == "bytes"


def test_a_download_is_saved_as_a_file_and_a_video_plays_in_the_page(
    visitor: Visitor, emulator: RunningEmulator
) -> None:
    path = completed(visitor, emulator)
    page = visitor.get(path.removesuffix("/video")).text
    (link,) = re.findall(r'href="([^"]+)">Download the video', page)
    download = visitor.get(link)
    assert download.content == b"video of a lake"
    assert re.fullmatch(r"attachment; filename=video-[\w-]{8}\.mp4", download.headers["Content-Disposition"])
    assert "Content-Disposition" not in visitor.get(path).headers


def refusing(request: Received, connection: int) -> bytes:
    """A service with one completed job, which refuses its video with the status that the range begins with."""
    if request.method == "POST" or not request.target.endswith("/content"):
        return COMPLETED
    return http(int(request.headers["range"][6:-1]))


@pytest.mark.parametrize(("theirs", "ours"), [(416, 416), (404, 404), (403, 502)])
def test_the_status_of_a_video_that_cannot_be_fetched(theirs: int, ours: int, tmp_path: Path) -> None:
    with serving(answering(refusing)) as service, site_of(service.url, tmp_path) as site:
        visitor = site.visitor()
        page = visitor.submit()
        visitor.status(page)
        response = visitor.get(f"{page}/video", headers={"Range": f"bytes={theirs}-"})
    assert (response.status_code, "Content-Range" in response.headers) == (ours, False)


def test_a_range_is_sent_only_of_the_video_that_the_browser_has(visitor: Visitor, emulator: RunningEmulator) -> None:
    path = completed(visitor, emulator)
    etag = visitor.get(path).headers["ETag"]
    codes = [
        visitor.get(path, headers={"Range": "bytes=6-7", "If-Range": known}).status_code
        for known in (etag, '"another"')
    ]
    assert codes == [206, 200]


def test_there_is_no_video_before_the_job_is_completed(tmp_path: Path) -> None:
    with serving(clerk()) as service, site_of(service.url, tmp_path) as site:
        visitor = site.visitor()
        assert visitor.get(f"{visitor.submit()}/video").status_code == 404
    assert methods(service) == ["POST"]


def test_a_video_that_cannot_be_fetched_is_reported(tmp_path: Path) -> None:
    with serving(clerk("completed")) as service, site_of(service.url, tmp_path) as site:
        visitor = site.visitor()
        page = visitor.submit()
        visitor.status(page)
        response = visitor.get(f"{page}/video")  # it is JSON, which no video is
    assert response.status_code == 502
    assert "The video cannot be fetched at the moment." in response.text


def test_a_completed_job_that_turns_out_to_have_failed_has_no_video(tmp_path: Path) -> None:
    with serving(then(ACCEPTED, then(COMPLETED, clerk("failed")))) as service, site_of(service.url, tmp_path) as site:
        visitor = site.visitor()
        page = visitor.submit()
        assert visitor.status(page)["status"] == "completed"
        assert visitor.get(f"{page}/video").status_code == 502


def endless(connection: Connection) -> None:
    """A service with one completed job, whose video is a TiB."""
    while not connection.read_request().target.endswith("/content"):
        connection.send(COMPLETED)
    connection.send(b"HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\nContent-Length: 1099511627776\r\n\r\n")
    while True:
        connection.send(bytes(MIB))


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_browser_that_disconnects_ends_the_download_from_the_service(method: str, tmp_path: Path) -> None:
    with serving(endless) as service, site_of(service.url, tmp_path) as site:
        visitor = site.visitor()
        page = visitor.submit()
        visitor.status(page)
        with visitor.session.request(method, f"{site.url}{page}/video", stream=True, timeout=SECONDS) as response:
            assert (response.status_code, response.headers["Content-Length"]) == (200, str(1 << 40))
            assert len(response.raw.read(1000)) == (1000 if method == "GET" else 0)
        closed = [connection.closed.wait(SECONDS) for connection in service.connections]
    assert closed == [True]
