"""The clock of each transport: how it sleeps, and what ends a sleep."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from support.fakes import FakeTransport
from support.loops import cancel, on_a_loop, run_with_transport
from support.servers import PATIENCE

from decart.transports import LoopClock
from decart.transports.base import AsyncTransport, SystemClock, Transport
from decart.transports.threaded import ThreadedTransport


def test_a_sleep_takes_its_time_and_a_set_event_ends_it(transport: Transport) -> None:
    event, began = threading.Event(), transport.now()
    transport.sleep(0.05)
    transport.sleep(0.05, event)
    assert transport.now() - began >= 0.09
    event.set()
    transport.sleep(PATIENCE, event)
    assert transport.now() - began < PATIENCE / 2


@on_a_loop
@pytest.mark.usefixtures("no_leaks")
def test_a_hundred_sleeps_hold_no_thread(kind: str) -> None:
    async def main(transport: AsyncTransport) -> None:
        for event in (None, asyncio.Event(), threading.Event()):
            threads, began = threading.active_count(), transport.now()
            await asyncio.gather(*(transport.asleep(0.1, event) for _ in range(100)))
            assert 0.09 <= transport.now() - began < PATIENCE / 4
            assert threading.active_count() == threads

    run_with_transport(kind, main)


@on_a_loop
@pytest.mark.parametrize("event", [asyncio.Event, threading.Event], ids=["asyncio.Event", "threading.Event"])
@pytest.mark.usefixtures("no_leaks")
def test_a_sleep_ends_when_its_event_is_set(kind: str, event: Callable[[], Any]) -> None:
    async def main(transport: AsyncTransport) -> None:
        set_later = event()
        asyncio.get_running_loop().call_later(0.01, set_later.set)
        for _ in range(2):  # the second time it is set already
            await asyncio.wait_for(transport.asleep(PATIENCE, set_later), PATIENCE / 2)

    run_with_transport(kind, main)


@on_a_loop
@pytest.mark.parametrize("event", [asyncio.Event, threading.Event, lambda: None], ids=["asyncio", "threading", "none"])
@pytest.mark.usefixtures("no_leaks")
def test_cancelling_a_task_ends_its_sleep(kind: str, event: Callable[[], Any]) -> None:
    async def main(transport: AsyncTransport) -> None:
        task = asyncio.ensure_future(transport.asleep(PATIENCE, event()))
        await asyncio.sleep(0)
        await cancel(task)

    run_with_transport(kind, main)


@pytest.mark.usefixtures("no_leaks")
def test_a_threaded_transport_sleeps_by_the_clock_of_the_sync_one() -> None:
    async def main() -> None:
        fake = FakeTransport()
        transport = ThreadedTransport(fake)
        await transport.asleep(600)
        assert (transport.now(), fake.sleeps) == (600, [600])
        await transport.aclose()
        assert fake.closes == 1

    asyncio.run(main())


class Dated(FakeTransport):
    """A transport that has a calendar."""

    def time(self) -> float:
        return 86_400.0


class Timeless:
    """A transport whose author did not think of UNIX times."""

    send: Any = None
    now: Any = None
    sleep: Any = None
    close: Any = None


def test_each_clock_returns_the_unix_time() -> None:
    assert abs(SystemClock().time() - time.time()) < PATIENCE
    assert abs(LoopClock().time() - time.time()) < PATIENCE


def test_a_threaded_transport_passes_on_the_time_of_the_sync_one_if_it_has_any() -> None:
    assert ThreadedTransport(Dated()).time() == 86_400
    assert abs(ThreadedTransport(Timeless()).time() - time.time()) < PATIENCE
