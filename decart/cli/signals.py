"""Ctrl-C and SIGTERM: a second one that follows at once does not end what the first one has begun."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

NUMBERS = (signal.SIGINT, signal.SIGTERM)

PAUSE = 1.0
"""Seconds within which a second signal means the same as the first: impatient people press Ctrl-C more than once."""

Handler = Callable[[int, FrameType | None], object]


def once(handler: Handler, last: float = -math.inf) -> Handler:
    """Return a handler that ignores signals that follow another one at once.

    Args:
        last: When the process got a signal, on the monotonic clock.
    """

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= PAUSE:
            last = now
            handler(number, frame)

    return handle


@contextmanager
def handled_by(handler: Handler) -> Iterator[None]:
    """Have a function handle both signals, unless they are ignored, as in the background of a script.

    It must not raise an error: `once` is for those that do. The handlers before it take over in the end.
    """
    before: dict[signal.Signals, Handler] = {}
    last = -math.inf

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal last
        last = time.monotonic()
        handler(number, frame)

    for number in NUMBERS:
        if callable(previous := signal.getsignal(number)):
            before[number] = previous
            signal.signal(number, handle)
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, once(previous, last))
