"""The virtual clock."""

from __future__ import annotations

import threading

from decart.emulator import VirtualClock


def test_only_sleep_advances_it_and_every_sleep_is_recorded() -> None:
    clock = VirtualClock()
    clock.sleep(1.5)
    clock.sleep(600)
    assert (clock.now(), clock.sleeps) == (601.5, [1.5, 600])


def test_a_sleep_that_is_cancelled_takes_no_time() -> None:
    clock, cancel = VirtualClock(), threading.Event()
    clock.sleep(1, cancel)
    cancel.set()
    clock.sleep(1, cancel)
    assert clock.now() == 1


def test_advance_records_no_sleep() -> None:
    clock = VirtualClock()
    clock.advance(5)
    assert (clock.now(), clock.sleeps) == (5, [])
