"""What the sync client's pool of jobs is made of: futures, workers, a mailbox. `decart._async.workers` has the same.

Both are written by hand.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import Future as Future
from contextvars import Context
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar

from ..events import log

T = TypeVar("T")

TURN = 1.0
"""The most seconds to wait before Python looks for Ctrl-C again: one that comes just before a wait does not end it."""

Lock = threading.Lock
WakeEvent = threading.Event


class Worker(threading.Thread):
    """A thread that can be waited for again once Ctrl-C has ended a wait: ``join`` alone returns at once then.

    That is so in Python 3.11 and 3.12.

    Attributes:
        ended: Set when it ends.
        process: Where it is: after a fork, there is none in the child.
    """

    def __init__(self, function: Callable[[], None], name: str) -> None:
        super().__init__(target=function, name=name, daemon=True)
        self.ended, self.process = threading.Event(), os.getpid()

    def run(self) -> None:
        """Call the function."""
        try:
            super().run()
        finally:
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
    workers.append(worker)  # first: Ctrl-C may come when it has started
    try:
        worker.start()
    except RuntimeError as error:
        if len(workers) == 1:
            raise
        log.warning("a pool goes on with fewer threads than %d: %s", len(workers), error)
        return len(workers) - 1
    finally:
        if worker.ident is None:
            workers.remove(worker)
    return None


current_worker = threading.current_thread
"""Return the worker that calls it, if it is one."""


def join(worker: Worker) -> None:
    """Wait until a worker has ended."""
    if worker.process == os.getpid():  # pragma: no branch - a forked process is not measured
        while not worker.ended.wait(TURN):
            continue  # pragma: no cover - it took long
        worker.join()


def pause(event: WakeEvent, seconds: float | None) -> None:
    """Wait until an event is set, or some time has passed on the clock of the machine."""
    event.wait(seconds)


def run_in(context: Context, function: Callable[[], None]) -> None:
    """Call a function in a context."""
    context.run(function)
