"""The Django example: the form, its job and its row, that each form is paid for once, and errors."""

from __future__ import annotations

import re
import sqlite3
import threading
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.db import OperationalError
from django.db import connection as database
from django.test import Client, override_settings
from support.django_app import EXAMPLE, RecordingEmulator, on_a_port, talking_to
from support.django_visits import (
    ACCEPTED,
    COMPLETED,
    JSON,
    MEDIA,
    MIB,
    MP4,
    browsing_by_hand,
    errors,
    hidden,
    job_id,
    row,
    send,
    status,
    upload,
    visitor,
)
from support.servers import PATIENCE, Received, answering, http, nobody, reset, serving
from videos.models import Job


def test_a_prompt_becomes_a_job_at_the_service_a_row_and_a_page(emulator: RecordingEmulator, ann: Client) -> None:
    response = send(ann)
    job = Job.objects.get()
    (form,) = emulator.forms
    assert (form.model.retired, form.values["prompt"], list(form.files)) == (None, "A serene lake", ["data"])
    assert (job.owner.username, job.record.model, job.prompt) == ("ann", form.model.name, "A serene lake")
    assert job.status == "pending"
    assert emulator.find(job_id(job)) is not None
    assert (response.status_code, response["Location"]) == (302, f"/jobs/{job.pk}/")
    assert job_id(job) in ann.get(response["Location"]).content.decode()
    assert f'<a href="/jobs/{job.pk}/">A serene lake</a>' in ann.get("/").content.decode()


@pytest.mark.parametrize("where", ["Memory", "Temporary"])
def test_an_upload_arrives_completely_from_memory_and_from_disk(
    where: str, emulator: RecordingEmulator, ann: Client
) -> None:
    handlers = [f"django.core.files.uploadhandler.{where}FileUploadHandler"]
    with (
        (MEDIA / "input.mp4").open("rb") as file,
        override_settings(FILE_UPLOAD_HANDLERS=handlers, FILE_UPLOAD_MAX_MEMORY_SIZE=32 * MIB),
    ):
        response = send(ann, file=file)
    assert type(response.wsgi_request.FILES["file"]).__name__.startswith({"Memory": "InMemory"}.get(where, where))
    emulator.clock.sleep(10)
    status(ann, Job.objects.get())  # which makes the emulator read its inputs
    assert emulator.studio.files == [{"data": (MEDIA / "input.mp4").read_bytes()}]


def test_an_upload_is_sent_with_the_type_of_its_content(emulator: RecordingEmulator, ann: Client) -> None:
    send(ann, file=SimpleUploadedFile("a.png", MP4, content_type="text/html"))
    (form,) = emulator.forms
    assert form.files["data"].content_type == "video/mp4"


@pytest.mark.parametrize("atomic", [False, True])
def test_the_row_is_committed_before_the_job_is_submitted(
    atomic: bool, ann: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[str, str | None]] = []

    def look(request: Received, number: int) -> bytes:
        with sqlite3.connect(database.settings_dict["NAME"]) as other:
            seen.extend(other.execute("select state, job_id from decart_jobs_job"))
        other.close()
        return ACCEPTED

    monkeypatch.setitem(database.settings_dict, "ATOMIC_REQUESTS", atomic)
    with serving(answering(look)) as server, talking_to(server.url):
        send(ann)
    assert seen == [("sending", None)]
    assert job_id(Job.objects.get()) == "j1"


def test_the_same_form_sent_again_is_the_same_job(emulator: RecordingEmulator, ann: Client) -> None:
    form = {"token": uuid.uuid4(), "prompt": "A serene lake"}
    first, second = (ann.post("/submit/", {**form, "file": upload()})["Location"] for _ in range(2))
    assert first == second
    assert len(emulator.forms) == Job.objects.count() == 1


def test_a_form_sent_twice_at_once_pays_once_and_neither_request_waits_for_the_other(ann: Client) -> None:
    go = threading.Event()

    def late(request: Received, number: int) -> bytes:
        assert go.wait(PATIENCE)
        return ACCEPTED

    with (
        serving(answering(late)) as server,
        talking_to(server.url),
        on_a_port() as site,
        browsing_by_hand(site, ann) as session,
        ThreadPoolExecutor() as pool,
    ):
        form = {**hidden(session.get(site.url).text), "prompt": "A serene lake"}
        first = pool.submit(session.post, f"{site.url}/submit/", form, files={"file": MP4}, allow_redirects=False)
        server.connection(1)  # it is on its way
        second = session.post(f"{site.url}/submit/", form, files={"file": MP4}, allow_redirects=False)
        assert not first.done()
        go.set()
        assert first.result().headers["Location"] == second.headers["Location"] == f"/jobs/{Job.objects.get().pk}/"
    assert len(server.requests) == 1


def test_the_same_token_of_another_user_is_another_job(emulator: RecordingEmulator, ann: Client) -> None:
    form = {"token": uuid.uuid4(), "prompt": "A serene lake"}
    pages = {client.post("/submit/", {**form, "file": upload()})["Location"] for client in (ann, visitor("bob"))}
    assert len(pages) == 2
    assert len(emulator.forms) == 2


def test_a_submit_whose_outcome_is_unknown_is_kept_and_reported_and_not_retried(ann: Client) -> None:
    form = {"token": uuid.uuid4(), "prompt": "A serene lake"}
    with serving(reset()) as server, talking_to(server.url):
        response = ann.post("/submit/", {**form, "file": upload()})
        job = Job.objects.get()
        assert (job.status, job.record.job_id) == ("unknown", None)
        assert job.record.error == "SubmitOutcomeUnknownError (TransportError)"  # the log has the rest
        page = ann.get(response["Location"]).content.decode()
        assert "no clear response arrived. It may have been accepted and billed, so it is not sent again." in page
        assert status(ann, job) == {
            "status": "unknown",
            "explanation": job.explanation,
            "notice": "",
            "settled": True,
        }
        assert ann.post("/submit/", {**form, "file": upload()})["Location"] == response["Location"]
    assert len(server.requests) == 1


def test_a_refused_job_is_reported_on_the_form(ann: Client) -> None:
    refusal = http(422, b'{"detail": [{"loc": ["body", "prompt"], "msg": "Too violent"}]}', JSON)
    with serving(answering(lambda request, number: refusal)) as server, talking_to(server.url):
        (told,) = errors(send(ann))
    assert "The job was not submitted" in told and "prompt: Too violent" in told
    assert (Job.objects.get().status, Job.objects.get().refusal) == ("refused", told)


def test_an_invalid_input_is_reported_on_the_form(emulator: RecordingEmulator, ann: Client) -> None:
    with override_settings(VIDEOS_MODEL="lucy-pro-t2v"):
        (told,) = errors(send(ann))
    assert told.startswith("lucy-pro-t2v does not accept data")
    assert emulator.forms == []


@pytest.mark.parametrize(
    "response",
    [http(401, b'{"detail": "Invalid API key"}', JSON), http(402, b'{"detail": "Nothing left"}', JSON)],
    ids=["key", "credit"],
)
def test_errors_that_are_not_the_users_fault_are_logged_and_not_shown_on_the_page(
    response: bytes, ann: Client, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(answering(lambda request, number: response)) as server, talking_to(server.url):
        told = errors(send(ann))
    assert told == ["The service did not accept the job, and nothing was billed. Try again later."]
    assert "Invalid API key" in caplog.text or "Nothing left" in caplog.text


def test_a_service_that_cannot_be_reached_is_reported_and_the_row_says_that_nothing_was_accepted(ann: Client) -> None:
    with nobody() as url, talking_to(url):
        assert errors(send(ann)) == ["The service did not accept the job, and nothing was billed. Try again later."]
    assert Job.objects.get().status == "refused"


def test_without_a_key_nothing_is_sent_and_the_row_is_refused(emulator: RecordingEmulator, ann: Client) -> None:
    with override_settings(DECART_API_KEY=""):
        assert errors(send(ann)) == ["The service did not accept the job, and nothing was billed. Try again later."]
    assert (Job.objects.get().status, emulator.forms) == ("refused", [])


def test_an_id_that_cannot_be_stored_is_logged_and_stored_later(ann: Client, caplog: pytest.LogCaptureFixture) -> None:
    failed: list[str] = []

    def fail_once(execute: Callable[..., Any], sql: str, params: Any, *rest: Any) -> Any:
        if sql.startswith("UPDATE") and "j1" in params and not failed:
            failed.append(sql)
            raise OperationalError("database or disk is full")
        return execute(sql, params, *rest)

    with (
        serving(answering(lambda request, number: ACCEPTED)) as server,
        talking_to(server.url),
        database.execute_wrapper(fail_once),
    ):
        send(ann)
    assert "job j1 was accepted, and the journal could not record it: " in caplog.text
    assert job_id(Job.objects.get()) == "j1"


def test_a_form_whose_first_submit_was_killed_before_it_was_sent_is_submitted_when_it_is_sent_again(
    emulator: RecordingEmulator, ann: Client
) -> None:
    form = {"token": uuid.uuid4(), "prompt": "A serene lake"}
    job = Job.objects.create(owner=User.objects.get(), **form)
    assert job.status == "unknown"
    ann.post("/submit/", {**form, "file": upload()})
    assert (len(emulator.forms), Job.objects.get().status) == (1, "pending")


def test_the_command_of_the_readme_restores_the_id_of_an_unknown_job(ann: Client) -> None:
    with serving(reset(), answering(lambda request, number: COMPLETED)) as server, talking_to(server.url):
        send(ann)
        job = Job.objects.get()
        (command,) = re.findall("manage.py (settle .* THE-JOB-ID)", (EXAMPLE / "README.md").read_text("utf-8"))
        call_command(*command.replace("video-7", job.label).replace("THE-JOB-ID", "j1").split(), stdout=StringIO())
        assert status(ann, job)["status"] == "completed"


def test_a_job_that_turned_out_not_to_exist_is_refused() -> None:
    job = row(status="refused")
    assert (job.status, job.settled) == ("refused", True)
    assert job.explanation == "The job was not accepted, and nothing was billed."


@pytest.mark.parametrize("form", [{"prompt": "A lake"}, {"prompt": "A lake", "token": "x"}])
def test_a_form_without_its_token_makes_no_job(form: dict[str, str], emulator: RecordingEmulator, ann: Client) -> None:
    assert "This form has expired. Send it again." in ann.post("/submit/", form).content.decode()
    assert (emulator.forms, Job.objects.count()) == ([], 0)


def test_a_submit_without_a_csrf_token_is_refused(emulator: RecordingEmulator) -> None:
    assert send(visitor(enforce_csrf_checks=True)).status_code == 403
    assert (emulator.forms, Job.objects.count()) == ([], 0)


def test_only_a_post_submits_a_job(emulator: RecordingEmulator, ann: Client) -> None:
    assert ann.get("/submit/", {"token": uuid.uuid4(), "prompt": "A lake"}).status_code == 405
    assert emulator.forms == []


@pytest.mark.parametrize(
    "data",
    [b"\xff\xd8\xff" + MP4, b"\x00\x00\x00\x20ftypavif" + MP4, b"<html><script>alert(1)</script>", MP4[:8]],
    ids=["JPEG", "AVIF", "HTML", "half of a header"],
)
def test_a_file_that_is_no_video_is_refused(data: bytes, emulator: RecordingEmulator, ann: Client) -> None:
    told = errors(send(ann, file=SimpleUploadedFile("in.mp4", data, content_type="video/mp4")))
    assert told == ["This is not a video (MP4)."]
    assert (emulator.forms, Job.objects.count()) == ([], 0)


def test_a_form_without_a_file_is_refused(emulator: RecordingEmulator, ann: Client) -> None:
    assert errors(send(ann, file="")) == ["This field is required."]
    assert (emulator.forms, Job.objects.count()) == ([], 0)


def test_the_settings_limit_the_size_of_a_file(emulator: RecordingEmulator, ann: Client) -> None:
    with override_settings(VIDEOS_MAX_BYTES=len(MP4)):
        (told,) = errors(send(ann, file=SimpleUploadedFile("in.mp4", MP4 + b"x")))
        assert told.startswith("The file is too large: it has 2.0")
        assert (emulator.forms, Job.objects.count()) == ([], 0)
        assert send(ann).status_code == 302


def test_a_request_larger_than_any_file_may_be_is_refused_before_it_is_read(
    emulator: RecordingEmulator, ann: Client
) -> None:
    class Unread:
        def read(self, size: int = -1) -> bytes:
            raise AssertionError("it was read")

        readline = read

    response = ann.post("/submit/", {}, **{"CONTENT_LENGTH": str(101 * MIB), "wsgi.input": Unread()})
    assert response.status_code == 413
    assert "A file may have 100.0\xa0MB at most." in response.content.decode()


def test_a_prompt_may_not_be_too_long(emulator: RecordingEmulator, ann: Client) -> None:
    assert errors(send(ann, "x" * 2001)) == ["Ensure this value has at most 2000 characters (it has 2001)."]
    assert emulator.forms == []
