"""What a journal does when its process forks."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
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
