"""The Django example: the owner, the status and the video of a job."""

from __future__ import annotations

import re
import socket
from contextlib import closing

import pytest
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext
from support.django_app import RecordingEmulator, on_a_port, talking_to
from support.django_visits import (
    ACCEPTED,
    DREAMING,
    PROCESSING,
    VIDEO,
    browsing_by_hand,
    endless,
    fetch,
    job_id,
    made,
    row,
    send,
    status,
    visitor,
    without_such_a_part,
)
from support.servers import PATIENCE, answering, nobody, serving
from videos import service
from videos.models import Job


@pytest.mark.parametrize("view", ["", "status/", "video.mp4"])
def test_a_job_of_another_user_is_not_found(view: str, emulator: RecordingEmulator, ann: Client) -> None:
    job = made(ann, emulator)
    with closing(ann.get(f"/jobs/{job.pk}/{view}")) as response:
        assert response.status_code == 200
    assert visitor("bob").get(f"/jobs/{job.pk}/{view}").status_code == 404
    assert "A serene lake" not in visitor("bob").get("/").content.decode()


@pytest.mark.parametrize("view", ["/", "/jobs/1/", "/jobs/1/status/", "/jobs/1/video.mp4"])
def test_without_a_login_every_page_leads_to_the_login(view: str) -> None:
    assert Client().get(view)["Location"] == f"/login/?next={view}"


def test_a_form_that_is_sent_after_the_session_has_expired_leads_to_the_login(emulator: RecordingEmulator) -> None:
    assert send(Client())["Location"] == "/login/"
    assert emulator.forms == []


def test_each_status_check_sends_one_request_and_stores_the_changes(emulator: RecordingEmulator, ann: Client) -> None:
    send(ann)
    job = Job.objects.get()
    seen = []
    for seconds in (0, 2, 0, 10):
        emulator.clock.sleep(seconds)
        seen.append(status(ann, job)["status"])
        assert Job.objects.get().status == seen[-1]
    assert seen == ["pending", "processing", "processing", "completed"]


def test_with_atomic_requests_changes_are_recorded_with_the_request(
    emulator: RecordingEmulator, ann: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(database.settings_dict, "ATOMIC_REQUESTS", True)
    send(ann)
    for seconds, expected in ((2, "processing"), (10, "completed")):
        emulator.clock.sleep(seconds)
        assert status(ann, Job.objects.get())["status"] == Job.objects.get().status == expected
    assert "the journal could not record" not in caplog.text


def test_the_list_shows_the_status_of_each_job_and_reads_all_records_at_once(
    ann: Client,
) -> None:
    row(job_id="j1", status="processing")
    row(status="refused")
    with CaptureQueriesContext(database) as of_two:
        ann.get("/")
    row(job_id="j3", status="completed")
    with CaptureQueriesContext(database) as of_three:
        page = ann.get("/").content.decode()
    assert len(of_three) == len(of_two)
    assert re.findall('data-status="(\\w+)"', page) == ["completed", "refused", "processing"]


def test_a_status_check_is_one_request_and_waits_for_nothing(ann: Client) -> None:
    job = row(job_id="j1", status="pending")
    with serving(answering(lambda request, number: PROCESSING)) as server, talking_to(server.url):
        assert status(ann, job) == {"status": "processing", "explanation": "", "notice": "", "settled": False}
    assert [(request.method, request.target) for request in server.requests] == [("GET", "/v1/jobs/j1")]


@pytest.mark.parametrize("last", ["completed", "failed", "refused"])
def test_the_status_of_a_job_that_has_ended_is_not_checked_again(last: str, ann: Client) -> None:
    job = row(job_id="j1", status=last)
    with serving(answering(lambda request, number: ACCEPTED)) as server, talking_to(server.url):
        assert (status(ann, job)["status"], status(ann, job)["settled"]) == (last, True)
    assert server.requests == []


def test_a_failed_job_shows_the_reason(emulator: RecordingEmulator, ann: Client) -> None:
    page = send(ann, "Please fail")["Location"]
    emulator.clock.sleep(10)
    told = status(ann, Job.objects.get())
    assert (told["status"], told["explanation"], told["settled"]) == ("failed", "the prompt asked for it", True)
    assert "the prompt asked for it" in ann.get(page).content.decode()


def test_a_service_that_cannot_be_reached_changes_nothing_and_is_reported(ann: Client) -> None:
    job = row(job_id="j1", status="processing")
    notice = "The service cannot be reached at the moment; this is the last known status."
    with nobody() as url, talking_to(url):
        told = status(ann, job)
        page = ann.get(f"/jobs/{job.pk}/").content.decode()
    assert (told["status"], told["notice"], told["settled"]) == ("processing", notice, False)
    assert notice in page and "processing" in page
    assert (job_id(Job.objects.get()), Job.objects.get().status) == ("j1", "processing")


def test_an_unknown_status_is_shown_and_the_wait_continues(ann: Client) -> None:
    job = row(job_id="j1", status="pending")
    with serving(answering(lambda request, number: DREAMING)) as server, talking_to(server.url):
        assert (status(ann, job)["status"], status(ann, job)["settled"]) == ("dreaming", False)


def test_a_late_response_does_not_undo_the_final_status() -> None:
    job = row(job_id="j1", status="completed")
    with serving(answering(lambda request, number: PROCESSING)) as server, talking_to(server.url):
        assert service.client().queue.status("j1").status == "processing"
    assert Job.objects.get(pk=job.pk).status == "completed"


def test_a_video_is_passed_on_with_the_headers_that_a_browser_needs(emulator: RecordingEmulator, ann: Client) -> None:
    status, body, headers = fetch(ann, made(ann, emulator))
    assert (status, body) == (200, VIDEO)
    wanted = {
        "Content-Type": "video/mp4",
        "Content-Length": str(len(VIDEO)),
        "Cache-Control": "private",
        "X-Content-Type-Options": "nosniff",
    }
    assert {name: headers[name] for name in wanted} == wanted


@pytest.mark.parametrize(
    ("wanted", "part", "told"),
    [
        ("bytes=3-7", VIDEO[3:8], "bytes 3-7/22"),
        ("bytes=10-", VIDEO[10:], "bytes 10-21/22"),
        ("bytes=-4", VIDEO[-4:], "bytes 18-21/22"),
        ("bytes=10-99", VIDEO[10:], "bytes 10-21/22"),
    ],
)
def test_a_range_of_a_video_is_passed_on_as_a_range(
    wanted: str, part: bytes, told: str, emulator: RecordingEmulator, ann: Client
) -> None:
    status, body, headers = fetch(ann, made(ann, emulator), RANGE=wanted)
    assert (status, body, headers["Content-Range"]) == (206, part, told)
    assert headers["Content-Length"] == str(len(part))


def test_a_range_is_sent_only_of_the_video_that_the_browser_has(emulator: RecordingEmulator, ann: Client) -> None:
    job = made(ann, emulator)
    name = fetch(ann, job).headers["ETag"]
    assert fetch(ann, job, RANGE="bytes=3-7", IF_RANGE=name).body == VIDEO[3:8]
    assert fetch(ann, job, RANGE="bytes=3-7", IF_RANGE='"another"').body == VIDEO


def test_an_invalid_range_is_ignored(emulator: RecordingEmulator, ann: Client) -> None:
    assert fetch(ann, made(ann, emulator), RANGE="lines=1-2")[:2] == (200, VIDEO)


def test_a_range_beyond_the_end_of_a_video_is_reported_as_such(ann: Client) -> None:
    with without_such_a_part():
        assert fetch(ann, row(job_id="j1", status="completed"), RANGE="bytes=22-").status == 416


@pytest.mark.parametrize("fields", [{"job_id": "j1", "status": "processing"}, {"status": "unknown"}])
def test_a_job_that_is_not_completed_has_no_video(fields: dict[str, str], ann: Client) -> None:
    assert fetch(ann, row(**fields)).status == 404


def test_a_video_that_cannot_be_fetched_is_502(ann: Client) -> None:
    with nobody() as url, talking_to(url):
        assert fetch(ann, row(job_id="j1", status="completed")).status == 502


def test_a_video_that_cannot_be_downloaded_is_an_error_page(ann: Client) -> None:
    job = row(job_id="j1", status="completed")
    with nobody() as url, talking_to(url):
        page = ann.get(f"/jobs/{job.pk}/video.mp4?download=1")
    assert (page.status_code, page["Content-Type"]) == (502, "text/html; charset=utf-8")
    assert f'<a href="/jobs/{job.pk}/">' in page.content.decode()


def test_a_download_is_saved_as_a_file_and_a_video_plays_in_the_page(emulator: RecordingEmulator, ann: Client) -> None:
    job = made(ann, emulator)
    assert f'href="/jobs/{job.pk}/video.mp4?download=1">Download' in ann.get(f"/jobs/{job.pk}/").content.decode()
    with closing(ann.get(f"/jobs/{job.pk}/video.mp4?download=1")) as download:
        assert download["Content-Disposition"] == f'attachment; filename="video-{job.pk}.mp4"'
        assert b"".join(download) == VIDEO
    assert "Content-Disposition" not in fetch(ann, job).headers


def test_a_video_that_the_service_has_deleted_is_404(emulator: RecordingEmulator, ann: Client) -> None:
    assert fetch(ann, row(job_id="j1", status="completed")).status == 404


def test_a_head_request_has_the_headers_of_a_get_of_the_complete_video(
    emulator: RecordingEmulator, ann: Client
) -> None:
    job = made(ann, emulator)
    told = ann.head(f"/jobs/{job.pk}/video.mp4", HTTP_RANGE="bytes=3-7")
    assert (told.status_code, told.headers) == (200, fetch(ann, job).headers)


def test_a_head_request_downloads_nothing(ann: Client) -> None:
    job = row(job_id="j1", status="completed")
    with (
        serving(endless) as server,
        talking_to(server.url),
        on_a_port() as site,
        browsing_by_hand(site, ann) as session,
    ):
        assert session.head(f"{site.url}/jobs/{job.pk}/video.mp4").status_code == 200
        assert server.connection(1).closed.wait(PATIENCE)


def test_a_browser_that_disconnects_ends_the_download_from_the_service(ann: Client) -> None:
    job = row(job_id="j1", status="completed")
    with (
        serving(endless) as server,
        talking_to(server.url),
        on_a_port() as site,
        socket.create_connection(("127.0.0.1", int(site.url.rpartition(":")[2]))) as browser,
    ):
        cookie = f"Cookie: sessionid={ann.cookies['sessionid'].value}"
        browser.sendall(f"GET /jobs/{job.pk}/video.mp4 HTTP/1.1\r\nHost: 127.0.0.1\r\n{cookie}\r\n\r\n".encode())
        assert browser.recv(1000).startswith(b"HTTP/1.1 200 OK")
        assert not server.connection(1).closed.is_set()
        browser.close()
        assert server.connection(1).closed.wait(PATIENCE)
