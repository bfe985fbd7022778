"""`decart.uploads`: the uploads of Django and Werkzeug."""

from __future__ import annotations

import io
import pathlib
from collections.abc import Callable, Iterator

import django.conf
import pytest
from django.core.files.base import ContentFile
from django.core.files.base import File as DjangoFile
from django.core.files.uploadedfile import (
    InMemoryUploadedFile,
    SimpleUploadedFile,
    TemporaryUploadedFile,
)
from support.uploads import PNG, Stream, content, refused, sent_twice, sent_twice_of
from werkzeug.datastructures import FileStorage

from decart.uploads import OCTET_STREAM, upload

if not django.conf.settings.configured:
    django.conf.settings.configure()


@pytest.fixture
def path(tmp_path: pathlib.Path) -> pathlib.Path:
    path = tmp_path / "lake.png"
    path.write_bytes(PNG)
    return path


@pytest.fixture
def temporary() -> Iterator[Callable[..., TemporaryUploadedFile]]:
    """Make Django's large uploads, which are files on disk."""
    made: list[TemporaryUploadedFile] = []

    def make(name: str, content_type: str, data: bytes) -> TemporaryUploadedFile:
        file = TemporaryUploadedFile(name, content_type, len(data), None)
        file.write(data)
        file.seek(0)
        made.append(file)
        return file

    yield make
    for file in made:
        file.close()


# frameworks


@pytest.mark.parametrize("name", ["lake.png", '湖 "1".png', "noname"])
@pytest.mark.parametrize("content_type", ["image/png", "image/webp", ""])
def test_an_upload_of_django_keeps_its_name_and_type(
    temporary: Callable[..., TemporaryUploadedFile], name: str, content_type: str
) -> None:
    files = [
        InMemoryUploadedFile(io.BytesIO(PNG), "form_field", name, content_type, len(PNG), None),
        SimpleUploadedFile(name, PNG, content_type),
        temporary(name, content_type, PNG),
    ]
    for file in files:
        part = upload("data", file)
        guessed = "image/png" if name.endswith(".png") else OCTET_STREAM
        assert (part.filename, part.content_type, part.size) == (name, content_type or guessed, len(PNG))
        assert sent_twice(file) == PNG
        assert not file.closed


def test_an_upload_of_django_is_sent_from_its_position(temporary: Callable[..., TemporaryUploadedFile]) -> None:
    for file in (temporary("a.png", "image/png", PNG), SimpleUploadedFile("a.png", PNG)):
        file.read(4)
        assert sent_twice(file) == PNG[4:]


def test_a_closed_upload_of_django_is_refused(temporary: Callable[..., TemporaryUploadedFile]) -> None:
    for file in (temporary("a.png", "image/png", PNG), InMemoryUploadedFile(io.BytesIO(PNG), "f", "a", "", 1, None)):
        file.file.close()
        refused(f"the file is closed ({file.name}).", file)


def test_an_empty_upload_of_django_is_refused(temporary: Callable[..., TemporaryUploadedFile]) -> None:
    refused("the file is empty (a.png).", temporary("a.png", "image/png", b""))
    refused("the file is empty (a.png).", SimpleUploadedFile("a.png", b""))


def test_other_files_of_django_are_files(path: pathlib.Path) -> None:
    with path.open("rb") as file:
        part = upload("data", DjangoFile(file))
        assert (part.filename, content(part)) == ("lake.png", PNG)
    assert sent_twice(ContentFile(PNG, "a.png")) == PNG
    refused("text mode", ContentFile("text", "a.png"))


@pytest.mark.parametrize("name", ["lake.png", '湖 "1".png', "C:\\photos\\lake.png"])
@pytest.mark.parametrize("content_type", ["image/png", "image/webp", None])
def test_an_upload_of_werkzeug_keeps_its_name_and_type(name: str, content_type: str | None) -> None:
    file = FileStorage(io.BytesIO(PNG), name, "form_field", content_type)
    part = upload("data", file)
    assert (part.filename, part.content_type) == (name.split("\\")[-1], content_type or "image/png")
    assert sent_twice(file) == PNG


def test_an_upload_of_werkzeug_without_a_name_is_named_after_our_field() -> None:
    assert upload("data", FileStorage(io.BytesIO(PNG), None, "form_field")).filename == "data"


def test_an_upload_of_werkzeug_is_sent_from_its_position_and_refused_when_closed() -> None:
    file = FileStorage(io.BytesIO(PNG), "a.png")
    file.seek(4)
    assert sent_twice(file) == PNG[4:]
    file.close()
    refused("the file is closed (a.png).", file)
    refused("the file is empty (a.png).", FileStorage(filename="a.png"))


def test_an_upload_of_werkzeug_that_cannot_seek_keeps_its_name() -> None:
    part = upload("data", FileStorage(Stream(PNG), "a.png", "f", "image/webp"))  # type: ignore[arg-type]
    assert (part.filename, part.content_type) == ("a.png", "image/webp")
    assert sent_twice_of(part) == [PNG, PNG]
