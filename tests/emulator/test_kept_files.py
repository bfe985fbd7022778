"""Uploaded files, which the emulator keeps until they expire, and the detection of its own files."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.raw import BufferedResponse, RawClient
from werkzeug.test import EnvironBuilder, run_wsgi_app

from decart.emulator.app import App
from decart.emulator.limits import VERIFY_LIMIT
from decart.emulator.render.job import MARK

DAY = 24 * 60 * 60


def kept(raw: RawClient, seconds: str | None = None, **more: object) -> BufferedResponse:
    """Upload a file."""
    return raw.form("/v1/files", {} if seconds is None else {"ttl_seconds": seconds}, {"file": b"picture"}, **more)


def files_on_disk(folder: Path) -> list[Path]:
    """Return the files below a folder."""
    return [path for path in folder.rglob("*") if path.is_file()]


def test_a_file_is_stored_and_described(raw: RawClient) -> None:
    response = kept(raw)
    file = response.json
    assert response.status == 200
    assert (file["filename"], file["mime_type"], file["size_bytes"]) == (
        "file.bin",
        "application/octet-stream",
        len(b"picture"),
    )
    assert file["id"].startswith("file_")
    assert raw.get(f"/v1/files/{file['id']}").json == file


@pytest.mark.parametrize(("seconds", "lives"), [(None, DAY), ("60", 60), ("2592000", 2_592_000)])
def test_a_file_expires(temporary: Path, raw: RawClient, seconds: str | None, lives: int) -> None:
    path = f"/v1/files/{kept(raw, seconds).json['id']}"
    raw.clock.advance(lives - 1)
    assert raw.get(path).status == 200
    raw.clock.advance(1)
    assert raw.get(path).status == 404
    assert files_on_disk(temporary) == []


def test_a_persistent_file_stays(raw: RawClient) -> None:
    file = kept(raw, "persistent").json
    raw.clock.advance(1000 * DAY)
    assert (file["expires_at"], raw.get(f"/v1/files/{file['id']}").status) == (None, 200)


@pytest.mark.parametrize("seconds", ["59", "2592001", "soon", "-1", "1e3"])
def test_a_lifetime_out_of_range_is_422(raw: RawClient, seconds: str) -> None:
    assert kept(raw, seconds).wrong == [(["body", "ttl_seconds"], "value_error")]


def test_an_upload_without_a_file_is_422(raw: RawClient) -> None:
    assert raw.form("/v1/files", {"file": "a text"}).wrong == [(["body", "file"], "missing")]


@pytest.mark.parametrize("options", [{"keep": 2}])
def test_the_oldest_file_is_deleted_when_there_are_too_many(temporary: Path, raw: RawClient) -> None:
    ids = [raw.form("/v1/files", {"ttl_seconds": "persistent"}, {"file": b"x"}).json["id"] for _ in range(3)]
    assert [raw.get(f"/v1/files/{file_id}").status for file_id in ids] == [404, 200, 200]
    assert len(files_on_disk(temporary)) == 2


def test_a_deleted_file_is_deleted_from_disk(temporary: Path, raw: RawClient) -> None:
    path = f"/v1/files/{kept(raw).json['id']}"
    deleted = raw.request("DELETE", path)
    assert (deleted.status, deleted.body) == (204, b"")
    assert [raw.request("DELETE", path).status, raw.get(path).status] == [404, 404]
    assert files_on_disk(temporary) == []


def test_a_file_is_visible_to_its_owner_only(raw: RawClient) -> None:
    path = f"/v1/files/{kept(raw).json['id']}"
    assert [raw.get(path, key="dct_other").status, raw.request("DELETE", path, key="dct_other").status] == [404, 404]
    assert raw.get(path).status == 200


# ---------------------------------------------------------------- verify


@pytest.mark.parametrize("before", [0, 256 * 1024 - 5])
def test_a_file_of_an_emulator_is_detected(raw: RawClient, before: int) -> None:
    data = bytes(before) + MARK.encode() + b"more"
    assert raw.form("/v1/verify", {}, {"file": data}).json == {"detected": True, "confidence": 1.0}


def test_another_file_is_not_detected(raw: RawClient) -> None:
    assert raw.form("/v1/verify", {}, {"file": b"holiday"}).json == {"detected": False, "confidence": 0.0}


def test_verifying_without_a_file_is_422(raw: RawClient) -> None:
    assert raw.form("/v1/verify", {}).wrong == [(["body", "file"], "missing")]


def test_verifying_a_file_that_is_too_large_is_413_before_it_is_sent(raw: RawClient) -> None:
    asked = EnvironBuilder("/v1/verify", method="POST", headers={"X-API-KEY": "dct_test"}).get_environ()
    _, status, _ = run_wsgi_app(App(raw.emulator), asked | {"CONTENT_LENGTH": str(VERIFY_LIMIT + 1)})
    assert status.startswith("413 ")
