"""What the sync client's pool of jobs is made of: futures, workers, a mailbox. `decart._async.workers` has the same.

Both are written by hand.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from concurrent.futures import Future as Future
from contextvars import Context
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar

from ..events import log

T = TypeVar("T")

TURN = 1.0
"""The most seconds to wait before Python looks for Ctrl-C again: one that comes just before a wait does not end it."""

Lock = threading.Lock


class WakeEvent(threading.Event):
    """An event that Ctrl-C cannot break in the thread that sets it.

    Those of `threading` hold a lock in Python code. If Ctrl-C comes just when the main thread has taken it, it is never
    given back, and all threads that use the event hang. Here each step is one call of a lock, which is taken until the
    event is set.
    """

    def __init__(self) -> None:
        super().__init__()
        self._until_set = threading.Lock()
        self._until_set.acquire()

    def is_set(self) -> bool:
        """Return whether it is set."""
        return not self._until_set.locked()

    def set(self) -> None:
        """Wake up all that wait, and let nobody wait any more."""
        with suppress(RuntimeError):  # it is set already
            self._until_set.release()

    def clear(self) -> None:
        """Let everybody wait again."""
        self._until_set.acquire(blocking=False)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is set, or some seconds have passed; return whether it is set."""
        is_set = self._until_set.acquire(timeout=-1 if timeout is None else timeout)
        if is_set:
            self.set()  # the next one that waits
        return is_set


class Worker(threading.Thread):
    """A thread that can be waited for again once Ctrl-C has ended a wait: ``join`` alone returns at once then.

    That is so in Python 3.11 and 3.12.

    Attributes:
        has_ended: Whether it has ended.
        ended: Set when it ends; Ctrl-C may lose that for the thread that waits.
        process: Where it is: after a fork, there is none in the child.
    """

    def __init__(self, function: Callable[[], None], name: str) -> None:
        super().__init__(target=function, name=name, daemon=True)
        self.has_ended, self.ended, self.process = False, WakeEvent(), os.getpid()

    def run(self) -> None:
        """Call the function."""
        try:
            super().run()
        finally:
            self.has_ended = True
            self.ended.set()


class Mailbox(Generic[T]):
    """A queue whose reader can be interrupted."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[T] = SimpleQueue()
        self.put_nowait = self._queue.put

    def get(self) -> T:
        """Wait for the next item, and return it."""
        while True:
            try:
                return self._queue.get(timeout=TURN)
            except Empty:  # pragma: no cover - it took long
                continue


def new_future() -> Future[Any]:
    """Return a future that nobody has set."""
    return Future()


def begin(future: Future[T]) -> bool:
    """Return whether somebody still wants the result of a job, which cannot be cancelled any more then."""
    return future.set_running_or_notify_cancel()


def settle(future: Future[T], outcome: T | BaseException) -> None:
    """Set the result or the exception of a future, unless it was cancelled."""
    if future.cancelled():
        return
    try:
        if isinstance(outcome, BaseException):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)
    except BaseException as error:  # such as sys.exit() in a callback, which must not end the worker
        log.error("a callback of a future of a pool raised %r", error)


def start_worker(function: Callable[[], None], workers: list[Worker], name: str = "decart-pool") -> int | None:
    """Call a function beside the caller, in a worker that is added to the others. Python does not wait for it at exit.

    Returns:
        How many workers there can be, if the system has no more threads.

    Raises:
        RuntimeError: There is not even one.
    """
    worker = Worker(function, f"{name}_{len(workers) + 1}")
    try:
        worker.start()
    except RuntimeError as error:
        if not workers:
            raise
        log.warning("a pool goes on with fewer threads than %d: %s", len(workers) + 1, error)
        return len(workers)
    workers.append(worker)  # unless Ctrl-C came: it may hang then, and has nothing to do
    return None


current_worker = threading.current_thread
"""Return the worker that calls it, if it is one."""


def join(worker: Worker) -> None:
    """Wait until a worker has ended."""
    if worker.process == os.getpid():  # pragma: no branch - a forked process is not measured
        while not worker.has_ended:
            worker.ended.wait(TURN)
        worker.join()


def abandon(workers: list[Worker]) -> None:
    """Leave workers that have not ended to themselves: a thread ends with what it is doing."""


def pause(event: WakeEvent, seconds: float | None) -> None:
    """Wait until an event is set, or some time has passed on the clock of the machine."""
    event.wait(seconds)


def run_in(context: Context, function: Callable[[], None]) -> None:
    """Call a function in a context."""
    context.run(function)
