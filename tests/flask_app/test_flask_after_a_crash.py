"""The Flask example after its server was stopped or killed."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest
import requests
from support.flask_app import (
    SECONDS,
    RunningEmulator,
    Site,
    Visitor,
    clerk,
    flask_run,
    methods,
    site_of,
)
from support.servers import Connection, reset, serving


def command(site: Site, *arguments: str) -> str:
    """Run a command of the app, and return what it prints."""
    ended = site.app.test_cli_runner().invoke(args=arguments)
    assert ended.exit_code == 0, ended.output
    return str(ended.output)


def test_videos_that_nobody_fetched_are_saved_and_played_from_their_files(
    emulator: RunningEmulator, tmp_path: Path
) -> None:
    with site_of(emulator.url, tmp_path) as site:
        page = site.visitor().submit("a lake")
        emulator.finish()
    with site_of(emulator.url, tmp_path) as restarted:
        label = page.removeprefix("/jobs/")
        assert command(restarted, "resume").startswith(f"{label}: SavedJob(")
        assert command(restarted, "resume") == ""
    assert (tmp_path / "videos" / f"{label}.mp4").read_bytes() == b"video of a lake"
    with serving() as gone, site_of(gone.url, tmp_path) as site:  # the service does not keep videos forever
        visitor = site.visitor()
        assert visitor.status(page)["status"] == "completed"
        part = visitor.get(f"{page}/video", headers={"Range": "bytes=6-7"})
        assert (part.status_code, part.content, part.headers["Cache-Control"]) == (206, b"of", "private")
        saved = visitor.get(f"{page}/video?download=1")
        assert saved.headers["Content-Disposition"] == f"attachment; filename=video-{label[-8:]}.mp4"
    assert gone.requests == []


def test_a_job_that_was_being_sent_when_the_server_was_killed_is_reported_and_never_sent_again(tmp_path: Path) -> None:
    come = threading.Event()

    def never(connection: Connection) -> None:
        connection.read_request()
        come.set()
        connection.until_closed()

    with serving(never, clerk()) as service:
        with flask_run(service.url, tmp_path) as (process, url):
            visitor = Visitor(url)
            form = visitor.form()
            sending = threading.Thread(target=killed, args=[visitor, form])
            sending.start()
            assert come.wait(SECONDS)
            os.kill(process, signal.SIGKILL)
            sending.join()
        with site_of(service.url, tmp_path, SECRET_KEY="x") as site:
            visitor.url = site.url
            page = visitor.send(form).headers["Location"]
            unknown = "It is unknown whether the service accepted this job."
            assert unknown in visitor.get(page).text
            label = page.removeprefix("/jobs/")
            assert command(site, "resume").startswith(f"{label}: {unknown}")
            assert command(site, "settle", label) == f"{label}: Not submitted. Nothing was billed.\n"
            assert "Not submitted. Nothing was billed." in visitor.get(page).text
    assert methods(service) == ["POST"]


def killed(visitor: Visitor, form: dict[str, str]) -> None:
    """Send a form to a server that does not live to respond."""
    with pytest.raises(requests.ConnectionError):
        visitor.send(form)


def test_a_job_that_may_be_billed_is_logged_when_the_app_starts(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(reset(), clerk()) as service:
        with site_of(service.url, tmp_path) as site:
            page = site.visitor().submit()
        caplog.clear()
        with site_of(service.url, tmp_path) as site:
            assert f"Job {page.removeprefix('/jobs/')} may have been billed" in caplog.text
            label = page.removeprefix("/jobs/")
            assert command(site, "settle", label, "j1") == f"{label}: Waiting in the queue.\n"
            again = site.app.test_cli_runner().invoke(args=["settle", label, "j1"])
            assert (again.exit_code, again.output.startswith("Error: The label ")) == (1, True)
            assert site.visitor().status(page)["status"] == "processing"
