"""Faults on a virtual clock: how long waits, silences and slow bodies take."""

from __future__ import annotations

from itertools import accumulate

import pytest
from support.lake import LAKE, VIDEO
from support.studio import Studio

from decart import (
    PollPolicy,
    SubmitOutcomeUnknownError,
    Timeout,
)
from decart.emulator import VirtualEmulator


def test_the_clock_has_the_schedule_of_a_wait_that_never_ends() -> None:
    steady = PollPolicy(interval=100, backoff=1, max_interval=100, jitter=0)
    with VirtualEmulator(faults="job-never-ends") as emulator, emulator.client(poll=steady) as client:
        result = client.queue.submit_and_poll(LAKE)
        assert result.timed_out
        assert emulator.clock.sleeps == [100] * 6
        assert emulator.requests.polls(result.job_id) == [100, 200, 300, 400, 500, 600]
        assert emulator.clock.now() == 600


def test_the_default_schedule_ends_after_ten_minutes() -> None:
    with VirtualEmulator(faults="job-never-ends") as emulator, emulator.client(poll=PollPolicy(jitter=0)) as client:
        job_id = client.queue.submit_and_poll(LAKE).job_id
        polls = emulator.requests.polls(job_id)
        assert polls[:5] == [0.5, 1.25, 2.375, 4.0625, 6.0625]
        assert polls == pytest.approx(list(accumulate(emulator.clock.sleeps)))
        assert polls[-1] == pytest.approx(600)


@pytest.mark.parametrize("header", ["retry_after=7", "retry_after_date=7"])
def test_retry_after_is_obeyed_in_either_form(header: str) -> None:
    with VirtualEmulator(faults=f"status:503,on=submit,times=2,{header}") as emulator, emulator.client() as client:
        client.queue.submit(LAKE)
        assert emulator.clock.sleeps == [7, 7]
        assert [entry.at for entry in emulator.requests.submits] == [0, 7, 14]


def test_a_slow_response_takes_virtual_time_without_a_sleep() -> None:
    with VirtualEmulator(pending=0, processing=0, renderer=Studio(), faults="drip:2,bytes=4") as emulator:
        with emulator.client() as client:
            assert client.queue.submit_and_poll(LAKE).data == VIDEO
        assert emulator.clock.now() == pytest.approx(sum(emulator.clock.sleeps) + 3 * 2)


@pytest.mark.parametrize(
    ("timeout", "passed"), [(Timeout(read=5), 5), (Timeout(read=5, total=2), 2), (Timeout(read=60), 60)]
)
def test_a_silence_lasts_until_the_client_times_out(timeout: Timeout, passed: float) -> None:
    with VirtualEmulator(faults="stall:61") as emulator, emulator.client(timeout=timeout) as client:
        with pytest.raises(SubmitOutcomeUnknownError):
            client.queue.submit(LAKE)
        assert emulator.clock.now() == passed


def test_a_silence_that_ends_in_time_is_followed_by_the_response() -> None:
    with VirtualEmulator(faults="stall:59") as emulator, emulator.client() as client:
        assert client.queue.submit(LAKE).status == "pending"
        assert emulator.clock.now() == 59


def test_a_silence_can_precede_a_dropped_connection() -> None:
    with VirtualEmulator(faults=["stall:5", "drop-before"]) as emulator, emulator.client() as client:
        with pytest.raises(SubmitOutcomeUnknownError):
            client.queue.submit(LAKE)
        assert emulator.requests[0].faults == ("drop-before", "stall")
        assert emulator.clock.now() == 5


def test_a_client_may_time_out_before_the_connection_is_dropped() -> None:
    with VirtualEmulator(faults=["stall:500", "drop-before"]) as emulator, emulator.client() as client:
        with pytest.raises(SubmitOutcomeUnknownError):
            client.queue.submit(LAKE)
        assert emulator.clock.now() == 60


@pytest.mark.parametrize("place", [0, 4, 14])
def test_a_silence_may_begin_at_any_byte_but_the_last(place: int) -> None:
    with VirtualEmulator(
        pending=0, processing=0, renderer=Studio(), faults=f"stall:5,bytes={place},on=content"
    ) as emulator:
        with emulator.client() as client:
            assert client.queue.submit_and_poll(LAKE).data == VIDEO
        assert emulator.clock.now() == pytest.approx(sum(emulator.clock.sleeps) + 5)


def test_a_silence_in_a_slow_body_begins_at_its_byte() -> None:
    faults = ["stall:5,bytes=6,on=content", "drip:1,bytes=5"]
    with VirtualEmulator(pending=0, processing=0, renderer=Studio(), faults=faults) as emulator:
        with emulator.client() as client:
            assert client.queue.submit_and_poll(LAKE).data == VIDEO
        assert emulator.clock.now() == pytest.approx(sum(emulator.clock.sleeps) + 5 + 2)
