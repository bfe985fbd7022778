"""A queue over a scripted transport, on a clock that advances only in a sleep."""

from __future__ import annotations

from typing import Any

from decart import (
    ConnectError,
    PollPolicy,
    RetryPolicy,
)
from support.fakes import (
    OWN_MODEL,
    FakeTransport,
    client_of,
)

POLL = PollPolicy(jitter=0)
RETRY = RetryPolicy(jitter=0)
OWN: Any = {"model": OWN_MODEL, "prompt": "x"}


def queue_of(*script: Any, start: float = 0.0, **settings: Any) -> tuple[Any, FakeTransport]:
    transport = FakeTransport(*script, start=start)
    return client_of(transport, **{"poll": POLL, "retry": RETRY, **settings}).queue, transport


def connect_error() -> ConnectError:
    return ConnectError("No connection.", may_have_been_sent=False)
