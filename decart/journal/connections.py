"""The connections to an SQLite file: each is used by one thread at a time, and none by a forked child.

SQLite keeps track of a file's locks in the memory of its process, and a child inherits what it remembers but not the
locks. So nothing may be open when a process forks: a fork waits for the transactions of other threads and closes all
connections. Both processes open new ones when they need them.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import ClassVar
from weakref import finalize

from .errors import JournalError
from .forks import Gate, watch

KEPT = 8
"""Open connections to keep between transactions; if more threads write at once, the others are closed again."""

_MARGIN = 5.0  # seconds that a transaction may take without waiting for a lock


class Connection(sqlite3.Connection):
    """A connection that knows which file it was opened on."""

    file: tuple[int, int] | None = None


class Connections:
    """Opens and keeps connections. Safe to share between threads, and across ``fork``.

    Args:
        path: The file, which is created for its owner only; its folder must exist.
        lock_timeout: Seconds to wait for the locks of other connections.
        prepare: Sets up a connection that was just opened.
    """

    # Closing a file releases all locks that its process has on it, so nobody may use a file while it is created.
    _creating: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self, path: str, lock_timeout: float, prepare: Callable[[sqlite3.Connection], None]) -> None:
        self._path, self._lock_timeout, self._prepare = path, lock_timeout, prepare
        self._idle: list[Connection] = []
        self._gate = Gate(lock_timeout + _MARGIN)
        self._forked_in_use = False
        finalize(self, _close_all, self._idle)
        watch(self)

    @contextmanager
    def use(self) -> Iterator[sqlite3.Connection]:
        """Provide a connection; it is closed, which rolls its transaction back, unless the block succeeds."""
        with self._gate.use():
            if self._forked_in_use:
                raise JournalError(
                    f"The journal {self._path} was in use when this process was forked, and cannot be used here. "
                    "Call its close() before the fork."
                )
            connection = self._take()
            try:
                yield connection
            except BaseException:
                connection.close()
                raise
            if len(self._idle) < KEPT:
                self._idle.append(connection)
            else:
                connection.close()

    def close(self) -> None:
        """Wait until other threads use no connection, and close all."""
        with self._gate.alone():
            _close_all(self._idle)

    def before_fork(self) -> None:
        """Wait until no connection is in use, let nobody begin to use one, and close all."""
        self._gate.shut()
        _close_all(self._idle)

    def after_fork_in_parent(self) -> None:
        """Let connections be used again."""
        self._gate.open()

    def after_fork_in_child(self) -> None:
        """Start without connections. If there are any, keep them forever: closing them could damage the file."""
        Connections._creating = threading.Lock()
        self._forked_in_use = self._gate.reset() or bool(self._idle)
        if self._idle:
            import ctypes  # not needed otherwise

            for connection in self._idle:
                ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection))
            self._idle.clear()

    def _take(self) -> Connection:
        """Return an idle connection, or a new one. What was opened on a file that was removed since is not used."""
        file = _file(self._path)
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return self._open()
            if connection.file == file:
                return connection
            connection.close()

    def _open(self) -> Connection:
        with self._creating:
            _create(self._path)
        connection = sqlite3.connect(
            self._path,
            timeout=self._lock_timeout,
            isolation_level=None,
            check_same_thread=False,
            factory=Connection,
        )
        try:
            self._prepare(connection)
            connection.file = _file(self._path)
        except BaseException:
            connection.close()
            raise
        return connection


def _create(path: str) -> None:
    """Create a file that only its owner can read, unless there is one; SQLite creates its others like it."""
    with suppress(FileExistsError):
        os.close(os.open(os.path.realpath(path), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def _file(path: str) -> tuple[int, int] | None:
    """Return what identifies a file."""
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _close_all(idle: list[Connection]) -> None:
    while True:
        try:
            idle.pop().close()
        except IndexError:
            return
