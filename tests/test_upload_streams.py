"""`decart.file_sources`: streams that can be read only once, and errors while a file is read."""

from __future__ import annotations

import gc
import gzip
import io
import os
import pathlib
from typing import Any

import pytest
from support.uploads import (
    LARGE,
    PNG,
    Stream,
    content,
    refused,
    sent_twice,
    sent_twice_of,
)

from decart import InvalidInputError
from decart.uploads import OCTET_STREAM, upload


class Raising(io.BytesIO):
    """A file that fails when it is read."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(PNG)
        self.error = error

    def read(self, size: int | None = -1, /) -> bytes:
        if size == 1:  # the check before anything is sent
            return super().read(size)
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


@pytest.fixture
def path(tmp_path: pathlib.Path) -> pathlib.Path:
    path = tmp_path / "lake.png"
    path.write_bytes(PNG)
    return path


# streams


@pytest.mark.parametrize("data", [b"x", PNG, LARGE, LARGE * 2], ids=["one", "some", "many", "more"])
def test_a_stream_can_be_sent_twice(data: bytes) -> None:
    part = upload("data", Stream(data))
    assert (part.filename, part.content_type, part.size) == ("data", OCTET_STREAM, len(data))
    assert content(part) == content(part) == data


def test_a_pipe_is_read_to_its_end() -> None:
    reader, writer = os.pipe()
    with open(reader, "rb") as file, open(writer, "wb") as other:
        other.write(PNG)
        other.close()
        assert sent_twice_of(upload("data", file)) == [PNG, PNG]


def test_a_read_without_a_size_returns_everything() -> None:
    class Whole:
        def read(self) -> bytes:  # the same each time, as a response that is all in memory may do
            return PNG

    class Nothing:
        def read(self) -> None:
            return None

    assert sent_twice_of(upload("data", Whole())) == [PNG, PNG]
    refused("the file has no data yet: its read() returned None", Nothing())


def test_a_seekable_file_whose_read_takes_no_size_is_copied() -> None:
    class WholeWithSeek(io.BytesIO):
        def read(self) -> bytes:  # type: ignore[override]
            return super().read()

    assert sent_twice_of(upload("data", WholeWithSeek(PNG))) == [PNG, PNG]


def test_a_seek_that_cannot_find_the_end_is_refused() -> None:
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


def test_the_copy_of_a_stream_lives_as_long_as_its_upload() -> None:
    part = upload("data", Stream(LARGE * 2))
    pieces = part.chunks()
    first = next(pieces)
    del part
    gc.collect()
    assert first + b"".join(pieces) == LARGE * 2
    del pieces
    gc.collect()  # a copy left open would be a ResourceWarning, and a warning is an error here


def test_a_stream_without_room_for_its_copy_is_refused(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "gone"))
    refused(f"the file cannot be copied to {tmp_path}/gone: No such file or directory.", Stream(LARGE * 2))


# errors while reading

TROUBLE = pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(5, "Input/output error"), "Input/output error"),
        (OSError("odd"), "odd"),
        (ValueError("read of closed file"), "read of closed file"),
        (EOFError("cut short"), "cut short"),
        (ZeroDivisionError(), "ZeroDivisionError"),
        (KeyError("frame"), "KeyError: 'frame'"),
        (RuntimeError("two\nlines"), "RuntimeError: two lines"),
    ],
)


@TROUBLE
def test_a_stream_that_fails_is_refused_before_anything_is_sent(error: Exception, reason: str) -> None:
    refused(f"the file cannot be read ({reason}).", RaisingStream(error))
    refused(f"the file cannot be read ({reason}).", RaisingStream(error, good=LARGE * 2))


@TROUBLE
def test_a_file_that_fails_while_it_is_being_sent_is_an_error(error: Exception, reason: str) -> None:
    part = upload("data", Raising(error))
    with pytest.raises(InvalidInputError) as caught:
        content(part)
    assert caught.value.message == f"data: the file cannot be read ({reason})."
    assert caught.value.__cause__ is error


def test_ctrl_c_is_not_taken_for_a_file_error() -> None:
    with pytest.raises(KeyboardInterrupt):
        upload("data", RaisingStream(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        content(upload("data", Raising(KeyboardInterrupt())))


def test_a_truncated_archive_is_refused() -> None:
    cut = gzip.compress(os.urandom(1000))[:500]
    refused("the file cannot be read (Compressed file ended", gzip.GzipFile(fileobj=io.BytesIO(cut)))


def test_a_file_that_became_shorter_is_an_error(path: pathlib.Path) -> None:
    part = upload("data", path)
    path.write_bytes(PNG[:-3])
    with pytest.raises(
        InvalidInputError,
        match=r"^data: the file became shorter while it was being sent \(.*lake.png\): 3 bytes are miss",
    ):
        content(part)


def test_a_file_that_became_longer_is_an_error_before_its_last_bytes_are_sent(path: pathlib.Path) -> None:
    part = upload("data", path)
    path.write_bytes(PNG + b"more")
    given = []
    with pytest.raises(
        InvalidInputError, match=r"^data: the file became longer while it was being sent \(.*lake.png\)\.$"
    ):
        given.extend(part.chunks())
    assert len(b"".join(given)) < len(PNG)


class Generous(io.BytesIO):
    """A file that returns more than requested."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read()


@pytest.mark.parametrize("data", [PNG, LARGE], ids=["some", "many"])
def test_a_file_that_returns_more_than_requested_is_sent_unchanged(data: bytes) -> None:
    assert sent_twice(Generous(data)) == data


def test_no_more_is_sent_than_was_announced_if_such_a_file_grows() -> None:
    file = Generous(PNG)
    part = upload("data", file)
    file.seek(0, os.SEEK_END)
    file.write(b"more")
    with pytest.raises(InvalidInputError, match="the file became longer while it was being sent"):
        content(part)
