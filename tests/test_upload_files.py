"""`decart.uploads`: every kind of file is sent unchanged, once per attempt; anything else is refused."""

from __future__ import annotations

import codecs
import gc
import gzip
import io
import mmap
import os
import pathlib
import socket
import tempfile
from collections.abc import Callable
from typing import Any

import pytest
from support.uploads import LARGE, PNG, Stream, content, refused, sent_twice
from werkzeug.datastructures import FileStorage

from decart import InvalidInputError
from decart.transports.base import CHUNK
from decart.uploads import OCTET_STREAM, upload


@pytest.fixture
def path(tmp_path: pathlib.Path) -> pathlib.Path:
    path = tmp_path / "lake.png"
    path.write_bytes(PNG)
    return path


# bytes


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
@pytest.mark.parametrize("data", [b"x", PNG, LARGE], ids=["one", "some", "many"])
def test_bytes_are_sent_as_they_are(kind: Callable[[bytes], Any], data: bytes) -> None:
    part = upload("start", kind(data))
    assert (part.field, part.filename, part.content_type, part.size) == ("start", "start", OCTET_STREAM, len(data))
    assert sent_twice(kind(data)) == data


def test_a_strided_view_is_sent_as_its_elements() -> None:
    assert sent_twice(memoryview(b"a-b-c-")[::2]) == b"abc"


def test_bytes_that_change_later_are_sent_unchanged() -> None:
    data = bytearray(PNG)
    part = upload("data", data)
    data[:4] = b"XXXX"
    assert content(part) == PNG


def test_a_released_view_is_refused() -> None:
    view = memoryview(PNG)
    view.release()
    refused("the file cannot be read", view)


def test_a_part_is_read_in_chunks() -> None:
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


def test_a_path_is_read_again_each_time(path: pathlib.Path) -> None:
    assert sent_twice(path) == PNG
    path.write_bytes(LARGE)
    assert sent_twice(path) == LARGE


def test_any_path_like_object_is_a_path(path: pathlib.Path) -> None:
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


def test_a_missing_file_is_refused(tmp_path: pathlib.Path) -> None:
    refused(f"the file cannot be read ({tmp_path}/no.png: No such file or directory).", tmp_path / "no.png", "start")
    refused("file/no.png: Not a directory).", _touched(tmp_path / "file") / "no.png")
    refused("embedded null", tmp_path / "a\0b")


def _touched(path: pathlib.Path) -> pathlib.Path:
    path.write_bytes(PNG)
    return path


def test_a_folder_is_refused(tmp_path: pathlib.Path) -> None:
    refused(f"the path is a folder, not a file ({tmp_path}).", tmp_path)


def test_a_device_or_a_socket_is_refused(tmp_path: pathlib.Path) -> None:
    refused("the path is a device, not a file (/dev/null).", pathlib.Path("/dev/null"))
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        refused("the path is a socket, not a file", tmp_path / "s")


@pytest.mark.parametrize("value", [pathlib.Path(""), pathlib.Path("."), pathlib.Path()])
def test_an_empty_path_is_refused(value: pathlib.Path) -> None:
    refused("data: the path is empty or '.', which is a folder; pass the path of a file.", value)


@pytest.mark.parametrize("leads_to", ["", b"", 5, None, KeyError("no")])
def test_a_path_like_object_without_a_path_is_refused(leads_to: Any) -> None:
    class Leads:
        def __fspath__(self) -> Any:
            if isinstance(leads_to, Exception):
                raise leads_to
            return leads_to

    refused("data: the path is empty" if leads_to in ("", b"") else "data: the file cannot be read (", Leads())


def test_a_relative_path_is_resolved_at_once(
    path: pathlib.Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(path.parent)
    part = upload("data", pathlib.Path("lake.png"))
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert content(part) == PNG


@pytest.mark.skipif(not pathlib.Path("/proc/self/status").exists(), reason="Linux has such files")
def test_a_file_that_only_claims_to_be_empty_is_sent() -> None:
    assert pathlib.Path("/proc/version").read_bytes() == content(upload("data", pathlib.Path("/proc/version")))
    with open("/proc/version", "rb") as file:
        assert content(upload("data", file)).startswith(b"Linux")


def test_a_fifo_is_refused_and_does_not_block(tmp_path: pathlib.Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    refused(f"the path is a FIFO, not a file ({tmp_path}/pipe).", tmp_path / "pipe")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_path_without_read_permission_is_refused(path: pathlib.Path) -> None:
    path.chmod(0)
    refused(f"the file cannot be read ({path}: Permission denied).", path)


def test_a_file_that_vanishes_is_an_error_when_it_is_read(path: pathlib.Path) -> None:
    part = upload("data", path)
    path.unlink()
    with pytest.raises(
        InvalidInputError, match=r"^data: the file cannot be read \(.*lake.png: No such file or directory\)\.$"
    ):
        content(part)


# open files


def test_an_open_file_is_sent_and_stays_open(path: pathlib.Path) -> None:
    with path.open("rb") as file:
        assert sent_twice(file) == PNG
        assert not file.closed


@pytest.mark.parametrize("buffering", [-1, 0])
@pytest.mark.parametrize("start", [0, 1, 8, len(PNG) - 1])
def test_an_open_file_is_sent_from_its_position(path: pathlib.Path, start: int, buffering: int) -> None:
    with path.open("rb", buffering=buffering) as file:
        file.seek(start)
        part = upload("data", file)
        assert (part.size, file.tell()) == (len(PNG) - start, start)
        assert sent_twice(file) == PNG[start:]


def test_a_file_whose_position_changes_is_sent_from_its_first_position(path: pathlib.Path) -> None:
    with path.open("rb") as file:
        file.seek(4)
        part = upload("data", file)
        file.seek(0, os.SEEK_END)
        assert content(part) == PNG[4:]


def test_two_parts_of_one_file_do_not_disturb_each_other(path: pathlib.Path) -> None:
    with path.open("rb") as file:
        start, end = upload("start", file), upload("end", file)
        assert [content(start), content(end), content(start)] == [PNG] * 3


def test_a_file_open_for_reading_and_writing_is_a_file(path: pathlib.Path) -> None:
    with path.open("r+b") as file:
        assert sent_twice(file) == PNG


def test_a_file_open_for_writing_only_is_refused(tmp_path: pathlib.Path) -> None:
    with (tmp_path / "out").open("wb") as file:
        refused("the file is open for writing only (out); open it with open(..., 'rb').", file)
    with tempfile.NamedTemporaryFile("wb") as wrapped:
        refused("UnsupportedOperation: read).", wrapped)


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
def test_a_declared_type_is_kept_if_it_is_valid_in_a_header(declared: Any, kind: str) -> None:
    file = io.BytesIO(PNG)
    file.name, file.content_type = "lake.png", declared  # type: ignore[attr-defined]
    assert upload("data", file).content_type == kind


# what is not open, not binary, not there


@pytest.mark.parametrize("value", ["lake.png", "https://example.test/lake.png", "", "data:image/png;base64,AA=="])
def test_a_str_is_refused_with_advice(value: str) -> None:
    for words in ("a str is not a file; pass ", "pathlib.Path(...)", "open(..., 'rb')", "the bytes themselves"):
        refused(words, value, "reference_image")


@pytest.mark.parametrize("value", [None, 5, True, [PNG], {"data": PNG}, object(), type("NoMethod", (), {"read": 1})()])
def test_anything_else_is_refused_with_its_type(value: object) -> None:
    refused(f"expected a file (bytes, pathlib.Path or an open binary file), not {type(value).__name__}.", value, "end")


def test_an_empty_file_is_refused(tmp_path: pathlib.Path) -> None:
    (tmp_path / "empty.png").touch()
    for value in (b"", bytearray(), memoryview(b""), io.BytesIO()):
        refused("the file is empty.", value)
    refused("the file is empty or has already been read to its end.", Stream(b""))
    refused(f"the file is empty ({tmp_path}/empty.png).", tmp_path / "empty.png")
    with (tmp_path / "empty.png").open("rb") as file:
        refused("the file is empty (empty.png).", file)


def test_a_file_at_its_end_is_refused_with_advice(path: pathlib.Path) -> None:
    with path.open("rb") as file:
        assert file.read() == PNG
        refused("the file is at its end (lake.png); call file.seek(0) first.", file)
        file.seek(0)
        assert sent_twice(file) == PNG
    for position in (len(PNG), 1000):
        memory = io.BytesIO(PNG)
        memory.seek(position)
        refused("the file is at its end; call file.seek(0) first.", memory)


def test_a_closed_file_is_refused(path: pathlib.Path) -> None:
    for file in (path.open("rb"), path.open()):
        file.close()
        refused("the file is closed (lake.png).", file)
    for memory in (io.BytesIO(PNG), io.StringIO("text")):
        memory.close()
        refused("the file is closed.", memory)


def test_a_file_that_is_closed_later_is_an_error_when_it_is_read(path: pathlib.Path) -> None:
    with path.open("rb") as file:
        part = upload("data", file)
    with pytest.raises(InvalidInputError, match=r"^data: the file cannot be read \(.*closed.*\)\.$"):
        content(part)


class TextWithSeek:
    """A text file that does not derive from ``io.TextIOBase``."""

    def __init__(self) -> None:
        self._file = io.StringIO("text")
        self.read, self.seek, self.tell = self._file.read, self._file.seek, self._file.tell


class TextStream:
    """A stream that returns some bytes first and then text."""

    def __init__(self, *pieces: object) -> None:
        self._pieces = iter(pieces)

    def read(self, size: int = -1, /) -> object:
        return next(self._pieces, "")


def test_a_file_in_text_mode_is_refused(path: pathlib.Path) -> None:
    sentence = "the file is open in text mode; open it with open(..., 'rb')."
    with path.open() as file:
        refused("the file is open in text mode (lake.png); open it with open(..., 'rb').", file)
    with codecs.open(str(path), "rb", "latin-1") as coded:
        refused("the file is open in text mode (lake.png)", coded)
    for value in (io.StringIO("text"), io.TextIOWrapper(io.BytesIO(PNG)), TextWithSeek()):
        refused(sentence, value)
    for value in (TextStream("text"), TextStream(b"bytes", "text"), FileStorage(io.StringIO("text"))):  # type: ignore
        refused(sentence, value)
