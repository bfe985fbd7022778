"""What a forked child has of its own: locks, since a thread of the parent may hold them for ever, and sockets."""

from __future__ import annotations

import abc
import os
import threading


class ProcessLock:
    """A lock for each process: a child finds it free, whatever the parent's threads were doing."""

    def __init__(self) -> None:
        self._locks: dict[int, threading.Lock] = {}

    def __enter__(self) -> None:
        self._locks.setdefault(os.getpid(), threading.Lock()).acquire()

    def __exit__(self, *exc: object) -> None:
        self._locks[os.getpid()].release()


class OfThisProcess(abc.ABC):
    """What begins anew in a forked child: two processes on one socket would read each other's answers."""

    def __init__(self) -> None:
        self._lock = ProcessLock()
        self._begin()
        self._process = os.getpid()

    @abc.abstractmethod
    def _begin(self) -> None:
        """Make what belongs to one process."""
        ...

    @abc.abstractmethod
    def _leave(self) -> None:
        """Let go of the parent's sockets in the child; they stay open over there."""
        ...

    def _stay_in_this_process(self) -> None:
        if self._process != os.getpid():
            with self._lock:
                if self._process != os.getpid():
                    self._leave()
                    self._begin()
                    self._process = os.getpid()  # last: it is what tells other threads that the rest is ready
