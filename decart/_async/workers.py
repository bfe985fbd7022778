"""What the async client's pool of jobs is made of: futures, workers, a mailbox. `decart._sync.workers` has the same.

Both are written by hand.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from contextvars import Context
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from ..errors import WaitCancelledError

T = TypeVar("T")

Future = asyncio.Future
Lock = asyncio.Lock
Mailbox = asyncio.Queue
WakeEvent = asyncio.Event
Worker = asyncio.Task[None]

_worker_of: WeakKeyDictionary[asyncio.Task[Any], Worker] = WeakKeyDictionary()


def new_future() -> Future[Any]:
    """Return a future that nobody has set."""
    return asyncio.get_running_loop().create_future()


def begin(future: Future[Any]) -> bool:
    """Return whether somebody still wants the result of a job that is about to be submitted."""
    return not future.cancelled()


def settle(future: Future[T], outcome: T | BaseException) -> None:
    """Set the result or the exception of a future, unless it was cancelled."""
    if future.cancelled():
        return
    if not isinstance(outcome, BaseException):
        future.set_result(outcome)
    elif isinstance(outcome, asyncio.CancelledError):  # the event loop is ending
        future.cancel()
    else:
        future.set_exception(outcome)
        if isinstance(outcome, WaitCancelledError):  # the pool was left early
            future.exception()  # so that asyncio does not log that nobody has asked for it


def start_worker(
    function: Callable[[], Coroutine[Any, Any, None]], workers: list[Worker], name: str = "decart-pool"
) -> int | None:
    """Call a function beside the caller, in a worker that is added to the others; there can always be one more."""
    workers.append(asyncio.create_task(function(), name=f"{name}_{len(workers) + 1}"))
    return None


def current_worker() -> Worker | None:
    """Return the worker that waits for the calling task, if there is one."""
    task = asyncio.current_task()
    return None if task is None else _worker_of.get(task)


async def join(worker: Worker) -> None:
    """Wait until a worker has ended; a caller who is cancelled meanwhile does not cancel it."""
    await asyncio.wait([worker])


def abandon(workers: list[Worker]) -> None:
    """End the workers that have not ended, for a caller that does not wait for them any longer."""
    for worker in workers:
        worker.cancel()


async def pause(event: WakeEvent, seconds: float | None) -> None:
    """Wait until an event is set, or some time has passed on the clock of the machine."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()


async def run_in(context: Context, function: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Call a function in a context."""
    worker, task = asyncio.current_task(), asyncio.create_task(function(), context=context)
    assert worker is not None  # it is awaited
    _worker_of[task] = worker
    await task
    if worker.cancelling():  # the event loop is ending, and the function has dealt with that
        raise asyncio.CancelledError
