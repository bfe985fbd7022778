"""Report the progress of uploads, downloads and pools to the caller, a few times per second."""

from __future__ import annotations

from collections.abc import Callable
from inspect import isawaitable, iscoroutinefunction
from typing import Literal

import attrs

from .errors import InvalidInputError
from .events import log
from .inputs import refuse

FAILED = "the progress callback failed, and will not be called again"

PAUSE = 0.1
"""The minimum seconds between two calls: a bar that moves ten times per second looks smooth."""


@attrs.frozen(kw_only=True)
class Progress:
    """The progress of one transfer.

    Attributes:
        direction: ``"upload"`` or ``"download"``.
        done: The bytes sent or received so far. An upload that is retried starts at 0 again; a download that is resumed
            starts where it stopped.
        total: The total number of bytes; ``None`` before the end if the server did not announce it.
    """

    direction: Literal["upload", "download"]
    done: int
    total: int | None


OnProgress = Callable[[Progress], object]
ShowProgress = OnProgress | bool
"""A callback, or True for a progress bar in the notebook or terminal (extra ``progress``)."""


@attrs.frozen(kw_only=True)
class PoolProgress:
    """The progress of the jobs of a pool.

    Attributes:
        done: The jobs that have completed, and whose videos were fetched.
        failed: The jobs that failed, did not finish in time, or ended with an exception.
        running: The jobs that the service has accepted, and that have not ended.
        waiting: The jobs that are not submitted yet, as far as they are known. One that is cancelled does not count.
        total: All of them; ``None`` while the input of a ``map`` has more jobs, and no length.
        bytes_received: The bytes of videos that the pool has received.
    """

    done: int
    failed: int
    running: int
    waiting: int
    total: int | None
    bytes_received: int


OnPoolProgress = Callable[[PoolProgress], object]
ShowPoolProgress = OnPoolProgress | bool
"""The same for a pool."""


@attrs.define(kw_only=True)
class Meter:
    """Report the progress of one transfer: at its start, at its end, and at most ten times a second in between.

    Reports go to the caller's callback and to the client's reporter, if it wants them. A callback that fails is logged
    and not called again: a broken progress bar must not abort a transfer that has been paid for.
    """

    callback: OnProgress | None
    direction: Literal["upload", "download"]
    now: Callable[[], float]
    report: Callable[[Progress], None] | None = None
    _next: float = attrs.field(default=float("-inf"), init=False)

    def at(self, done: int, total: int | None) -> None:
        """Record the number of bytes transferred so far."""
        if self.callback is None and self.report is None:
            return
        now = self.now()
        if now < self._next and done not in (0, total):
            return
        self._next = now + PAUSE
        progress = Progress(direction=self.direction, done=done, total=total)
        if self.report is not None:
            self.report(progress)
        try:
            if self.callback is not None:
                self.callback(progress)
        except Exception:
            self.callback = None
            log.warning(FAILED, exc_info=True)


def is_async(callback: object) -> bool:
    """Return whether a callback is a coroutine function, or an object that is called like one."""
    return iscoroutinefunction(callback) or iscoroutinefunction(getattr(callback, "__call__", None))  # noqa: B004


def callable_anywhere(callback: OnProgress, *, awaited: bool) -> OnProgress:
    """Validate a callback, and return one that a transfer may call from any thread.

    Raises:
        InvalidInputError: It is not callable, or is a coroutine function although the client is synchronous.
    """
    check_callback(callback, awaited=awaited)
    return _on_this_loop(callback) if awaited else callback


def check_callback(callback: object, *, awaited: bool) -> None:
    """Refuse what is not a callback.

    Raises:
        InvalidInputError: It is not callable, or is a coroutine function although the client is synchronous.
    """
    if not callable(callback):
        raise refuse("progress", "callable or True", callback)
    if is_async(callback) and not awaited:
        raise InvalidInputError("progress is a coroutine function; only the async client can await it.")


def _on_this_loop(callback: OnProgress) -> OnProgress:
    """Wrap a callback so that it runs in the current event loop, whichever thread calls it."""
    import asyncio

    loop = asyncio.get_running_loop()
    tasks, failed = set(), False

    async def call(progress: Progress) -> None:
        nonlocal failed
        try:
            outcome = callback(progress)
            if isawaitable(outcome):
                await outcome
        except Exception:
            failed = True
            log.warning(FAILED, exc_info=True)

    def start(progress: Progress) -> None:
        if not failed:
            task = loop.create_task(call(progress))
            tasks.add(task)  # an event loop does not keep its tasks alive
            task.add_done_callback(tasks.discard)

    return lambda progress: loop.call_soon_threadsafe(start, progress)
