"""Requests with names of their own to the server of `support.echo`, and what became of them."""

from __future__ import annotations

import faulthandler
import gc
import itertools
import os
import re
import statistics
import threading
import time
from collections.abc import Iterator
from typing import Any

import attrs

from decart import Timeout
from decart.transports.base import AsyncTransport, HttpRequest, Transport

HANG = 10.0  # seconds that no call may take
STREAMS = 100  # that can be open at once
LIMITS = Timeout(connect=HANG / 2, read=HANG / 2)


@attrs.frozen
class Token:
    """The small body of a POST."""

    token: bytes

    def __len__(self) -> int:
        return len(self.token)

    def __iter__(self) -> Iterator[bytes]:
        yield self.token


@attrs.frozen
class Call:
    """A request, and the id that its answer must name."""

    request: HttpRequest
    job_id: str


@attrs.define
class Tally:
    """What became of the calls.

    Attributes:
        calls: How many were to be interrupted.
        fired: How many interrupts began before the call was over.
        hits: How many of these came out of the call.
        crossed: How many answers were those of another request.
        errors: What else was raised.
        slowest: Seconds that the slowest call took.
    """

    calls: int = 0
    fired: int = 0
    hits: int = 0
    crossed: int = 0
    errors: list[str] = attrs.field(factory=list)
    slowest: float = 0.0

    def answered(self, call: Call, body: bytes) -> None:
        """See that an answer is the one to this call."""
        self.crossed += f'"job_id": "{call.job_id}"'.encode() not in body


class Calls:
    """An endless supply of calls: POST and GET by turns, a third of them answered in two parts."""

    def __init__(self, url: str) -> None:
        self._url, self._numbers = url, itertools.count()

    def next_call(self) -> Call:
        number = next(self._numbers)
        name = f"token-{'halves-' if number % 3 == 0 else ''}{number}"
        if number % 2:
            return Call(HttpRequest(method="GET", url=f"{self._url}/v1/jobs/{name}", headers={}), name)
        headers = {"Content-Type": "text/plain"}
        url = f"{self._url}/v1/jobs/lucy"
        return Call(HttpRequest(method="POST", url=url, headers=headers, body=Token(name.encode())), name)

    def stream(self) -> HttpRequest:
        """Ask for a video of which only a part will ever come."""
        return HttpRequest(method="GET", url=f"{self._url}/v1/jobs/done-{next(self._numbers)}/content", headers={})

    def count(self, transport: Transport, what: str) -> int:
        """Ask the server how many ``connections`` were made, or were ``garbled``."""
        request = HttpRequest(method="GET", url=f"{self._url}/{what}", headers={})
        found = re.search(rb'"status": "(\d+)"', read(transport, request))
        assert found is not None
        return int(found[1])


def read(transport: Transport, request: HttpRequest) -> bytes:
    """Make an exchange."""
    with transport.send(request, timeout=LIMITS) as response:
        return response.read()


async def aread(transport: AsyncTransport, request: HttpRequest) -> bytes:
    """Make an exchange, awaited."""
    async with await transport.asend(request, timeout=LIMITS) as response:
        return await response.aread()


def timed(durations: list[float], began: float) -> float:
    """Add the duration of what began then and ends now; return the median of all of them."""
    durations.append(time.perf_counter() - began)
    return statistics.median(durations)


def watch_for_hangs() -> None:
    """End the process with every thread's stack unless this is called again in time."""
    faulthandler.dump_traceback_later(HANG, exit=True)


def census() -> dict[str, int]:
    """Count the file descriptors and the threads of this process."""
    gc.collect()
    return {"files": len(os.listdir("/proc/self/fd")), "threads": threading.active_count()}


def usability(transport: Transport, calls: Calls) -> dict[str, Any]:
    """Say whether many streams can be open at once, and an exchange uses the connection of the one before it."""
    streams = [transport.send(calls.stream(), timeout=LIMITS) for _ in range(STREAMS)]
    beside = calls.next_call()
    answered = beside.job_id.encode() in read(transport, beside.request)
    opened = [stream.status for stream in streams]
    for stream in streams:
        stream.close()
    read(transport, calls.next_call().request)
    before = calls.count(transport, "connections")
    for _ in range(5):
        read(transport, calls.next_call().request)
    return {
        "streams": opened.count(200),
        "answered_beside_them": answered,
        "connections_of_five_exchanges": calls.count(transport, "connections") - before,
        "garbled": calls.count(transport, "garbled"),
    }
