"""The Django example's sweep: the command that finishes jobs in the background, and what its pages say meanwhile."""

from __future__ import annotations

import signal
import sys
from contextlib import closing
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection as database
from django.test import Client, override_settings
from support.django_app import RecordingEmulator, talking_to
from support.django_processes import MANAGE, ending, manage, start, until
from support.django_visits import (
    ACCEPTED,
    COMPLETED,
    MP4,
    VIDEO,
    fetch,
    row,
    send,
    status,
    visitor,
)
from support.servers import Connection, Received, answering, http, nobody, serving
from videos import service
from videos.models import JOURNAL, Job

from decart import PollPolicy
from decart.emulator import EmulatorServer
from decart.integrations.django.storage import store_in


def files(folder: Path) -> dict[str, bytes]:
    """Return all files below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def stored(client: Client, emulator: RecordingEmulator) -> Job:
    """Submit a job, and store its video."""
    send(client)
    emulator.clock.sleep(10)
    call_command("sweep")
    return Job.objects.latest("created")


def overdue(job: Job) -> None:
    """Let the next step of a job be due now."""
    record = JOURNAL.latest(job.label)
    assert record is not None and record.due_at is not None
    assert JOURNAL.replace(record.changed(record.updated_at, due_at=0.0))


def give_up(job: Job) -> None:
    """Let the time of a job be over."""
    service.client().jobs.sweep(store=store_in(), poll=PollPolicy(timeout=0))
    record = JOURNAL.latest(job.label)
    assert record is not None and record.due_at is None


# the command


def test_a_sweep_stores_a_video_that_is_ready(emulator: RecordingEmulator, ann: Client, media: Path) -> None:
    job = stored(ann, emulator)
    assert files(media) == {job.stored: VIDEO} == {f"videos/{job.label}.mp4": VIDEO}
    assert (job.status, job.settled, job.explanation) == ("completed", True, "")


def test_a_later_sweep_finishes_what_an_earlier_one_has_begun(
    emulator: RecordingEmulator, ann: Client, media: Path
) -> None:
    send(ann)
    job = Job.objects.get()
    call_command("sweep")
    assert (job.status, job.stored) == ("pending", None)
    emulator.clock.sleep(10)
    call_command("sweep")
    assert Job.objects.get().status == "pending"  # it is not due
    overdue(job)
    call_command("sweep")
    assert files(media) == {Job.objects.get().stored: VIDEO}
    assert len(emulator.forms) == 1


def test_a_video_whose_page_was_open_is_stored_too(emulator: RecordingEmulator, ann: Client, media: Path) -> None:
    for swept_before in (False, True):
        send(ann)
        job = Job.objects.latest("created")
        if swept_before:
            call_command("sweep")
        emulator.clock.sleep(10)
        assert status(ann, job)["status"] == "completed"
        assert fetch(ann, job).body == VIDEO  # from the service
        assert Job.objects.get(pk=job.pk).stored is None
        if swept_before:
            overdue(job)
        call_command("sweep")
        assert Job.objects.get(pk=job.pk).stored is not None


def test_a_job_that_fails_is_recorded_by_the_sweep(emulator: RecordingEmulator, ann: Client, media: Path) -> None:
    send(ann, "Please fail")
    emulator.clock.sleep(10)
    call_command("sweep")
    job = Job.objects.get()
    assert (job.status, job.explanation, files(media)) == ("failed", "the prompt asked for it", {})


def test_a_storage_that_fails_is_logged_and_tried_again(
    emulator: RecordingEmulator, ann: Client, media: Path, caplog: pytest.LogCaptureFixture
) -> None:
    media.write_bytes(b"")  # where the folder should be
    job = stored(ann, emulator)
    assert (job.status, job.stored, fetch(ann, job).body) == ("completed", None, VIDEO)
    assert f"{job.label}: " in caplog.text and "media" in caplog.text
    media.unlink()
    overdue(job)
    call_command("sweep")
    assert files(media) == {Job.objects.get().stored: VIDEO}


def test_a_sweep_that_cannot_read_the_settings_is_an_error(emulator: RecordingEmulator) -> None:
    with override_settings(DECART_API_KEY=""), pytest.raises(CommandError, match="The API key is missing"):
        call_command("sweep")


@pytest.mark.parametrize("every", ["-1", "0", "nan", "inf"])
def test_a_pause_that_no_program_can_make_is_refused_before_anything_is_done(
    every: str, emulator: RecordingEmulator, ann: Client
) -> None:
    send(ann)
    with pytest.raises(CommandError, match="--every takes 0.1 to 86,400 seconds"):
        call_command("sweep", f"--every={every}")
    assert emulator.requests.of(route="status") == []


def test_two_sweeps_at_once_store_one_copy(ann: Client, media: Path) -> None:
    with RecordingEmulator() as emulator, EmulatorServer(emulator) as server, talking_to(server.url):
        for _ in range(4):
            send(ann)
        emulator.clock.sleep(10)
        sweep, environ = [*MANAGE, "sweep"], site_of_this_process(server.url, media)
        with ending(start(*sweep, **environ)) as one, ending(start(*sweep, **environ)) as other:
            assert [process.wait(60) for process in (one, other)] == [0, 0]
    assert files(media) == {job.stored: VIDEO for job in Job.objects.all()}
    assert len(files(media)) == len(emulator.requests.of(route="content")) == 4


def site_of_this_process(service: str, media: Path) -> dict[str, str]:
    """Return the environment of a process with the database of the tests."""
    return {
        "DJANGO_DEBUG": "1",
        "DJANGO_SQLITE": str(database.settings_dict["NAME"]),
        "DJANGO_MEDIA": str(media),
        "DECART_API_KEY": "dct_site",
        "DECART_BASE_URL": service,
        "TMPDIR": str(media.parent),
    }


def test_a_worker_that_is_killed_in_mid_download_stores_the_video_in_the_next_pass(ann: Client, media: Path) -> None:
    def half(connection: Connection) -> None:
        while not connection.read_request().target.endswith("/content"):
            connection.send(COMPLETED)
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\nContent-Length: 2056\r\n\r\n" + MP4[:1000])
        worker.kill()
        connection.until_closed()

    def all_of_it(request: Received, number: int) -> bytes:
        return http(200, MP4, {"Content-Type": "video/mp4"}) if request.target.endswith("/content") else COMPLETED

    with serving(answering(lambda request, number: ACCEPTED), half, answering(all_of_it)) as server:
        with talking_to(server.url):
            send(ann)
        environ = site_of_this_process(server.url, media)
        with ending(start(*MANAGE, "sweep", **environ)) as worker:
            assert worker.wait(60) == -signal.SIGKILL
        assert Job.objects.get().record.state == "completed" and files(media) == {}
        assert manage("sweep", **environ).count("delivered") == 1
    assert files(media) == {Job.objects.get().stored: MP4}


@pytest.mark.skipif(sys.platform == "win32", reason="it has no SIGTERM")
def test_with_every_it_goes_on_until_sigterm(emulator: RecordingEmulator, ann: Client, media: Path) -> None:
    send(ann)
    emulator.clock.sleep(10)
    environ = site_of_this_process(settings.DECART_BASE_URL, media)
    with ending(start(*MANAGE, "sweep", "--every", "0.1", **environ)) as process:
        until(process, "delivered")
        send(ann)
        emulator.clock.sleep(10)
        until(process, "delivered")
    assert process.returncode == 0
    assert len(files(media)) == 2


def test_with_every_it_outlives_a_database_that_cannot_be_used(media: Path) -> None:
    environ = site_of_this_process("http://127.0.0.1:9", media) | {"DJANGO_SQLITE": str(media.parent / "empty")}
    with ending(start(*MANAGE, "sweep", "--every", "0.1", **environ)) as process:
        for _ in range(2):
            until(process, "The journal in the database 'default' cannot be used: no such table")
    assert process.returncode == 0


# given up


def test_a_job_that_was_given_up_says_so_and_its_page_still_checks_it(
    emulator: RecordingEmulator, ann: Client, media: Path
) -> None:
    send(ann)
    job = Job.objects.get()
    give_up(job)
    told = status(ann, job)
    assert (told["status"], told["settled"]) == ("pending", False)
    assert told["explanation"].startswith("This has taken so long that the site no longer waits for it.")
    emulator.clock.sleep(10)
    call_command("sweep")
    told = status(ann, job)
    assert (told["status"], told["settled"], files(media)) == ("completed", True, {})
    assert told["explanation"] == "The video could not be stored. Download it now, before the service deletes it."
    assert fetch(ann, job).body == VIDEO


@pytest.mark.parametrize("seen", [True, False])
def test_the_command_takes_up_what_was_given_up(
    seen: bool, emulator: RecordingEmulator, ann: Client, media: Path, caplog: pytest.LogCaptureFixture
) -> None:
    other = JOURNAL.latest(row(job_id="j1", status="processing").label)
    assert other is not None and JOURNAL.replace(other.changed(other.updated_at, poll={}, account="another"))
    send(ann)
    job = Job.objects.get(prompt="A serene lake")
    give_up(job)
    emulator.clock.sleep(10)
    if seen:
        status(ann, job)
    call_command("sweep", "--again")
    job = Job.objects.get(pk=job.pk)
    assert (files(media), job.explanation) == ({job.stored: VIDEO}, "")
    assert f"{other.label}: The label '{other.label}' is that of a job of another account" in caplog.text


def test_the_admin_tells_the_truth_about_what_was_given_up_and_what_is_stored(
    emulator: RecordingEmulator, ann: Client, media: Path
) -> None:
    User.objects.create_superuser("root")
    admin = visitor("root")
    send(ann)
    job = Job.objects.get()
    give_up(job)
    assert "the site no longer waits for it" in admin.get(f"/admin/videos/job/{job.pk}/change/").content.decode()
    emulator.clock.sleep(10)
    call_command("sweep", "--again")
    assert "delivered" in admin.get("/admin/decart_jobs/job/").content.decode()
    assert f"videos/{job.label}.mp4" in admin.get("/admin/decart_jobs/job/").content.decode()


# the stored video


@pytest.mark.parametrize(
    ("wanted", "status", "body", "part"),
    [
        ("", 200, VIDEO, None),
        ("bytes=3-7", 206, VIDEO[3:8], "bytes 3-7/22"),
        ("bytes=0-0", 206, VIDEO[:1], "bytes 0-0/22"),
        ("bytes=10-", 206, VIDEO[10:], "bytes 10-21/22"),
        ("bytes=10-99", 206, VIDEO[10:], "bytes 10-21/22"),
        ("bytes=-4", 206, VIDEO[-4:], "bytes 18-21/22"),
        ("bytes=-99", 206, VIDEO, "bytes 0-21/22"),
        ("bytes=22-", 416, b"", "bytes */22"),
        ("bytes=-0", 416, b"", "bytes */22"),
        ("bytes=-", 200, VIDEO, None),
        ("bytes=7-3", 200, VIDEO, None),
        ("bytes=1-2,5-6", 200, VIDEO, None),
    ],
)
def test_a_stored_video_is_sent_with_the_range_that_was_asked_for(
    wanted: str, status: int, body: bytes, part: str | None, emulator: RecordingEmulator, ann: Client, media: Path
) -> None:
    job = stored(ann, emulator)
    with nobody() as url, talking_to(url):
        found = fetch(ann, job, **({"RANGE": wanted} if wanted else {}))
    assert (found.status, found.body, found.headers.get("Content-Range")) == (status, body, part)
    assert found.headers["Accept-Ranges"] == "bytes"
    if status != 416:
        assert (found.headers["Content-Length"], found.headers["Content-Type"]) == (str(len(body)), "video/mp4")


def test_a_range_with_if_range_gets_the_complete_video(emulator: RecordingEmulator, ann: Client, media: Path) -> None:
    assert fetch(ann, stored(ann, emulator), RANGE="bytes=3-7", IF_RANGE='"of the service"').body == VIDEO


def test_a_head_request_and_a_download_of_a_stored_video(emulator: RecordingEmulator, ann: Client, media: Path) -> None:
    job = stored(ann, emulator)
    page = f"/jobs/{job.pk}/video.mp4"
    told = ann.head(page, HTTP_RANGE="bytes=3-7")
    assert (told.status_code, told.content, told["Content-Length"]) == (200, b"", "22")
    with closing(ann.get(f"{page}?download=1")) as download:
        assert download["Content-Disposition"] == f'attachment; filename="video-{job.pk}.mp4"'
    assert "attachment" not in fetch(ann, job).headers.get("Content-Disposition", "")


def test_only_its_owner_gets_a_stored_video(emulator: RecordingEmulator, ann: Client, media: Path) -> None:
    job = stored(ann, emulator)
    assert visitor("bob").get(f"/jobs/{job.pk}/video.mp4").status_code == 404


def test_a_stored_video_that_was_deleted_comes_from_the_service(
    emulator: RecordingEmulator, ann: Client, media: Path
) -> None:
    job = stored(ann, emulator)
    assert job.stored is not None
    (media / job.stored).unlink()
    assert fetch(ann, job).body == VIDEO
