"""The Flask example: the form, its errors, and that each form is paid for once."""

from __future__ import annotations

import json
import logging
import os
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest
import requests
from support.flask_app import (
    ACCEPTED,
    MIB,
    MP4,
    SECONDS,
    RunningEmulator,
    Site,
    Visitor,
    clerk,
    methods,
    site_of,
)
from support.servers import (
    Connection,
    Received,
    answering,
    http,
    nobody,
    reply,
    reset,
    serving,
)

from decart import models


def test_a_form_becomes_a_job_and_its_record(visitor: Visitor, site: Site, emulator: RunningEmulator) -> None:
    page = visitor.submit("a lake & a hill")
    (job,) = site.jobs()
    assert job.inputs is not None
    assert (site.statuses(), job.inputs["prompt"]) == (["pending"], "a lake & a hill")
    emulator.finish()
    assert visitor.status(page)["status"] == "completed"
    assert [order.prompt for order in emulator.studio.orders] == ["a lake & a hill"]


@pytest.mark.parametrize("head", [MP4, b"\x00\x00\x00\x14ftypqt  " + bytes(20)])
@pytest.mark.parametrize("size", [1_000, 3 * MIB], ids=["in memory", "on disk"])
def test_an_upload_arrives_completely_at_a_current_model(
    head: bytes, size: int, visitor: Visitor, emulator: RunningEmulator
) -> None:
    data = head + os.urandom(size)
    page = visitor.submit("make it move", ("notes.txt", data, "text/plain"))  # the name and the type are not used
    emulator.finish()
    assert visitor.status(page)["status"] == "completed"
    (order,) = emulator.studio.orders
    assert models.video(order.model).retired is None
    assert emulator.studio.files == [{"data": data}]


@pytest.mark.parametrize(
    "data",
    [None, b"", b"plain text, and more of it", b"\xff\xd8\xff\xe0" + bytes(20), b"%PDF-1.7", MP4[:8]]
    + [b"\x00\x00\x00\x18ftyp" + brand + bytes(20) for brand in (b"heic", b"avif", b"M4A ")],
)
def test_a_file_that_is_no_video_is_refused_on_the_form_and_the_prompt_is_kept(
    data: bytes | None, visitor: Visitor, site: Site
) -> None:
    file = None if data is None else ("in.mp4", data, "video/mp4")
    response = visitor.send(visitor.form(), "my <prompt>", file)
    assert response.status_code == 422
    assert "Choose a video: an MP4 file." in response.text
    assert ">my &lt;prompt&gt;</textarea>" in response.text
    assert site.jobs() == []


def test_an_empty_prompt_is_reported_on_the_form(visitor: Visitor, site: Site) -> None:
    response = visitor.send(visitor.form(), " ")
    assert (response.status_code, site.jobs()) == (422, [])
    assert "prompt must not be empty." in response.text


@pytest.mark.parametrize(("prompt", "size"), [("a lake", MIB), ("x" * 600_000, 0)])
def test_an_upload_that_is_too_large_is_refused_in_a_clear_sentence(
    prompt: str, size: int, emulator: RunningEmulator, tmp_path: Path
) -> None:
    with site_of(emulator.url, tmp_path, MAX_CONTENT_LENGTH=MIB) as site:
        visitor = site.visitor()
        response = visitor.send(visitor.form(), prompt, ("in.mp4", MP4 + bytes(size)))
        assert response.status_code == 413
        assert "This is too large: a video may have 1 MiB, and a prompt 500 kB." in response.text
        assert site.jobs() == []


def test_text_of_visitors_and_of_the_service_is_escaped(tmp_path: Path) -> None:
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
    response = visitor.send(form if token is None else {**form, "csrf": token})
    assert (response.status_code, site.jobs()) == (400, [])
    assert "too old, or your browser keeps no cookies" in response.text


def test_a_form_with_the_token_of_another_session_is_refused(site: Site) -> None:
    mine, other = site.visitor(), site.visitor()
    assert mine.send({**mine.form(), "csrf": other.form()["csrf"]}).status_code == 400
    assert site.visitor().send(mine.form()).status_code == 400  # no session at all
    assert site.jobs() == []


def test_a_form_that_is_sent_twice_pays_once(tmp_path: Path) -> None:
    with serving(clerk()) as service, site_of(service.url, tmp_path) as site:
        visitor = site.visitor()
        form = visitor.form()
        responses = [visitor.send(form), visitor.send(form, "another prompt")]
    assert [response.status_code for response in responses] == [303, 303]
    assert len({response.headers["Location"] for response in responses}) == 1
    assert methods(service) == ["POST"]


def test_a_form_that_is_sent_again_during_its_submit_pays_once(tmp_path: Path) -> None:
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
        assert (first[0].headers["Location"], site.statuses()) == (page, ["pending"])
    assert methods(service) == ["POST"]


def test_another_form_pays_again(tmp_path: Path) -> None:
    with serving(clerk()) as service, site_of(service.url, tmp_path) as site:
        visitor = site.visitor()
        assert visitor.submit() != visitor.submit()
    assert methods(service) == ["POST", "POST"]


@pytest.mark.parametrize("key", ["", "short", "/" * 43, "x" * 44, "ü" * 43])
def test_a_malformed_key_of_a_form_is_refused(key: str, visitor: Visitor, site: Site) -> None:
    assert visitor.send({**visitor.form(), "key": key}).status_code == 400
    assert site.jobs() == []


def test_a_submit_with_an_unknown_outcome_is_kept_and_is_reported_and_never_retried(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(reset()) as service, site_of(service.url, tmp_path) as site:
        visitor = site.visitor()
        form = visitor.form()
        page = visitor.send(form).headers["Location"]
        assert visitor.send(form).headers["Location"] == page
        told = visitor.status(page)
        shown = visitor.get(page).text
        (status,) = site.statuses()
    assert methods(service) == ["POST"]
    assert (status, told["status"], told["finished"]) == ("unknown", "unknown", True)
    assert "It is unknown whether the service accepted this job." in shown
    assert "It may be billed: check the account." in told["text"]
    assert "you may have been charged" in caplog.text


def rename_table(folder: Path, old: str, new: str) -> None:
    with closing(sqlite3.connect(folder / "jobs.sqlite3")) as database:
        database.execute(f"ALTER TABLE {old} RENAME TO {new}")


def test_the_id_of_an_accepted_job_is_logged_while_the_database_fails_and_recorded_when_it_works_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def accept_and_break_the_database(request: Received, connection: int) -> bytes:
        rename_table(tmp_path, "jobs", "gone")
        return ACCEPTED

    class Repair(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if "job j1 was accepted, and the journal could not record it" in record.getMessage():
                rename_table(tmp_path, "gone", "jobs")

    repair = Repair(logging.ERROR)
    logging.getLogger("decart").addHandler(repair)
    try:
        with serving(answering(accept_and_break_the_database)) as service, site_of(service.url, tmp_path) as site:
            visitor = site.visitor()
            visitor.submit()
            assert [job.job_id for job in site.jobs()] == ["j1"]
    finally:
        logging.getLogger("decart").removeHandler(repair)
    assert "job j1 was accepted, and the journal could not record it" in caplog.text


def test_a_submit_without_a_working_database_sends_nothing(tmp_path: Path) -> None:
    with serving(clerk()) as service, site_of(service.url, tmp_path) as site:
        visitor = site.visitor()
        form = visitor.form()
        rename_table(tmp_path, "jobs", "gone")
        assert visitor.send(form).status_code == 500
    assert methods(service) == []


def test_a_refused_submit_is_reported_on_a_form_that_can_be_sent_again(tmp_path: Path) -> None:
    refusal = reply(http(422, b'{"detail": "no lakes"}'))
    with serving(refusal, clerk()) as service, site_of(service.url, tmp_path) as site:
        visitor = site.visitor()
        old = visitor.form()
        response = visitor.send(old, "a lake")
        assert response.status_code == 502
        assert "no lakes" in response.text
        assert ">a lake</textarea>" in response.text
        assert "Not submitted. Nothing was billed." in visitor.get(visitor.send(old).headers["Location"]).text
        visitor.submit()
        assert site.statuses() == ["refused", "pending"]
    assert methods(service) == ["POST", "POST"]


BUSY = "The service does not take jobs at the moment. Nothing was billed; try again later."


def test_errors_that_only_the_sites_owner_can_fix_are_logged_and_not_shown_on_the_form(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broke = reply(http(402, b'{"detail": "no credits"}'))
    with serving(broke) as service, site_of(service.url, tmp_path) as site:
        visitor = site.visitor()
        response = visitor.send(visitor.form())
    assert (response.status_code, BUSY in response.text, "credits" in response.text) == (502, True, False)
    assert "The account has no credits left" in caplog.text


def test_a_service_that_cannot_be_reached_is_reported_on_the_form(tmp_path: Path) -> None:
    with nobody() as nowhere, site_of(nowhere, tmp_path) as site:
        visitor = site.visitor()
        response = visitor.send(visitor.form())
    assert (response.status_code, BUSY in response.text) == (502, True)
