"""`decart.file_sources`: whatever a file object does, its bytes are sent, or one sentence explains why not."""

from __future__ import annotations

import asyncio
import http.client
import io
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import AsyncMock, MagicMock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.uploads import PNG, content, refused, sent_twice_of

from decart import InvalidInputError
from decart.uploads import upload


class Scripted:
    """A file whose reads return or raise one step of a script each."""

    def __init__(self, *script: object) -> None:
        self._script = iter(script)

    def read(self, size: int = -1, /) -> Any:
        step = next(self._script, b"")
        if isinstance(step, BaseException):
            raise step
        return step


BYTES = st.binary(max_size=50) | st.binary(max_size=50).map(bytearray) | st.binary(max_size=50).map(memoryview)
WRONG = st.one_of(
    st.none(),
    st.text(max_size=5),
    st.integers(),
    st.lists(st.integers(0, 255)),
    st.sampled_from([OSError(5, "Input/output error"), ValueError("closed"), KeyError("x"), StopIteration(), object()]),
)


@given(st.lists(BYTES | WRONG, max_size=8))
def test_any_reads_give_all_bytes_up_to_the_first_empty_read_or_an_input_error(script: list[Any]) -> None:
    good = True
    expected = b""
    for step in script:
        good = isinstance(step, (bytes, bytearray, memoryview))
        if not good or not len(step):
            break
        expected += bytes(step)
    try:
        sent = content(upload("data", Scripted(*script)))
    except InvalidInputError as error:
        assert not good or not expected
        assert error.message.startswith("data: ") and error.message.endswith(".") and error.message.isprintable()
    else:
        assert good and sent == expected


class Short(io.BytesIO):
    """A seekable file that returns fewer or more bytes than requested, as any type of bytes."""

    def __init__(self, data: bytes, sizes: list[int], kind: Callable[[bytes], Any]) -> None:
        super().__init__(data)
        self._sizes, self._kind = iter(sizes), kind

    def read(self, size: int | None = -1, /) -> Any:
        return self._kind(super().read(next(self._sizes, size)))


@given(st.binary(min_size=1), st.lists(st.integers(1, 9)), st.sampled_from([bytes, bytearray, memoryview]))
def test_short_and_long_reads_give_the_same_bytes(data: bytes, sizes: list[int], kind: Any) -> None:
    part = upload("data", Short(data, sizes, kind))
    assert sent_twice_of(part) == [data, data]


@given(st.binary(min_size=1, max_size=20), st.integers(1, 4), WRONG)
def test_a_file_that_fails_while_it_is_being_sent_is_an_input_error(data: bytes, good: int, step: Any) -> None:
    class Turning(io.BytesIO):
        reads = 0

        def read(self, size: int | None = -1, /) -> Any:
            self.reads += 1
            if self.reads <= good:
                return super().read(1)
            if isinstance(step, BaseException):
                raise step
            return step

    with pytest.raises(InvalidInputError) as caught:
        content(upload("data", Turning(data + b"more than is read")))
    assert caught.value.message.isprintable()


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("text", "the file is open in text mode; open it with open(..., 'rb')."),
        ([1, 2], "the file cannot be read: its read() returned list instead of bytes."),
        (7, "the file cannot be read: its read() returned int instead of bytes."),
        (None, "its read() returned None; make it blocking, or pass the bytes once all of them have arrived."),
        (KeyError("frame"), "the file cannot be read (KeyError: 'frame')."),
        (PermissionError(13, "Permission denied"), "the file cannot be read (Permission denied)."),
    ],
)
def test_an_error_says_what_is_wrong_with_a_read(given: object, reason: str) -> None:
    refused(reason, Scripted(given))
    refused(reason, Scripted(PNG, given))


def test_an_error_names_the_file() -> None:
    for file in (named := Scripted(None), broken := Scripted(OSError("no"))):
        file.name = "/videos/lake.mp4"  # type: ignore[attr-defined]
    refused("the file has no data yet: its read() returned None (lake.mp4); make it blocking", named)
    refused("the file cannot be read (lake.mp4: no).", broken)


class Odd:
    """An object whose attributes all fail, except those given."""

    def __init__(self, **given: Any) -> None:
        self.__dict__.update(given)

    def __getattr__(self, name: str) -> Any:
        raise KeyError(name) if name[:2] != "__" else AttributeError(name)

    def _fail(self, *args: object) -> Any:
        raise RuntimeError("odd")

    __len__ = __eq__ = __bool__ = __iter__ = __repr__ = __str__ = __hash__ = _fail  # type: ignore[assignment]


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize(
    "value",
    [
        Odd(),
        Odd(read=io.BytesIO(PNG).read),
        Odd(save=print),
        Scripted(Unspeakable()),
        Scripted(RuntimeError("two\nlines")),
        Odd(read=io.BytesIO(PNG).read, tell=lambda: "5", seek=lambda *at: 0),
        MagicMock(),
    ],
    ids=lambda value: type(value).__name__,
)
def test_any_object_is_refused_in_one_line(value: object) -> None:
    refused("data: ", value)


def test_a_file_that_only_claims_to_be_empty_is_sent() -> None:
    class Unmoved(Scripted):
        def tell(self) -> int:
            return 0

        def seek(self, *where: int) -> int:
            return 0

    assert content(upload("data", Unmoved(PNG, PNG))) == PNG + PNG


def test_a_position_that_is_not_an_int_is_refused() -> None:
    class Floating(io.BytesIO):
        def tell(self) -> Any:
            return float(super().tell())

        def seek(self, position: float, whence: int = 0, /) -> int:
            return super().seek(int(position), whence)

    refused("the file cannot be read: its tell() returned float instead of int.", Floating(PNG))


@pytest.mark.parametrize("size", [10**30, sys.maxsize])
def test_a_file_that_claims_to_be_larger_than_any_disk_is_refused(size: int) -> None:
    class Boasting(io.BytesIO):
        def tell(self) -> int:
            return size if self.ended else 0

        def seek(self, position: int, whence: int = 0, /) -> int:
            self.ended = whence == os.SEEK_END
            return size

        ended = False

    refused("the file claims to have", Boasting(PNG))


# sources that are not done yet


def test_a_pipe_without_data_yet_is_not_taken_for_a_complete_file() -> None:
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    with open(writer, "wb", buffering=0) as other:
        for buffering in (0, -1):
            with open(os.dup(reader), "rb", buffering=buffering) as file:
                refused("the file has no data yet", file)
                other.write(PNG)
                refused("the file has no data yet", file)
    os.close(reader)


def test_a_socket_is_read_to_its_end_with_reads_of_any_size() -> None:
    for buffering in (0, None):
        ours, theirs = socket.socketpair()
        with ours, theirs, ours.makefile("rb", buffering=buffering) as file:  # type: ignore[call-overload]
            for _ in range(3):
                theirs.sendall(PNG)
            theirs.shutdown(socket.SHUT_WR)
            assert content(upload("data", file)) == PNG * 3


def test_a_socket_that_times_out_is_refused() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, ours.makefile("rb") as file:
        theirs.sendall(PNG)
        ours.settimeout(0.01)
        refused("the file cannot be read (timed out).", file)


def test_the_output_of_a_process_is_read_to_its_end() -> None:
    script = "import sys\nfor part in range(3): sys.stdout.buffer.write(b'abc'); sys.stdout.flush()"
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as process:
        assert content(upload("data", process.stdout)) == b"abcabcabc"


@contextmanager
def answering(head: bytes) -> Iterator[http.client.HTTPResponse]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\n" + PNG)
        theirs.shutdown(socket.SHUT_WR)
        response = http.client.HTTPResponse(ours)
        response.begin()
        with response:
            yield response


def test_a_truncated_response_is_not_taken_for_a_complete_file() -> None:
    with answering(b"Content-Length: %d" % (len(PNG) + 5)) as response:
        refused("the stream ended early: 5 bytes are missing.", response)
    for head in (b"Content-Length: %d" % len(PNG), b"Connection: close"):
        with answering(head) as response:
            assert content(upload("data", response)) == PNG


# async files


class StarletteUpload:
    """An object like Starlette's UploadFile."""

    def __init__(self, data: bytes) -> None:
        self.file, self.filename, self.content_type = io.BytesIO(data), "lake.png", "image/png"

    async def read(self, size: int = -1) -> bytes:
        return self.file.read(size)

    async def seek(self, offset: int) -> None:
        self.file.seek(offset)


class Promising:
    """A file whose methods are not coroutine functions but return awaitables."""

    def __init__(self, *promised: str) -> None:
        for name in promised:
            setattr(self, name, lambda *args: asyncio.sleep(0, PNG))

    def read(self, size: int = -1) -> Any:
        return asyncio.sleep(0, PNG)


def test_an_async_upload_is_refused_with_advice() -> None:
    file = StarletteUpload(PNG)
    refused("its read() is async (lake.png); pass upload.file or the result of await upload.read().", file)
    assert content(upload("data", file.file)) == PNG
    assert content(upload("data", asyncio.run(file.read()))) == PNG


@pytest.mark.parametrize(
    "file", [AsyncMock(spec=StarletteUpload), Promising(), Promising("tell"), Promising("tell", "seek")]
)
def test_any_awaitable_read_is_refused(file: Any) -> None:
    refused("its read() is async", file)  # without a warning that it was never awaited
