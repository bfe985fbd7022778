"""A program that reports its failures to Sentry: ``python -m support.sentry_program requests``, in ``tests/``.

It prints, as JSON, what was sent to Sentry about each failure, and the contents of the stack frames. It runs in a
separate process because Sentry patches the standard library permanently. The API key comes from the environment, so
that no frame of the program holds it.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from types import FrameType
from typing import Any

import sentry_sdk
from sentry_sdk.envelope import Envelope
from sentry_sdk.scrubber import EventScrubber
from sentry_sdk.transport import Transport

from decart import DecartClient, DecartSDKError, RetryPolicy, models
from support.servers import Script, http, nobody, reply, reset, serving


class Kept(Transport):
    """Record what would be sent to Sentry."""

    def __init__(self) -> None:
        super().__init__()
        self.envelopes: list[Envelope] = []

    def capture_envelope(self, envelope: Envelope) -> None:
        self.envelopes.append(envelope)


@contextmanager
def answered_by(script: Script) -> Iterator[str]:
    with serving(script) as server:
        yield server.url


def failures() -> dict[str, AbstractContextManager[str]]:
    """Return an address for each kind of failure."""
    return {
        "connection refused": nobody(),
        "reset after the request": answered_by(reset()),
        "500": answered_by(reply(http(500, b"no"))),
    }


def order(client: DecartClient) -> None:
    precious = "mine"
    client.queue.submit({"model": models.video("lucy-clip"), "prompt": "snow", "data": precious.encode() * 100_000})


def chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def frames(error: BaseException) -> list[FrameType]:
    return [frame for link in chain(error) for frame, _ in traceback.walk_tb(link.__traceback__)]


def report(url: str, transport: Any, kept: Kept) -> dict[str, Any]:
    """Let a submit fail and capture the error; return what was sent to Sentry, and what the stack frames hold."""
    kept.envelopes.clear()
    with DecartClient(base_url=url, transport=transport, retry=RetryPolicy(attempts=1)) as client:
        try:
            with sentry_sdk.start_transaction(name="order"):
                order(client)
        except DecartSDKError as error:
            sentry_sdk.capture_exception(error)
            held = [(frame, name, repr(value)) for frame in frames(error) for name, value in frame.f_locals.items()]
    [event] = [event for envelope in kept.envelopes if (event := envelope.get_event()) is not None]
    return {
        "sent": b"".join(envelope.serialize() for envelope in kept.envelopes).decode(),
        "event": event,
        "precious": [value for frame, name, value in held if name == "precious" and frame.f_code is order.__code__],
        "with_key": [
            f"{frame.f_globals['__name__']}.{frame.f_code.co_name}: {name}"
            for frame, name, value in held
            if os.environ["DECART_API_KEY"] in value
        ],
    }


def main(transport: str) -> None:
    kept = Kept()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of other packages, which Sentry imports if they are installed
        sentry_sdk.init(
            dsn="http://x@127.0.0.1:9/1",
            transport=kept,
            traces_sample_rate=1.0,
            send_default_pii=True,
            max_value_length=1_000_000,
            event_scrubber=EventScrubber(denylist=[], pii_denylist=[]),  # nothing of ours relies on it
        )
    reported = {}
    for name, place in failures().items():
        with place as url:
            reported[name] = report(url, transport, kept)
    print(json.dumps(reported))


if __name__ == "__main__":
    main(sys.argv[1])
