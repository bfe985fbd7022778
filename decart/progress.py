"""How far an upload or a download is, told to the caller a few times a second."""

from __future__ import annotations

from collections.abc import Callable
from inspect import isawaitable, iscoroutinefunction
from typing import Literal

import attrs

from .errors import InvalidInputError
from .inputs import refuse
from .log import log

_FAILED = "the progress callback failed, and is not called again"

PAUSE = 0.1
"""Seconds between two calls, at the least: a bar that moves ten times a second looks smooth."""


@attrs.frozen(kw_only=True)
class Progress:
    """How far a transfer is.

    Attributes:
        direction: ``"upload"`` or ``"download"``.
        done: Bytes that have been sent, or received. An upload that has to be repeated begins at 0 again; a download
            that is gone on with begins where it stopped.
        total: Bytes in all; ``None`` when the server did not say.
    """

    direction: Literal["upload", "download"]
    done: int
    total: int | None


OnProgress = Callable[[Progress], object]
ShowProgress = OnProgress | bool
"""Who is told of the progress; True for a bar (extra ``progress``), which a notebook or a terminal shows."""


@attrs.define(kw_only=True)
class Meter:
    """Tells how far one transfer is: at its beginning, at its end, and at most ten times a second between.

    Told are the caller's callback and, if it wants to hear of it, the reporter of the client. A callback that fails is
    told of in the log and not called again: a broken progress bar must not break a transfer that is paid for.
    """

    callback: OnProgress | None
    direction: Literal["upload", "download"]
    now: Callable[[], float]
    report: Callable[[Progress], None] | None = None
    _next: float = attrs.field(default=float("-inf"), init=False)

    def at(self, done: int, total: int | None) -> None:
        """Take note of the bytes done so far."""
        if self.callback is None and self.report is None:
            return
        now = self.now()
        if now >= self._next or done in (0, total):
            self._next = now + PAUSE
            self._say(Progress(direction=self.direction, done=done, total=total))

    def _say(self, progress: Progress) -> None:
        if self.report is not None:
            self.report(progress)
        try:
            if self.callback is not None:
                self.callback(progress)
        except Exception:
            self.callback = None
            log.warning(_FAILED, exc_info=True)


def callable_anywhere(callback: OnProgress, *, awaited: bool) -> OnProgress:
    """Return a callback as a transfer may call it: from any thread.

    Raises:
        InvalidInputError: It cannot be called, or only by an event loop.
    """
    if not callable(callback):
        raise refuse("progress", "something that can be called", callback)
    if awaited:
        return _on_this_loop(callback)
    if iscoroutinefunction(callback):
        raise InvalidInputError("progress is a coroutine function; only the async client can await it.")
    return callback


def _on_this_loop(callback: OnProgress) -> OnProgress:
    """Have a callback called by the loop that runs now, whatever thread reads the file."""
    import asyncio

    loop = asyncio.get_running_loop()
    under_way, failed = set(), False

    async def tell(progress: Progress) -> None:
        nonlocal failed
        try:
            outcome = callback(progress)
            if isawaitable(outcome):
                await outcome
        except Exception:
            failed = True
            log.warning(_FAILED, exc_info=True)

    def begin(progress: Progress) -> None:
        if not failed:
            task = loop.create_task(tell(progress))
            under_way.add(task)  # a loop does not keep its tasks alive
            task.add_done_callback(under_way.discard)

    return lambda progress: loop.call_soon_threadsafe(begin, progress)
