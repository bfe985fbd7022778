"""What makes two submits the same: the bytes of their files, and not where these come from."""

from __future__ import annotations

import gzip
import io
import os
import time
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from support.labelled import posts, render

from decart import InvalidInputError, LabelConflictError, MemoryJournal, models
from decart.config import settings
from decart.emulator import VirtualEmulator
from decart.journal.fingerprints import request_of
from decart.uploads import upload

PICTURE = b"\x89PNG\r\n" + bytes(1000)
LARGE = 200 * 1024 * 1024


class Stream:
    """A file that cannot seek."""

    def __init__(self, data: bytes) -> None:
        self._file = io.BytesIO(data)

    def read(self, size: int = -1) -> bytes:
        return self._file.read(min(size, 100))


class Upload(io.BytesIO):
    """An upload of a web framework."""

    filename, content_type = "holiday.png", "image/png"


def options(data: Any) -> Any:
    return {"model": models.video("lucy-pro-i2v"), "prompt": "Wind", "data": data}


def sparse(path: Path, size: int = LARGE) -> Path:
    with path.open("wb") as file:
        file.truncate(size)
    return path


@pytest.fixture
def client() -> Any:
    with VirtualEmulator(renderer=render) as emulator, emulator.client(journal=MemoryJournal()) as client:
        client.emulator = emulator  # type: ignore[attr-defined]
        yield client


def test_a_file_counts_by_its_content_however_it_is_given(client: Any, tmp_path: Path) -> None:
    path = tmp_path / "image.png"
    path.write_bytes(PICTURE)
    packed = tmp_path / "image.gz"
    packed.write_bytes(gzip.compress(PICTURE))
    middle = io.BytesIO(b"xxx" + PICTURE)
    middle.seek(3)
    with path.open("rb") as opened, path.open("rb", buffering=0) as raw, gzip.open(packed) as zipped:
        files = [
            PICTURE,
            bytearray(PICTURE),
            memoryview(PICTURE),
            path,
            opened,
            raw,
            zipped,
            middle,
            io.BytesIO(PICTURE),
        ]
        for file in [*files, Upload(PICTURE), Stream(PICTURE), ("other.jpg", PICTURE), ("x", path, "image/webp")]:
            client.queue.submit(options(file), label="order-1")
    os.utime(path, (0, 0))
    client.queue.submit(options(path.rename(tmp_path / "renamed.png")), label="order-1")
    assert posts(client.emulator) == 1
    for other in (PICTURE + b"x", PICTURE[:-1], b"x" + PICTURE[1:], Stream(PICTURE * 2)):
        with pytest.raises(LabelConflictError, match="data differ"):
            client.queue.submit(options(other), label="order-1")
    assert posts(client.emulator) == 1


def test_an_image_counts_by_its_encoding(client: Any, tmp_path: Path) -> None:
    image = Image.new("RGB", (8, 8), "red")
    client.queue.submit(options(image), label="order-1")
    client.queue.submit(options(image.copy()), label="order-1")
    with pytest.raises(LabelConflictError):
        client.queue.submit(options(Image.new("RGB", (8, 8), "blue")), label="order-1")
    image.save(tmp_path / "image.png")
    client.queue.submit(options(tmp_path / "image.png"), label="order-2")
    with Image.open(tmp_path / "image.png") as opened:
        client.queue.submit(options(opened), label="order-2")
    assert posts(client.emulator) == 2


def test_an_upload_is_sent_in_full_after_it_was_read(client: Any) -> None:
    client.queue.submit(options(Stream(PICTURE)), label="order-1")
    [request] = [request for request in client.emulator.requests if request.route == "submit"]
    assert request.received > len(PICTURE)


def test_a_file_that_changes_between_two_submits_is_a_conflict(client: Any, tmp_path: Path) -> None:
    path = tmp_path / "image.png"
    path.write_bytes(PICTURE)
    client.queue.submit(options(path), label="order-1")
    path.write_bytes(PICTURE[::-1])
    with pytest.raises(LabelConflictError) as caught:
        client.queue.submit(options(path), label="order-1")
    assert caught.value.data == {"differs": ["data"]}
    path.unlink()
    with pytest.raises(InvalidInputError, match="data"):
        client.queue.submit(options(path), label="order-1")


# large files, of which parts stand for all


def digest(file: Any) -> str:
    given = settings("dct_test", "https://api.test", 60.0, None)
    return request_of({"data": upload("data", file)}, "lucy-2.5", given).fingerprint["data"]


def test_a_large_file_is_read_in_a_fraction_of_a_second(tmp_path: Path) -> None:
    path = sparse(tmp_path / "large.mp4")
    began = time.process_time()
    first = digest(path)
    assert time.process_time() - began < 1
    for position in (0, LARGE - 1, (LARGE - 1024 * 1024) * 10 // 63):
        with path.open("r+b") as file:
            file.seek(position)
            file.write(b"x")
        assert digest(path) != first
        sparse(path)
    assert digest(sparse(path, LARGE + 1)) != first
    with path.open("r+b") as file:
        file.truncate(LARGE)
        assert digest(file) == first


class Slow(io.FileIO):
    """A file whose reads return less than they are asked for."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(min(size or 0, 300_000)) or b""


def test_a_file_that_reads_in_small_pieces_counts_by_its_content(tmp_path: Path) -> None:
    path = sparse(tmp_path / "large.mp4")
    with Slow(path) as file:
        assert digest(file) == digest(path)


def test_a_large_file_that_becomes_shorter_is_refused(tmp_path: Path) -> None:
    path = sparse(tmp_path / "large.mp4")
    given = upload("data", path)
    path.write_bytes(PICTURE)
    with pytest.raises(InvalidInputError, match=r"data: the file became shorter .*large.mp4"):
        request_of({"data": given}, "lucy-2.5", settings("dct_test", "https://api.test", 60.0, None))
