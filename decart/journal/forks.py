"""What a journal does when its process forks: it lets transactions end, and closes its connections."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol
from weakref import WeakValueDictionary


class Forkable(Protocol):
    """An object that must not be copied in the middle of something."""

    def before_fork(self) -> None:
        """Finish what is under way, and begin nothing else."""
        ...

    def after_fork_in_parent(self) -> None:
        """Continue."""
        ...

    def after_fork_in_child(self) -> None:
        """Start anew. ``before_fork`` was not called if the fork was made by a program that embeds Python."""
        ...


class Gate:
    """Lets many threads use something at the same time, or one thread alone.

    There is no lock, which a fork could copy while another thread holds it, and an interrupt could leave locked.

    Args:
        patience: Seconds to wait for other threads, at most.
    """

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._uses: dict[object, int] = {}  # the thread of each
        self._shut: dict[object, int] = {}

    @contextmanager
    def use(self) -> Iterator[None]:
        """Wait while another thread is alone; then keep others from being alone."""
        me, use = threading.get_ident(), object()
        try:
            self._uses[use] = me
            while set(self._shut.copy().values()) - {me}:
                del self._uses[use]
                time.sleep(0.001)
                self._uses[use] = me
            yield
        finally:
            self._uses.pop(use, None)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Let no use begin, and wait for those of other threads; not if this thread is in the middle of one."""
        key = object()
        try:
            self.shut(key)
            yield
        finally:
            self._shut.pop(key, None)

    def shut(self, key: object = None) -> None:
        """Do the first half of ``alone``."""
        me = threading.get_ident()
        self._shut[key] = me
        deadline = time.monotonic() + self._patience
        while (uses := self._uses.copy()) and me not in uses.values() and time.monotonic() < deadline:
            time.sleep(0.001)

    def open(self) -> None:
        """Do the second half, after a ``shut`` without a key."""
        self._shut.pop(None, None)

    def reset(self) -> bool:
        """Forget the threads of the parent, in a forked child; return whether one was in the middle of a use."""
        used = bool(self._uses)
        self._uses.clear()
        self._shut.clear()
        return used


_watched: WeakValueDictionary[int, Forkable] = WeakValueDictionary()
_forking = threading.RLock()  # of two threads that fork at once, one would continue before the other has forked


def watch(journal: Forkable) -> None:
    """Call the methods of a journal at each fork, for as long as the journal exists."""
    _watched[id(journal)] = journal


def _each(call: Callable[[Forkable], None]) -> None:
    for reference in _watched.valuerefs():
        journal = reference()
        if journal is not None:  # pragma: no branch - one that is collected at this moment
            call(journal)


def _before() -> None:
    _forking.acquire()
    _each(lambda journal: journal.before_fork())


def _in_parent() -> None:
    _each(lambda journal: journal.after_fork_in_parent())
    _forking.release()


def _in_child() -> None:
    global _forking
    _forking = threading.RLock()
    _each(lambda journal: journal.after_fork_in_child())


if hasattr(os, "register_at_fork"):  # pragma: no branch - Windows has no fork
    os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
