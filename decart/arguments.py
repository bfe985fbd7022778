"""Check the arguments of a call before anything is sent, and before anything is billed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from inspect import iscoroutinefunction
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from .errors import InvalidInputError
from .inputs import refuse
from .jobs import JobStatusResponse
from .options import OnStatusChange
from .policies import PollPolicy
from .progress import (
    OnPoolProgress,
    OnProgress,
    ShowPoolProgress,
    ShowProgress,
    callable_anywhere,
    check_callback,
    is_async,
)
from .targets import check_target
from .transports.base import Event

if TYPE_CHECKING:
    from .integrations.progress_bar import Bar

ProgressCallbacks = tuple[OnProgress | None, Callable[[JobStatusResponse], None] | None]
"""The callbacks for bytes and for status checks."""


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


def wait_arguments(
    on_status_change: OnStatusChange | None,
    poll: PollPolicy | None,
    cancel: Event | None,
    save_to: str | os.PathLike[str] | None,
    callbacks: ProgressCallbacks,
    *,
    awaited: bool,
) -> WaitArguments:
    """Check the arguments of a wait, so that nothing that could be refused before a submit fails after it.

    Args:
        callbacks: Those of ``shown_progress``.
        awaited: Whether it is the async client that was called.

    Raises:
        InvalidInputError: An argument cannot be used.
    """
    if on_status_change is not None:
        if not callable(on_status_change):
            raise refuse("on_status_change", "callable", on_status_change)
        if is_async(on_status_change) and not awaited:
            raise InvalidInputError("on_status_change is a coroutine function; only the async client can await it.")
    if poll is not None:
        check_policy(poll)
    if cancel is not None:
        _check_cancel(cancel, awaited=awaited)
    target = None if save_to is None else check_target(save_to, "save_to")
    on_progress, on_poll = callbacks
    return WaitArguments(
        on_status_change=on_status_change,
        poll=poll,
        cancel=cancel,
        save_to=target,
        on_progress=on_progress,
        on_poll=on_poll,
    )


def shown_progress(progress: ShowProgress | None, *, awaited: bool) -> AbstractContextManager[ProgressCallbacks]:
    """Return a context manager that gives the caller's callback, or those of a bar that is removed at the end.

    Raises:
        InvalidInputError: ``progress`` cannot be called.
        MissingExtraError: The progress bar's package is not installed.
    """
    if progress is None or progress is False:
        return nullcontext((None, None))
    if progress is True:
        return _bar(awaited=awaited)
    return nullcontext((callable_anywhere(progress, awaited=awaited), None))


@contextmanager
def _bar(*, awaited: bool) -> Iterator[ProgressCallbacks]:
    from .integrations.progress_bar import Bar  # needs an extra

    with Bar() as bar:
        yield callable_anywhere(bar.on_progress, awaited=awaited), bar.on_poll


def shown_pool(progress: ShowPoolProgress | None, *, awaited: bool) -> tuple[OnPoolProgress | None, Bar | None]:
    """Return what is called with the progress of a pool, and the bar that it belongs to, if it is one.

    Raises:
        InvalidInputError: ``progress`` cannot be called.
        MissingExtraError: The progress bar's package is not installed.
    """
    if progress is None or progress is False:
        return None, None
    if progress is True:
        from .integrations.progress_bar import Bar  # needs an extra

        bar = Bar()
        return bar.on_pool, bar
    check_callback(progress, awaited=awaited)
    return progress, None


def check_policy(poll: object) -> None:
    """Refuse what is not a policy for a wait.

    Raises:
        InvalidInputError: It is not a ``PollPolicy``.
    """
    if not isinstance(poll, PollPolicy):
        raise refuse("poll", "a PollPolicy", poll)


def _check_cancel(cancel: object, *, awaited: bool) -> None:
    kind = "a threading.Event or an asyncio.Event" if awaited else "a threading.Event"
    wait = getattr(cancel, "wait", None)
    blocks = callable(wait) and not iscoroutinefunction(wait)
    if not callable(getattr(cancel, "is_set", None)) or not (awaited or blocks):
        raise refuse("cancel", kind, cancel)
