"""What may be uploaded, and that it can be read again from where it stood."""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from werkzeug.datastructures import FileStorage

from decart.errors import InvalidInputError
from decart.files import CHUNK, OCTET_STREAM, Upload, upload

DATA = b"0123456789"


def content(part: Upload) -> bytes:
    return b"".join(part.chunks())


def seen(part: Upload) -> tuple[str, str, int]:
    return part.filename, part.content_type, part.size


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.mp4"
    path.write_bytes(DATA)
    return path


@pytest.fixture
def opened(clip: Path) -> Iterator[io.BufferedReader]:
    with clip.open("rb") as file:
        yield file


class OnlyRead:
    """A stream that cannot be rewound: a response of another library, say."""

    def __init__(self, data: bytes = DATA) -> None:
        self._file = io.BytesIO(data)

    def read(self, size: int = -1) -> bytes:
        return self._file.read(size)


class WithoutSize(OnlyRead):
    def read(self) -> bytes:  # type: ignore[override]
        return self._file.read()


@pytest.mark.parametrize("data", [DATA, bytearray(DATA), memoryview(DATA), memoryview(DATA * 2)[::2][:5]])
def test_bytes_are_sent_under_the_name_of_their_field(data: Any) -> None:
    part = upload("data", data)
    assert content(part) == content(part) == bytes(data)
    assert seen(part) == ("data", OCTET_STREAM, len(bytes(data)))


def test_bytes_that_change_later_are_sent_as_they_were() -> None:
    data = bytearray(DATA)
    part = upload("data", data)
    data[0] = 0
    assert content(part) == DATA


def test_a_path_is_read_when_it_is_sent_and_keeps_its_name_and_type(clip: Path) -> None:
    part = upload("data", clip)
    assert content(part) == content(part) == DATA
    assert seen(part) == ("clip.mp4", "video/mp4", 10)


def test_any_path_like_object_will_do(clip: Path) -> None:
    class Pathish:
        def __fspath__(self) -> str:
            return str(clip)

    assert content(upload("data", Pathish())) == DATA


def test_an_open_file_is_read_from_where_it_stands_each_time(opened: io.BufferedReader) -> None:
    opened.seek(4)
    part = upload("data", opened)
    assert opened.tell() == 4
    assert content(part) == content(part) == b"456789"
    assert seen(part) == ("clip.mp4", "video/mp4", 6)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.jpg", "image/jpeg"),
        ("a.PNG", "image/png"),
        ("a.webm", "video/webm"),
        ("a", OCTET_STREAM),
        ("a.xyzzy", OCTET_STREAM),
    ],
)
def test_the_type_follows_from_the_extension(name: str, kind: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(DATA)
    assert upload("data", tmp_path / name).content_type == kind


def test_a_file_without_a_name_of_its_own_takes_the_field_s() -> None:
    with tempfile.TemporaryFile() as file:  # its name is a number
        file.write(DATA)
        file.seek(0)
        assert upload("start", file).filename == "start"
    assert upload("end", io.BytesIO(DATA)).filename == "end"


def test_folders_are_no_part_of_a_name() -> None:
    for name in ("/etc/secret/a.mp4", "C:\\films\\a.mp4"):
        assert upload("data", FileStorage(io.BytesIO(DATA), filename=name)).filename == "a.mp4"


@pytest.mark.parametrize("stream", [OnlyRead, WithoutSize])
def test_a_stream_that_cannot_be_rewound_is_copied_so_that_a_repeat_sends_the_same(stream: type[OnlyRead]) -> None:
    part = upload("data", stream(DATA * CHUNK))
    assert part.size == 10 * CHUNK
    assert content(part) == content(part) == DATA * CHUNK


def test_a_pipe_is_a_stream_that_cannot_be_rewound() -> None:
    reading, writing = os.pipe()
    with open(writing, "wb") as sink:
        sink.write(DATA)
    with open(reading, "rb") as source:
        part = upload("data", source)
        assert content(part) == content(part) == DATA


def test_a_stream_that_gives_none_is_at_its_end() -> None:
    class Quiet(OnlyRead):
        def read(self, size: int = -1) -> Any:
            return None

    with pytest.raises(InvalidInputError, match="data: the file is empty"):
        upload("data", Quiet())


def test_werkzeug_uploads_keep_the_name_and_the_type_that_the_browser_gave() -> None:
    storage = FileStorage(io.BytesIO(DATA), filename="cat.bin", name="field", content_type="video/quicktime")
    part = upload("data", storage)
    assert seen(part) == ("cat.bin", "video/quicktime", 10)
    assert content(part) == content(part) == DATA


@pytest.fixture(scope="module")
def django() -> None:
    from django.conf import settings

    if not settings.configured:
        settings.configure()


@pytest.mark.parametrize("where", ["in memory", "on disk"])
def test_django_uploads_keep_the_name_and_the_type_that_the_browser_gave(where: str, django: None) -> None:
    from django.core.files.uploadedfile import InMemoryUploadedFile, TemporaryUploadedFile, UploadedFile

    file: UploadedFile
    if where == "in memory":
        file = InMemoryUploadedFile(io.BytesIO(DATA), "data", "cat.bin", "video/webm", len(DATA), None)
    else:
        file = TemporaryUploadedFile("cat.bin", "video/webm", len(DATA), None)
        file.write(DATA)
        file.seek(0)
    with file:
        part = upload("data", file)
        assert seen(part) == ("cat.bin", "video/webm", 10)
        assert content(part) == content(part) == DATA


@pytest.mark.parametrize("declared", ["video/mp4\r\nX-Evil: 1", "nonsense", 7, "", "video/mp4\n"])
def test_a_type_that_is_none_is_guessed_instead(declared: Any) -> None:
    file = io.BytesIO(DATA)
    file.content_type = declared  # type: ignore[attr-defined]
    assert upload("data", file).content_type == OCTET_STREAM


def test_a_type_may_have_parameters() -> None:
    storage = FileStorage(io.BytesIO(DATA), filename="a", content_type="video/webm; codecs=vp8")
    assert upload("data", storage).content_type == "video/webm; codecs=vp8"


class Texts:
    def read(self, size: int = -1) -> str:
        return "text"


class SeekableTexts(Texts):
    def tell(self) -> int:
        return 0

    def seek(self, offset: int, whence: int = 0) -> int:
        return 0


class Failing:
    def read(self, size: int = -1) -> bytes:
        raise OSError(5, "Input/output error")


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("clip.mp4", "a str is not a file; write pathlib.Path(...)"),
        (None, "a file is needed (bytes, pathlib.Path or an open binary file), not NoneType."),
        (7, "a file is needed (bytes, pathlib.Path or an open binary file), not int."),
        (Path("nowhere") / "clip.mp4", "the file cannot be read (No such file or directory)."),
        (Path(), ". is not a file."),
        (b"", "the file is empty."),
        (io.BytesIO(), "the file is empty."),
        (OnlyRead(b""), "the file is empty."),
        (io.StringIO("text"), "the file is open in text mode; open it with open(..., 'rb')."),
        (Texts(), "the file is open in text mode; open it with open(..., 'rb')."),
        (SeekableTexts(), "the file is open in text mode; open it with open(..., 'rb')."),
        (Failing(), "the file cannot be read (Input/output error)."),
    ],
)
def test_what_cannot_be_sent_is_refused_in_a_sentence_that_names_the_field(value: Any, sentence: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        upload("reference_image", value)
    assert caught.value.message.startswith("reference_image: ")
    assert sentence in caught.value.message


def test_a_file_in_text_mode_is_refused(clip: Path) -> None:
    with clip.open() as file, pytest.raises(InvalidInputError, match="text mode"):
        upload("data", file)


def test_a_closed_file_is_refused(opened: io.BufferedReader) -> None:
    opened.close()
    with pytest.raises(InvalidInputError, match="data: the file is closed"):
        upload("data", opened)


def test_a_file_that_has_been_read_to_its_end_is_empty(opened: io.BufferedReader) -> None:
    opened.seek(0, os.SEEK_END)
    with pytest.raises(InvalidInputError, match="data: the file is empty"):
        upload("data", opened)
    opened.seek(1000)
    with pytest.raises(InvalidInputError, match="data: the file is empty"):
        upload("data", opened)


def test_a_named_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InvalidInputError, match="is not a file"):
        upload("data", tmp_path / "pipe")


def test_a_file_that_becomes_shorter_while_it_is_sent_is_an_error(clip: Path) -> None:
    part = upload("data", clip)
    clip.write_bytes(DATA[:4])
    with pytest.raises(InvalidInputError, match="became shorter while it was sent .6 bytes are missing"):
        content(part)


def test_a_file_that_becomes_longer_is_sent_as_long_as_it_was(clip: Path) -> None:
    part = upload("data", clip)
    clip.write_bytes(DATA * 2)
    assert content(part) == DATA


def test_a_read_that_gives_more_than_it_was_asked_for_does_not_break_the_length() -> None:
    class Generous(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(-1 if size else 0) + (b"more" if size else b"")

    assert content(upload("data", Generous(DATA))) == DATA


def test_a_file_that_is_closed_before_it_is_sent_is_an_error(opened: io.BufferedReader) -> None:
    part = upload("data", opened)
    opened.close()
    with pytest.raises(InvalidInputError, match="data: the file cannot be read"):
        content(part)


def test_an_upload_shows_nothing_of_the_file() -> None:
    assert "0123" not in repr(upload("data", DATA))
