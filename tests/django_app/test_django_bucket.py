"""Videos in a bucket: `decart.integrations.django.storage` and the Django example, with a server that speaks S3."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from django.core.files.base import ContentFile
from django.core.files.storage import Storage
from django.test import Client, override_settings
from support.django_app import RecordingEmulator
from support.django_bucket import contents, new_bucket, s3_server
from support.django_visits import MIB, VIDEO, send
from videos import service
from videos.models import Job

from decart.integrations.django.storage import store_in
from decart.journal.samples import record

pytestmark = pytest.mark.slow

NAME = "videos/order-1.mp4"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with s3_server() as url:
        yield url


@pytest.fixture
def options(endpoint: str) -> dict[str, Any]:
    """The options of a storage with an empty bucket."""
    return new_bucket(endpoint)


@pytest.fixture
def video(tmp_path: Path) -> Path:
    path = tmp_path / "j1.mp4"
    path.write_bytes(b"the video")
    return path


def storage_with(**options: Any) -> Storage:
    from storages.backends.s3 import S3Storage  # boto3 takes a while to import

    return S3Storage(**options)


@pytest.mark.parametrize("overwrite", [True, False])
def test_a_video_that_is_stored_twice_is_one_object(overwrite: bool, options: dict[str, Any], video: Path) -> None:
    storage = storage_with(**options, file_overwrite=overwrite)
    assert [store_in(storage)(record(), video) for _ in range(2)] == [NAME, NAME]
    assert contents(options) == {NAME: b"the video"}


@pytest.mark.parametrize("overwrite", [True, False])
def test_an_object_of_that_name_with_another_content_is_replaced(
    overwrite: bool, options: dict[str, Any], video: Path
) -> None:
    storage = storage_with(**options, file_overwrite=overwrite)
    storage.save(NAME, ContentFile(b"the old one"))
    assert store_in(storage)(record(), video) == NAME
    assert contents(options) == {NAME: b"the video"}


def test_a_large_video_is_uploaded_in_parts_and_has_its_type(options: dict[str, Any], video: Path) -> None:
    with video.open("r+b") as file:
        file.truncate(17 * MIB)
    storage = storage_with(**options)
    store_in(storage, "{label} ä.mp4")(record("100 %"), video)
    ((name, content),) = contents(options).items()
    assert name.startswith("100__-") and name.endswith(" ä.mp4")
    response = requests.get(storage.url(name), timeout=10)
    assert (response.headers["Content-Type"], len(content), response.content == content) == (
        "video/mp4",
        17 * MIB,
        True,
    )


def test_the_site_stores_its_videos_there_and_leads_browsers_to_them(
    options: dict[str, Any], emulator: RecordingEmulator, ann: Client
) -> None:
    default = {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options}
    with override_settings(STORAGES={"default": default, "staticfiles": default}):
        send(ann)
        emulator.clock.sleep(10)
        service.sweep()
        job: Job = Job.objects.get()
        assert contents(options) == {f"videos/{job.label}.mp4": VIDEO} == {job.stored: VIDEO}
        response = ann.get(f"/jobs/{job.pk}/video.mp4")
        part = requests.get(response["Location"], headers={"Range": "bytes=3-7"}, timeout=10)
        assert (response.status_code, part.status_code, part.content) == (302, 206, VIDEO[3:8])
        assert part.headers["Content-Type"] == "video/mp4"


def test_a_bucket_that_is_missing_is_the_error_of_a_step_and_the_next_one_stores_the_video(
    options: dict[str, Any], emulator: RecordingEmulator, ann: Client
) -> None:
    send(ann)
    emulator.clock.sleep(10)
    lost = storage_with(**options | {"bucket_name": "no-such-bucket"})
    (step,) = service.client().jobs.sweep(store=store_in(lost))
    assert step.wait is not None and "NoSuchBucket" in str(step.error)
    label = Job.objects.get().label
    step = service.client().jobs.step(label, token=step.token, store=store_in(storage_with(**options)))
    assert (step.record and step.record.saved_to, step.wait) == (f"videos/{label}.mp4", None)
    assert contents(options) == {f"videos/{label}.mp4": VIDEO}
