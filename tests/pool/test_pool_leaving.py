"""Leaving a pool early: what is still sent, what the futures and the exception say, and closing."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError
from itertools import count
from typing import Any

import pytest
from support.pools import PATIENCE, Held, both_doors, content, door_of, emulator_of, lake

from decart import ClientClosedError, MemoryJournal, PollPolicy, WaitCancelledError
from decart.pool.options import left_early
from decart.transports.base import HttpRequest

ENDLESS = {"poll": PollPolicy(timeout=None)}


class Interrupt(BaseException):
    """What Ctrl-C or a supervisor raises."""


def accepted(seen: threading.Event) -> dict[str, Any]:
    """Return options that set an event when the job is accepted."""
    return lake() | {"on_status_change": lambda job: seen.set()}


@both_doors
@pytest.mark.parametrize("kind", [KeyboardInterrupt, ValueError, Interrupt])
def test_an_exception_submits_nothing_more_and_says_which_jobs_continue(
    door: str, kind: type[BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    seen = threading.Event()
    with emulator_of(pending=1e9) as emulator, door_of(door, emulator, ENDLESS, max_in_flight=1) as pool:
        with pytest.raises(kind) as caught, pool:
            running, waiting = pool.submit(accepted(seen)), pool.submit(lake(1))
            assert seen.wait(PATIENCE)
            raise kind
        job_id = emulator.requests.submits[0].job_id
        assert len(emulator.requests.submits) == 1
        assert waiting.cancelled()
        error = running.exception()
        assert isinstance(error, WaitCancelledError)
        assert error.job_id == job_id
    note = (
        f"Jobs of this pool that still run, and are billed (1): {job_id}. To wait for one: client.queue.poll(job_id)."
    )
    assert caught.value.__notes__ == [note]
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert warnings == [note]  # one for all jobs


@both_doors
def test_with_a_journal_the_note_names_the_ways_to_continue(door: str) -> None:
    seen = threading.Event()
    settings = ENDLESS | {"journal": MemoryJournal()}
    with (
        emulator_of(pending=1e9) as emulator,
        door_of(door, emulator, settings) as pool,
        pytest.raises(KeyboardInterrupt) as caught,
        pool,
    ):
        pool.submit(accepted(seen))
        assert seen.wait(PATIENCE)
        raise KeyboardInterrupt
    assert "the same labels in a pool again, or client.jobs.resume(save_to=...)" in caught.value.__notes__[0]


@both_doors
def test_a_submit_that_is_under_way_ends_and_its_id_is_not_lost(door: str) -> None:
    with emulator_of(pending=1e9) as emulator:
        held = Held(emulator, lambda request: request.method == "POST")
        with door_of(door, emulator, ENDLESS | {"transport": held}, max_in_flight=1, workers=2) as pool:
            with pytest.raises(KeyboardInterrupt) as caught, pool:
                future, waiting = pool.submit(lake()), pool.submit(lake(1))
                assert held.reached.wait(PATIENCE)
                waiting.add_done_callback(held.release)  # it is cancelled as the block is left
                raise KeyboardInterrupt
            job_id = emulator.requests.submits[0].job_id
            assert future.exception().job_id == job_id
    assert str(job_id) in caught.value.__notes__[0]


@both_doors
def test_a_video_that_was_not_fetched_yet_is_left_with_the_service(door: str) -> None:
    completed, statuses = threading.Semaphore(0), []

    def note(job: Any) -> None:
        statuses.append(job.status)
        if statuses.count("completed") == 3:
            completed.release()

    with emulator_of() as emulator:
        held = Held(emulator, lambda request: request.url.endswith("/content"))
        with door_of(door, emulator, {"transport": held}, workers=2) as pool:
            with pytest.raises(KeyboardInterrupt), pool:
                futures = [pool.submit(lake(number) | {"on_status_change": note}) for number in range(3)]
                assert held.reached.wait(PATIENCE)
                assert completed.acquire(timeout=PATIENCE)
                for future in futures:
                    future.add_done_callback(held.release)
                raise KeyboardInterrupt
            errors = [future.exception() for future in futures]
    left = [error for error in errors if "is done and its result stays with the service" in str(error)]
    assert len(left) >= 2  # the first may have been fetched
    assert all(isinstance(error, WaitCancelledError) and error.job_id for error in left)


def interrupted_twice(caught: list[BaseException], emulator: Any) -> None:
    """Check what two interrupts of a pool say that has a job and is submitting another."""
    job_id = emulator.requests.submits[0].job_id
    for error in caught:
        assert error.__notes__[0].startswith(f"Jobs of this pool that still run, and are billed (1): {job_id}.")
        assert "Submits that are under way, and may be billed: 1;" in error.__notes__[0]


def second_post() -> Callable[[HttpRequest], bool]:
    numbers = count()
    return lambda request: request.method == "POST" and next(numbers) == 1


def test_a_second_ctrl_c_names_the_jobs_and_the_submits_under_way() -> None:
    caught: list[BaseException] = []
    with emulator_of(pending=1e9) as emulator:
        held, main, seen = Held(emulator, second_post()), threading.get_ident(), threading.Event()
        with emulator.client(transport=held, **ENDLESS) as client:
            pool = client.queue.pool(workers=4)
            try:
                with pool:
                    running = pool.submit(accepted(seen))
                    assert seen.wait(PATIENCE)
                    pool.submit(lake(1))
                    assert held.reached.wait(PATIENCE)
                    running.add_done_callback(lambda _: signal.pthread_kill(main, signal.SIGINT))
                    raise KeyboardInterrupt
            except KeyboardInterrupt as second:
                caught += [second, second.__context__ or second]
            held.go_on.set()
            pool.close()
        interrupted_twice(caught, emulator)
        assert caught[0] is not caught[1]


def test_a_task_that_is_cancelled_twice_names_the_jobs_and_the_submits_under_way() -> None:
    caught: list[BaseException] = []

    async def main(emulator: Any) -> None:
        held = Held(emulator, second_post())
        async with emulator.async_client(transport=held, **ENDLESS) as client:
            pool, seen = client.queue.pool(workers=4), asyncio.Event()
            futures = []

            async def block() -> None:
                try:
                    async with pool:
                        futures.append(pool.submit(lake() | {"on_status_change": lambda job: seen.set()}))
                        await seen.wait()
                        pool.submit(lake(1))
                        await asyncio.to_thread(held.reached.wait, PATIENCE)
                        raise KeyError("first")
                except BaseException as second:
                    caught.extend([second, second.__context__ or second])

            task = asyncio.create_task(block())
            while not futures:
                await asyncio.sleep(0)
            await asyncio.wait(futures)
            task.cancel()
            await task
            held.go_on.set()
            await pool.close()

    with emulator_of(pending=1e9) as emulator:
        asyncio.run(main(emulator))
        interrupted_twice(caught, emulator)
    assert [type(error) for error in caught] == [asyncio.CancelledError, KeyError]


@both_doors
def test_a_future_can_be_cancelled_before_its_submit_and_costs_nothing(door: str) -> None:
    with emulator_of() as emulator:
        held = Held(emulator, lambda request: request.method == "POST")
        with door_of(door, emulator, {"transport": held}, max_in_flight=1) as pool:
            with pool:
                first, second, third = (pool.submit(lake(number)) for number in range(3))
                assert second.cancel()
                held.release()
                assert first.result().data == content(0)
                assert third.result().data == content(2)
            assert second.cancelled()
            with pytest.raises((CancelledError, asyncio.CancelledError)):
                second.result()
            assert len(emulator.requests.submits) == 2


def test_a_task_that_is_cancelled_after_its_submit_leaves_its_job_and_the_log_names_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    seen = threading.Event()
    with emulator_of(pending=1e9) as emulator, door_of("async", emulator, ENDLESS) as pool, pool:
        future = pool.submit(accepted(seen))
        assert seen.wait(PATIENCE)
        assert future.cancel()
    (submit,) = emulator.requests.submits
    (warning,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert warning.startswith(f"The wait for job {submit.job_id} was cancelled. The job continues, and is billed")


@both_doors
def test_closing_a_map_drops_the_jobs_that_were_not_submitted(door: str) -> None:
    with emulator_of() as emulator:
        held = Held(emulator, second_post())
        with door_of(door, emulator, {"transport": held}, max_in_flight=2, workers=2) as pool, pool:
            results = pool.map(map(lake, range(100)))
            assert next(results).data == content(0)
            results.close()  # type: ignore[attr-defined]
            held.release()
            pool.close()
        assert len(emulator.requests.submits) == 2


@both_doors
def test_a_closed_pool_takes_no_jobs(door: str) -> None:
    with emulator_of() as emulator, door_of(door, emulator) as pool:
        future = pool.submit(lake())
        pool.close()
        pool.close()
        assert future.result().data == content()
        with pytest.raises(ClientClosedError, match="pool is closed"):
            pool.submit(lake())
        with pytest.raises(ClientClosedError, match="pool is closed"):
            next(pool.map([lake()]))


@both_doors
def test_a_client_that_is_closed_ends_the_jobs(door: str) -> None:
    seen = threading.Event()
    with emulator_of(pending=1e9) as emulator, door_of(door, emulator, ENDLESS) as pool, pool:
        future = pool.submit(accepted(seen))
        assert seen.wait(PATIENCE)
        pool.close_client()
        assert isinstance(future.exception(), ClientClosedError)


@both_doors
def test_an_exception_of_a_pool_without_jobs_has_no_note(door: str) -> None:
    with emulator_of() as emulator, door_of(door, emulator) as pool, pytest.raises(KeyError) as caught, pool:
        pool.submit(lake()).result()
        raise KeyError
    assert not hasattr(caught.value, "__notes__")


def test_ctrl_c_while_the_block_waits_for_its_jobs_is_an_early_end() -> None:
    main = threading.get_ident()
    options = lake() | {"on_status_change": lambda job: signal.pthread_kill(main, signal.SIGINT)}
    with (
        emulator_of(pending=1e9) as emulator,
        emulator.client(**ENDLESS) as client,
        pytest.raises(KeyboardInterrupt) as caught,
        client.queue.pool() as pool,
    ):
        pool.submit(options)
    assert "still run, and are billed (1)" in caught.value.__notes__[0]


def test_a_task_that_is_cancelled_while_the_block_waits_is_an_early_end() -> None:
    notes: list[str] = []

    async def main(emulator: Any) -> None:
        async with emulator.async_client(**ENDLESS) as client:
            task = asyncio.current_task()
            assert task is not None
            try:
                async with client.queue.pool() as pool:
                    pool.submit(lake() | {"on_status_change": lambda job: task.cancel()})
            except asyncio.CancelledError as error:
                notes.extend(error.__notes__)

    with emulator_of(pending=1e9) as emulator:
        asyncio.run(main(emulator))
    assert "still run, and are billed (1)" in notes[0]


def test_an_event_loop_that_ends_cancels_the_futures(caplog: pytest.LogCaptureFixture) -> None:
    async def main(emulator: Any) -> Any:
        held = Held(emulator, lambda request: request.method == "GET")
        client = emulator.async_client(transport=held, **ENDLESS)
        future = client.queue.pool().submit(lake())
        await asyncio.to_thread(held.reached.wait, PATIENCE)
        return client, held, future

    with emulator_of(pending=1e9) as emulator:
        client, held, future = asyncio.run(main(emulator))
        held.release()
        job_id = emulator.requests.submits[0].job_id
        asyncio.run(client.close())
    assert future.cancelled()
    assert f"Job {job_id} continues. Wait for it with client.queue.poll({job_id!r})." in caplog.messages


def test_a_note_names_20_jobs_and_the_log_names_all() -> None:
    ids = [f"job-{number}" for number in range(25)]
    assert "job-19 and 5 more, which are in the log." in left_early(ids, 0, journal=False)
    assert "job-24. To wait" in left_early(ids, 0, 25, journal=False)
    assert left_early([], 2, journal=True) == (
        "Submits that are under way, and may be billed: 2; their ids will be in the log."
    )
