"""The views of docs/in-django.md, in place of the example's own, and its test."""

from __future__ import annotations

import types
import unittest
import uuid
from collections.abc import Iterator
from contextlib import closing
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client, override_settings
from django.urls import include, path
from support import documents
from support.django_app import RecordingEmulator, talking_to
from support.django_visits import (
    VIDEO,
    fetch,
    row,
    send,
    status,
    upload,
    without_such_a_part,
)
from support.servers import nobody, reset, serving
from videos.models import Job


@pytest.fixture(scope="module")
def names() -> dict[str, Any]:
    """Run the programs of the page once, since Celery warns of tasks that are defined again; return their names."""
    names: dict[str, Any] = {"__name__": "videos.documented", "__package__": "videos"}
    for program in documents.programs("docs/in-django.md"):
        documents.run(program, names, "docs/in-django.md")
    return names


@pytest.fixture
def documented(ann: Client, names: dict[str, Any]) -> Iterator[Client]:
    """Visit a site whose views are those of the page."""
    urls = types.ModuleType("documented_urls")
    vars(urls)["urlpatterns"] = [
        path("submit/", names["submit"]),
        path("jobs/<int:pk>/", names["job_page"]),
        path("jobs/<int:pk>/status/", names["job_status"]),
        path("jobs/<int:pk>/video.mp4", names["job_video"]),
        path("", include("mysite.urls")),
    ]
    with override_settings(ROOT_URLCONF=urls):
        yield ann


def test_the_views_of_the_page_make_a_video(emulator: RecordingEmulator, documented: Client) -> None:
    form = {"token": uuid.uuid4(), "prompt": "A serene lake"}
    for _ in range(2):
        documented.post("/submit/", {**form, "file": upload()})
    job = Job.objects.get()
    assert (len(emulator.forms), emulator.forms[0].model.name, job.status) == (1, "lucy-restyle-2", "pending")
    assert "pending" in documented.get(job.get_absolute_url()).content.decode()
    assert status(documented, job) == {"status": "pending", "error": "", "reached": True}
    assert fetch(documented, job).status == 404
    emulator.clock.sleep(10)
    assert status(documented, job)["status"] == Job.objects.get().status == "completed"
    part = fetch(documented, job, RANGE="bytes=3-7")
    assert (part.status, part.body, part.headers["Content-Range"]) == (206, VIDEO[3:8], "bytes 3-7/22")
    with closing(documented.get(f"/jobs/{job.pk}/video.mp4?download=1")) as download:
        assert download["Content-Disposition"] == f'attachment; filename="video-{job.pk}.mp4"'


def test_the_test_of_the_page_passes(documented: Client, names: dict[str, Any]) -> None:
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(names["JobTests"]).run(result)
    assert (result.testsRun, result.errors, result.failures) == (1, [], [])


def test_the_video_view_of_the_page_reports_a_range_that_does_not_exist(documented: Client) -> None:
    with without_such_a_part():
        assert fetch(documented, row(job_id="j1", status="completed"), RANGE="bytes=22-").status == 416


def test_the_views_of_the_page_keep_the_row_when_the_outcome_is_unknown(documented: Client) -> None:
    with serving(reset()) as server, talking_to(server.url):
        assert send(documented).status_code == 302
    job = Job.objects.get()
    assert (job.status, job.settled, job.refusal) == ("unknown", True, "")


def test_the_views_of_the_page_report_a_refusal_and_an_unreachable_service(documented: Client) -> None:
    with nobody() as url, talking_to(url):
        send(documented)
        assert Job.objects.get().status == "refused"
        assert status(documented, row(job_id="j1", status="processing"))["reached"] is False


@pytest.mark.parametrize("by", ["command", "task"])
def test_the_sweep_of_the_page_stores_a_video(
    by: str, emulator: RecordingEmulator, documented: Client, names: dict[str, Any], media: Path
) -> None:
    send(documented)
    emulator.clock.sleep(10)
    job, out = Job.objects.get(), StringIO()
    if by == "command":
        call_command(names["Command"](), stdout=out)
        assert out.getvalue() == f"{job.label}: completed\n"
    else:
        names["sweep"]()
    assert (media / "videos" / f"{job.label}.mp4").read_bytes() == VIDEO
    assert job.stored == f"videos/{job.label}.mp4"
