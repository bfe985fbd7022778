"""The connections to an SQLite file: each is used by one thread at a time, and none by a forked child.

SQLite keeps track of a file's locks in the memory of its process, and a child inherits what it remembers but not the
locks. So nothing may be open when a process forks: a fork waits for the transactions of other threads and closes all
connections. Both processes open new ones when they need them.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import ClassVar
from weakref import finalize

from .errors import JournalError
from .forks import watch

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
        self._uses: dict[object, int] = {}  # those under way, and the thread of each
        self._closings = 0
        self._no_fork = threading.Event()
        self._no_fork.set()
        self._forked_in_use = False
        finalize(self, _close_all, self._idle)
        watch(self)

    @contextmanager
    def use(self) -> Iterator[sqlite3.Connection]:
        """Provide a connection; it is closed, which rolls its transaction back, unless the block succeeds."""
        use, closings = object(), self._closings
        try:
            self._enter(use)
            connection = self._take()
            try:
                yield connection
            except BaseException:
                connection.close()
                raise
            if closings == self._closings and len(self._idle) < KEPT:
                self._idle.append(connection)
            else:
                connection.close()
        finally:
            self._uses.pop(use, None)

    def close(self) -> None:
        """Close all connections, those in use as soon as they are not."""
        self._closings += 1
        _close_all(self._idle)

    def before_fork(self) -> None:
        """Wait until no connection is in use, let nobody begin to use one, and close all."""
        self._no_fork.clear()
        deadline = time.monotonic() + self._lock_timeout + _MARGIN
        while self._uses and threading.get_ident() not in list(self._uses.values()) and time.monotonic() < deadline:
            time.sleep(0.001)
        _close_all(self._idle)

    def after_fork_in_parent(self) -> None:
        """Let connections be used again."""
        self._no_fork.set()

    def after_fork_in_child(self) -> None:
        """Start without connections. If there are any, keep them forever: closing them could damage the file."""
        self._no_fork = threading.Event()
        self._no_fork.set()
        Connections._creating = threading.Lock()
        self._forked_in_use = bool(self._uses or self._idle)
        self._uses.clear()
        if self._idle:
            import ctypes  # not needed otherwise

            for connection in self._idle:
                ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection))
            self._idle.clear()

    def _enter(self, use: object) -> None:
        """Begin to use a connection, but not during a fork."""
        self._uses[use] = threading.get_ident()
        while not self._no_fork.is_set():
            del self._uses[use]
            self._no_fork.wait()
            self._uses[use] = threading.get_ident()
        if self._forked_in_use:
            raise JournalError(
                f"The journal {self._path} was in use when this process was forked, and cannot be used here. "
                "Call its close() before the fork."
            )

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
