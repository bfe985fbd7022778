"""The Django example in a separate process, its settings, and its admin."""

from __future__ import annotations

import re
import uuid
from io import StringIO
from pathlib import Path

import pytest
import requests
from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client
from support.django_app import RecordingEmulator
from support.django_processes import manage, new_site, running, sign_in
from support.django_visits import MIB, MP4, hidden, job_id, row, send, visitor
from videos import service
from videos.models import Job

from decart import DecartClient, models
from decart.emulator import EmulatorServer
from decart.emulator.render import RenderJob


def peak(pid: int) -> int:
    """Return the most memory that a process has had, in bytes."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) * 1024


def large_or_small(order: RenderJob, target: Path) -> None:
    """Write a sparse file of as many MiB as the prompt says."""
    with target.open("wb") as file:
        file.write(b"\x00\x00\x00\x20ftypisom")
        file.truncate(int(order.prompt) * MIB)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="it reads a process's memory there")
def test_a_video_of_200_mib_passes_through_the_site_without_being_held_in_memory(tmp_path: Path) -> None:
    emulator = RecordingEmulator(large_or_small, pending=0, processing=0)
    with emulator, EmulatorServer(emulator) as server, requests.Session() as session:
        environ = new_site(tmp_path, server.url)
        with running(**environ) as (url, pid):
            sign_in(session, url)
            assert fetched(session, url, "1") == MIB
            before = peak(pid)
            assert fetched(session, url, "200") == 200 * MIB
            assert peak(pid) - before < 16 * MIB


def fetched(session: requests.Session, url: str, prompt: str) -> int:
    """Complete a job, and return the size of its video in bytes."""
    form = {**hidden(session.get(url).text), "prompt": prompt}
    page = session.post(f"{url}/submit/", form, files={"file": MP4}, headers={"Referer": url}).url
    assert session.get(f"{page}status/").json()["status"] == "completed"
    with session.get(f"{page}video.mp4", stream=True) as video:
        return sum(len(chunk) for chunk in video.iter_content(MIB))


def test_the_settings_are_secure_unless_debug_is_set() -> None:
    given = {"DJANGO_SECRET_KEY": uuid.uuid4().hex * 2, "DJANGO_ALLOWED_HOSTS": "a.test", "DECART_API_KEY": "dct_x"}
    said = manage("check", "--deploy", **given)
    # what is left speaks for other hosts than this one
    assert set(re.findall(r"\((\w+\.\w+)\)", said)) == {"security.W005", "security.W021"}


def test_without_a_secret_key_the_site_does_not_run() -> None:
    assert "Set DJANGO_SECRET_KEY; or DJANGO_DEBUG=1 to try the site" in manage("check")


def test_a_missing_key_for_the_service_is_reported_when_the_site_starts() -> None:
    assert "(videos.W001) The API key is missing" in manage("check", DJANGO_DEBUG="1")


def test_the_migration_matches_the_model() -> None:
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


def test_a_process_has_one_client_created_on_first_use(emulator: RecordingEmulator, ann: Client) -> None:
    ann.get("/")
    assert service.client.cache_info().currsize == 0
    send(ann)
    assert service.client() is service.client()


def test_the_admin_lists_jobs_and_finds_them_by_the_ids_in_a_log() -> None:
    User.objects.create_superuser("root")
    row(job_id="j1", status="completed")
    second = row("bob", job_id="j2", status="failed")
    admin = visitor("root")
    for page, question in (
        ("decart_jobs/job/", "?q=j2"),
        ("decart_jobs/job/", "?state=failed"),
        ("videos/job/", "?q=bob"),
    ):
        everything, found = (admin.get(f"/admin/{page}{part}").content.decode() for part in ("", question))
        assert (everything.count("field-__str__"), found.count("field-__str__")) == (2, 1)
        assert second.label in found


def test_the_admin_does_not_change_a_jobs_id_and_makes_no_jobs() -> None:
    User.objects.create_superuser("root")
    job = row(job_id="j1", status="completed")
    admin = visitor("root")
    page = admin.get(f"/admin/videos/job/{job.pk}/change/").content.decode()
    assert job.label in page and "completed" in page
    assert admin.post(f"/admin/videos/job/{job.pk}/change/", {"job_id": "j2", "prompt": "x"}).status_code == 403
    assert (job_id(Job.objects.get()), Job.objects.get().prompt) == ("j1", "A lake")
    assert admin.get("/admin/videos/job/add/").status_code == 403


def test_a_command_settles_a_job_whose_outcome_is_unknown(emulator: RecordingEmulator, ann: Client) -> None:
    lost, out = row(status="unknown"), StringIO()
    with DecartClient(settings.DECART_API_KEY, base_url=settings.DECART_BASE_URL) as elsewhere:
        found = elsewhere.queue.submit({"model": models.video("lucy-pro-t2v"), "prompt": "A lake"})
    with pytest.raises(CommandError, match="has no job 'mistyped' for this key"):
        call_command("settle", lost.label, "mistyped", stdout=out)
    call_command("settle", lost.label, found.job_id, stdout=out)
    call_command("settle", row(status="unknown").label, stdout=out)
    assert [line.partition(": ")[2] for line in out.getvalue().splitlines()] == ["accepted", "refused"]
    assert Job.objects.get(pk=lost.pk).status == "pending"


def test_a_command_lists_the_jobs_that_a_person_must_decide_about(emulator: RecordingEmulator) -> None:
    lost, out = row(status="unknown"), StringIO()
    row(job_id="j1", status="completed")
    call_command("settle", stdout=out)
    assert out.getvalue() == f"{lost.label}: unknown\n"
