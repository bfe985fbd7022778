"""What transports share about failures: the walk to the reason behind an exception, and our words for it."""

from __future__ import annotations

import traceback
from collections.abc import Iterator

from ..errors import ConnectError, TransportError, TransportTimeout

_HOLD_THE_KEY = ("request", "response", "request_info")


def causes(error: BaseException) -> Iterator[BaseException]:
    """Walk from an exception to what is behind it, however the libraries have wrapped it."""
    seen: set[int] = set()
    todo = [error]
    while todo:
        error = todo.pop(0)
        if id(error) not in seen:
            seen.add(id(error))
            yield error
            inner = [*error.args, getattr(error, "reason", None), error.__cause__, error.__context__]
            todo += [cause for cause in inner if isinstance(cause, BaseException)]


def without_key(error: BaseException) -> BaseException:
    """Take the request, and with it the API key, off an exception that stays visible as ``__cause__``.

    The frames that it came through let go of what they hold, too: the key, and an answer with its open socket.
    """
    for cause in causes(error):
        for name in _HOLD_THE_KEY:
            if getattr(cause, name, None) is not None:
                setattr(cause, name, None)
        traceback.clear_frames(cause.__traceback__)
    return error


def failure(error: BaseException, *, sent: bool, silent: tuple[type[BaseException], ...], name: str) -> TransportError:
    """Turn the failure of an HTTP library into one of ours.

    Args:
        error: What the library raised.
        sent: Whether anything of the request may have reached the other side.
        silent: The library's exceptions that mean silence.
        name: What to call it when nothing behind it has better words.
    """
    behind = list(causes(error))
    why = next((cause.strerror for cause in behind if isinstance(cause, OSError) and cause.strerror), name)
    if not sent:
        return ConnectError(
            f"No connection to the service ({why}); nothing was sent. Check the network, the base URL and the proxies.",
            None, None, False,
        )  # fmt: skip
    if any(isinstance(cause, (TimeoutError, *silent)) for cause in behind):
        return TransportTimeout(
            f"The service went silent ({why}); the network or the service is at fault. Try again later."
        )
    return TransportError(f"The connection broke off ({why}); the network or the service is at fault. Try again later.")
