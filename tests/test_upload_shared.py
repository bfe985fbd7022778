"""`decart.file_sources`: an open file that several threads and tasks send at once, and files just written to."""

from __future__ import annotations

import asyncio
import gzip
import io
import os
import pathlib
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.fakes import KEY, FakeTransport, accepted, client_of
from support.uploads import LARGE, PNG, Stream, content, refused, sent_twice
from werkzeug.datastructures import FileStorage

from decart import AsyncDecartClient, InvalidInputError, models
from decart.uploads import upload

THREADS = 6
LONG = LARGE * 2


def _written(stack: ExitStack, make: Callable[[], Any]) -> Any:
    file = stack.enter_context(make())
    file.write(LONG)
    file.seek(0)
    return file


KINDS: dict[str, Callable[[ExitStack, pathlib.Path], Any]] = {
    "open": lambda stack, path: stack.enter_context(path.open("rb")),
    "unbuffered": lambda stack, path: stack.enter_context(path.open("rb", buffering=0)),
    "read and write": lambda stack, path: stack.enter_context(path.open("r+b")),
    "BytesIO": lambda stack, path: io.BytesIO(LONG),
    "TemporaryFile": lambda stack, path: _written(stack, tempfile.TemporaryFile),
    "NamedTemporaryFile": lambda stack, path: _written(stack, tempfile.NamedTemporaryFile),
    "SpooledTemporaryFile": lambda stack, path: _written(stack, partial(tempfile.SpooledTemporaryFile, max_size=1000)),
    "gzip": lambda stack, path: gzip.GzipFile(fileobj=io.BytesIO(gzip.compress(LONG, 1))),
    "FileStorage": lambda stack, path: FileStorage(stack.enter_context(path.open("rb")), "a.png"),
}


@pytest.fixture(params=KINDS)
def shared(request: pytest.FixtureRequest, tmp_path: pathlib.Path) -> Iterator[Any]:
    path = tmp_path / "lake.mp4"
    path.write_bytes(LONG)
    with ExitStack() as stack:
        yield KINDS[request.param](stack, path)


def together(work: Callable[[], bytes], threads: int = THREADS) -> list[bytes]:
    """Run the same function in several threads at the same time."""
    barrier = threading.Barrier(threads)

    def begin(_: int) -> bytes:
        barrier.wait()
        return work()

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(begin, range(threads)))


def test_every_thread_sends_all_of_a_shared_file(shared: Any) -> None:
    for _ in range(3):
        assert all(data == LONG for data in together(lambda: content(upload("data", shared))))


def test_a_file_is_left_at_its_position(shared: Any) -> None:
    for start in (0, 7, len(LONG) - 1):
        shared.seek(start)
        assert together(lambda: content(upload("data", shared)), 2) == [LONG[start:]] * 2
        assert shared.tell() == start


def test_a_file_that_is_being_sent_can_be_sent_again_from_its_start(shared: Any) -> None:
    shared.seek(3)
    first = upload("start", shared).chunks()
    begun = next(first)
    assert content(upload("end", shared)) == LONG[3:]
    assert begun + b"".join(first) == LONG[3:]


def test_an_abandoned_pass_leaves_the_file_at_its_position(shared: Any) -> None:
    pieces = upload("data", shared).chunks()
    next(pieces)
    del pieces
    assert (shared.tell(), content(upload("data", shared))) == (0, LONG)


def test_a_pass_that_is_finalized_during_another_read_moves_nothing() -> None:
    class Clearing(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            forgotten.clear()
            return super().read(size)

    forgotten: list[Any] = []
    file = Clearing(LONG)
    part = upload("data", file)
    passes = part.chunks()
    begun = next(passes)
    other = part.chunks()
    next(other)
    forgotten.append(other)
    del other
    assert begun + b"".join(passes) == LONG
    assert file.tell() == 0


def test_the_next_pass_starts_where_the_caller_moved_the_file(shared: Any) -> None:
    first = upload("start", shared).chunks()
    begun = next(first)
    shared.seek(11)
    assert content(upload("end", shared)) == LONG[11:]
    assert begun + b"".join(first) == LONG


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 3), max_size=40), st.lists(st.integers(0, len(LONG) - 1), min_size=4, max_size=4))
def test_any_order_of_reads_gives_each_upload_its_own_bytes(turns: list[int], starts: list[int]) -> None:
    with ExitStack() as stack:
        for file in (io.BytesIO(LONG), _written(stack, tempfile.TemporaryFile)):
            passes = []
            for start in starts:
                file.seek(start)
                passes.append(upload("data", file).chunks())
            given: list[list[bytes]] = [[] for _ in starts]
            for turn in turns:
                given[turn].extend(filter(None, [next(passes[turn], b"")]))
            for pieces, rest in zip(given, passes, strict=True):
                pieces.extend(rest)
            assert [b"".join(pieces) for pieces in given] == [LONG[start:] for start in starts]


def test_a_compressed_file_is_decompressed_once_however_often_it_is_sent() -> None:
    class Counting(io.BytesIO):
        given = 0

        def read(self, size: int | None = -1, /) -> bytes:
            data = super().read(size)
            self.given += len(data)
            return data

    compressed = Counting(gzip.compress(LONG, 1))
    assert sent_twice(gzip.GzipFile(fileobj=compressed)) == LONG
    assert compressed.given <= len(compressed.getvalue())


def test_one_of_several_threads_sends_a_shared_stream_and_the_others_are_refused() -> None:
    stream = Stream(LONG)

    def send() -> bytes:
        try:
            return content(upload("data", stream))
        except InvalidInputError as error:
            assert error.message == "data: the file is empty or has already been read to its end."
            return b""

    assert sorted(together(send)) == [b""] * (THREADS - 1) + [LONG]


def test_threads_that_submit_one_open_file_send_the_same_body(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "lake.png"
    path.write_bytes(LONG)
    with path.open("rb") as file:
        order: Any = {"model": models.video("lucy-pro-i2v"), "prompt": "wind", "data": file}

        def submit() -> bytes:
            client_of(transport := FakeTransport(accepted())).queue.submit(order)
            return transport.posts[0].body or b""

        assert all(LONG in body for body in together(submit))


def test_tasks_that_submit_one_open_file_send_the_same_body() -> None:
    order: Any = {"model": models.video("lucy-pro-i2v"), "prompt": "wind", "data": io.BytesIO(LONG)}

    async def submit() -> bytes:
        async with AsyncDecartClient(KEY, transport=(transport := FakeTransport(accepted()))) as client:
            await client.queue.submit(order)
        return transport.posts[0].body or b""

    async def main() -> list[bytes]:
        return await asyncio.gather(*(submit() for _ in range(THREADS)))

    assert all(LONG in body for body in asyncio.run(main()))


def test_a_file_closed_while_it_is_being_sent_is_sent_completely(tmp_path: pathlib.Path) -> None:
    (tmp_path / "one").write_bytes(LONG)
    (tmp_path / "two").write_bytes(b"x" * len(LONG))
    with (tmp_path / "one").open("rb") as file:
        pieces = upload("data", file).chunks()
        begun = next(pieces)
    with (tmp_path / "two").open("rb"):  # it reuses the descriptor of the first one
        assert begun + b"".join(pieces) == LONG


def test_a_forked_child_does_not_wait_for_a_thread_of_its_parent() -> None:
    class Slow(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            reading.set()
            go_on.wait(60)
            return super().read(size)

    reading, go_on = threading.Event(), threading.Event()
    file = Slow(PNG)
    thread = threading.Thread(target=upload, args=("data", file))
    thread.start()
    reading.wait(60)
    child = _fork(lambda: (go_on.set(), content(upload("data", file)))[1] == PNG)
    go_on.set()
    thread.join()
    assert os.waitpid(child, 0)[1] == 0


def _fork(check: Callable[[], bool]) -> int:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python's word about threads
        child = os.fork()
    if child:
        return child
    try:
        os._exit(0 if check() else 1)
    finally:
        os._exit(2)


# files just written to


@pytest.mark.parametrize("mode", ["w+b", "r+b", "x+b"])
def test_unflushed_writes_are_sent(tmp_path: pathlib.Path, mode: str) -> None:
    path = tmp_path / "lake.png"
    if mode == "r+b":
        path.write_bytes(b"")
    with path.open(mode) as file:
        file.write(PNG)
        refused("the file is at its end (lake.png); call file.seek(0) first.", file)
        file.seek(0)
        file.write(PNG[:4])
        file.seek(0)
        assert sent_twice(file) == PNG


def test_a_file_that_grows_after_it_was_measured_is_an_error(tmp_path: pathlib.Path) -> None:
    with (tmp_path / "lake.png").open("w+b") as file:
        file.write(PNG)
        file.seek(0)
        part = upload("data", file)
        file.seek(0, os.SEEK_END)
        file.write(b"more")
        with pytest.raises(
            InvalidInputError, match=r"^data: the file became longer while it was being sent \(lake.png\)\.$"
        ):
            content(part)


def test_a_file_open_for_appending_is_sent_after_a_rewind(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "lake.png"
    path.write_bytes(PNG)
    with path.open("a+b") as file:
        file.write(b"more")
        file.seek(0)
        assert sent_twice(file) == PNG + b"more"


def test_a_buffer_with_an_exported_view_is_sent() -> None:
    memory = io.BytesIO()
    memory.write(PNG)
    with memory.getbuffer() as view:
        refused("the file is at its end; call file.seek(0) first.", memory)
        memory.seek(0)
        assert sent_twice(memory) == bytes(view) == PNG
