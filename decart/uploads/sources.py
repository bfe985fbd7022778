"""Where the bytes of an upload come from. Several threads and tasks may read any source at once.

==================  ================================================================================================
source              how it is read
==================  ================================================================================================
``InMemory``        by slicing
``OnDisk``          a path, which each pass opens again
``OpenFile``        an open file of the operating system: with ``os.pread``, which does not depend on its position
``Section``         any other seekable file: each read seeks to its own position, under a lock
``buffered_copy``   a stream that cannot seek: read to its end, under a lock, into memory or a temporary file
==================  ================================================================================================

All of them leave an open file at the position where the caller left it, except a stream, which is then at its end.
"""

from __future__ import annotations

import io
import os
import stat
import sys
import tempfile
import weakref
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from inspect import isawaitable, iscoroutinefunction, signature
from pathlib import Path
from typing import Any, Protocol

from ..inputs import reason_of
from ..transports.base import CHUNK
from .shared import (
    ReadAt,
    Section,
    SharedFile,
    UnreadableFile,
    async_read_error,
    checked_bytes,
    shared_file,
)

_IN_MEMORY = 1024 * 1024  # bytes of a stream's copy before it moves to the disk


class Source(Protocol):
    """A known number of bytes."""

    @property
    def size(self) -> int: ...

    def open(self) -> AbstractContextManager[ReadAt]: ...


class InMemory:
    """Bytes."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.size = len(data)

    def open(self) -> AbstractContextManager[ReadAt]:
        return nullcontext(lambda position, size: self._data[position : position + size])


class OnDisk:
    """A file on disk."""

    def __init__(self, path: Path, size: int) -> None:
        self._path, self.size = path, size

    @contextmanager
    def open(self) -> Iterator[ReadAt]:
        with _open_regular(self._path) as file:

            def read_at(position: int, size: int) -> bytes:
                file.seek(position)
                return checked_bytes(file.read(size))

            yield read_at


class OpenFile:
    """A regular file that the caller has opened, from its position to its end."""

    def __init__(self, file: Any) -> None:
        file.flush()  # the content of its write buffer belongs to the file
        self._file = file
        self._start = file.tell()
        self.end = os.fstat(file.fileno()).st_size
        self.size = self.end - self._start

    @contextmanager
    def open(self) -> Iterator[ReadAt]:
        self._file.flush()
        descriptor = os.dup(self._file.fileno())  # if the caller closes the file, its number may be reused
        try:
            yield lambda position, size: os.pread(descriptor, size, self._start + position)
        finally:
            os.close(descriptor)


class _BufferedCopy:
    """A copy that is deleted when nobody can send it any more."""

    def __init__(self, copy: Any) -> None:
        self._section = Section(SharedFile(copy))
        self.size = self._section.size
        weakref.finalize(self, copy.close)

    @contextmanager
    def open(self) -> Iterator[ReadAt]:
        with self._section.open() as read_at:
            yield read_at


def _open_regular(path: Path) -> io.FileIO:
    """Open a regular file; opening anything else might block or have side effects.

    Raises:
        UnreadableFile: It is something else.
        OSError: It cannot be opened.
    """
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode):
        kinds = {stat.S_IFDIR: "folder", stat.S_IFIFO: "FIFO", stat.S_IFSOCK: "socket"}
        raise UnreadableFile(f"the path is a {kinds.get(stat.S_IFMT(mode), 'device')}, not a file")
    return io.FileIO(path)


def path_source(path: Path) -> Source:
    """Return the bytes of a file on disk; one that claims to be empty, as those in /proc do, is copied."""
    with _open_regular(path) as file:
        size = file.seek(0, os.SEEK_END) if os.fstat(file.fileno()).st_size else 0
        return OnDisk(path, size) if size else buffered_copy(shared_file(file))


def file_source(file: Any) -> Source:
    """Return the bytes of an open file, from its position to its end.

    Raises:
        UnreadableFile: It cannot be read, or is at its end.
    """
    if iscoroutinefunction(file.read):
        raise async_read_error(file)
    if isinstance(file, (io.FileIO, io.BufferedWriter)) and not file.readable():
        raise UnreadableFile("the file is open for writing only", "; open it with open(..., 'rb')")
    shared = shared_file(file)
    with shared.lock:
        if _is_regular(file):
            source: OpenFile | Section = OpenFile(file)
        elif _accepts_size(file.read) and _can_seek(file):
            source = Section(shared)
        else:
            return buffered_copy(shared, "the file is empty or has already been read to its end")
        if source.end and source.size <= 0:
            raise UnreadableFile("the file is at its end", "; call file.seek(0) first")
        if source.size <= 0:
            return buffered_copy(shared)  # it claims to be empty, and may not be
    if source.size > sys.maxsize // 2:
        raise UnreadableFile(f"the file claims to have {source.size:.3g} bytes")
    with source.open() as read_at:  # most unreadable files fail here, before anything is sent
        read_at(0, 1)
    return source


def _is_regular(file: Any) -> bool:
    """Return whether this is a plain open file, not a wrapper that returns other bytes, such as gzip's."""
    raw = file.raw if type(file) in (io.BufferedReader, io.BufferedRandom) else file
    if type(raw) is not io.FileIO or not hasattr(os, "pread"):
        return False
    return stat.S_ISREG(os.fstat(raw.fileno()).st_mode)


def _can_seek(file: Any) -> bool:
    """Return whether the file can be read again from its current position, by trying."""
    try:
        outcome = file.tell()
        if not isawaitable(outcome):
            outcome = file.seek(outcome)
    except Exception:
        return False
    if isawaitable(outcome):
        raise async_read_error(file, outcome)
    return True


def _accepts_size(read: Callable[..., object]) -> bool:
    """Return whether ``read`` accepts a size; one that does not returns everything at once."""
    try:
        signature(read).bind(CHUNK)
    except TypeError:
        return False
    except ValueError:  # it is written in C and has no signature
        return True
    return True


def buffered_copy(shared: SharedFile, if_empty: str = "the file is empty") -> Source:
    """Copy a stream, so that its length is known, a retry sends the same bytes, and no other reader takes some of them.

    Raises:
        UnreadableFile: It is empty, it is not complete yet, or there is no room for the copy.
    """
    copy = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 - it lives as long as the upload
    try:
        with shared.lock:
            for chunk in _read_to_end(shared.file):
                try:
                    copy.write(chunk)
                except OSError as error:
                    problem = f"the file cannot be copied to {tempfile.gettempdir()}: {reason_of(error)}"
                    raise UnreadableFile(problem) from error
        if not copy.tell():
            raise UnreadableFile(if_empty)
        copy.seek(0)
        return _BufferedCopy(copy)
    except BaseException:
        copy.close()
        raise


def _read_to_end(file: Any) -> Iterator[bytes]:
    from http.client import (
        HTTPResponse,  # slow to import, and already imported if the file is one
    )

    if not _accepts_size(file.read):
        yield checked_bytes(file.read())
        return
    while chunk := checked_bytes(file.read(CHUNK)):
        yield chunk
    if isinstance(file, HTTPResponse) and file.length:  # read in chunks, it does not raise IncompleteRead
        raise UnreadableFile(f"the stream ended early: {file.length} bytes are missing")
