"""File objects that several threads and tasks read at once.

Each read seeks to its own position under a lock that belongs to the file object, and the position at which the caller
left the file is restored.
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
"""Read at most ``size`` bytes at ``position``, which counts from the start of the upload; no bytes at the end."""


class UnreadableFile(Exception):
    """A file that cannot be uploaded.

    Attributes:
        problem: Why not.
        hint: What to do about it, as the rest of the sentence; may be empty.
    """

    def __init__(self, problem: str, hint: str = "") -> None:
        super().__init__(problem, hint)
        self.problem, self.hint = problem, hint


class SharedFile:
    """A seekable file object that several uploads may be reading; they share one instance.

    Between two reads, the file is positioned where the last read ended; the caller's own position is remembered.
    """

    def __init__(self, file: Any) -> None:
        self.file = file
        self.lock = threading.RLock()
        self._busy = False
        self._left_at: int | None = None
        self._callers_position = 0

    def position(self) -> int:
        """Return where the caller left the file."""
        current = self._tell()
        if current != self._left_at:
            self._callers_position = current
        return self._callers_position

    def end(self) -> int:
        """Return the size of the file, counted from its very beginning."""
        with self._moving():
            self.file.seek(0, os.SEEK_END)
            return self._tell()

    def read(self, position: int, size: int) -> bytes:
        """Read at most ``size`` bytes at ``position``."""
        with self._moving():
            self.file.seek(position)
            return checked_bytes(self.file.read(size))[:size]

    def restore_position(self) -> None:
        """Move the file back to where the caller left it."""
        with self.lock, suppress(Exception):
            if not self._busy:  # else a generator is being finalized in the middle of another read
                self.file.seek(self.position())
                self._left_at = None

    def _tell(self) -> int:
        position = self.file.tell()
        if not isinstance(position, int):
            raise UnreadableFile(
                f"the file cannot be read: its tell() returned {type(position).__name__} instead of int"
            )
        return position

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


class Section:
    """A shared file from where the caller left it to its end."""

    def __init__(self, shared: SharedFile) -> None:
        self._shared = shared
        with shared.lock:
            self._start = shared.position()
            self.end = shared.end()
            shared.restore_position()
        self.size = self.end - self._start

    @contextmanager
    def open(self) -> Iterator[ReadAt]:
        try:
            yield lambda position, size: self._shared.read(self._start + position, size)
        finally:
            self._shared.restore_position()


_shared_files: weakref.WeakValueDictionary[int, SharedFile] = weakref.WeakValueDictionary()
_shared_files_lock = threading.Lock()


def shared_file(file: object) -> SharedFile:
    """Return the ``SharedFile`` of a file object, which is the same for as long as anyone uses it."""
    with _shared_files_lock:
        found = _shared_files.get(id(file))
        if found is None:
            found = _shared_files[id(file)] = SharedFile(file)
        return found


def _reset_after_fork() -> None:  # pragma: no cover - it runs in child processes only
    """Replace the locks that a thread of the parent may have held when the process was forked."""
    global _shared_files_lock
    _shared_files_lock = threading.Lock()
    _shared_files.clear()


if hasattr(os, "register_at_fork"):  # pragma: no branch - Windows has no fork
    os.register_at_fork(after_in_child=_reset_after_fork)


def checked_bytes(data: object) -> bytes:
    """Return what a ``read`` returned, as ``bytes``.

    Raises:
        UnreadableFile: It is not bytes of any kind.
    """
    if isinstance(data, bytes):
        return data
    if isinstance(data, (bytearray, memoryview)):
        return bytes(data)
    if isinstance(data, str):
        raise text_mode_error()
    if data is None:
        hint = "; make it blocking, or pass the bytes once all of them have arrived"
        raise UnreadableFile("the file has no data yet: its read() returned None", hint)
    if isawaitable(data):
        raise async_read_error(None, data)
    raise UnreadableFile(f"the file cannot be read: its read() returned {type(data).__name__} instead of bytes")


def text_mode_error() -> UnreadableFile:
    return UnreadableFile("the file is open in text mode", "; open it with open(..., 'rb')")


def async_read_error(file: object, awaitable: object = None) -> UnreadableFile:
    close = getattr(awaitable, "close", None)
    if callable(close):  # else Python warns that the coroutine was never awaited
        close()
    sync_file = "upload.file or " if hasattr(file, "file") else ""
    return UnreadableFile("its read() is async", f"; pass {sync_file}the result of await upload.read()")
