"""Where the bytes of an upload come from. Several threads and tasks may read any source at once.

============================  ======================================================================================
file                          how it is read
============================  ======================================================================================
bytes                         by slicing
a path                        each pass opens it again
an open file of the system    with ``os.pread``, which does not depend on the file's position
any other seekable file       under a lock: seek, read, and seek back
a stream, a gzip file         copied to its end, under a lock, into memory or a temporary file
============================  ======================================================================================

A file that can seek is left at the position where the caller left it.
"""

from __future__ import annotations

import io
import os
import stat
import sys
import tempfile
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import partial
from inspect import isawaitable, iscoroutinefunction, signature
from pathlib import Path
from typing import Any

import attrs

from .inputs import reason_of
from .transports.base import CHUNK

_IN_MEMORY = 1024 * 1024  # bytes of a stream's copy before it moves to the disk

ReadAt = Callable[[int, int], bytes]
"""Read at most ``size`` bytes at ``position``, which counts from the start of the upload; no bytes at the end."""


@attrs.frozen(eq=False)
class Source:
    """A known number of bytes.

    Attributes:
        size: The number of bytes.
        open: Starts one pass over them; the context manager yields the function that reads.
    """

    size: int
    open: Callable[[], AbstractContextManager[ReadAt]] = attrs.field(repr=False)


class UnreadableFile(Exception):
    """A file that cannot be uploaded.

    Attributes:
        problem: Why not.
        hint: What to do about it, as the rest of the sentence; may be empty.
    """

    def __init__(self, problem: str, hint: str = "") -> None:
        super().__init__(problem, hint)
        self.problem, self.hint = problem, hint


_locks: weakref.WeakValueDictionary[int, threading.RLock] = weakref.WeakValueDictionary()
_locks_lock = threading.Lock()


def lock_of(file: object) -> threading.RLock:
    """Return the lock of an object that several threads may read; it is the same for as long as anyone holds it."""
    with _locks_lock:
        return _locks.setdefault(id(file), threading.RLock())


def _reset_after_fork() -> None:  # pragma: no cover - it runs in child processes only
    """Replace the locks that a thread of the parent may have held when the process was forked."""
    global _locks_lock
    _locks_lock = threading.Lock()
    _locks.clear()


if hasattr(os, "register_at_fork"):  # pragma: no branch - Windows has no fork
    os.register_at_fork(after_in_child=_reset_after_fork)


def bytes_source(data: bytes) -> Source:
    """Return the source of bytes in memory."""
    return Source(len(data), lambda: nullcontext(lambda position, size: data[position : position + size]))


def path_source(path: Path) -> Source:
    """Return the source of a file on disk; a file that claims to be empty, as those in /proc do, is copied.

    Raises:
        UnreadableFile: It is not a regular file, or it is empty.
        OSError: It cannot be opened.
    """

    @contextmanager
    def reading() -> Iterator[ReadAt]:
        with _open_regular(path) as file:
            yield partial(_read_at, file, threading.RLock(), 0)

    with _open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        return Source(size, reading) if size else _copied(file, "the file is empty")


def file_source(file: Any) -> Source:
    """Return the source of an open file, from its position to its end.

    Raises:
        UnreadableFile: It cannot be read, or is at its end.
    """
    if iscoroutinefunction(file.read):
        raise _async_read_error(file)
    if isinstance(file, (io.FileIO, io.BufferedWriter)) and not file.readable():
        raise UnreadableFile("the file is open for writing only", "; open it with open(..., 'rb')")
    lock = lock_of(file)
    with lock:
        start, if_empty = _position_if_seekable(file), "the file is empty or has already been read to its end"
        if start is None:
            return _copied(file, if_empty)
        try:
            if not _accepts_size(file.read) or _is_decompressor(file):
                return _copied(file, if_empty)
            end = _end_of(file)
            if end and start >= end:
                raise UnreadableFile("the file is at its end", "; call file.seek(0) first")
            if not end:  # it claims to be empty, and may not be
                file.seek(start)
                return _copied(file, "the file is empty")
        finally:
            with suppress(Exception):
                file.seek(start)
    if end - start > sys.maxsize // 2:
        raise UnreadableFile(f"the file claims to have {end - start:.3g} bytes")
    read_at = partial(_read_at, file, lock, start)
    source = Source(end - start, partial(_pread, file, start) if _is_regular(file) else lambda: nullcontext(read_at))
    with source.open() as read:  # most unreadable files fail here, before anything is sent
        read(0, 1)
    return source


def _open_regular(path: Path) -> io.FileIO:
    """Open a regular file; opening anything else might block or have side effects."""
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode):
        kinds = {stat.S_IFDIR: "folder", stat.S_IFIFO: "FIFO", stat.S_IFSOCK: "socket"}
        raise UnreadableFile(f"the path is a {kinds.get(stat.S_IFMT(mode), 'device')}, not a file")
    return io.FileIO(path)


def _is_regular(file: Any) -> bool:
    """Return whether this is a plain open file, not a wrapper that returns other bytes, such as gzip's."""
    raw = file.raw if type(file) in (io.BufferedReader, io.BufferedRandom) else file
    if type(raw) is not io.FileIO or not hasattr(os, "pread"):
        return False
    return stat.S_ISREG(os.fstat(raw.fileno()).st_mode)


def _is_decompressor(file: Any) -> bool:
    """Return whether this is a file such as gzip's or zipfile's, where seeking means to decompress everything again."""
    plain = (io.BytesIO, io.BufferedReader, io.BufferedRandom)
    return isinstance(file, io.BufferedIOBase) and not isinstance(file, plain)


def _position_if_seekable(file: Any) -> int | None:
    """Return the position of a file that can be read again from there, by trying; ``None`` if it cannot."""
    try:
        position = file.tell()
        moved = position if isawaitable(position) else file.seek(position)
    except Exception:
        return None
    if isawaitable(moved):
        raise _async_read_error(file, moved)
    return _checked_position(position)


def _end_of(file: Any) -> int:
    """Return where a seekable file ends; it may be moved."""
    if _is_regular(file):
        file.flush()  # the content of its write buffer belongs to the file
        return os.fstat(file.fileno()).st_size
    file.seek(0, os.SEEK_END)
    return _checked_position(file.tell())


def _checked_position(position: object) -> int:
    if isinstance(position, int):
        return position
    raise UnreadableFile(f"the file cannot be read: its tell() returned {type(position).__name__} instead of int")


@contextmanager
def _pread(file: Any, start: int) -> Iterator[ReadAt]:
    file.flush()
    descriptor = os.dup(file.fileno())  # if the caller closes the file, its number may be reused
    try:
        yield lambda position, size: os.pread(descriptor, size, start + position)
    finally:
        os.close(descriptor)


def _read_at(file: Any, lock: threading.RLock, start: int, position: int, size: int) -> bytes:
    """Read from a file at any position, and leave it where it was."""
    with lock:
        left_at = file.tell()
        try:
            file.seek(start + position)
            return _checked_bytes(file.read(size))[:size]
        finally:
            with suppress(Exception):
                file.seek(left_at)


def _copied(file: Any, if_empty: str) -> Source:
    """Copy a stream, so that its length is known, a retry sends the same bytes, and no other reader takes some of them.

    Raises:
        UnreadableFile: It is empty, it is not complete yet, or there is no room for the copy.
    """
    copy = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 - it lives as long as the upload
    try:
        for chunk in _read_to_end(file):
            try:
                copy.write(chunk)
            except OSError as error:
                problem = f"the file cannot be copied to {tempfile.gettempdir()}: {reason_of(error)}"
                raise UnreadableFile(problem) from error
        if not copy.tell():
            raise UnreadableFile(if_empty)
    except BaseException:
        copy.close()
        raise
    read_at = partial(_read_at, copy, threading.RLock(), 0)
    source = Source(copy.tell(), lambda: nullcontext(read_at))
    weakref.finalize(source, copy.close)
    return source


def _read_to_end(file: Any) -> Iterator[bytes]:
    from http.client import HTTPResponse  # slow to import, and already imported if the file is one

    if not _accepts_size(file.read):
        yield _checked_bytes(file.read())
        return
    while chunk := _checked_bytes(file.read(CHUNK)):
        yield chunk
    if isinstance(file, HTTPResponse) and file.length:  # read in chunks, it does not raise IncompleteRead
        raise UnreadableFile(f"the stream ended early: {file.length} bytes are missing")


def _accepts_size(read: Callable[..., object]) -> bool:
    """Return whether ``read`` accepts a size; one that does not returns everything at once."""
    with suppress(ValueError):  # it is written in C and has no signature
        try:
            signature(read).bind(CHUNK)
        except TypeError:
            return False
    return True


def _checked_bytes(data: object) -> bytes:
    """Return what a ``read`` returned, as ``bytes``; raise an ``UnreadableFile`` if it is not bytes of any kind."""
    if isinstance(data, (bytes, bytearray, memoryview)):
        return bytes(data)  # bytes are not copied
    if isinstance(data, str):
        raise text_mode_error()
    if data is None:
        hint = "; make it blocking, or pass the bytes once all of them have arrived"
        raise UnreadableFile("the file has no data yet: its read() returned None", hint)
    if isawaitable(data):
        raise _async_read_error(None, data)
    raise UnreadableFile(f"the file cannot be read: its read() returned {type(data).__name__} instead of bytes")


def text_mode_error() -> UnreadableFile:
    return UnreadableFile("the file is open in text mode", "; open it with open(..., 'rb')")


def _async_read_error(file: object, awaitable: object = None) -> UnreadableFile:
    close = getattr(awaitable, "close", None)
    if callable(close):  # else Python warns that the coroutine was never awaited
        close()
    sync_file = "upload.file or " if hasattr(file, "file") else ""
    return UnreadableFile("its read() is async", f"; pass {sync_file}the result of await upload.read()")
