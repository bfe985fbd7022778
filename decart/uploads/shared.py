"""File objects that several threads and tasks read at once, and what a ``read`` may give.

Every access to a file object finds its own place, under the lock of that object, and the caller's place is put back.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from inspect import isawaitable
from typing import Any

ReadAt = Callable[[int, int], bytes]
"""Read from a position, counted from the start of the upload, at most so many bytes; none at the end."""


class Unusable(Exception):
    """Why a file cannot be sent.

    Attributes:
        what: What is wrong with it.
        advice: What to do about it.
    """

    def __init__(self, what: str, advice: str = "") -> None:
        super().__init__(what, advice)
        self.what, self.advice = what, advice


class SharedFile:
    """A file object that can seek, and that several uploads may be reading: one for all of them.

    Between two of our reads, its position is where the last one ended; where the caller left it is remembered.
    """

    def __init__(self, file: Any) -> None:
        self.file = file
        self.lock = threading.RLock()
        self._busy = False
        self._left_at: int | None = None
        self._callers_position = 0

    def position(self) -> int:
        """Return where the caller left the file."""
        here = _integer(self.file.tell(), "tell()")
        if here != self._left_at:
            self._callers_position = here
        return self._callers_position

    def end(self) -> int:
        """Return how many bytes the file has, counted from its very beginning."""
        with self._moving():
            self.file.seek(0, os.SEEK_END)
            return _integer(self.file.tell(), "tell()")

    def read(self, position: int, size: int) -> bytes:
        """Read at most so many bytes from a position."""
        with self._moving():
            self.file.seek(position)
            return bytes_of(self.file.read(size))[:size]

    @contextmanager
    def _moving(self) -> Iterator[None]:
        with self.lock:
            self.position()
            self._busy = True
            try:
                yield
            finally:
                self._busy, self._left_at = False, None
                with suppress(Exception):
                    self._left_at = self.file.tell()

    def put_back(self) -> None:
        """Leave the file where the caller left it."""
        with self.lock, suppress(Exception):
            if not self._busy:  # else a forgotten pass is being cleared away in the middle of a read
                self.file.seek(self.position())
                self._left_at = None


class Section:
    """A shared file, from where the caller left it to its end."""

    def __init__(self, shared: SharedFile) -> None:
        self._shared = shared
        with shared.lock:
            self._start = shared.position()
            self.end = shared.end()
            shared.put_back()
        self.size = self.end - self._start

    @contextmanager
    def open(self) -> Iterator[ReadAt]:
        try:
            yield lambda position, size: self._shared.read(self._start + position, size)
        finally:
            self._shared.put_back()


_shared_files: weakref.WeakValueDictionary[int, SharedFile] = weakref.WeakValueDictionary()
_shared_files_lock = threading.Lock()


def shared_file(file: object) -> SharedFile:
    """Return the one ``SharedFile`` of a file object, for as long as anybody uses it."""
    with _shared_files_lock:
        found = _shared_files.get(id(file))
        if found is None:
            found = _shared_files[id(file)] = SharedFile(file)
        return found


def _begin_anew() -> None:  # pragma: no cover - it runs in children only
    """Forget, in a child process, locks that a thread of the parent may hold for ever."""
    global _shared_files_lock
    _shared_files_lock = threading.Lock()
    _shared_files.clear()


if hasattr(os, "register_at_fork"):  # pragma: no branch - Windows has no fork
    os.register_at_fork(after_in_child=_begin_anew)


def bytes_of(given: object) -> bytes:
    """Return what a ``read`` gave, if it was bytes of any kind.

    Raises:
        Unusable: It was something else.
    """
    if isinstance(given, bytes):
        return given
    if isinstance(given, (bytearray, memoryview)):
        return bytes(given)
    if isinstance(given, str):
        raise text_mode()
    if given is None:
        advice = "; make it blocking, or pass the bytes when all of them have come"
        raise Unusable("the file has nothing to read yet: its read() gave None", advice)
    if isawaitable(given):
        raise is_async(None, given)
    raise Unusable(f"the file cannot be read: its read() gave {type(given).__name__}, not bytes")


def text_mode() -> Unusable:
    return Unusable("the file is open in text mode", "; open it with open(..., 'rb')")


def is_async(file: object, given: object = None) -> Unusable:
    close = getattr(given, "close", None)  # a coroutine's, so that Python does not say that nobody awaited it
    if callable(close):
        close()
    inner = "upload.file, or " if hasattr(file, "file") else ""
    return Unusable("its read() is async", f"; pass {inner}the bytes that await upload.read() gives")


def _integer(value: object, what: str) -> int:
    if not isinstance(value, int):
        raise Unusable(f"the file cannot be read: its {what} gave {type(value).__name__}, not int")
    return value
