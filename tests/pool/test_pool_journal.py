"""A pool of a client with a journal: what a second run does, and two pools at once."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from support.pools import PATIENCE, both_doors, content, door_of, emulator_of, lake

from decart import (
    FailedJob,
    InvalidInputError,
    JobRecord,
    LabelConflictError,
    MemoryJournal,
    PollPolicy,
    SavedJob,
    SpendLimitError,
)
from decart.emulator import Fault
from decart.emulator.clock import VirtualClock
from decart.journal.owners import Claim


def run(door: str, emulator: Any, journal: Any, jobs: int = 4, **options: Any) -> list[Any]:
    with door_of(door, emulator, {"journal": journal}) as pool, pool:
        return list(pool.map(map(lake, range(jobs)), **({"resume": True, "return_exceptions": True} | options)))


def records(journal: Any) -> list[JobRecord]:
    found: list[JobRecord] = journal.select()
    return found


@both_doors
def test_a_second_run_makes_no_request_for_what_is_saved(door: str, tmp_path: Path) -> None:
    journal, save_to = MemoryJournal(), str(tmp_path / "{index}.mp4")
    with emulator_of() as emulator:
        first = run(door, emulator, journal, save_to=save_to)
        requests = len(emulator.requests)
        assert run(door, emulator, journal, save_to=save_to) == first
        assert all(isinstance(result, SavedJob) for result in first)
        assert len(emulator.requests) == requests


@both_doors
def test_a_video_that_is_gone_or_wanted_elsewhere_is_fetched_again_free_of_charge(door: str, tmp_path: Path) -> None:
    journal = MemoryJournal()
    with emulator_of() as emulator:
        run(door, emulator, journal, 1, save_to=str(tmp_path / "{index}.mp4"))
        (tmp_path / "0.mp4").unlink()
        (tmp_path / "other-0.mp4").write_bytes(b"something else")
        for name in ("{index}.mp4", "other-{index}.mp4"):
            (result,) = run(door, emulator, journal, 1, save_to=str(tmp_path / name))
            assert result.path.read_bytes() == content(0)
        assert run(door, emulator, journal, 1)[0].data == content(0)
        assert len(emulator.requests.submits) == 1


@both_doors
def test_a_job_that_was_running_is_taken_up(door: str) -> None:
    journal, seen = MemoryJournal(), threading.Event()
    with emulator_of(pending=1e6) as emulator:
        with (
            door_of(door, emulator, {"journal": journal, "poll": PollPolicy(timeout=None)}) as pool,
            pytest.raises(KeyboardInterrupt),
            pool,
        ):
            pool.submit(lake() | {"on_status_change": lambda job: seen.set()}, label="order-1")
            assert seen.wait(PATIENCE)
            raise KeyboardInterrupt
        assert (records(journal)[0].state, records(journal)[0].owner) == ("accepted", "")
        emulator.clock.advance(2e6)
        with door_of(door, emulator, {"journal": journal}) as pool, pool:
            assert pool.submit(lake(), label="order-1").result().data == content()
        assert len(emulator.requests.submits) == 1
        assert [record.state for record in records(journal)] == ["delivered"]


@both_doors
def test_a_job_that_failed_is_not_submitted_again(door: str) -> None:
    journal = MemoryJournal()
    with emulator_of(faults="job-fails,reason=Too dark") as emulator:
        (first,) = run(door, emulator, journal, 1)
        requests = len(emulator.requests)
        (second,) = run(door, emulator, journal, 1)
        assert isinstance(second, FailedJob)
        assert (second.error, second.job_id) == ("Too dark", first.job_id)
        assert len(emulator.requests) == requests


@both_doors
def test_a_pool_may_submit_anew_what_failed_in_an_earlier_run(door: str) -> None:
    journal, settings = MemoryJournal(), {"prices": {"lucy-pro-t2v": 1.0}}
    with emulator_of(faults=["job-fails,reason=Too dark", "job-fails,reason=Too bright"]) as emulator:
        (first,) = run(door, emulator, journal, 1)
        ends = []
        for limit in (0, 1, 1):
            settings |= {"journal": journal}
            with door_of(door, emulator, settings, retry_failed=True, max_spend=limit) as pool, pool:
                ends += pool.map([lake()], resume=True, return_exceptions=True)
        assert isinstance(ends[0], SpendLimitError)
        assert (first.error, ends[1].error, ends[2].data) == ("Too dark", "Too bright", content())
        assert len(emulator.requests.submits) == 3
        (again,) = run(door, emulator, journal, 1)
        assert again.data == content()
        assert len(emulator.requests.submits) == 3


@both_doors
def test_a_label_of_another_request_is_refused(door: str) -> None:
    with emulator_of() as emulator, door_of(door, emulator, {"journal": MemoryJournal()}) as pool, pool:
        pool.submit(lake(1), label="order-1").result()
        with pytest.raises(LabelConflictError):
            pool.submit(lake(2), label="order-1").result()
        assert len(emulator.requests.submits) == 1


@both_doors
def test_a_label_can_be_a_function_and_part_of_the_file(door: str, tmp_path: Path) -> None:
    journal = MemoryJournal()
    with emulator_of() as emulator:
        results = run(
            door,
            emulator,
            journal,
            2,
            resume=False,
            label=lambda index, options: f"order/{index}: {options['prompt']}",
            save_to=tmp_path / "{label}.mp4",
        )
        assert [record.label for record in records(journal)] == ["order/0: Lake 0", "order/1: Lake 1"]
        assert [result.path.name[:16] for result in results] == ["order_0__Lake_0-", "order_1__Lake_1-"]
        with door_of(door, emulator) as pool, pool, pytest.raises(InvalidInputError, match="no label"):
            pool.submit(lake(), save_to=tmp_path / "{label}.mp4").result()


@both_doors
def test_a_submit_that_is_refused_for_now_has_one_record(door: str) -> None:
    journal = MemoryJournal()
    with emulator_of(faults=Fault("status", code=429, on="submit", times=3)) as emulator:
        run(door, emulator, journal, 1)
        with door_of(door, emulator, {"journal": journal}) as pool, pool:
            emulator.faults.add(Fault("status", code=429, on="submit", times=3))
            pool.submit(lake()).result()
    assert [(record.generation, record.state) for record in records(journal)] == [(1, "delivered")] * 2
    assert [record.label.partition("-")[0] == "unlabelled" for record in records(journal)] == [False, True]


@both_doors
def test_a_record_that_a_call_before_left_refused_stays(door: str) -> None:
    journal = MemoryJournal()
    with emulator_of(faults=Fault("status", code=400, on="submit")) as emulator:
        run(door, emulator, journal, 1)
        run(door, emulator, journal, 1)
    assert [(record.generation, record.state) for record in records(journal)] == [(1, "refused"), (2, "delivered")]


@both_doors
def test_a_job_that_another_call_waits_for_is_left_to_it(door: str) -> None:
    """The other call ends without a result after a while."""
    journal, claim = MemoryJournal(), Claim()

    class Clock(VirtualClock):
        def sleep(self, seconds: float, cancel: Any = None) -> None:
            super().sleep(seconds, cancel)
            claim.ended = self.now() > 60

    with emulator_of(clock=Clock()) as emulator:
        with emulator.client(journal=journal) as client:
            job = client.queue.submit(lake(), label="order-1")
        record = journal.latest("order-1")
        assert record is not None
        journal.replace(record.changed(record.updated_at, owner=claim.owner))
        with door_of(door, emulator, {"journal": journal}) as pool, pool:
            result = pool.submit(lake(), label="order-1").result()
        assert result.job_id == job.job_id
        assert min(emulator.requests.polls(job.job_id)) > 60
        assert len(emulator.requests.submits) == 1


@both_doors
def test_two_pools_with_the_same_labels_share_the_work(door: str, tmp_path: Path) -> None:
    journal, save_to = MemoryJournal(), str(tmp_path / "{index}.mp4")
    with emulator_of() as emulator:
        with (
            door_of(door, emulator, {"journal": journal}) as one,
            door_of(door, emulator, {"journal": journal}) as other,
            one,
            other,
        ):
            found = [each.map(map(lake, range(6)), resume=True, save_to=save_to) for each in (one, other)]
            pairs = list(zip(*found, strict=True))
        assert all(first.job_id == second.job_id for first, second in pairs)
        assert len(emulator.requests.submits) == 6
        assert len([request for request in emulator.requests if request.route == "content"]) == 6
