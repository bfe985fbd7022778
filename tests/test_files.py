"""`decart.files`: whatever is a file goes out as it is, as often as it must; whatever is not is refused."""

from __future__ import annotations

import gc
import gzip
import io
import mmap
import os
import pathlib
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import django.conf
import pytest
from django.core.files.base import ContentFile
from django.core.files.base import File as DjangoFile
from django.core.files.uploadedfile import InMemoryUploadedFile, SimpleUploadedFile, TemporaryUploadedFile
from werkzeug.datastructures import FileStorage

from decart import InvalidInputError
from decart.files import OCTET_STREAM, Upload, upload
from decart.transports.base import CHUNK

if not django.conf.settings.configured:
    django.conf.settings.configure()

PNG = b"\x89PNG\r\n\x1a\n a picture"
LARGE = bytes(range(256)) * (3 * CHUNK // 256) + b"tail"


class Stream:
    """A file that can only be read, once, such as a socket."""

    def __init__(self, data: bytes) -> None:
        self._file = io.BytesIO(data)

    def read(self, size: int = -1, /) -> bytes:
        return self._file.read(size)


class Raising(io.BytesIO):
    """A file that fails when it is read."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(PNG)
        self.error = error

    def read(self, size: int | None = -1, /) -> bytes:
        if size == 0:
            return b""
        raise self.error


class RaisingStream:
    """A stream that fails when it is read."""

    def __init__(self, error: BaseException, good: bytes = b"") -> None:
        self.error = error
        self.good = good

    def read(self, size: int = -1, /) -> bytes:
        if self.good:
            given, self.good = self.good, b""
            return given
        raise self.error


def content(part: Upload) -> bytes:
    """Read the part, and check that its size is what was said."""
    data = b"".join(part.chunks())
    assert len(data) == part.size
    return data


def sent_twice(value: object) -> bytes:
    """Return what is sent, the second time as well as the first."""
    part = upload("data", value)
    data = content(part)
    assert content(part) == data
    return data


def sent_twice_of(part: Upload) -> list[bytes]:
    return [content(part), content(part)]


def refused(text: str, value: object, field: str = "data") -> None:
    """Check that it is refused in one sentence that begins with the field."""
    with pytest.raises(InvalidInputError) as caught:
        upload(field, value)
    assert caught.value.message.startswith(f"{field}: ")
    assert text in caught.value.message
    assert caught.value.message.endswith(".") and "\n" not in caught.value.message


@pytest.fixture
def path(tmp_path: pathlib.Path) -> pathlib.Path:
    path = tmp_path / "lake.png"
    path.write_bytes(PNG)
    return path


@pytest.fixture
def temporary() -> Iterator[Callable[..., TemporaryUploadedFile]]:
    """Make Django's large uploads, which live on the disk."""
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


# bytes


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
@pytest.mark.parametrize("data", [b"x", PNG, LARGE], ids=["one", "some", "many"])
def test_bytes_are_sent_as_they_are(kind: Callable[[bytes], Any], data: bytes) -> None:
    part = upload("start", kind(data))
    assert (part.field, part.filename, part.content_type, part.size) == ("start", "start", OCTET_STREAM, len(data))
    assert sent_twice(kind(data)) == data


def test_a_view_of_every_other_byte_is_sent_as_it_looks() -> None:
    assert sent_twice(memoryview(b"a-b-c-")[::2]) == b"abc"


def test_bytes_that_change_later_are_sent_as_they_were() -> None:
    data = bytearray(PNG)
    part = upload("data", data)
    data[:4] = b"XXXX"
    assert content(part) == PNG


def test_a_view_that_was_released_is_refused() -> None:
    view = memoryview(PNG)
    view.release()
    refused("the file cannot be read", view)


def test_a_part_is_read_in_pieces() -> None:
    assert [len(piece) for piece in upload("data", LARGE).chunks()] == [CHUNK] * 3 + [4]


def test_a_repr_shows_no_bytes() -> None:
    assert "picture" not in repr(upload("data", PNG))


# paths


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("lake.png", "image/png"),
        ("LAKE.JPG", "image/jpeg"),
        ("lake.mp4", "video/mp4"),
        ("lake.mov", "video/quicktime"),
        ("lake", OCTET_STREAM),
        ("lake.unheard-of", OCTET_STREAM),
        ('a "lake"\n.png', "image/png"),
        ("湖.png", "image/png"),
    ],
)
def test_a_path_keeps_its_name_and_the_type_of_its_extension(tmp_path: pathlib.Path, name: str, kind: str) -> None:
    (tmp_path / name).write_bytes(PNG)
    part = upload("data", tmp_path / name)
    assert (part.filename, part.content_type, part.size) == (name, kind, len(PNG))
    with (tmp_path / name).open("rb") as file:
        part = upload("data", file)
        assert (part.filename, part.content_type) == (name, kind)


def test_a_path_is_read_anew_each_time(path: pathlib.Path) -> None:
    assert sent_twice(path) == PNG
    path.write_bytes(LARGE)
    assert sent_twice(path) == LARGE


def test_whatever_leads_to_a_path_is_one(path: pathlib.Path) -> None:
    class Leads:
        def __init__(self, to: str | bytes) -> None:
            self.to = to

        def __fspath__(self) -> str | bytes:
            return self.to

    with os.scandir(path.parent) as entries:
        entry = next(entries)
        assert upload("data", entry).filename == "lake.png"
    for to in (str(path), os.fsencode(path)):
        assert sent_twice(Leads(to)) == PNG
        assert upload("data", Leads(to)).filename == "lake.png"


def test_a_path_does_not_stay_open(path: pathlib.Path) -> None:
    part = upload("data", path)
    content(part)
    next(part.chunks())
    gc.collect()  # a file left open would be a ResourceWarning, and a warning is an error here
    path.unlink()


def test_a_path_that_leads_nowhere_is_refused(tmp_path: pathlib.Path) -> None:
    refused("the file cannot be read (No such file or directory).", tmp_path / "no.png", "start")
    refused("the file cannot be read (Not a directory).", _touched(tmp_path / "file") / "no.png")
    refused("embedded null", tmp_path / "a\0b")


def _touched(path: pathlib.Path) -> pathlib.Path:
    path.write_bytes(PNG)
    return path


def test_a_folder_is_refused(tmp_path: pathlib.Path) -> None:
    refused(f"{tmp_path} is not a file.", tmp_path)


def test_a_pipe_on_the_disk_is_refused_and_not_waited_for(tmp_path: pathlib.Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    refused("pipe is not a file.", tmp_path / "pipe")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_path_that_may_not_be_read_is_refused(path: pathlib.Path) -> None:
    path.chmod(0)
    refused("the file cannot be read (Permission denied).", path)


def test_a_path_that_vanishes_is_told_when_it_is_read(path: pathlib.Path) -> None:
    part = upload("data", path)
    path.unlink()
    with pytest.raises(InvalidInputError, match=r"^data: the file cannot be read \(No such file or directory\)\.$"):
        content(part)


# open files


def test_an_open_file_is_sent_and_stays_open(path: pathlib.Path) -> None:
    with path.open("rb") as file:
        assert sent_twice(file) == PNG
        assert not file.closed


@pytest.mark.parametrize("buffering", [-1, 0])
@pytest.mark.parametrize("start", [0, 1, 8, len(PNG) - 1])
def test_an_open_file_is_sent_from_where_it_stands(path: pathlib.Path, start: int, buffering: int) -> None:
    with path.open("rb", buffering=buffering) as file:
        file.seek(start)
        part = upload("data", file)
        assert (part.size, file.tell()) == (len(PNG) - start, start)
        assert sent_twice(file) == PNG[start:]


def test_a_file_moved_by_others_is_rewound_to_where_it_stood(path: pathlib.Path) -> None:
    with path.open("rb") as file:
        file.seek(4)
        part = upload("data", file)
        file.seek(0, os.SEEK_END)
        assert content(part) == PNG[4:]


def test_two_parts_of_one_file_do_not_disturb_each_other(path: pathlib.Path) -> None:
    with path.open("rb") as file:
        start, end = upload("start", file), upload("end", file)
        assert [content(start), content(end), content(start)] == [PNG] * 3


def test_a_file_that_can_be_written_too_is_a_file(path: pathlib.Path) -> None:
    with path.open("r+b") as file:
        assert sent_twice(file) == PNG


def test_a_file_that_can_only_be_written_is_refused(tmp_path: pathlib.Path) -> None:
    with (tmp_path / "out").open("wb") as file:
        refused("the file cannot be read (read).", file)


@pytest.mark.parametrize("data", [PNG, LARGE], ids=["some", "many"])
def test_files_of_the_standard_library_are_files(tmp_path: pathlib.Path, data: bytes) -> None:
    assert sent_twice(io.BytesIO(data)) == data
    assert sent_twice(gzip.GzipFile(fileobj=io.BytesIO(gzip.compress(data)))) == data
    for kind in (tempfile.TemporaryFile, tempfile.NamedTemporaryFile, tempfile.SpooledTemporaryFile):
        with kind() as file:
            file.write(data)
            file.seek(0)
            assert sent_twice(file) == data
    with mmap.mmap(-1, len(data)) as memory:
        memory[:] = data
        assert sent_twice(memory) == data


@pytest.mark.parametrize(
    ("name", "filename"),
    [
        ("lake.png", "lake.png"),
        ("/photos/lake.png", "lake.png"),
        ("C:\\photos\\lake.png", "lake.png"),
        ("photos/", "data"),
        ("", "data"),
        (3, "data"),
        (None, "data"),
        (b"lake.png", "data"),
    ],
)
def test_the_name_of_an_open_file_has_no_folders(name: Any, filename: str) -> None:
    file = io.BytesIO(PNG)
    file.name = name  # type: ignore[attr-defined]
    assert upload("data", file).filename == filename


@pytest.mark.parametrize(
    ("declared", "kind"),
    [
        ("image/webp", "image/webp"),
        ("application/vnd.a+b", "application/vnd.a+b"),
        ("image/png; q=1", "image/png; q=1"),
        ("image/png ;q=1", "image/png ;q=1"),
        ("", "image/png"),
        ("png", "image/png"),
        ("image/png\r\nX-Evil: 1", "image/png"),
        ("image/png\r\n\r\n;evil", "image/png"),
        ("image/webp\n", "image/png"),
        ("image/webp; é", "image/png"),
        (None, "image/png"),
        (5, "image/png"),
    ],
)
def test_a_declared_type_is_kept_unless_no_header_could_hold_it(declared: Any, kind: str) -> None:
    file = io.BytesIO(PNG)
    file.name, file.content_type = "lake.png", declared  # type: ignore[attr-defined]
    assert upload("data", file).content_type == kind


# what is not open, not binary, not there


@pytest.mark.parametrize("value", ["lake.png", "https://example.test/lake.png", "", "data:image/png;base64,AA=="])
def test_a_str_is_refused_with_what_to_write_instead(value: str) -> None:
    for words in ("a str is not a file; write ", "pathlib.Path(...)", "open(..., 'rb')", "the bytes themselves"):
        refused(words, value, "reference_image")


@pytest.mark.parametrize("value", [None, 5, True, [PNG], {"data": PNG}, object(), type("NoMethod", (), {"read": 1})()])
def test_what_is_no_file_is_refused_by_its_type(value: object) -> None:
    refused(f"a file is needed (bytes, pathlib.Path or an open binary file), not {type(value).__name__}.", value, "end")


def test_what_is_empty_is_refused(tmp_path: pathlib.Path) -> None:
    (tmp_path / "empty.png").touch()
    ended = io.BytesIO(PNG)
    ended.seek(0, os.SEEK_END)
    beyond = io.BytesIO(PNG)
    beyond.seek(1000)
    for value in (b"", bytearray(), memoryview(b""), tmp_path / "empty.png", io.BytesIO(), ended, beyond, Stream(b"")):
        refused("the file is empty.", value)


def test_a_closed_file_is_refused(path: pathlib.Path) -> None:
    for file in (path.open("rb"), path.open(), io.BytesIO(PNG), io.StringIO("text")):
        file.close()
        refused("the file is closed.", file)


def test_a_file_that_is_closed_later_is_told_when_it_is_read(path: pathlib.Path) -> None:
    with path.open("rb") as file:
        part = upload("data", file)
    with pytest.raises(InvalidInputError, match=r"^data: the file cannot be read \(.*closed.*\)\.$"):
        content(part)


class TextWithSeek:
    """A text file that does not say so."""

    def __init__(self) -> None:
        self._file = io.StringIO("text")
        self.read, self.seek, self.tell = self._file.read, self._file.seek, self._file.tell


class TextStream:
    """A text file that can only be read, and has first some bytes."""

    def __init__(self, *pieces: object) -> None:
        self._pieces = iter(pieces)

    def read(self, size: int = -1, /) -> object:
        return next(self._pieces, "")


def test_a_file_in_text_mode_is_refused(path: pathlib.Path) -> None:
    sentence = "the file is open in text mode; open it with open(..., 'rb')."
    with path.open() as file:
        refused(sentence, file)
    for value in (io.StringIO("text"), io.TextIOWrapper(io.BytesIO(PNG)), TextWithSeek()):
        refused(sentence, value)
    for value in (TextStream("text"), TextStream(b"bytes", "text"), FileStorage(io.StringIO("text"))):  # type: ignore
        refused(sentence, value)


# streams


@pytest.mark.parametrize("data", [b"x", PNG, LARGE, LARGE * 2], ids=["one", "some", "many", "more"])
def test_what_can_be_read_only_once_is_still_sent_twice(data: bytes) -> None:
    part = upload("data", Stream(data))
    assert (part.filename, part.content_type, part.size) == ("data", OCTET_STREAM, len(data))
    assert content(part) == content(part) == data


def test_a_pipe_is_read_to_its_end() -> None:
    reader, writer = os.pipe()
    with open(reader, "rb") as file, open(writer, "wb") as other:
        other.write(PNG)
        other.close()
        assert sent_twice_of(upload("data", file)) == [PNG, PNG]


def test_a_read_without_a_size_gives_the_whole() -> None:
    class Whole:
        def read(self) -> bytes:  # the same each time, as a response that is all in memory may do
            return PNG

    class Nothing:
        def read(self) -> None:
            return None

    assert sent_twice_of(upload("data", Whole())) == [PNG, PNG]
    refused("the file is empty.", Nothing())


def test_a_file_that_can_be_rewound_but_read_only_whole_is_copied() -> None:
    class WholeWithSeek(io.BytesIO):
        def read(self) -> bytes:  # type: ignore[override]
            return super().read()

    assert sent_twice_of(upload("data", WholeWithSeek(PNG))) == [PNG, PNG]


def test_a_seek_that_cannot_find_the_end_is_told() -> None:
    class OneSeek(io.BytesIO):
        def seek(self, position: int) -> int:  # type: ignore[override]
            return super().seek(position)

    refused("the file cannot be read (", OneSeek(PNG))


def test_a_stream_of_the_standard_library_is_a_stream() -> None:
    class Wire(io.RawIOBase):
        def __init__(self) -> None:
            self.source = io.BytesIO(PNG)

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            return self.source.readinto(buffer)

    for wire in (Wire(), io.BufferedReader(Wire())):
        assert sent_twice_of(upload("data", wire)) == [PNG, PNG]


def test_the_copy_of_a_stream_lives_as_long_as_its_part() -> None:
    part = upload("data", Stream(LARGE * 2))
    pieces = part.chunks()
    first = next(pieces)
    del part
    gc.collect()
    assert first + b"".join(pieces) == LARGE * 2
    del pieces
    gc.collect()  # a copy left open would be a ResourceWarning, and a warning is an error here


# trouble while reading

TROUBLE = pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(5, "Input/output error"), "Input/output error"),
        (OSError("odd"), "odd"),
        (ValueError("read of closed file"), "read of closed file"),
        (EOFError("cut short"), "cut short"),
        (ZeroDivisionError(), "ZeroDivisionError"),
    ],
)


@TROUBLE
def test_a_stream_that_fails_is_told_before_anything_is_sent(error: Exception, reason: str) -> None:
    refused(f"the file cannot be read ({reason}).", RaisingStream(error))
    refused(f"the file cannot be read ({reason}).", RaisingStream(error, good=LARGE * 2))


@TROUBLE
def test_a_file_that_fails_is_told_while_it_is_sent(error: Exception, reason: str) -> None:
    part = upload("data", Raising(error))
    with pytest.raises(InvalidInputError) as caught:
        content(part)
    assert caught.value.message == f"data: the file cannot be read ({reason})."
    assert caught.value.__cause__ is error


def test_ctrl_c_is_not_taken_for_a_bad_file() -> None:
    with pytest.raises(KeyboardInterrupt):
        upload("data", RaisingStream(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        content(upload("data", Raising(KeyboardInterrupt())))


def test_a_broken_archive_is_a_file_that_cannot_be_read() -> None:
    cut = gzip.compress(os.urandom(1000))[:500]
    refused("the file cannot be read (Compressed file ended", gzip.GzipFile(fileobj=io.BytesIO(cut)))


def test_a_file_that_became_shorter_is_told(path: pathlib.Path) -> None:
    part = upload("data", path)
    path.write_bytes(PNG[:-3])
    with pytest.raises(InvalidInputError, match=r"^data: the file became shorter while it was sent \(3 bytes are miss"):
        content(part)


def test_a_file_that_became_longer_is_told_before_its_last_bytes_are_given_out(path: pathlib.Path) -> None:
    part = upload("data", path)
    path.write_bytes(PNG + b"more")
    given = []
    with pytest.raises(InvalidInputError, match=r"^data: the file became longer while it was sent\.$"):
        given.extend(part.chunks())
    assert len(b"".join(given)) < len(PNG)


def test_a_file_that_gives_more_than_it_was_asked_for_is_cut_to_its_size() -> None:
    class Generous(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return super().read() if size else b""

    file = Generous(PNG)
    part = upload("data", file)
    file.seek(0, os.SEEK_END)
    file.write(b"more")
    assert sent_twice_of(part) == [PNG, PNG]


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


def test_an_upload_of_django_is_sent_from_where_it_stands(temporary: Callable[..., TemporaryUploadedFile]) -> None:
    for file in (temporary("a.png", "image/png", PNG), SimpleUploadedFile("a.png", PNG)):
        file.read(4)
        assert sent_twice(file) == PNG[4:]


def test_a_closed_upload_of_django_is_refused(temporary: Callable[..., TemporaryUploadedFile]) -> None:
    for file in (temporary("a.png", "image/png", PNG), InMemoryUploadedFile(io.BytesIO(PNG), "f", "a", "", 1, None)):
        file.file.close()
        refused("the file is closed.", file)


def test_an_empty_upload_of_django_is_refused(temporary: Callable[..., TemporaryUploadedFile]) -> None:
    refused("the file is empty.", temporary("a.png", "image/png", b""))
    refused("the file is empty.", SimpleUploadedFile("a.png", b""))


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


def test_an_upload_of_werkzeug_without_a_name_has_that_of_our_field_and_not_of_the_form() -> None:
    assert upload("data", FileStorage(io.BytesIO(PNG), None, "form_field")).filename == "data"


def test_an_upload_of_werkzeug_is_sent_from_where_it_stands_and_refused_when_closed() -> None:
    file = FileStorage(io.BytesIO(PNG), "a.png")
    file.seek(4)
    assert sent_twice(file) == PNG[4:]
    file.close()
    refused("the file is closed.", file)
    refused("the file is empty.", FileStorage(filename="a.png"))


def test_an_upload_of_werkzeug_that_cannot_be_rewound_keeps_its_name() -> None:
    part = upload("data", FileStorage(Stream(PNG), "a.png", "f", "image/webp"))  # type: ignore[arg-type]
    assert (part.filename, part.content_type) == ("a.png", "image/webp")
    assert sent_twice_of(part) == [PNG, PNG]
