"""A program that interrupts exchanges at random times, and prints the outcomes.

::

    python -m support.interrupts signals requests http://127.0.0.1:1234 5000

``signals`` raises an exception out of a signal handler in the main thread, as Ctrl-C and Celery's soft time limit do;
``cancellations`` cancels tasks on an event loop.
"""

from __future__ import annotations

import asyncio
import json
import random
import signal
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any, TypeVar

import attrs

from decart.transports.base import AsyncTransport
from support.calls import (
    Call,
    Calls,
    Tally,
    aread,
    census,
    read,
    timed,
    usability,
    watch_for_hangs,
)
from support.faces import ASYNC, SYNC, Blocking

T = TypeVar("T")
TASKS = 4  # tasks that are cancelled concurrently
WARM_UP = 200  # exchanges to measure their duration


class Interrupt(BaseException):
    """Raised by the signal handler."""


class Alarm:
    """Interrupts calls.

    Attributes:
        fired: The number of interrupts that happened before the call was over.
    """

    def __init__(self) -> None:
        self.fired = 0
        self._armed = False
        signal.signal(signal.SIGALRM, self._ring)

    def _ring(self, *_: object) -> None:
        if self._armed:
            self._armed = False
            self.fired += 1
            raise Interrupt

    def during(self, call: Callable[[], T], seconds: float) -> T:
        """Make a call, and interrupt it if it takes longer than ``seconds``."""
        try:
            self._armed = True
            signal.setitimer(signal.ITIMER_REAL, seconds)
            return call()
        finally:
            self._armed = False
            signal.setitimer(signal.ITIMER_REAL, 0)


def moment(duration: float) -> float:
    """Return a random time within an exchange."""
    return max(1e-6, random.random() * duration)


def signals(name: str, url: str, interrupts: int) -> dict[str, Any]:
    """Interrupt ``interrupts`` exchanges of a sync transport."""
    warnings.simplefilter("ignore", ResourceWarning)  # an interrupt while connecting leaves the socket to the collector
    begun = census()
    transport, calls, tally, alarm = SYNC[name](), Calls(url), Tally(), Alarm()
    durations: list[float] = []
    for _ in range(WARM_UP):
        began = time.perf_counter()
        read(transport, calls.next_call().request)
        usual = timed(durations, began)
    warm = census()

    def make(call: Call, seconds: float | None) -> None:
        nonlocal usual
        began = time.perf_counter()
        try:
            if seconds is None:
                body = read(transport, call.request)
                usual = timed(durations, began)
            else:
                body = alarm.during(lambda: read(transport, call.request), seconds)
            tally.answered(call, body)
        except Interrupt:
            tally.hits += 1
        except Exception as error:
            tally.errors.append(repr(error))
        tally.slowest = max(tally.slowest, time.perf_counter() - began)

    while tally.hits < interrupts and len(tally.errors) < 100:
        if tally.calls % 100 == 0:
            watch_for_hangs()
        tally.calls += 1
        make(calls.next_call(), moment(usual))
        if random.random() < 0.5:  # or most interrupted exchanges would start on a new connection
            make(calls.next_call(), None)
    tally.fired = alarm.fired
    watch_for_hangs()
    afterwards = census()
    use = usability(transport, calls)
    transport.close()
    return attrs.asdict(tally) | use | {"begun": begun, "warm": warm, "afterwards": afterwards, "closed": census()}


def cancellations(name: str, url: str, interrupts: int) -> dict[str, Any]:
    """Cancel ``interrupts`` exchanges of an async transport."""
    begun = census()
    transport, calls, tally = ASYNC[name](), Calls(url), Tally()
    face = Blocking(transport)
    durations = face.run(_durations(transport, calls))
    warm = census()
    face.run(_cancel(transport, calls, tally, interrupts, durations))
    watch_for_hangs()
    afterwards = census()
    use = usability(face, calls)
    face.close()
    return attrs.asdict(tally) | use | {"begun": begun, "warm": warm, "afterwards": afterwards, "closed": census()}


async def _ended(task: asyncio.Task[bytes], seconds: float) -> bool:
    """Wait for a task, and cancel it after ``seconds``; return whether it was cancelled before it was done.

    The timers of the loop cannot be used: their resolution is about the duration of an exchange.
    """
    ends = time.perf_counter() + seconds
    while not task.done() and time.perf_counter() < ends:
        await asyncio.sleep(0)
    cancelled = task.cancel()
    await asyncio.wait({task})
    return cancelled


async def _durations(transport: AsyncTransport, calls: Calls) -> list[float]:
    durations: list[float] = []

    async def work() -> None:
        for _ in range(WARM_UP // TASKS):
            began = time.perf_counter()
            await _ended(asyncio.ensure_future(aread(transport, calls.next_call().request)), float("inf"))
            timed(durations, began)

    await asyncio.gather(*(work() for _ in range(TASKS)))
    return durations


async def _cancel(
    transport: AsyncTransport, calls: Calls, tally: Tally, interrupts: int, durations: list[float]
) -> None:
    usual = statistics.median(durations)

    async def make(call: Call, seconds: float) -> None:
        nonlocal usual
        began = time.perf_counter()
        task = asyncio.ensure_future(aread(transport, call.request))
        cancelled = await _ended(task, seconds)
        tally.fired += cancelled
        if task.cancelled():
            tally.hits += 1
        elif (error := task.exception()) is not None:
            tally.errors.append(repr(error))
        else:
            tally.answered(call, task.result())
            if seconds == float("inf"):
                usual = timed(durations, began)
        tally.slowest = max(tally.slowest, time.perf_counter() - began)

    async def work() -> None:
        while tally.hits < interrupts and len(tally.errors) < 100:
            if tally.calls % 100 == 0:
                watch_for_hangs()
            tally.calls += 1
            await make(calls.next_call(), moment(usual))
            if random.random() < 0.5:
                await make(calls.next_call(), float("inf"))

    await asyncio.gather(*(work() for _ in range(TASKS)))


def main(how: str, name: str, url: str, interrupts: str) -> None:
    unraisable: list[str] = []
    sys.unraisablehook = lambda unraised: unraisable.append(f"{unraised.exc_value!r} in {unraised.object!r}")
    watch_for_hangs()
    report = {"signals": signals, "cancellations": cancellations}[how](name, url, int(interrupts))
    json.dump(report | {"unraisable": unraisable}, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
