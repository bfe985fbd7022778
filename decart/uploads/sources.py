"""Where the bytes of an upload come from. Several threads and tasks may read any source at once.

==============  ====================================================================================================
source          how it is read
==============  ====================================================================================================
``InMemory``    by slices
``OnDisk``      a path, opened anew for each pass
``OpenFile``    an open file of the operating system: with ``os.pread``, which neither uses nor moves its position
``Section``     any other file that can seek: each read finds its own place, under a lock
``copy_of``     a stream that cannot seek: read to its end, under a lock, into memory or a temporary file
==============  ====================================================================================================

None of them leaves an open file elsewhere than where the caller left it, except a stream, which is then at its end.
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
from .shared import ReadAt, Section, SharedFile, Unusable, bytes_of, is_async, shared_file

_IN_MEMORY = 1024 * 1024  # bytes of a stream before its copy moves to the disk


class Source(Protocol):
    """Bytes of known number."""

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
    """A file on the disk."""

    def __init__(self, path: Path, size: int) -> None:
        self._path, self.size = path, size

    @contextmanager
    def open(self) -> Iterator[ReadAt]:
        with open_path(self._path) as file:

            def read_at(position: int, size: int) -> bytes:
                file.seek(position)
                return bytes_of(file.read(size))

            yield read_at


class OpenFile:
    """A regular file that the caller has opened, from its position to its end."""

    def __init__(self, file: Any) -> None:
        file.flush()  # what was written to its buffer belongs to the file
        self._file = file
        self._start = file.tell()
        self.end = os.fstat(file.fileno()).st_size
        self.size = self.end - self._start

    @contextmanager
    def open(self) -> Iterator[ReadAt]:
        self._file.flush()
        descriptor = os.dup(self._file.fileno())  # ours: if the file is closed meanwhile, its number may be another's
        try:
            yield lambda position, size: os.pread(descriptor, size, self._start + position)
        finally:
            os.close(descriptor)


def open_path(path: Path) -> io.FileIO:
    """Open a regular file; anything else would block, or do something when it is opened.

    Raises:
        Unusable: It is something else.
        OSError: It cannot be opened.
    """
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode):
        kinds = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
        raise Unusable(f"the path is {kinds.get(stat.S_IFMT(mode), 'a device')}, not a file")
    return io.FileIO(path)


def path_source(path: Path) -> Source:
    """Return the bytes of a file on the disk; one that has bytes but says that it has none, as in /proc, is copied."""
    with open_path(path) as file:
        size = file.seek(0, os.SEEK_END) if os.fstat(file.fileno()).st_size else 0
        return OnDisk(path, size) if size else copy_of(shared_file(file))


def file_source(file: Any) -> Source:
    """Return the bytes of an open file, from its position to its end.

    Raises:
        Unusable: It cannot be read, or is at its end.
    """
    if iscoroutinefunction(file.read):
        raise is_async(file)
    if isinstance(file, (io.FileIO, io.BufferedWriter)) and not file.readable():
        raise Unusable("the file is open for writing only", "; open it with open(..., 'rb')")
    shared = shared_file(file)
    with shared.lock:
        if _is_regular(file):
            source: OpenFile | Section = OpenFile(file)
        elif takes_size(file.read) and _can_seek(file):
            source = Section(shared)
        else:
            return copy_of(shared, "the file is empty, or was read to its end before")
        if source.end and source.size <= 0:
            raise Unusable("the file is at its end", "; call file.seek(0) first")
        if source.size <= 0:
            return copy_of(shared)  # it says that it has no bytes, which need not be so
    if source.size > sys.maxsize // 2:
        raise Unusable(f"the file says that it has {source.size:.3g} bytes")
    with source.open() as read_at:  # so that most of what can be wrong with a file is told before anything is sent
        read_at(0, 1)
    return source


def _is_regular(file: Any) -> bool:
    """Say whether this is a plain open file, and not one that looks like it but gives other bytes, such as gzip's."""
    raw = file.raw if type(file) in (io.BufferedReader, io.BufferedRandom) else file
    if type(raw) is not io.FileIO or not hasattr(os, "pread"):
        return False
    return stat.S_ISREG(os.fstat(raw.fileno()).st_mode)


def _can_seek(file: Any) -> bool:
    """Say whether the file can be read again from where it stands now, by trying."""
    try:
        given = file.tell()
        if not isawaitable(given):
            given = file.seek(given)
    except Exception:
        return False
    if isawaitable(given):
        raise is_async(file, given)
    return True


def takes_size(read: Callable[..., object]) -> bool:
    """Say whether ``read`` can be asked for a number of bytes; one that cannot gives all of them at once."""
    try:
        signature(read).bind(CHUNK)
    except TypeError:
        return False
    except ValueError:  # it is written in C, and does not say
        return True
    return True


class _Copy:
    """A copy of ours, which takes room for as long as it may have to be sent again."""

    def __init__(self, copy: Any) -> None:
        self._section = Section(SharedFile(copy))
        self.size = self._section.size
        weakref.finalize(self, copy.close)

    @contextmanager
    def open(self) -> Iterator[ReadAt]:
        with self._section.open() as read_at:
            yield read_at


def copy_of(shared: SharedFile, if_none: str = "the file is empty") -> Source:
    """Copy a stream, so that its length is known, a repeat sends the same bytes, and nobody else reads some of them.

    Raises:
        Unusable: It has no bytes, not all of them yet, or there is no room for the copy.
    """
    copy = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 - it lives as long as the upload
    try:
        with shared.lock:
            for piece in _pieces(shared.file):
                try:
                    copy.write(piece)
                except OSError as error:
                    raise Unusable(
                        f"the file cannot be copied to {tempfile.gettempdir()}: {reason_of(error)}"
                    ) from error
        if not copy.tell():
            raise Unusable(if_none)
        copy.seek(0)
        return _Copy(copy)
    except BaseException:
        copy.close()
        raise


def _pieces(file: Any) -> Iterator[bytes]:
    """Read a stream to its end."""
    if not takes_size(file.read):
        yield bytes_of(file.read())
        return
    while piece := bytes_of(file.read(CHUNK)):
        yield piece
    missing = _missing(file)
    if missing:
        raise Unusable(f"the stream broke off: {missing} bytes are missing")


def _missing(file: object) -> int:
    """Return how many bytes an ``http.client`` response still owes; read piece by piece, it does not say so itself."""
    from http.client import HTTPResponse  # takes a while to load, and is loaded if this is one

    return file.length or 0 if isinstance(file, HTTPResponse) else 0
