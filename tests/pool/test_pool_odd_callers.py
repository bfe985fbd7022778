"""What a caller's functions, hooks and callbacks may do to a pool: no job is lost, and none waits forever."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import wait
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from support.pools import PATIENCE, both_doors, content, door_of, emulator_of, lake

from decart import ClientClosedError, EventHook, InvalidInputError, MemoryJournal, SpendLimitError
from decart.emulator import Fault


class Real(float):
    """A number of another library, such as numpy's, whose ``repr`` is no number."""

    def __repr__(self) -> str:
        return f"Real({float(self)})"


def test_a_done_callback_that_exits_does_not_end_a_worker(caplog: pytest.LogCaptureFixture) -> None:
    with emulator_of() as emulator, emulator.client() as client, client.queue.pool(workers=1) as pool:
        futures = [pool.submit(lake(number)) for number in range(3)]
        for future in futures:
            future.add_done_callback(lambda _: sys.exit("enough"))
        wait(futures, PATIENCE)
        assert [future.result(0).data for future in futures] == [content(number) for number in range(3)]
    assert "a callback of a future of a pool raised SystemExit('enough')" in caplog.messages


@both_doors
def test_a_hook_that_exits_at_the_end_of_a_job_does_not_lose_its_video(
    door: str, caplog: pytest.LogCaptureFixture
) -> None:
    class Exiting(EventHook):
        @contextmanager
        def operation(self, operation: Any) -> Iterator[None]:
            yield
            if operation.name == "job":
                raise Exit

    class Exit(BaseException):
        pass

    journal = MemoryJournal()
    settings = {"event_hooks": [Exiting()], "journal": journal}
    with emulator_of() as emulator, door_of(door, emulator, settings) as pool, pool:
        assert [pool.submit(lake(number)).result().data for number in range(2)] == [content(0), content(1)]
    assert [record.owner for record in journal.select()] == ["", ""]
    assert caplog.messages.count("a job of a pool has ended, and then Exit() was raised") == 2


def test_a_callback_that_closes_the_pool_is_refused_and_does_not_wait_for_itself() -> None:
    with emulator_of() as emulator, emulator.client() as client, client.queue.pool() as pool:
        future = pool.submit(lake() | {"on_status_change": lambda job: pool.close()})
        with pytest.raises(InvalidInputError, match="cannot wait for the pool"):
            future.result(PATIENCE)
        assert pool.submit(lake(1)).result(PATIENCE).data == content(1)


def test_a_coroutine_of_a_job_that_closes_the_pool_is_refused() -> None:
    with emulator_of() as emulator, door_of("async", emulator) as door, door:

        async def close(job: Any) -> None:
            await door.pool.close()

        future = door.submit(lake() | {"on_status_change": close})
        with pytest.raises(InvalidInputError, match="cannot wait for the pool"):
            future.result()


def test_a_job_that_comes_while_the_pool_is_being_closed_ends_at_once() -> None:
    with emulator_of() as emulator, emulator.client() as client:
        pool = client.queue.pool()
        pool.submit(lake())

        def close(index: int, options: Any) -> str:
            pool.close()
            return "lake.mp4"

        assert isinstance(pool.submit(lake(1), save_to=close).exception(PATIENCE), ClientClosedError)
        assert len(emulator.requests.submits) == 1


@pytest.mark.parametrize("first", [1, 2])
def test_a_pool_does_without_threads_that_the_system_does_not_have(
    first: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The one that cannot be started is the first, or the second."""
    start, tried = threading.Thread.start, []

    def refusing(thread: threading.Thread) -> None:
        if thread.name.startswith("decart-pool"):
            tried.append(thread)
            if len(tried) == first:
                raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refusing)
    with emulator_of() as emulator, emulator.client() as client, client.queue.pool(workers=2) as pool:
        futures = [pool.submit(lake(number)) for number in range(4)]
        if first == 1:  # without any worker, it is the error of the job, which is not sent
            assert isinstance(futures.pop(0).exception(PATIENCE), RuntimeError)
        assert len([future.result(PATIENCE) for future in futures]) == len(emulator.requests.submits)
    assert len(tried) in (2, 3)
    assert ("a pool goes on with fewer threads than 2: can't start new thread" in caplog.messages) == (first == 2)


@both_doors
def test_a_function_that_runs_out_of_names_is_an_error_of_its_job(door: str) -> None:
    names = iter([])
    with emulator_of() as emulator, door_of(door, emulator) as pool, pool:
        error = pool.submit(lake(), save_to=lambda index, options: next(names)).exception()
        assert isinstance(error, RuntimeError)
        assert "StopIteration" in str(error)


@pytest.mark.skipif(os.name == "nt", reason="symlinks need a privilege")
def test_a_folder_that_is_moved_meanwhile_gives_its_file_back(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "one")

    def move(job: Any) -> None:
        link.unlink()
        link.symlink_to(tmp_path / "two")

    with emulator_of() as emulator, emulator.client() as client, client.queue.pool() as pool:
        pool.submit(lake() | {"on_status_change": move}, save_to=link / "lake.mp4").result(PATIENCE)
        result = pool.submit(lake(1), save_to=tmp_path / "one" / "lake.mp4").result(PATIENCE)
        assert result.path is not None
        assert result.path.read_bytes() == content(1)


@pytest.mark.parametrize("limit", [Real(1.0), Decimal("1.0")])
def test_the_limit_may_be_a_number_of_another_library(limit: Any) -> None:
    with emulator_of() as emulator, emulator.client(prices={"lucy-pro-t2v": Real(0.4)}) as client:
        with client.queue.pool(max_spend=limit) as pool:
            ends = list(pool.map(map(lake, range(3)), return_exceptions=True))
        assert isinstance(ends[2], SpendLimitError)
        assert len(emulator.requests.submits) == 2


def test_what_was_reserved_for_a_job_that_another_call_has_paid_for_is_given_back() -> None:
    """Its first attempt is refused; before the second one, another client submits a job with the label."""
    journal = MemoryJournal()
    with emulator_of(faults=Fault("status", code=429, on="submit")) as emulator:
        other = emulator.client(journal=journal)

        class Submitting(EventHook):
            def retry(self, event: Any) -> None:
                other.queue.submit(lake(), label="order-1")

        settings: dict[str, Any] = {"event_hooks": [Submitting()], "prices": {"lucy-pro-t2v": 1}, "journal": journal}
        with other, emulator.client(**settings) as client, client.queue.pool(max_spend=1, workers=1) as pool:
            assert pool.submit(lake(), label="order-1").result(PATIENCE).data == content()
            assert pool.submit(lake(1)).result(PATIENCE).data == content(1)
        assert len([request for request in emulator.requests.submits if request.status == 200]) == 2
