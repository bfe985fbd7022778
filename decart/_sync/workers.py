"""What the sync client's pool of jobs is made of: futures, workers, a mailbox. `decart._async.workers` has the same.

Both are written by hand.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future as Future
from contextvars import Context
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")

Lock = threading.Lock
Mailbox = SimpleQueue
WakeEvent = threading.Event
Worker = threading.Thread


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
    if isinstance(outcome, BaseException):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)


def start_worker(function: Callable[[], None], name: str) -> Worker:
    """Call a function beside the caller. Python does not wait for it at exit."""
    worker = threading.Thread(target=function, name=name, daemon=True)
    worker.start()
    return worker


def join(worker: Worker) -> None:
    """Wait until a worker has ended."""
    worker.join()


def pause(event: WakeEvent, seconds: float | None) -> None:
    """Wait until an event is set, or some time has passed on the clock of the machine."""
    event.wait(seconds)


def run_in(context: Context, function: Callable[[], None]) -> None:
    """Call a function in a context."""
    context.run(function)
