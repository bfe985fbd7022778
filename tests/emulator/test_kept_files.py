"""Files that are kept in the box until their time is over, and the look at what was made here."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.raw import Box, BufferedResponse
from werkzeug.test import EnvironBuilder, run_wsgi_app

from decart.emulator.app import App
from decart.emulator.provenance import VERIFY_LIMIT
from decart.emulator.render.mark import MARK

DAY = 24 * 60 * 60


def kept(box: Box, seconds: str | None = None, **more: object) -> BufferedResponse:
    """Upload a file."""
    return box.form("/v1/files", {} if seconds is None else {"ttl_seconds": seconds}, {"file": b"picture"}, **more)


def files_on_disk(folder: Path) -> list[Path]:
    """Return the files below a folder."""
    return [path for path in folder.rglob("*") if path.is_file()]


def test_a_file_is_stored_and_described(box: Box) -> None:
    answer = kept(box)
    file = answer.json
    assert answer.status == 200
    assert (file["filename"], file["mime_type"], file["size_bytes"]) == (
        "file.bin",
        "application/octet-stream",
        len(b"picture"),
    )
    assert file["id"].startswith("file_")
    assert box.get(f"/v1/files/{file['id']}").json == file


@pytest.mark.parametrize(("seconds", "lives"), [(None, DAY), ("60", 60), ("2592000", 2_592_000)])
def test_a_file_expires(temporary: Path, box: Box, seconds: str | None, lives: int) -> None:
    path = f"/v1/files/{kept(box, seconds).json['id']}"
    box.clock.advance(lives - 1)
    assert box.get(path).status == 200
    box.clock.advance(1)
    assert box.get(path).status == 404
    assert files_on_disk(temporary) == []


def test_a_persistent_file_stays(box: Box) -> None:
    file = kept(box, "persistent").json
    box.clock.advance(1000 * DAY)
    assert (file["expires_at"], box.get(f"/v1/files/{file['id']}").status) == (None, 200)


@pytest.mark.parametrize("seconds", ["59", "2592001", "soon", "-1", "1e3"])
def test_a_time_out_of_bounds_is_422(box: Box, seconds: str) -> None:
    assert kept(box, seconds).wrong == [(["body", "ttl_seconds"], "value_error")]


def test_an_upload_without_a_file_is_422(box: Box) -> None:
    assert box.form("/v1/files", {"file": "a text"}).wrong == [(["body", "file"], "missing")]


@pytest.mark.parametrize("options", [{"keep": 2}])
def test_the_oldest_file_goes_when_there_are_too_many(temporary: Path, box: Box) -> None:
    ids = [box.form("/v1/files", {"ttl_seconds": "persistent"}, {"file": b"x"}).json["id"] for _ in range(3)]
    assert [box.get(f"/v1/files/{file_id}").status for file_id in ids] == [404, 200, 200]
    assert len(files_on_disk(temporary)) == 2


def test_a_deleted_file_is_gone_from_the_disk(temporary: Path, box: Box) -> None:
    path = f"/v1/files/{kept(box).json['id']}"
    deleted = box.ask("DELETE", path)
    assert (deleted.status, deleted.body) == (204, b"")
    assert [box.ask("DELETE", path).status, box.get(path).status] == [404, 404]
    assert files_on_disk(temporary) == []


def test_a_file_is_its_owners_alone(box: Box) -> None:
    path = f"/v1/files/{kept(box).json['id']}"
    assert [box.get(path, key="dct_other").status, box.ask("DELETE", path, key="dct_other").status] == [404, 404]
    assert box.get(path).status == 200


# ---------------------------------------------------------------- verify


@pytest.mark.parametrize("before", [0, 256 * 1024 - 5])
def test_a_file_that_was_made_here_is_recognized(box: Box, before: int) -> None:
    data = bytes(before) + MARK.encode() + b"more"
    assert box.form("/v1/verify", {}, {"file": data}).json == {"detected": True, "confidence": 1.0}


def test_a_file_that_was_made_elsewhere_is_not_recognized(box: Box) -> None:
    assert box.form("/v1/verify", {}, {"file": b"holiday"}).json == {"detected": False, "confidence": 0.0}


def test_checking_no_file_is_422(box: Box) -> None:
    assert box.form("/v1/verify", {}).wrong == [(["body", "file"], "missing")]


def test_checking_a_file_that_is_too_large_is_413_before_it_is_sent(box: Box) -> None:
    asked = EnvironBuilder("/v1/verify", method="POST", headers={"X-API-KEY": "dct_test"}).get_environ()
    _, status, _ = run_wsgi_app(App(box.emulator), asked | {"CONTENT_LENGTH": str(VERIFY_LIMIT + 1)})
    assert status.startswith("413 ")
