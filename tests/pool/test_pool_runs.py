"""Jobs of a pool, through both clients: results, files, errors, and the order of a map."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.pools import Held, both_doors, content, door_of, emulator_of, lake

from decart import (
    CompletedJob,
    FailedJob,
    InvalidInputError,
    PollPolicy,
    QueueResultError,
    QueueStatusError,
    QueueSubmitError,
    SavedJob,
    SubmitOutcomeUnknownError,
)
from decart.emulator import EmulatorTransport, Fault
from decart.transports.base import HttpRequest, HttpResponse, Timeout


@both_doors
def test_each_job_gets_its_result(door: str) -> None:
    with emulator_of() as emulator, door_of(door, emulator) as pool:
        with pool:
            futures = [pool.submit(lake(number)) for number in range(30)]
            results = [future.result() for future in futures]
        assert [result.data for result in results] == [content(number) for number in range(30)]
        assert all(isinstance(result, CompletedJob) for result in results)
        assert len(emulator.requests.submits) == 30


@both_doors
def test_leaving_the_block_waits_for_all_jobs(door: str) -> None:
    with emulator_of() as emulator, door_of(door, emulator) as pool:
        with pool:
            futures = [pool.submit(lake(number)) for number in range(5)]
        assert all(future.done() for future in futures)


@both_doors
def test_no_more_jobs_are_in_flight_than_asked_for(door: str) -> None:
    with emulator_of() as emulator, door_of(door, emulator, max_in_flight=3) as pool:
        with pool:
            list(pool.map(map(lake, range(10))))
        alive = 0
        for request in emulator.requests:
            alive += (request.route == "submit") - (request.route == "content")
            assert alive <= 3


@both_doors
def test_a_virtual_clock_stands_still_while_a_request_is_under_way(door: str) -> None:
    moved: list[bool] = []

    class Timed(EmulatorTransport):
        slept = threading.Event()

        def send(self, request: HttpRequest, *, timeout: Timeout) -> HttpResponse:
            self.slept.clear()
            moved.append(self.slept.wait(0.02))  # for what must not happen
            return super().send(request, timeout=timeout)

        def sleep(self, seconds: float, cancel: threading.Event | None = None) -> None:
            super().sleep(seconds, cancel)
            self.slept.set()

    with emulator_of() as emulator, door_of(door, emulator, {"transport": Timed(emulator)}, workers=16) as pool:
        with pool:
            list(pool.map(map(lake, range(10))))
        assert not any(moved)


@both_doors
def test_a_job_has_the_status_checks_of_a_single_wait(door: str) -> None:
    with emulator_of(pending=7.0, processing=13.0) as emulator:
        with emulator.client(poll=PollPolicy(jitter=0)) as client:
            single = client.queue.submit_and_poll(lake())
        with door_of(door, emulator) as pool, pool:
            one = pool.submit(lake()).result()
        submitted = emulator.requests.submits[1].at
        checks = [at - submitted for at in emulator.requests.polls(one.job_id)]
        assert checks == pytest.approx(emulator.requests.polls(single.job_id))


@both_doors
@pytest.mark.parametrize(
    "save_to", ["here/{index:02}-{model}.mp4", lambda index, options: f"here/{index:02}-lucy-pro-t2v.mp4"]
)
def test_videos_are_saved_to_files_whose_folder_is_created(
    door: str, save_to: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    with emulator_of() as emulator, door_of(door, emulator) as pool, pool:
        results = [pool.submit(lake(number), save_to=save_to).result() for number in range(2)]
    assert all(isinstance(result, SavedJob) for result in results)
    assert [path.name for path in sorted(tmp_path.glob("here/*"))] == ["00-lucy-pro-t2v.mp4", "01-lucy-pro-t2v.mp4"]
    assert (tmp_path / "here/01-lucy-pro-t2v.mp4").read_bytes() == content(1)


@both_doors
def test_two_unfinished_jobs_are_not_saved_to_one_file(door: str, tmp_path: Path) -> None:
    target = tmp_path / "lake.mp4"
    with emulator_of() as emulator:
        held = Held(emulator, lambda request: request.method == "POST")
        with door_of(door, emulator, {"transport": held}) as pool, pool:
            first, second = pool.submit(lake(1), save_to=target), pool.submit(lake(2), save_to=target)
            held.release()
            with pytest.raises(InvalidInputError, match="another job of this pool"):
                second.result()
            assert first.result().path == target
            assert pool.submit(lake(3), save_to=target).result().path == target
            assert len(emulator.requests.submits) == 2
    assert target.read_bytes() == content(3)


@both_doors
def test_what_is_wrong_with_one_job_is_the_exception_of_its_future(door: str) -> None:
    wrong: dict[str, Any] = {
        "no model": {"prompt": "x"},
        "an option that nobody knows": lake() | {"colour": "red"},
        "a label without a journal": lake(),
    }
    with emulator_of() as emulator, door_of(door, emulator) as pool, pool:
        futures = [pool.submit(options, label="x" if "label" in name else None) for name, options in wrong.items()]
        futures.append(pool.submit(lake(), save_to="{colour}.mp4"))
        fine = pool.submit(lake())
        assert all(isinstance(future.exception(), InvalidInputError) for future in futures)
        assert fine.result().status == "completed"
        assert len(emulator.requests.submits) == 1


@both_doors
def test_a_job_that_fails_or_does_not_end_in_time_is_a_result(door: str) -> None:
    with emulator_of(faults="job-fails,reason=Too dark") as emulator:
        with door_of(door, emulator) as pool, pool:
            failed, fine = pool.submit(lake(1)).result(), pool.submit(lake(2)).result()
        assert isinstance(failed, FailedJob)
        assert (failed.error, fine.status) == ("Too dark", "completed")
    with emulator_of(pending=100.0) as emulator:
        with door_of(door, emulator, {"poll": PollPolicy(timeout=10)}) as pool, pool:
            late = pool.submit(lake()).result()
        assert late.timed_out
        assert emulator.requests.polls(late.job_id)[-1] == pytest.approx(10.0, abs=0.1)


@both_doors
@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault("status", code=400, on="submit"), QueueSubmitError),
        (Fault("drop-after", on="submit"), SubmitOutcomeUnknownError),
        (Fault("status", code=503, on="submit"), SubmitOutcomeUnknownError),
        (Fault("status", code=401, on="status"), QueueStatusError),
        (Fault("status", code=401, on="content"), QueueResultError),
    ],
    ids=str,
)
def test_an_error_of_one_job_leaves_the_others_alone(door: str, fault: Fault, error: type[Exception]) -> None:
    with emulator_of(faults=fault) as emulator, door_of(door, emulator) as pool, pool:
        futures = [pool.submit(lake(number)) for number in range(4)]
        ends = [future.exception() for future in futures]
        assert [type(end) for end in ends if end is not None] == [error]
        assert len(emulator.requests.submits) == 4


@both_doors
@pytest.mark.parametrize(("ordered", "places"), [(True, [0, 1, 2, 3]), (False, [1, 2, 3, 0])])
def test_a_map_yields_the_results_in_order_or_as_they_come(door: str, ordered: bool, places: list[int]) -> None:
    """The first job does not end in time, and so is the last to have a result."""
    with emulator_of(faults="job-never-ends") as emulator:
        held = Held(emulator, lambda request: request.method == "POST")

        def jobs() -> Iterator[Any]:
            yield from map(lake, range(4))
            held.release()  # now that all are known, or the clock could run before they are

        settings = {"poll": PollPolicy(timeout=20, jitter=0), "transport": held}
        with door_of(door, emulator, settings) as pool, pool:
            results = list(pool.map(jobs(), order_outputs=ordered))
    assert [result.data for result in results] == [None if number == 0 else content(number) for number in places]


@both_doors
def test_a_map_reads_its_input_only_as_far_as_it_needs(door: str) -> None:
    read = []

    def jobs() -> Iterator[Any]:
        for number in range(1000):
            read.append(number)
            yield lake(number)

    with emulator_of() as emulator, door_of(door, emulator, max_in_flight=2) as pool, pool:
        results = pool.map(jobs())
        assert read == []
        assert next(results).data == content(0)
        assert len(read) == 4
        assert next(results).data == content(1)
        assert len(read) == 5
        results.close()  # type: ignore[attr-defined]
    assert len(emulator.requests.submits) <= 5


@both_doors
def test_a_map_raises_or_yields_the_error_of_a_job(door: str) -> None:
    with emulator_of() as emulator, door_of(door, emulator) as pool, pool:
        jobs = [lake(0), {"prompt": "no model"}, lake(2)]
        ends = list(pool.map(jobs, return_exceptions=True))
        assert [type(end) for end in ends] == [CompletedJob, InvalidInputError, CompletedJob]
        results = pool.map(jobs)
        assert next(results).data == content(0)
        with pytest.raises(InvalidInputError, match="model") as caught:
            next(results)
        assert caught.value.__notes__ == ["This is the job with index 1 of a map."]


@both_doors
def test_an_error_that_a_map_yields_as_it_comes_says_which_job_it_is_of(door: str) -> None:
    with emulator_of() as emulator, door_of(door, emulator) as pool, pool:
        jobs = [lake(0), lake(1) | {"promt": "a misspelled option"}, lake(2)]
        ends = list(pool.map(jobs, order_outputs=False, return_exceptions=True))
        (error,) = [end for end in ends if isinstance(end, InvalidInputError)]
        assert error.__notes__ == ["This is the job with index 1 of a map."]
        assert len(ends) == 3


@both_doors
def test_a_file_named_by_its_label_needs_one(door: str) -> None:
    with emulator_of() as emulator, door_of(door, emulator) as pool, pool:
        error = pool.submit(lake(), save_to="{label}.mp4").exception()
        assert (
            str(error)
            == "save_to has {label} in it, but the job has no label; pass label=..., too, which needs a journal."
        )
        assert not emulator.requests.submits


@both_doors
def test_an_exception_of_the_input_is_raised_after_the_results_before_it(door: str) -> None:
    def jobs() -> Iterator[Any]:
        yield lake(0)
        yield lake(1)
        raise LookupError("no more lakes")

    results = []
    with emulator_of() as emulator, door_of(door, emulator) as pool, pool, pytest.raises(LookupError, match="lakes"):
        results.extend(pool.map(jobs()))
    del results[:]
    with emulator_of() as emulator, door_of(door, emulator) as pool, pool:
        found = pool.map(jobs())
        assert [next(found).data, next(found).data] == [content(0), content(1)]
        with pytest.raises(LookupError):
            next(found)


@both_doors
@pytest.mark.parametrize(
    "wrong",
    [
        {"save_to": "lake.mp4"},
        {"save_to": "{model}.mp4"},
        {"save_to": "{index"},
        {"save_to": 7},
        {"resume": True},
        {"label": "order-1"},
        {"jobs": 7},
    ],
    ids=str,
)
def test_the_arguments_of_a_map_are_checked_at_once(door: str, wrong: dict[str, Any]) -> None:
    with emulator_of() as emulator, door_of(door, emulator) as pool, pool, pytest.raises(InvalidInputError):
        pool.pool.map(**({"jobs": [lake()]} | wrong))


@both_doors
@pytest.mark.parametrize(
    "wrong",
    [
        {"max_in_flight": 0},
        {"max_in_flight": True},
        {"max_in_flight": 2.5},
        {"workers": 0},
        {"max_checks_per_second": 0},
        {"max_checks_per_second": "many"},
        {"max_spend": 1},
        {"retry_failed": 1},
    ],
    ids=str,
)
def test_the_arguments_of_a_pool_are_checked(door: str, wrong: dict[str, Any]) -> None:
    with (
        emulator_of() as emulator,
        pytest.raises(InvalidInputError, match=next(iter(wrong))),
        door_of(door, emulator, **wrong),
    ):
        pass


@both_doors
def test_a_status_callback_in_the_options_is_called(door: str) -> None:
    seen: list[str] = []
    with emulator_of() as emulator, door_of(door, emulator) as pool, pool:
        pool.submit(lake() | {"on_status_change": lambda job: seen.append(job.status)}).result()
    assert seen == ["pending", "processing", "completed"]


@both_doors
def test_a_stream_is_read_once_however_often_its_job_is_submitted(door: str, tmp_path: Path) -> None:
    from decart import models

    class Stream:
        def __init__(self) -> None:
            self._left = [b"\xff\xd8\xff picture"]

        def read(self, size: int = -1) -> bytes:
            return self._left.pop() if self._left else b""

    options = {"model": models.video("lucy-pro-i2v"), "prompt": "x", "data": Stream()}
    with emulator_of(faults="status:429,on=submit,times=2") as emulator, door_of(door, emulator) as pool, pool:
        assert pool.submit(options).result().status == "completed"
        assert len({request.received for request in emulator.requests.submits}) == 1


def test_callbacks_and_waits_of_concurrent_futures_work() -> None:
    from concurrent.futures import as_completed, wait

    called = threading.Event()
    with emulator_of() as emulator, emulator.client() as client, client.queue.pool() as pool:
        futures = [pool.submit(lake(number)) for number in range(3)]
        futures[0].add_done_callback(lambda future: called.set())
        assert {future.result().data for future in as_completed(futures, timeout=30)} == {content(n) for n in range(3)}
        assert wait(futures).not_done == set()
        assert called.wait(30)
