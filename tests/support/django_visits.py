"""Visits to the site of `examples/django_app`: forms, rows, statuses and videos."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any, NamedTuple

import requests

from support.django_app import EXAMPLE, RecordingEmulator, Site, talking_to
from support.servers import Connection, Received, answering, http, serving

# isort: split
# Django has been set up by now
from django.conf import settings
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from videos.models import Job

from decart.config import settings as service_settings
from decart.integrations.django.journal import DjangoJournal
from decart.journal.fingerprints import whose
from decart.journal.records import State
from decart.journal.samples import record

MIB = 1024 * 1024
MEDIA = EXAMPLE.parent / "media"
MP4 = b"\x00\x00\x00\x20ftypisom" + bytes(range(256)) * 8
VIDEO = b"video of A serene lake"  # rendered by the emulator for that prompt
JSON = {"Content-Type": "application/json"}


ACCEPTED, PROCESSING, DREAMING, COMPLETED = (
    http(200, json.dumps({"job_id": "j1", "status": status}).encode(), JSON)
    for status in ("pending", "processing", "dreaming", "completed")
)


def visitor(name: str = "ann", **more: Any) -> Client:
    """Return a test client in which a user has signed in."""
    client = Client(**more)
    client.force_login(User.objects.get_or_create(username=name)[0])
    return client


def upload() -> SimpleUploadedFile:
    """Return a new upload, since a form reads it to the end."""
    return SimpleUploadedFile("in.mp4", MP4, content_type="video/mp4")


def send(client: Client, prompt: str = "A serene lake", **more: Any) -> Any:
    """Fill in the form and send it."""
    return client.post("/submit/", {"token": uuid.uuid4(), "prompt": prompt, "file": upload(), **more})


def errors(response: Any) -> list[str]:
    """Return the errors of a form, and check that it can be sent again."""
    assert response.status_code == 200
    form = response.context["form"]
    assert str(response.context["token"]) != form.data["token"]
    return [str(error) for complaints in form.errors.values() for error in complaints]


STATES: dict[str, State] = {"pending": "accepted", "processing": "accepted", "completed": "completed"}


def row(name: str = "ann", job_id: str | None = None, status: str = "unknown", error: str | None = None) -> Job:
    """Store a job as if this site had submitted it."""
    owner = User.objects.get_or_create(username=name)[0]
    job: Job = Job.objects.create(owner=owner, token=uuid.uuid4(), prompt="A lake")
    state, told = STATES.get(status, status), None if job_id is None else status
    origin, account = whose(service_settings(settings.DECART_API_KEY, settings.DECART_BASE_URL, None, None))
    facts: dict[str, Any] = {
        "state": state,
        "status": told,
        "job_id": job_id,
        "error": error,
        "origin": origin,
        "account": account,
    }
    DjangoJournal().insert(record(job.label, **facts))
    return job


def job_id(job: Job) -> str:
    """Return the id of a job that was accepted."""
    assert job.record is not None and job.record.job_id is not None
    return job.record.job_id


def status(client: Client, job: Job) -> dict[str, Any]:
    """Request the status of a job, as its page does."""
    return dict(client.get(f"/jobs/{job.pk}/status/").json())


def made(client: Client, emulator: RecordingEmulator) -> Job:
    """Submit a job, and wait for its video."""
    send(client)
    emulator.clock.sleep(10)
    job: Job = Job.objects.get()
    assert status(client, job)["status"] == "completed"
    return job


class Fetched(NamedTuple):
    """The response to a request for a video."""

    status: int
    body: bytes
    headers: Mapping[str, str]


def fetch(client: Client, job: Job, **headers: str) -> Fetched:
    """Fetch a video, or a range of it."""
    sent = {f"HTTP_{name}": value for name, value in headers.items()}
    with closing(client.get(f"/jobs/{job.pk}/video.mp4", **sent)) as response:
        return Fetched(response.status_code, b"".join(response), response.headers)


@contextmanager
def browsing_by_hand(site: Site, client: Client) -> Iterator[requests.Session]:
    """Use the site over HTTP as the user who has signed in."""
    with requests.Session() as session:
        session.cookies.set("sessionid", client.cookies["sessionid"].value, domain="127.0.0.1")
        yield session


def hidden(page: str) -> dict[str, str]:
    """Return the hidden fields of a page's forms."""
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]+)"', page))


@contextmanager
def without_such_a_part() -> Iterator[None]:
    """Use a service whose video ends before any requested range."""

    def answer(request: Received, number: int) -> bytes:
        if not request.target.endswith("/content"):
            return COMPLETED
        assert request.headers["range"] == "bytes=22-"
        return http(416, b"", {"Content-Range": "bytes */22"})

    with serving(answering(answer)) as server, talking_to(server.url):
        yield


def endless(connection: Connection) -> None:
    """Report a job as completed, and send more of its video than any client should accept."""
    while True:
        if not connection.read_request().target.endswith("/content"):
            connection.send(COMPLETED)
            continue
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\nContent-Length: 1000000000000\r\n\r\n")
        for _ in range(256):
            connection.send(bytes(MIB))
