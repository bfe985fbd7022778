"""`examples/django_app`: a site that has videos made, from the form to the video that plays in a browser."""

from __future__ import annotations

import json
import re
import socket
import sqlite3
import subprocess
import sys
import threading
import types
import uuid
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import requests
from playwright.sync_api import Page
from requests.adapters import HTTPAdapter
from support import documents
from support.browser import browsing, needs_chromium
from support.django_app import EXAMPLE, Box, Site, environment, noise, on_a_port, talking_to
from support.servers import PATIENCE, Connection, Received, answering, http, nobody, reset, serving
from urllib3 import Retry

from decart.emulator import Emulator, EmulatorServer
from decart.emulator.render import RenderJob

# isort: split
# Django has been set up by now
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.db import IntegrityError
from django.db import connection as database
from django.test import Client, override_settings
from django.test.utils import (
    setup_databases,
    setup_test_environment,
    teardown_databases,
    teardown_test_environment,
)
from django.urls import include, path
from videos import service
from videos.models import Job

MIB = 1024 * 1024
MEDIA = EXAMPLE.parent / "media"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8
MP4 = b"\x00\x00\x00\x20ftypisom" + bytes(range(256)) * 8
VIDEO = b"video of A serene lake"  # what the box makes of it
JSON = {"Content-Type": "application/json"}
ACCEPTED, PROCESSING, DREAMING, COMPLETED = (
    http(200, json.dumps({"job_id": "j1", "status": status}).encode(), JSON)
    for status in ("pending", "processing", "dreaming", "completed")
)
MANAGE = [sys.executable, "-W", "error", "manage.py"]


@pytest.fixture(scope="module", autouse=True)
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A database in a file, made by the real migrations."""
    database.settings_dict["TEST"]["NAME"] = str(tmp_path_factory.mktemp("database") / "test.sqlite3")
    setup_test_environment()
    old = setup_databases(verbosity=0, interactive=False)
    yield
    teardown_databases(old, verbosity=0)
    teardown_test_environment()


@pytest.fixture(autouse=True)
def empty() -> Iterator[None]:
    yield
    call_command("flush", verbosity=0, interactive=False)


@pytest.fixture
def box() -> Iterator[Box]:
    box = Box()
    with talking_to(box):
        yield box


def visitor(name: str = "ann", **more: Any) -> Client:
    """Return a browser, of sorts, in which somebody has signed in."""
    client = Client(**more)
    client.force_login(User.objects.get_or_create(username=name)[0])
    return client


@pytest.fixture
def ann() -> Client:
    return visitor()


def send(client: Client, prompt: str = "A serene lake", **more: Any) -> Any:
    """Fill the form in and send it."""
    return client.post("/submit/", {"token": uuid.uuid4(), "prompt": prompt, **more})


def errors(response: Any) -> list[str]:
    """Return what a form complains of; what is shown is a form that can be sent."""
    assert response.status_code == 200
    form = response.context["form"]
    assert str(response.context["token"]) != form.data["token"]
    return [str(error) for complaints in form.errors.values() for error in complaints]


def row(name: str = "ann", **fields: Any) -> Job:
    """Store a job as if it had been submitted."""
    owner = User.objects.get_or_create(username=name)[0]
    job: Job = Job.objects.create(owner=owner, token=uuid.uuid4(), model="lucy-pro-t2v", prompt="A lake", **fields)
    return job


def status(client: Client, job: Job) -> dict[str, Any]:
    """Ask where a job is, as its page does."""
    return dict(client.get(f"/jobs/{job.pk}/status/").json())


def made(client: Client, box: Box) -> Job:
    """Have a video made."""
    send(client)
    box.clock.sleep(10)
    job: Job = Job.objects.get()
    assert status(client, job)["status"] == "completed"
    return job


class Fetched(NamedTuple):
    """A video, or the answer in its place."""

    status: int
    body: bytes
    headers: Mapping[str, str]


def fetch(client: Client, job: Job, **headers: str) -> Fetched:
    """Fetch a video, or a part of it."""
    sent = {f"HTTP_{name}": value for name, value in headers.items()}
    with closing(client.get(f"/jobs/{job.pk}/video.mp4", **sent)) as response:
        return Fetched(response.status_code, b"".join(response), response.headers)


@contextmanager
def browsing_by_hand(site: Site, client: Client) -> Iterator[requests.Session]:
    """Talk to the site over HTTP, as the person who has signed in."""
    with requests.Session() as session:
        session.cookies.set("sessionid", client.cookies["sessionid"].value, domain="127.0.0.1")
        yield session


def hidden(page: str) -> dict[str, str]:
    """Return what a page's forms hold that nobody types."""
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]+)"', page))


# submit


def test_a_prompt_becomes_a_job_at_the_service_a_row_and_a_page(box: Box, ann: Client) -> None:
    response = send(ann)
    job = Job.objects.get()
    (form,) = box.forms
    assert (form.model.name, form.values["prompt"], form.files) == ("lucy-pro-t2v", "A serene lake", {})
    assert (job.owner.username, job.model, job.prompt, job.status) == (
        "ann",
        "lucy-pro-t2v",
        "A serene lake",
        "pending",
    )
    assert box.find(job.job_id) is not None
    assert (response.status_code, response["Location"]) == (302, f"/jobs/{job.pk}/")
    assert job.job_id in ann.get(response["Location"]).content.decode()
    assert f'<a href="/jobs/{job.pk}/">A serene lake</a>' in ann.get("/").content.decode()


@pytest.mark.parametrize("where", ["Memory", "Temporary"])
@pytest.mark.parametrize("name", ["image.jpg", "input.mp4"])
def test_an_upload_arrives_whole_from_memory_and_from_the_disk(name: str, where: str, box: Box, ann: Client) -> None:
    handlers = [f"django.core.files.uploadhandler.{where}FileUploadHandler"]
    with (
        (MEDIA / name).open("rb") as file,
        override_settings(FILE_UPLOAD_HANDLERS=handlers, FILE_UPLOAD_MAX_MEMORY_SIZE=32 * MIB),
    ):
        response = send(ann, file=file)
    assert type(response.wsgi_request.FILES["file"]).__name__.startswith({"Memory": "InMemory"}.get(where, where))
    box.clock.sleep(10)
    status(ann, Job.objects.get())  # which has the box look at what it got
    assert box.studio.files == [{"data": (MEDIA / name).read_bytes()}]


@pytest.mark.parametrize(
    ("name", "data", "model", "kind"),
    [
        ("a.png", PNG, "lucy-pro-i2v", "image/png"),
        ("a.jpg", b"\xff\xd8\xff\xe0" + PNG, "lucy-pro-i2v", "image/jpeg"),
        ("a.webp", b"RIFF\x0a\x00\x00\x00WEBPVP8 " + PNG, "lucy-pro-i2v", "image/webp"),
        ("a.mp4", MP4, "lucy-clip", "video/mp4"),
        ("a.png", MP4, "lucy-clip", "video/mp4"),
    ],
)
def test_what_is_in_a_file_decides_on_the_model_and_on_the_type_that_the_service_is_told(
    name: str, data: bytes, model: str, kind: str, box: Box, ann: Client
) -> None:
    send(ann, file=SimpleUploadedFile(name, data, content_type="text/html"))
    (form,) = box.forms
    assert (form.model.name, form.files["data"].content_type) == (model, kind)
    assert Job.objects.get().model == model


@pytest.mark.parametrize("atomic", [False, True])
def test_the_row_is_there_for_everybody_before_the_job_is(
    atomic: bool, ann: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[str, str | None]] = []

    def look(request: Received, number: int) -> bytes:
        with sqlite3.connect(database.settings_dict["NAME"]) as other:
            seen.extend(other.execute("select status, job_id from videos_job"))
        other.close()
        return ACCEPTED

    monkeypatch.setitem(database.settings_dict, "ATOMIC_REQUESTS", atomic)
    with serving(answering(look)) as server, talking_to(server.url):
        send(ann)
    assert seen == [("unknown", None)]
    assert Job.objects.get().job_id == "j1"


def test_the_same_form_sent_again_is_the_same_job(box: Box, ann: Client) -> None:
    form = {"token": uuid.uuid4(), "prompt": "A serene lake"}
    first, second = (ann.post("/submit/", form)["Location"] for _ in range(2))
    assert first == second
    assert len(box.forms) == Job.objects.count() == 1


def test_a_form_sent_twice_at_once_pays_once_and_nobody_waits_for_the_other(ann: Client) -> None:
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
        first = pool.submit(session.post, f"{site.url}/submit/", form, allow_redirects=False)
        server.connection(1)  # it is on its way
        second = session.post(f"{site.url}/submit/", form, allow_redirects=False)
        assert not first.done()
        go.set()
        assert first.result().headers["Location"] == second.headers["Location"] == f"/jobs/{Job.objects.get().pk}/"
    assert len(server.requests) == 1


def test_the_same_token_of_somebody_else_is_another_job(box: Box, ann: Client) -> None:
    form = {"token": uuid.uuid4(), "prompt": "A serene lake"}
    assert ann.post("/submit/", form)["Location"] != visitor("bob").post("/submit/", form)["Location"]
    assert len(box.forms) == 2


def test_a_submit_whose_outcome_is_unknown_is_kept_told_and_not_repeated(ann: Client) -> None:
    form = {"token": uuid.uuid4(), "prompt": "A serene lake"}
    with serving(reset()) as server, talking_to(server.url):
        response = ann.post("/submit/", form)
        job = Job.objects.get()
        assert (job.status, job.job_id) == ("unknown", None)
        assert job.error.startswith("The job may have been accepted, and you may have been charged")
        page = ann.get(response["Location"]).content.decode()
        assert "no answer came. It may have been accepted and paid for all the same, so it is not sent again" in page
        assert status(ann, job) == {
            "status": "unknown",
            "explanation": job.explanation,
            "notice": "",
            "settled": True,
        }
        assert ann.post("/submit/", form)["Location"] == response["Location"]
    assert len(server.requests) == 1


def test_a_job_that_the_service_refuses_is_a_form_with_its_reason(ann: Client) -> None:
    refusal = http(422, b'{"detail": [{"loc": ["body", "prompt"], "msg": "Too violent"}]}', JSON)
    with serving(answering(lambda request, number: refusal)) as server, talking_to(server.url):
        (told,) = errors(send(ann))
    assert "The job was not submitted" in told and "prompt: Too violent" in told
    assert (Job.objects.get().status, Job.objects.get().error) == ("refused", told)


def test_an_input_that_cannot_be_used_is_a_form_with_the_reason(box: Box, ann: Client) -> None:
    with override_settings(VIDEOS_MODELS={"text": "lucy-2.5"}):
        (told,) = errors(send(ann))
    assert told.startswith("data is missing: lucy-2.5 needs it")
    assert box.forms == []


@pytest.mark.parametrize(
    "answer",
    [http(401, b'{"detail": "Invalid API key"}', JSON), http(402, b'{"detail": "Nothing left"}', JSON)],
    ids=["key", "credit"],
)
def test_what_is_not_the_persons_fault_is_in_the_log_and_not_on_the_page(
    answer: bytes, ann: Client, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(answering(lambda request, number: answer)) as server, talking_to(server.url):
        told = errors(send(ann))
    assert told == ["The service did not accept the job, and nothing was billed. Try again later."]
    assert "Invalid API key" in caplog.text or "Nothing left" in caplog.text


def test_a_service_that_cannot_be_reached_is_told_and_the_row_says_that_nothing_was_accepted(ann: Client) -> None:
    with nobody() as url, talking_to(url):
        assert errors(send(ann)) == ["The service did not accept the job, and nothing was billed. Try again later."]
    assert Job.objects.get().status == "refused"


def test_without_a_key_nothing_is_sent_and_the_row_says_so(box: Box, ann: Client) -> None:
    with override_settings(DECART_API_KEY=""):
        assert errors(send(ann)) == ["The service did not accept the job, and nothing was billed. Try again later."]
    assert (Job.objects.get().status, box.forms) == ("refused", [])


def test_an_id_that_cannot_be_stored_is_in_the_log_with_its_row(ann: Client, caplog: pytest.LogCaptureFixture) -> None:
    row(job_id="j1", status="completed")
    caplog.set_level("INFO", "videos")
    with (
        serving(answering(lambda request, number: ACCEPTED)) as server,
        talking_to(server.url),
        pytest.raises(IntegrityError),  # an id is one row's
    ):
        send(ann)
    job = Job.objects.get(job_id=None)
    assert job.status == "unknown"
    assert f"Job row {job.pk} is job j1" in caplog.messages


def test_a_row_that_has_lost_its_id_gets_it_back_by_the_command_of_the_readme(box: Box, ann: Client) -> None:
    send(ann)
    job = Job.objects.get()
    Job.objects.update(job_id=None, status="unknown", error="no answer")
    (command,) = re.findall(r'manage.py shell -c "(.+)"', (EXAMPLE / "README.md").read_text("utf-8"))
    exec(command.replace("pk=7", f"pk={job.pk}").replace("THE-ID", str(job.job_id)), {})
    box.clock.sleep(10)
    assert status(ann, job)["status"] == "completed"


@pytest.mark.parametrize("form", [{"prompt": "A lake"}, {"prompt": "A lake", "token": "x"}])
def test_a_form_without_its_token_makes_no_job(form: dict[str, str], box: Box, ann: Client) -> None:
    assert "This form cannot be used any more. Send it again." in ann.post("/submit/", form).content.decode()
    assert (box.forms, Job.objects.count()) == ([], 0)


def test_a_submit_without_a_csrf_token_is_refused(box: Box) -> None:
    assert send(visitor(enforce_csrf_checks=True)).status_code == 403
    assert (box.forms, Job.objects.count()) == ([], 0)


def test_a_job_is_submitted_by_a_post_alone(box: Box, ann: Client) -> None:
    assert ann.get("/submit/", {"token": uuid.uuid4(), "prompt": "A lake"}).status_code == 405
    assert box.forms == []


# limits


@pytest.mark.parametrize(
    "data",
    [b"GIF89a" + PNG, b"\x00\x00\x00\x20ftypavif" + PNG, b"<html><script>alert(1)</script>", b"%PDF-1.7", b"\xff\xd8"],
    ids=["GIF", "AVIF", "HTML", "PDF", "half of a JPEG"],
)
def test_a_file_that_is_neither_a_picture_nor_a_video_is_refused(data: bytes, box: Box, ann: Client) -> None:
    told = errors(send(ann, file=SimpleUploadedFile("a.png", data, content_type="image/png")))
    assert told == ["This is not a picture (JPEG, PNG, WebP) or a video (MP4)."]
    assert (box.forms, Job.objects.count()) == ([], 0)


@pytest.mark.parametrize(("kind", "data"), [("image", PNG), ("video", MP4)])
def test_a_file_may_be_as_large_as_the_settings_say_and_no_larger(
    kind: str, data: bytes, box: Box, ann: Client
) -> None:
    with override_settings(VIDEOS_MAX_BYTES={"image": MIB, "video": MIB, kind: len(data)}):
        (told,) = errors(send(ann, file=SimpleUploadedFile("a", data + b"x")))
        assert told.startswith("The file is too large: it has 2.0")
        assert (box.forms, Job.objects.count()) == ([], 0)
        assert send(ann, file=SimpleUploadedFile("a", data)).status_code == 302


def test_a_request_larger_than_any_file_may_be_is_refused_before_it_is_read(box: Box, ann: Client) -> None:
    class Unread:
        def read(self, size: int = -1) -> bytes:
            raise AssertionError("it was read")

        readline = read

    response = ann.post("/submit/", {}, **{"CONTENT_LENGTH": str(101 * MIB), "wsgi.input": Unread()})
    assert response.status_code == 413
    assert "A file may have 100.0\xa0MB at most." in response.content.decode()


def test_a_prompt_may_not_be_too_long(box: Box, ann: Client) -> None:
    assert errors(send(ann, "x" * 2001)) == ["Ensure this value has at most 2000 characters (it has 2001)."]
    assert box.forms == []


# whose job


@pytest.mark.parametrize("view", ["", "status/", "video.mp4"])
def test_a_job_of_somebody_else_is_not_there(view: str, box: Box, ann: Client) -> None:
    job = made(ann, box)
    with closing(ann.get(f"/jobs/{job.pk}/{view}")) as response:
        assert response.status_code == 200
    assert visitor("bob").get(f"/jobs/{job.pk}/{view}").status_code == 404
    assert "A serene lake" not in visitor("bob").get("/").content.decode()


@pytest.mark.parametrize("view", ["/", "/jobs/1/", "/jobs/1/status/", "/jobs/1/video.mp4"])
def test_without_a_login_there_is_the_login(view: str) -> None:
    assert Client().get(view)["Location"] == f"/login/?next={view}"


def test_who_sends_a_form_after_their_login_has_ended_comes_back_to_the_form(box: Box) -> None:
    assert send(Client())["Location"] == "/login/"
    assert box.forms == []


# status


def test_each_look_asks_the_service_once_and_stores_what_has_changed(box: Box, ann: Client) -> None:
    send(ann)
    job = Job.objects.get()
    seen = []
    for seconds in (0, 2, 0, 10):
        box.clock.sleep(seconds)
        seen.append(status(ann, job)["status"])
        assert Job.objects.get().status == seen[-1]
    assert seen == ["pending", "processing", "processing", "completed"]


def test_a_look_is_one_question_and_waits_for_nothing(ann: Client) -> None:
    job = row(job_id="j1", status="pending")
    with serving(answering(lambda request, number: PROCESSING)) as server, talking_to(server.url):
        assert status(ann, job) == {"status": "processing", "explanation": "", "notice": "", "settled": False}
    assert [(request.method, request.target) for request in server.requests] == [("GET", "/v1/jobs/j1")]


@pytest.mark.parametrize("last", ["completed", "failed", "refused"])
def test_a_job_that_has_ended_is_not_asked_for_again(last: str, ann: Client) -> None:
    job = row(job_id="j1", status=last)
    with serving(answering(lambda request, number: ACCEPTED)) as server, talking_to(server.url):
        assert (status(ann, job)["status"], status(ann, job)["settled"]) == (last, True)
    assert server.requests == []


def test_a_job_that_failed_says_why(box: Box, ann: Client) -> None:
    page = send(ann, "Please fail")["Location"]
    box.clock.sleep(10)
    told = status(ann, Job.objects.get())
    assert (told["status"], told["explanation"], told["settled"]) == ("failed", "the prompt asked for it", True)
    assert "the prompt asked for it" in ann.get(page).content.decode()


def test_a_service_that_cannot_be_asked_changes_nothing_and_is_told(ann: Client) -> None:
    job = row(job_id="j1", status="processing")
    notice = "The video service cannot tell where the job is just now. This is what it said last."
    with nobody() as url, talking_to(url):
        told = status(ann, job)
        page = ann.get(f"/jobs/{job.pk}/").content.decode()
    assert (told["status"], told["notice"], told["settled"]) == ("processing", notice, False)
    assert notice in page and "processing" in page
    assert (Job.objects.get().job_id, Job.objects.get().status) == ("j1", "processing")


def test_a_status_that_the_service_invents_is_shown_and_waited_on(ann: Client) -> None:
    job = row(job_id="j1", status="pending")
    with serving(answering(lambda request, number: DREAMING)) as server, talking_to(server.url):
        assert (status(ann, job)["status"], status(ann, job)["settled"]) == ("dreaming", False)


def test_an_answer_that_was_overtaken_does_not_undo_the_last_one() -> None:
    late = row(job_id="j1", status="pending")
    Job.objects.get().becomes("completed")
    late.becomes("processing")
    assert late.status == Job.objects.get().status == "completed"


# the video


def test_a_video_comes_through_with_what_a_browser_wants_to_know(box: Box, ann: Client) -> None:
    status, body, headers = fetch(ann, made(ann, box))
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
def test_a_part_of_a_video_comes_as_that_part(wanted: str, part: bytes, told: str, box: Box, ann: Client) -> None:
    status, body, headers = fetch(ann, made(ann, box), RANGE=wanted)
    assert (status, body, headers["Content-Range"]) == (206, part, told)
    assert headers["Content-Length"] == str(len(part))


def test_a_part_is_given_only_of_the_video_that_the_browser_has(box: Box, ann: Client) -> None:
    job = made(ann, box)
    name = fetch(ann, job).headers["ETag"]
    assert fetch(ann, job, RANGE="bytes=3-7", IF_RANGE=name).body == VIDEO[3:8]
    assert fetch(ann, job, RANGE="bytes=3-7", IF_RANGE='"another"').body == VIDEO


def test_a_part_that_makes_no_sense_is_the_whole(box: Box, ann: Client) -> None:
    assert fetch(ann, made(ann, box), RANGE="lines=1-2")[:2] == (200, VIDEO)


@contextmanager
def without_such_a_part() -> Iterator[None]:
    """Talk to a service whose video is shorter than any part that is asked for."""

    def answer(request: Received, number: int) -> bytes:
        if not request.target.endswith("/content"):
            return COMPLETED
        assert request.headers["range"] == "bytes=22-"
        return http(416, b"", {"Content-Range": "bytes */22"})

    with serving(answering(answer)) as server, talking_to(server.url):
        yield


def test_a_part_behind_the_end_of_a_video_is_told_as_such(ann: Client) -> None:
    with without_such_a_part():
        assert fetch(ann, row(job_id="j1", status="completed"), RANGE="bytes=22-")[:2] == (416, b"")


@pytest.mark.parametrize("fields", [{"job_id": "j1", "status": "processing"}, {"status": "unknown"}])
def test_a_job_that_is_not_completed_has_no_video(fields: dict[str, str], ann: Client) -> None:
    assert fetch(ann, row(**fields)).status == 404


def test_a_video_that_cannot_be_fetched_is_told_as_the_services_fault(ann: Client) -> None:
    with nobody() as url, talking_to(url):
        assert fetch(ann, row(job_id="j1", status="completed")).status == 502


def test_a_video_that_the_service_has_no_more_is_not_there(box: Box, ann: Client) -> None:
    assert fetch(ann, row(job_id="j1", status="completed")).status == 404


def endless(connection: Connection) -> None:
    """Say that a job is done, and send of its video more than anybody should take, if somebody takes it."""
    while True:
        if not connection.read_request().target.endswith("/content"):
            connection.send(COMPLETED)
            continue
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\nContent-Length: 1000000000000\r\n\r\n")
        for _ in range(256):
            connection.send(bytes(MIB))


def test_a_head_tells_of_a_video_what_a_get_of_the_whole_would(box: Box, ann: Client) -> None:
    job = made(ann, box)
    told = ann.head(f"/jobs/{job.pk}/video.mp4", HTTP_RANGE="bytes=3-7")
    assert (told.status_code, told.headers) == (200, fetch(ann, job).headers)


def test_a_head_fetches_nothing_of_a_video(ann: Client) -> None:
    job = row(job_id="j1", status="completed")
    with (
        serving(endless) as server,
        talking_to(server.url),
        on_a_port() as site,
        browsing_by_hand(site, ann) as session,
    ):
        assert session.head(f"{site.url}/jobs/{job.pk}/video.mp4").status_code == 200
        assert server.connection(1).closed.wait(PATIENCE)


def test_a_browser_that_hangs_up_ends_the_download_from_the_service(ann: Client) -> None:
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


# the site as a process of its own


def manage(*command: str, **environ: str) -> str:
    """Run a command of the site, as a person would; return what it printed."""
    done = subprocess.run(
        [*MANAGE, *command],
        cwd=EXAMPLE,
        env=environment(**environ),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.stdout + done.stderr


@contextmanager
def running(**environ: str) -> Iterator[tuple[str, int]]:
    """Run the site as its README says; give its address and its process id."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = "127.0.0.1:{1}".format(*free.getsockname())
    command = [*MANAGE, "runserver", "--noreload", address]
    process = subprocess.Popen(command, cwd=EXAMPLE, env=environment(**environ), stdout=subprocess.DEVNULL)
    try:
        yield f"http://{address}", process.pid
    finally:
        process.terminate()
        process.wait()


def sign_in(session: requests.Session, url: str, name: str, password: str) -> None:
    """Sign in, as soon as the site is there."""
    session.mount(
        "http://", HTTPAdapter(max_retries=Retry(total=None, connect=200, backoff_factor=0.1, backoff_max=0.2))
    )
    form = {**hidden(session.get(f"{url}/login/").text), "username": name, "password": password}
    assert session.post(f"{url}/login/", form, headers={"Referer": url}).url == f"{url}/"


def peak(pid: int) -> int:
    """Return the most memory that a process has had, in bytes."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) * 1024


def large_or_small(order: RenderJob, target: Path) -> None:
    """Make a file of the size that the prompt names, in MiB; it takes no room on the disk."""
    with target.open("wb") as file:
        file.write(b"\x00\x00\x00\x20ftypisom")
        file.truncate(int(order.prompt) * MIB)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="it reads a process's memory there")
def test_a_video_of_200_mib_passes_through_the_site_without_being_held_in_memory(tmp_path: Path) -> None:
    box = Box(large_or_small, pending=0, processing=0)
    with box, EmulatorServer(box) as service_in_a_box, requests.Session() as session:
        environ = {
            "DJANGO_DEBUG": "1",
            "DJANGO_SQLITE": str(tmp_path / "db.sqlite3"),
            "DECART_API_KEY": "dct_local",
            "DECART_BASE_URL": service_in_a_box.url,
        }
        manage("migrate", **environ)
        manage(
            "createsuperuser",
            "--noinput",
            "--username=ann",
            "--email=a@a.test",
            DJANGO_SUPERUSER_PASSWORD="b",
            **environ,
        )
        with running(**environ) as (url, pid):
            sign_in(session, url, "ann", "b")
            assert fetched(session, url, "1") == MIB
            before = peak(pid)
            assert fetched(session, url, "200") == 200 * MIB
            assert peak(pid) - before < 16 * MIB


def fetched(session: requests.Session, url: str, prompt: str) -> int:
    """Have a video made, and return how many bytes of it come."""
    form = {**hidden(session.get(url).text), "prompt": prompt}
    page = session.post(f"{url}/submit/", form, headers={"Referer": url}).url
    assert session.get(f"{page}status/").json()["status"] == "completed"
    with session.get(f"{page}video.mp4", stream=True) as video:
        return sum(len(chunk) for chunk in video.iter_content(MIB))


def test_the_settings_are_safe_unless_debug_is_asked_for() -> None:
    given = {"DJANGO_SECRET_KEY": uuid.uuid4().hex * 2, "DJANGO_ALLOWED_HOSTS": "a.test", "DECART_API_KEY": "dct_x"}
    said = manage("check", "--deploy", **given)
    # what is left speaks for other hosts than this one
    assert set(re.findall(r"\((\w+\.\w+)\)", said)) == {"security.W005", "security.W021"}


def test_without_a_secret_key_the_site_does_not_run() -> None:
    assert "Set DJANGO_SECRET_KEY; or DJANGO_DEBUG=1, to try the site out" in manage("check")


def test_a_missing_key_for_the_service_is_told_when_the_site_starts() -> None:
    assert "(videos.W001) The API key is missing" in manage("check", DJANGO_DEBUG="1")


def test_the_migration_is_what_the_model_says() -> None:
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


def test_the_client_is_one_for_the_process_and_made_when_it_is_needed(box: Box, ann: Client) -> None:
    ann.get("/")
    assert service.client.cache_info().currsize == 0
    send(ann)
    assert service.client() is service.client()


# the admin


def test_the_admin_lists_jobs_and_finds_them_by_what_a_log_says() -> None:
    User.objects.create_superuser("root")
    row(job_id="j1", status="completed")
    row("bob", job_id="j2", status="failed")
    page = "/admin/videos/job/"
    admin = visitor("root")
    everything = admin.get(page).content.decode()
    assert everything.count("field-__str__") == 2 and 'href="?status__exact=failed"' in everything
    for question in ("?q=j2", "?q=bob", "?status__exact=failed"):
        found = admin.get(page + question).content.decode()
        assert found.count("field-__str__") == 1 and "j2" in found


def test_the_admin_does_not_change_a_jobs_id_and_makes_no_jobs() -> None:
    User.objects.create_superuser("root")
    job = row(job_id="j1", status="completed")
    admin = visitor("root")
    assert "j1" in admin.get(f"/admin/videos/job/{job.pk}/change/").content.decode()
    assert admin.post(f"/admin/videos/job/{job.pk}/change/", {"job_id": "j2", "prompt": "x"}).status_code == 403
    assert (Job.objects.get().job_id, Job.objects.get().prompt) == ("j1", "A lake")
    assert admin.get("/admin/videos/job/add/").status_code == 403


# in a browser


@contextmanager
def signed_in(service_at: str | Emulator) -> Iterator[tuple[Page, Site]]:
    """Sign in to the site in a browser. Whatever a page complains of is raised when the block ends."""
    said: list[str] = []
    User.objects.create_user("ann", password="correct horse")
    with talking_to(service_at), on_a_port() as site, browsing() as page:
        page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
        page.goto(site.url)
        page.get_by_label("Username").fill("ann")
        page.get_by_label("Password").fill("correct horse")
        page.get_by_role("button", name="Sign in").click()
        yield page, site
    assert said == []


def order(page: Page, prompt: str) -> None:
    """Type a prompt and send it."""
    page.get_by_label("Prompt").fill(prompt)
    page.get_by_role("button", name="Make the video").click()
    page.wait_for_selector("#job")


def shown(page: Page, text: str) -> None:
    """Wait until the page shows a status."""
    page.wait_for_function("text => document.getElementById('status').textContent === text", arg=text)


def ready(page: Page) -> None:
    """Wait until the page shows the first picture of the video."""
    page.wait_for_function("document.getElementById('video').readyState >= 2")


@needs_chromium
def test_a_person_types_a_prompt_sees_the_status_change_without_a_reload_and_the_video_plays() -> None:
    with signed_in(Emulator(pending=1.5, processing=3)) as (page, _):
        order(page, "A serene lake at sunset with mountains in the background")
        page.evaluate("window.loaded = 'once'")
        for text in ("pending", "processing", "completed"):
            shown(page, text)
        ready(page)
        assert page.evaluate("[window.loaded, document.getElementById('video').duration]") == ["once", 5]
        page.evaluate("document.getElementById('video').play()")
        page.wait_for_function("document.getElementById('video').currentTime > 1")
        assert page.get_by_role("link", name="Download the video").is_visible()


@needs_chromium
def test_a_browser_that_seeks_gets_the_part_that_it_asks_for() -> None:
    with signed_in(Box(noise, pending=0, processing=0)) as (page, site):
        order(page, "Noise")
        ready(page)
        before = len(site.parts)
        page.evaluate("document.getElementById('video').currentTime = 4.5")
        page.wait_for_function("!document.getElementById('video').seeking")
        ready(page)
        parts = [(first_byte(wanted), status, first_byte(told)) for wanted, status, told in site.parts[before:]]
    assert max(first for first, _, _ in parts) > 5 * MIB  # of about eight: not all that comes before it as well
    assert all((status, told) == ("206 Partial Content", wanted) for wanted, status, told in parts)


def first_byte(part: str | None) -> int:
    """Return where a part begins, as a browser asks for it (``bytes=10-``) or is told (``bytes 10-99/100``)."""
    found = re.match(r"bytes[= ](\d+)-", part or "")
    return int(found[1]) if found is not None else -1


@needs_chromium
def test_a_double_click_pays_once() -> None:
    box = Box()
    with signed_in(box) as (page, _):
        page.get_by_label("Prompt").fill("A serene lake")
        page.get_by_role("button", name="Make the video").dblclick()
        page.wait_for_selector("#job")
    assert len(box.forms) == 1


@needs_chromium
def test_who_goes_back_gets_a_form_for_another_job() -> None:
    box = Box()
    with signed_in(box) as (page, _):
        order(page, "A serene lake")
        page.go_back()
        order(page, "A stormy sea")
    assert [form.values["prompt"] for form in box.forms] == ["A serene lake", "A stormy sea"]


@needs_chromium
def test_a_form_that_a_browser_has_kept_is_not_used_again() -> None:
    with signed_in(Box()) as (page, _):
        page.get_by_label("Prompt").wait_for()
        page.wait_for_load_state()
        page.evaluate("window.kept = true")
        page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}))")
        page.wait_for_function("window.kept === undefined")


@needs_chromium
def test_a_page_says_that_the_service_is_away_and_keeps_the_status() -> None:
    box = Box()
    with box, EmulatorServer(box) as server, signed_in(server.url) as (page, _):
        order(page, "A serene lake")
        server.close()
        page.get_by_text("The video service cannot tell where the job is just now.").wait_for()
        shown(page, "pending")


# the page of the docs


@pytest.fixture
def documented(ann: Client) -> Iterator[Client]:
    """Visit a site whose views are those of the page."""
    names: dict[str, Any] = {"__name__": "videos.documented", "__package__": "videos"}
    for program in documents.programs("docs/in-django.md"):
        documents.run(program, names, "docs/in-django.md")
    urls = types.ModuleType("documented_urls")
    vars(urls)["urlpatterns"] = [
        path("submit/", names["submit"]),
        path("jobs/<int:pk>/status/", names["job_status"]),
        path("jobs/<int:pk>/video.mp4", names["job_video"]),
        path("", include("videos.urls")),
    ]
    with override_settings(ROOT_URLCONF=urls):
        yield ann
    names["client"]().close()


def test_the_views_of_the_page_make_a_video(box: Box, documented: Client) -> None:
    form = {"token": uuid.uuid4(), "prompt": "A serene lake"}
    for _ in range(2):
        documented.post("/submit/", {**form, "file": SimpleUploadedFile("a.png", PNG)})
    job = Job.objects.get()
    assert (len(box.forms), box.forms[0].model.name, job.status) == (1, "lucy-pro-i2v", "pending")
    assert status(documented, job) == {"status": "pending", "error": "", "reached": True}
    assert fetch(documented, job).status == 404
    box.clock.sleep(10)
    assert status(documented, job)["status"] == Job.objects.get().status == "completed"
    part = fetch(documented, job, RANGE="bytes=3-7")
    assert (part.status, part.body, part.headers["Content-Range"]) == (206, VIDEO[3:8], "bytes 3-7/22")


def test_the_video_view_of_the_page_tells_of_a_part_that_is_not_there(documented: Client) -> None:
    with without_such_a_part():
        assert fetch(documented, row(job_id="j1", status="completed"), RANGE="bytes=22-").status == 416


def test_the_views_of_the_page_keep_the_row_when_the_outcome_is_unknown(documented: Client) -> None:
    with serving(reset()) as server, talking_to(server.url):
        assert send(documented, file=SimpleUploadedFile("a.png", PNG)).status_code == 302
    job = Job.objects.get()
    assert (job.status, job.error[:34]) == ("unknown", "The job may have been accepted, an")


def test_the_views_of_the_page_tell_a_refusal_and_that_the_service_is_away(documented: Client) -> None:
    with nobody() as url, talking_to(url):
        send(documented, file=SimpleUploadedFile("a.png", PNG))
        assert Job.objects.get().status == "refused"
        Job.objects.update(status="processing", job_id="j1")
        assert status(documented, Job.objects.get())["reached"] is False
