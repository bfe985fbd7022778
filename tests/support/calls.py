"""Uniquely named requests to the server of `support.echo`, and a tally of their outcomes."""

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

HANG = 10.0  # seconds after which a call counts as hanging
RECENT = 200  # calls that show how long a call takes now: on a busy machine, this changes
STREAMS = 100  # streams that can be open at the same time
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
    """A request, and the ID that its response must contain."""

    request: HttpRequest
    job_id: str


@attrs.define
class Tally:
    """The outcomes of the calls.

    Attributes:
        calls: The number of calls that were meant to be interrupted.
        fired: The number of interrupts that happened before the call was over.
        hits: The number of interrupts that the call raised.
        crossed: The number of responses that belonged to another request.
        errors: The other exceptions.
        slowest: The duration of the slowest call, in seconds.
    """

    calls: int = 0
    fired: int = 0
    hits: int = 0
    crossed: int = 0
    errors: list[str] = attrs.field(factory=list)
    slowest: float = 0.0

    def answered(self, call: Call, body: bytes) -> None:
        """Check that a response belongs to this call."""
        self.crossed += f'"job_id": "{call.job_id}"'.encode() not in body


class Calls:
    """An endless supply of calls, alternately POST and GET; a third of the responses arrive in two parts."""

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
        """Return a request for a video of which only the beginning is ever sent."""
        return HttpRequest(method="GET", url=f"{self._url}/v1/jobs/done-{next(self._numbers)}/content", headers={})

    def count(self, transport: Transport, what: str) -> int:
        """Return the number of ``connections`` to the server, or of ``garbled`` ones."""
        request = HttpRequest(method="GET", url=f"{self._url}/{what}", headers={})
        found = re.search(rb'"status": "(\d+)"', read(transport, request))
        assert found is not None
        return int(found[1])


def read(transport: Transport, request: HttpRequest) -> bytes:
    """Make an exchange, and return the body of the response."""
    with transport.send(request, timeout=LIMITS) as response:
        return response.read()


async def aread(transport: AsyncTransport, request: HttpRequest) -> bytes:
    """Make an async exchange, and return the body of the response."""
    async with await transport.asend(request, timeout=LIMITS) as response:
        return await response.aread()


def timed(durations: list[float], began: float) -> float:
    """Append the seconds since ``began``; return the median of the last durations."""
    durations.append(time.perf_counter() - began)
    return statistics.median(durations[-RECENT:])


def watch_for_hangs() -> None:
    """Exit with the stacks of all threads unless this is called again in time."""
    faulthandler.dump_traceback_later(HANG, exit=True)


def census() -> dict[str, int]:
    """Count the file descriptors and the threads of this process."""
    gc.collect()
    return {"files": len(os.listdir("/proc/self/fd")), "threads": threading.active_count()}


def usability(transport: Transport, calls: Calls) -> dict[str, Any]:
    """Check whether many streams can be open at once, and whether exchanges reuse a connection."""
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
