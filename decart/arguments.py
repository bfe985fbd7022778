"""Check the arguments of a call before anything is sent, and before anything is billed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from inspect import iscoroutinefunction
from pathlib import Path

import attrs

from .errors import InvalidInputError, WaitCancelledError
from .inputs import JobInput, refuse
from .jobs import JobStatusResponse
from .options import JobOptions, OnStatusChange, callback_of, check_callback
from .policies import PollPolicy
from .progress import OnProgress, ShowProgress, callable_anywhere, is_async
from .targets import check_target
from .transports.base import Event


@attrs.frozen(kw_only=True)
class WaitArguments:
    """What a caller asked of a wait, checked.

    Attributes:
        on_status_change: Called with each new status.
        poll: The caller's policy; ``None`` for the client's.
        cancel: What ends the wait.
        save_to: The file that the result goes to; ``None`` for memory.
        on_progress: Called while bytes are transferred.
        on_poll: Called with each status, changed or not.
    """

    on_status_change: OnStatusChange | None = None
    poll: PollPolicy | None = None
    cancel: Event | None = None
    save_to: Path | None = None
    on_progress: OnProgress | None = None
    on_poll: Callable[[JobStatusResponse], None] | None = None


@contextmanager
def wait_arguments(
    *,
    options: JobOptions | JobInput | None = None,
    on_status_change: OnStatusChange | None,
    poll: PollPolicy | None,
    cancel: Event | None,
    save_to: str | os.PathLike[str] | None,
    progress: ShowProgress | None,
    awaited: bool,
) -> Iterator[WaitArguments]:
    """Check the arguments of a wait, and show a progress bar for its duration if one was asked for.

    Args:
        options: Those of a submit that precedes the wait; they may hold ``on_status_change``.
        awaited: Whether it is the async client that was called.

    Raises:
        InvalidInputError: An argument cannot be used.
        MissingExtraError: The progress bar's package is not installed.
        WaitCancelledError: ``cancel`` was set before a submit.
    """
    callback = on_status_change
    if options is not None:
        callback = callback_of(options, on_status_change)
    check_callback(callback)
    if is_async(callback) and not awaited:
        raise InvalidInputError("on_status_change is a coroutine function; only the async client can await it.")
    check_policy(poll)
    _check_cancel(cancel, awaited=awaited)
    if options is not None and cancel is not None and cancel.is_set():
        raise WaitCancelledError("The wait was cancelled before the job was submitted; nothing was sent.")
    target = None if save_to is None else check_target(save_to, "save_to")
    with shown_progress(progress, awaited=awaited) as (on_progress, on_poll):
        yield WaitArguments(
            on_status_change=callback,
            poll=poll,
            cancel=cancel,
            save_to=target,
            on_progress=on_progress,
            on_poll=on_poll,
        )


@contextmanager
def shown_progress(
    progress: ShowProgress | None, *, awaited: bool
) -> Iterator[tuple[OnProgress | None, Callable[[JobStatusResponse], None] | None]]:
    """Give the callbacks for bytes and for status checks: the caller's, or those of a bar that is removed at the end.

    Raises:
        InvalidInputError: ``progress`` cannot be called.
        MissingExtraError: The progress bar's package is not installed.
    """
    if progress is None or progress is False:
        yield None, None
    elif progress is True:
        from .integrations.progress_bar import Bar  # needs an extra

        with Bar() as bar:
            yield callable_anywhere(bar.on_progress, awaited=awaited), bar.on_poll
    else:
        yield callable_anywhere(progress, awaited=awaited), None


def check_policy(poll: object) -> None:
    """Refuse what is not a policy for a wait.

    Raises:
        InvalidInputError: It is neither ``None`` nor a ``PollPolicy``.
    """
    if poll is not None and not isinstance(poll, PollPolicy):
        raise refuse("poll", "a PollPolicy", poll)


def _check_cancel(cancel: object, *, awaited: bool) -> None:
    if cancel is None:
        return
    kind = "a threading.Event or an asyncio.Event" if awaited else "a threading.Event"
    wait = getattr(cancel, "wait", None)
    blocks = callable(wait) and not iscoroutinefunction(wait)
    if not callable(getattr(cancel, "is_set", None)) or not (awaited or blocks):
        raise refuse("cancel", kind, cancel)
